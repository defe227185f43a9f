"""Which aggregations the library can do by itself, with everything below them."""

from __future__ import annotations

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
from isthmus.engines.embedded.aggregations.native_terms import TermsReading, is_cut_by_library, plan_terms
from isthmus.engines.embedded.aggregations.plans import Plan, PlannedNode
from isthmus.engines.embedded.aggregations.scope import AggregatedIndex
from isthmus.search.aggregations.contract import Node
from isthmus.search.aggregations.date_histogram import DateHistogram
from isthmus.search.aggregations.extended_stats import ExtendedStats
from isthmus.search.aggregations.histogram import Histogram
from isthmus.search.aggregations.metrics import SingleMetric, Stats, ValueCount
from isthmus.search.aggregations.ranges import Ranges
from isthmus.search.aggregations.terms import Terms

#: The library keeps every range for every bucket around it, also those without documents.
_MOST_RANGES_INSIDE: Final = 64


@dataclass(frozen=True, slots=True)
class PlanningRules:
    """What is left to the library. ``depth``: levels of buckets that it may keep at once."""

    depth: int = 30
    frugal_terms: bool = False


class Planner:
    """Plans aggregations over one index, for documents among those of ``query``."""

    def __init__(self, index: AggregatedIndex, query: Query, rules: PlanningRules) -> None:
        self._index = index
        self._query = query
        self._rules = rules

    def whole(self, node: Node, level: int = 0) -> PlannedNode | None:
        """Plan an aggregation with everything below it; None where a part takes more than one request."""
        if node.children and level >= self._rules.depth:
            return None
        children = [self.whole(child, level + 1) for child in node.children]
        planned = [child for child in children if child is not None]
        if len(planned) < len(children):
            return None
        plan = self._plan(node, node.children, TermsReading(frugal=self._rules.frugal_terms), level)
        if plan is None:
            return None
        return PlannedNode(node, plan, tuple(planned))

    def top(self, node: Node, children: Sequence[Node], *, keep_all: bool) -> PlannedNode | None:
        """Plan an aggregation with only some of its sub-aggregations; None where that is impossible too."""
        planned = [self.whole(child, 1) for child in children]
        plan = self._plan(node, children, TermsReading(keep_all=keep_all), 0)
        if plan is None:
            return None
        return PlannedNode(node, plan, tuple(child for child in planned if child is not None))

    def _plan(self, node: Node, children: Sequence[Node], reading: TermsReading, level: int) -> Plan | None:
        aggregation, context = node.aggregation, self._index.context
        if isinstance(aggregation, SingleMetric | Stats | ExtendedStats):
            return plan_numeric(aggregation, context)
        if isinstance(aggregation, ValueCount):
            return plan_value_count(aggregation, context)
        if not isinstance(aggregation, Terms | Histogram | DateHistogram | Ranges):
            return None
        if isinstance(aggregation, Terms) and aggregation.field == INDEX_FIELD:
            return None
        field = find_field(context, aggregation.field, aggregation.kind)
        if isinstance(aggregation, Terms) and field is not None:
            has_unused = aggregation.min_doc_count == 0
            inexact = level and not is_cut_by_library(aggregation, field, reading)
            return None if has_unused or inexact else plan_terms(aggregation, field, children, reading)
        if aggregation.missing is not None:
            return None
        if field is None:
            return Plan((), lambda _answers: aggregation.combine((), node.children))
        if isinstance(aggregation, Histogram):
            return plan_histogram(aggregation, field)
        if isinstance(aggregation, DateHistogram):
            return self._dates(aggregation, field, level)
        return plan_ranges(aggregation, field) if isinstance(aggregation, Ranges) else None

    def _dates(self, aggregation: DateHistogram, field: AggregatedField, level: int) -> Plan | None:
        grid = aggregation.rounding.grid
        if grid is not None:
            return plan_grid(aggregation, field, grid)
        keys = calendar_keys(self._index, self._query, field, aggregation.rounding)
        if level and len(keys) > _MOST_RANGES_INSIDE:
            return None
        return plan_calendar(aggregation, field, keys)
