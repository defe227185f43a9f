"""A bucket of an engine's answer as the query of its documents, so that it can be asked for more. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from isthmus.engines.attached.field_types import FieldType
from isthmus.engines.attached.limits import Limits, narrowed
from isthmus.errors import illegal_argument
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.adjacency_matrix import AdjacencyMatrix
from isthmus.search.aggregations.composite import Composite
from isthmus.search.aggregations.contract import Node
from isthmus.search.aggregations.date_histogram import DateHistogram
from isthmus.search.aggregations.date_ranges import DateRanges
from isthmus.search.aggregations.filters import Filters, SingleBucket
from isthmus.search.aggregations.histogram import Histogram
from isthmus.search.aggregations.ip_ranges import AddressRanges
from isthmus.search.aggregations.multi_terms import VALUES, MultiTerms
from isthmus.search.aggregations.ranges import Ranges
from isthmus.search.aggregations.rare_terms import RareTerms
from isthmus.search.aggregations.terms import Terms

_MILLISECONDS: Final = "epoch_millis"


@dataclass(frozen=True, slots=True)
class Scope:
    """Documents: those of a search that match all of ``filters``, or of all there are (``everything``)."""

    filters: tuple[Json, ...] = ()
    everything: bool = False

    def within(self, query: Json) -> Scope:
        """Answer those that match a query too."""
        return replace(self, filters=(*self.filters, query))

    def query(self, searched: JsonObject, limits: Limits) -> JsonObject:
        """Answer the query of these documents; ``searched`` is that of the search."""
        return narrowed(narrowed(None, limits.filters) if self.everything else searched, self.filters)


@dataclass(frozen=True, slots=True)
class BucketQueries:
    """Makes queries of buckets of one search."""

    limits: Limits
    types: Mapping[str, FieldType]

    def scope(self, node: Node, bucket: JsonObject, place: str | int, outer: Scope) -> Scope:
        """Answer the documents of a bucket inside of others. ``place`` is where the bucket stands.

        Raises a 400 failure for a bucket that no query describes.
        """
        aggregation = node.aggregation
        if isinstance(aggregation, SingleBucket):
            if aggregation.kind == "global":
                return Scope(everything=True)
            if aggregation.kind == "missing":
                return outer.within(self._lacking(aggregation.field or ""))
            return outer.within(self.limits.checked(aggregation.query))
        return outer.within(self._query(node, bucket, place))

    def _query(self, node: Node, bucket: JsonObject, place: str | int) -> Json:
        aggregation = node.aggregation
        if isinstance(aggregation, Terms | RareTerms):
            return self.value(aggregation.field, bucket["key"], aggregation.missing)
        if isinstance(aggregation, MultiTerms):
            values = bucket.get(VALUES) or bucket["key"]
            return _all(
                self.value(source.field, value, source.missing)
                for source, value in zip(aggregation.sources, values, strict=True)
            )
        if isinstance(aggregation, Histogram | DateHistogram):
            return self._step(aggregation, bucket["key"])
        if isinstance(aggregation, Ranges | DateRanges | AddressRanges):
            return self._range(aggregation, bucket)
        if isinstance(aggregation, Filters):
            return self._of_filters(aggregation, place)
        if isinstance(aggregation, AdjacencyMatrix):
            pair = next(each for each in aggregation.pairs() if each[0] == bucket["key"])
            return _all(self.limits.checked(aggregation.queries[each]) for each in pair[1:])
        if isinstance(aggregation, Composite):
            return _all(
                self._lacking(source.values.field)
                if bucket["key"][source.name] is None
                else self.value(source.values.field, bucket["key"][source.name], None)
                if isinstance(source.values, Terms)
                else self._step(source.values, bucket["key"][source.name])
                for source in aggregation.sources
            )
        raise illegal_argument(
            f"an aggregation below [{node.name}] of type [{aggregation.kind}] has too many values for an "
            "attached engine"
        )

    def value(self, path: str, key: Json, missing: Json) -> Json:
        """Answer the query of documents with a value; those without one, too, where it stands for nothing."""
        field = self.types.get(path)
        asked = self.limits.field(path)
        if field is not None and field.is_date:
            query: Json = {"range": {asked: {"gte": key, "lte": key, "format": _MILLISECONDS}}}
        elif field is not None and field.type == "boolean":
            query = {"term": {asked: bool(key)}}
        else:
            query = {"term": {asked: {"value": key}}}
        return query if missing is None or not _same(key, missing) else _any(query, self._lacking(path))

    def _step(self, histogram: Histogram | DateHistogram, key: float) -> Json:
        field = self.limits.field(histogram.field)
        if isinstance(histogram, DateHistogram):
            limits: JsonObject = {
                "gte": key,
                "lt": histogram.rounding.next(int(key)),
                "format": _MILLISECONDS,
            }
        else:
            limits = {"gte": key, "lt": key + histogram.interval}
        query = {"range": {field: limits}}
        missing = histogram.missing
        if missing is None:
            return query
        if isinstance(histogram, DateHistogram) or not isinstance(missing, int | float):
            raise illegal_argument(
                f"[missing] of [{histogram.kind}] is not supported over an attached engine where what is "
                "below has many values"
            )
        if key <= missing < key + histogram.interval:
            return _any(query, self._lacking(histogram.field))
        return query

    def _range(self, ranges: Ranges | DateRanges | AddressRanges, bucket: JsonObject) -> Json:
        if ranges.missing is not None:
            raise illegal_argument(
                f"[missing] of [{ranges.kind}] is not supported over an attached engine where what is below "
                "has many values"
            )
        limits: JsonObject = {}
        if bucket.get("from") is not None:
            limits["gte"] = bucket["from"]
        if bucket.get("to") is not None:
            limits["lt"] = bucket["to"]
        if isinstance(ranges, DateRanges):
            limits = {member: int(float(value)) for member, value in limits.items()}
            limits["format"] = _MILLISECONDS
        field = self.limits.field(ranges.field)
        return {"range": {field: limits}} if limits else {"exists": {"field": field}}

    def _of_filters(self, filters: Filters, place: str | int) -> Json:
        queries = dict(zip(filters.places(), filters.queries, strict=False))
        if place in queries:
            return self.limits.checked(queries[place])
        return {"bool": {"must_not": [self.limits.checked(query) for query in filters.queries]}}

    def _lacking(self, path: str) -> Json:
        return {"bool": {"must_not": [{"exists": {"field": self.limits.field(path)}}]}}


def _same(key: Json, missing: Json) -> bool:
    try:
        return bool(key == missing) or float(key) == float(missing)
    except (TypeError, ValueError):
        return str(key) == str(missing)


def _all(queries: Iterable[Json]) -> Json:
    return {"bool": {"filter": list(queries)}}


def _any(*queries: Json) -> Json:
    return {"bool": {"should": list(queries), "minimum_should_match": 1}}
