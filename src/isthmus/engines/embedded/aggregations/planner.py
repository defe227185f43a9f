"""Which aggregations the library can do by itself, with everything below them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tantivy import Query

from isthmus.engines.embedded.aggregations.calendar import calendar_keys
from isthmus.engines.embedded.aggregations.fields import INDEX_FIELD, AggregatedField, find_field
from isthmus.engines.embedded.aggregations.native_buckets import (
    plan_calendar,
    plan_grid,
    plan_histogram,
    plan_ranges,
)
from isthmus.engines.embedded.aggregations.native_metrics import plan_numeric, plan_value_count
from isthmus.engines.embedded.aggregations.native_terms import (
    TermsMode,
    TermsReading,
    is_cut_by_library,
    plan_terms,
)
from isthmus.engines.embedded.aggregations.plans import Plan, PlannedNode
from isthmus.engines.embedded.aggregations.scope import AggregatedIndex
from isthmus.search.aggregations.contract import Node
from isthmus.search.aggregations.date_histogram import DateHistogram
from isthmus.search.aggregations.extended_stats import ExtendedStats
from isthmus.search.aggregations.histogram import Histogram
from isthmus.search.aggregations.metrics import SingleMetric, Stats, ValueCount
from isthmus.search.aggregations.order import BY_FALLING_COUNT
from isthmus.search.aggregations.parse import METRICS
from isthmus.search.aggregations.ranges import Ranges
from isthmus.search.aggregations.terms import Terms

#: The library keeps every range for every bucket around it, also those without documents.
_MOST_RANGES_INSIDE: Final = 16


@dataclass(frozen=True, slots=True)
class PlanningRules:
    """What is left to the library. ``depth``: levels of buckets that it may keep at once."""

    depth: int = 30
    terms: TermsMode = TermsMode.GUESS


class Planner:
    """Plans aggregations over one index, for documents among those of ``query``."""

    def __init__(self, index: AggregatedIndex, query: Query, rules: PlanningRules) -> None:
        self._index = index
        self._query = query
        self._rules = rules

    def whole(self, node: Node, level: int = 0) -> PlannedNode | None:
        """Plan an aggregation with everything below it; None where a part takes more than one request."""
        has_buckets = any(each.aggregation.kind not in METRICS for each in node.children)
        if node.children and level >= self._rules.depth:
            return None
        children = [self.whole(child, level + 1) for child in node.children]
        planned = [child for child in children if child is not None]
        if len(planned) < len(children):
            return None
        plan = self._plan(node, node.children, TermsReading(mode=self._rules.terms), level)
        if plan is None:
            return None
        if has_buckets and isinstance(node.aggregation, Terms) and not self._lists_all(node.aggregation):
            return None
        return PlannedNode(node, plan, tuple(planned))

    def _lists_all(self, aggregation: Terms) -> bool:
        """Tell whether a list shows every term there is.

        Below the terms that are not shown the library would make buckets too, maybe very many.
        """
        field = find_field(self._index.context, aggregation.field, aggregation.kind)
        if field is None:
            return True
        bare = dataclasses.replace(aggregation, order=BY_FALLING_COUNT)
        plan = plan_terms(bare, field, (), TermsReading(mode=TermsMode.FRUGAL))
        answer = self._index.aggregate(self._query, {"probe": plan.requests[0].body}).get("probe") or {}
        return not answer.get("sum_other_doc_count")

    def top(self, node: Node, children: Sequence[Node], *, keep_all: bool) -> PlannedNode | None:
        """Plan an aggregation with only some of its sub-aggregations; None where that is impossible too."""
        planned = [self.whole(child, 1) for child in children]
        plan = self._plan(node, children, TermsReading(keep_all, self._rules.terms), 0)
        if plan is None:
            return None
        return PlannedNode(node, plan, tuple(child for child in planned if child is not None))

    def _plan(self, node: Node, children: Sequence[Node], reading: TermsReading, level: int) -> Plan | None:
        aggregation, context = node.aggregation, self._index.context
        if isinstance(aggregation, SingleMetric | Stats | ExtendedStats):
            return plan_numeric(aggregation, context)
        if isinstance(aggregation, ValueCount):
            return plan_value_count(aggregation, context)
        if isinstance(aggregation, Terms):
            return self._terms(aggregation, children, reading, level)
        if not isinstance(aggregation, Histogram | DateHistogram | Ranges):
            return None
        field = find_field(context, aggregation.field, aggregation.kind)
        if aggregation.missing is not None:
            return None
        if field is None:
            return Plan((), lambda _answers: aggregation.combine((), node.children))
        if isinstance(aggregation, Histogram):
            return plan_histogram(aggregation, field)
        if isinstance(aggregation, DateHistogram):
            return self._dates(aggregation, field, level)
        is_wide = level and len(aggregation.ranges) > _MOST_RANGES_INSIDE
        return None if is_wide else plan_ranges(aggregation, field)

    def _terms(
        self, aggregation: Terms, children: Sequence[Node], reading: TermsReading, level: int
    ) -> Plan | None:
        if aggregation.field == INDEX_FIELD:
            return None
        field = find_field(self._index.context, aggregation.field, aggregation.kind)
        if field is None:
            is_empty = aggregation.missing is None
            return Plan((), lambda _answers: aggregation.combine((), ())) if is_empty else None
        has_unused = aggregation.min_doc_count == 0
        inexact = level and not is_cut_by_library(aggregation, field, reading)
        return None if has_unused or inexact else plan_terms(aggregation, field, children, reading)

    def _dates(self, aggregation: DateHistogram, field: AggregatedField, level: int) -> Plan | None:
        grid = aggregation.rounding.grid
        if grid is not None:
            return plan_grid(aggregation, field, grid)
        keys = calendar_keys(self._index, self._query, field, aggregation.rounding)
        if level and len(keys) > _MOST_RANGES_INSIDE:
            return None
        return plan_calendar(aggregation, field, keys)
