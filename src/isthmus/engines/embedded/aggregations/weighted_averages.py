"""Carries out ``weighted_avg``: the values that count with each weight are added up by the library."""

from __future__ import annotations

import math

from tantivy import Query

from isthmus.engines.embedded.aggregations.every_value import every_bucket
from isthmus.engines.embedded.aggregations.fields import AggregatedField, find_field
from isthmus.engines.embedded.aggregations.native_metrics import missing_number
from isthmus.engines.embedded.aggregations.runner import Runner
from isthmus.engines.embedded.aggregations.scope import AggregatedIndex, both, without
from isthmus.engines.embedded.aggregations.values_summed_up import shown_of
from isthmus.errors import illegal_argument
from isthmus.exchange import JsonObject
from isthmus.search.aggregations.contract import Node
from isthmus.search.aggregations.metrics import MetricField
from isthmus.search.aggregations.weighted_average import WeightedAverage


def weighted_average(runner: Runner, query: Query, node: Node) -> JsonObject:
    """Answer the combinable form of a ``weighted_avg``.

    Raises an ``illegal_argument_exception`` failure for a document with several weights.
    """
    aggregation = node.aggregation
    if not isinstance(aggregation, WeightedAverage):
        raise TypeError(f"no weighted average: {aggregation.kind}")
    sums = _Sums(runner.index, aggregation)
    sums.add(query)
    return {
        "sum": math.fsum(sums.values),
        "weight": math.fsum(sums.weights),
        **shown_of(sums.value, aggregation.format),
    }


class _Sums:
    """Values times weights, and weights, to be added up."""

    def __init__(self, index: AggregatedIndex, aggregation: WeightedAverage) -> None:
        self._index = index
        self._aggregation = aggregation
        self.value = find_field(index.context, aggregation.value.path, aggregation.kind)
        self._weight = find_field(index.context, aggregation.weight.path, aggregation.kind)
        self.values: list[float] = []
        self.weights: list[float] = []

    def add(self, query: Query) -> None:
        """Add the documents of a query, those without value or weight only where the request says as what."""
        lacking = query
        if self._weight is not None:
            exists = self._index.context.exists(self._weight.path)
            self._by_weight(both(query, exists), self._weight)
            lacking = without(query, [exists])
        if self._aggregation.weight.missing is None:
            return
        weight = _missing(self._weight, self._aggregation.weight)
        if self.value is not None:
            found = self._index.aggregate(lacking, {"found": {"stats": {"field": self.value.column}}})[
                "found"
            ]
            self._add(found["sum"] or 0.0, found["count"], weight)
        self._without_value(lacking, weight)

    def _by_weight(self, query: Query, weight: AggregatedField) -> None:
        below: JsonObject = {}
        if self.value is not None:
            below = {"found": {"stats": {"field": self.value.column}}}
        documents = 0
        for buckets in every_bucket(self._index, query, weight, below):
            for bucket in buckets:
                documents += bucket["doc_count"]
                if below:
                    found = bucket["found"]
                    self._add(found["sum"] or 0.0, found["count"], float(bucket["key"]))
        weights = self._index.aggregate(query, {"number": {"value_count": {"field": weight.column}}})
        if not documents == weights["number"]["value"] == self._index.count(query):
            raise illegal_argument(
                "Encountered more than one weight for a single document. Use a script to combine multiple "
                "weights-per-doc into a single value."
            )
        if self._aggregation.value.missing is None:
            return
        lacking = query if self.value is None else self._lacking_value(query)
        for buckets in every_bucket(self._index, lacking, weight, {}):
            for bucket in buckets:
                value = _missing(self.value, self._aggregation.value)
                self._add(value * bucket["doc_count"], bucket["doc_count"], float(bucket["key"]))

    def _without_value(self, query: Query, weight: float) -> None:
        if self._aggregation.value.missing is None:
            return
        count = self._index.count(query if self.value is None else self._lacking_value(query))
        self._add(_missing(self.value, self._aggregation.value) * count, count, weight)

    def _lacking_value(self, query: Query) -> Query:
        return without(query, [self._index.context.exists(self._aggregation.value.path)])

    def _add(self, total: float, count: float, weight: float) -> None:
        self.values.append(total * weight)
        self.weights.append(count * weight)


def _missing(field: AggregatedField | None, given: MetricField) -> float:
    return missing_number(given) if field is None else float(field.column_value(given.missing))
