"""Carries out the aggregations of one request over one index.

What the library can do by itself, with everything below it, goes into one request. Where it cannot
(a filter inside of buckets, say), the buckets are found first and what is below them is asked
for again, one search a bucket: a term and a filter take about 0.03 ms, and the list is cut first
where its order allows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

from tantivy import Query

from isthmus.engines.embedded.aggregations.bucket_queries import bucket_queries
from isthmus.engines.embedded.aggregations.executors import EXECUTORS
from isthmus.engines.embedded.aggregations.fields import INDEX_FIELD, AggregatedField, find_field
from isthmus.engines.embedded.aggregations.missing_values import buckets_of_missing
from isthmus.engines.embedded.aggregations.native_terms import TermsMode, cut_terms
from isthmus.engines.embedded.aggregations.planner import Planner, PlanningRules
from isthmus.engines.embedded.aggregations.plans import PlannedNode, read_answers, requests_of
from isthmus.engines.embedded.aggregations.scope import (
    AggregatedIndex,
    AmbiguousCutError,
    BucketLimitError,
    MemoryLimitError,
    SearchBudget,
    both,
    without,
)
from isthmus.engines.embedded.query.compiler import compile_query
from isthmus.errors import illegal_argument
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.contract import Node, combine_all, too_many_buckets
from isthmus.search.aggregations.date_histogram import DateHistogram
from isthmus.search.aggregations.filters import Filters, SingleBucket
from isthmus.search.aggregations.histogram import Histogram
from isthmus.search.aggregations.metrics import ValueCount
from isthmus.search.aggregations.order import BY_RISING_KEY, COUNT, KEY, path_step
from isthmus.search.aggregations.ranges import Ranges
from isthmus.search.aggregations.terms import Terms

FieldBuckets = Terms | Histogram | DateHistogram | Ranges

#: What is tried when the library runs into one of its limits.
_FRUGAL: Final = PlanningRules(depth=1, terms=TermsMode.FRUGAL)
#: As many as there are.
_EVERY: Final = 2**31 - 1


def _orders_by(aggregation: Terms, children: Sequence[Node], later: Sequence[Node]) -> bool:
    """Tell whether a list is ordered by a sub-aggregation that is only asked for later."""
    paths = [key.path for key in aggregation.order.keys if key.path not in (COUNT, KEY)]
    return any(path_step(path, children)[0] in later for path in paths)


class Execution:
    """One request's aggregations over one index."""

    def __init__(self, index: AggregatedIndex) -> None:
        self._index = index
        self._budget = SearchBudget()
        self._filters: dict[int, Query] = {}
        self._rules = PlanningRules()

    @property
    def index(self) -> AggregatedIndex:
        """Answer the index."""
        return self._index

    def run(self, query: Query, nodes: Sequence[Node]) -> JsonObject:
        """Answer sibling aggregations over the documents of a query, in combinable form.

        Raises a failure for a field or a filter that cannot be used, and
        ``too_many_buckets_exception``.
        """
        if not nodes:
            return {}
        try:
            return self._run(query, nodes)
        except AmbiguousCutError:
            self._rules = dataclasses.replace(self._rules, terms=TermsMode.ALL)
        except (MemoryLimitError, BucketLimitError):
            if self._rules == _FRUGAL:
                raise too_many_buckets() from None
            self._rules = _FRUGAL
        return self.run(query, nodes)

    def _run(self, query: Query, nodes: Sequence[Node]) -> JsonObject:
        planner = Planner(self._index, query, self._rules)
        planned = {node.name: planner.whole(node) for node in nodes}
        whole = [each for each in planned.values() if each is not None]
        answers = self._ask(query, whole)
        for node in nodes:
            if planned[node.name] is None:
                answers[node.name] = self._run_node(query, node)
        return {node.name: answers[node.name] for node in nodes}

    def _ask(self, query: Query, planned: Sequence[PlannedNode]) -> JsonObject:
        self._budget.take(1)
        requests = requests_of(planned)
        answers = read_answers(planned, self._index.aggregate(query, requests) if requests else {})
        for each in planned:
            aggregation = each.node.aggregation
            if isinstance(aggregation, Terms):
                children = [child.node for child in each.children]
                answers[each.node.name] = cut_terms(aggregation, answers[each.node.name], children)
        return answers

    def _run_node(self, query: Query, node: Node) -> JsonObject:
        aggregation = node.aggregation
        carry_out = EXECUTORS.get(type(aggregation))
        if carry_out is not None:
            return carry_out(self, query, node)
        if isinstance(aggregation, SingleBucket) and aggregation.kind == "global":
            return Execution(self._index.without_query()).bucket(self._index.visible, node.children)
        if isinstance(aggregation, SingleBucket):
            return self.bucket(self._single_bucket_query(query, aggregation), node.children)
        if isinstance(aggregation, Filters):
            return self._filters_buckets(query, node, aggregation)
        if isinstance(aggregation, ValueCount):
            return self._value_count(query, node, aggregation)
        if not isinstance(aggregation, FieldBuckets):
            raise TypeError(f"no way to carry out {aggregation.kind}")
        if isinstance(aggregation, Terms) and aggregation.field == INDEX_FIELD:
            return self._index_name(query, node, aggregation)
        field = find_field(self._index.context, aggregation.field, aggregation.kind)
        if isinstance(aggregation, Terms) and aggregation.min_doc_count == 0 and field is not None:
            return self._with_unused_terms(query, node, aggregation, field)
        if aggregation.missing is not None and (field is None or not isinstance(aggregation, Terms)):
            return self._with_missing(query, node, aggregation, field)
        return self._field_buckets(query, node, aggregation, field)

    def bucket(self, query: Query, children: Sequence[Node]) -> JsonObject:
        """Answer the documents of a query as one bucket: their number, and what is asked about them."""
        self._budget.take(1)
        return {"doc_count": self._index.count(query), **self.run(query, children)}

    def _single_bucket_query(self, query: Query, aggregation: SingleBucket) -> Query:
        if aggregation.kind == "filter":
            return both(query, self.compiled(aggregation.query))
        if aggregation.missing is not None:
            return Query.empty_query()
        path = aggregation.field or ""
        context = self._index.context
        if find_field(context, path, aggregation.kind) is None:
            return query
        return without(query, [context.exists(path)])

    def _filters_buckets(self, query: Query, node: Node, aggregation: Filters) -> JsonObject:
        filters = [self.compiled(each) for each in aggregation.queries]
        queries = [both(query, each) for each in filters]
        if aggregation.other is not None:
            queries.append(without(query, filters))
        buckets = [self.bucket(each, node.children) for each in queries]
        if aggregation.names is None:
            return {"buckets": buckets}
        return {"buckets": dict(zip(map(str, aggregation.places()), buckets, strict=True))}

    def compiled(self, query: Json) -> Query:
        """Compile a filter once, however many buckets it is used in."""
        if id(query) not in self._filters:
            self._filters[id(query)] = compile_query(query, self._index.context).query
        return self._filters[id(query)]

    def _value_count(self, query: Query, node: Node, aggregation: ValueCount) -> JsonObject:
        """Count values, and one for each document without."""
        given = dataclasses.replace(aggregation.field, missing=None)
        present = self.run(query, [dataclasses.replace(node, aggregation=ValueCount(given))])
        lacking = query
        if find_field(self._index.context, given.path, aggregation.kind) is not None:
            lacking = without(query, [self._index.context.exists(given.path)])
        return {"value": present[node.name]["value"] + self._index.count(lacking)}

    def _field_buckets(
        self, query: Query, node: Node, aggregation: FieldBuckets, field: AggregatedField | None
    ) -> JsonObject:
        """Find the buckets, with what the library can do below them, and then ask for the rest of each."""
        planner = Planner(self._index, query, self._rules)
        below = [child for child in node.children if planner.whole(child, 1) is not None]
        later = [child for child in node.children if child not in below]
        keep_all = isinstance(aggregation, Terms) and _orders_by(aggregation, node.children, later)
        planned = planner.top(node, below, keep_all=keep_all)
        if planned is None:
            raise TypeError(f"no way to carry out {aggregation.kind}")
        answer = self._found(query, planned, keep_all=keep_all)
        if field is not None:
            self._fill(query, aggregation, field, answer["buckets"], later)
        if keep_all and isinstance(aggregation, Terms):
            return cut_terms(aggregation, answer, node.children)
        return answer

    def _found(self, query: Query, planned: PlannedNode, *, keep_all: bool) -> JsonObject:
        if not keep_all:
            found: JsonObject = self._ask(query, [planned])[planned.node.name]
            return found
        self._budget.take(1)
        answers = read_answers([planned], self._index.aggregate(query, requests_of([planned])))
        kept: JsonObject = answers[planned.node.name]
        return kept

    def _fill(
        self,
        query: Query,
        aggregation: FieldBuckets,
        field: AggregatedField,
        buckets: Sequence[JsonObject],
        later: Sequence[Node],
    ) -> None:
        if not later:
            return
        queries = bucket_queries(self._index, aggregation, field, buckets)
        for bucket, narrowed in zip(buckets, queries, strict=True):
            if bucket["doc_count"]:
                self._budget.take(1)
                bucket.update(self.run(both(query, narrowed), later))
            else:
                bucket.update(combine_all(later, ()))

    def _index_name(self, query: Query, node: Node, aggregation: Terms) -> JsonObject:
        """Answer the only term that documents of one index have in ``_index``."""
        name = self._index.context.index_name
        include, exclude = aggregation.include, aggregation.exclude
        if not isinstance(include, tuple | None) or not isinstance(exclude, tuple | None):
            raise illegal_argument(
                f"[include] and [exclude] of [{INDEX_FIELD}] are only supported as lists of names"
            )
        included = include is None or name in include
        bucket = self.bucket(query, node.children)
        is_listed = included and name not in (exclude or ())
        enough = bucket["doc_count"] >= aggregation.min_doc_count
        error = {"doc_count_error_upper_bound": 0}
        buckets = [{"key": name, **error, **bucket}] if is_listed and enough else []
        return {**error, "sum_other_doc_count": 0, "buckets": buckets}

    def _with_unused_terms(
        self, query: Query, node: Node, aggregation: Terms, field: AggregatedField
    ) -> JsonObject:
        """List terms that documents of the query have, and those that only others have, with none."""
        whole = dataclasses.replace(
            aggregation, min_doc_count=1, size=_EVERY, shard_size=_EVERY, missing=aggregation.missing
        )
        used = self._field_buckets(query, dataclasses.replace(node, aggregation=whole), whole, field)
        bare = Node(node.name, dataclasses.replace(whole, order=BY_RISING_KEY, missing=None))
        known = self._ask(self._index.visible, [self._planned(bare)])[node.name]
        keys = {bucket["key"] for bucket in used["buckets"]}
        for bucket in known["buckets"]:
            if bucket["key"] not in keys:
                used["buckets"].append({**bucket, "doc_count": 0, **combine_all(node.children, ())})
        return cut_terms(aggregation, used, node.children)

    def _planned(self, node: Node) -> PlannedNode:
        planned = Planner(self._index, self._index.visible, self._rules).top(node, (), keep_all=False)
        if planned is None:
            raise TypeError(f"no way to carry out {node.aggregation.kind}")
        return planned

    def _with_missing(
        self, query: Query, node: Node, aggregation: FieldBuckets, field: AggregatedField | None
    ) -> JsonObject:
        """Answer documents with a value and those without apart, and combine the two."""
        plain = dataclasses.replace(aggregation, missing=None)
        lacking, parts = query, []
        if field is not None:
            exists = self._index.context.exists(aggregation.field)
            lacking = without(query, [exists])
            bare = dataclasses.replace(node, aggregation=plain)
            parts.append(self.run(both(query, exists), [bare])[node.name])
        bucket = self.bucket(lacking, node.children)
        parts.append(buckets_of_missing(aggregation, field, bucket, node.children))
        return node.aggregation.combine(parts, node.children)
