"""Aggregations in combinable form as an engine is asked for them.

What sums up every value of a field (different values, percentiles and their like) is asked for as a list of
the values, beside the other aggregations; too long a list is asked for in pages later. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from isthmus.engines.attached.field_types import FieldTypes
from isthmus.engines.attached.limits import Limits
from isthmus.engines.attached.sorting import sort_of
from isthmus.errors import illegal_argument
from isthmus.exchange import Json, JsonObject, SearchRequest, SortKey
from isthmus.search.aggregations.adjacency_matrix import AdjacencyMatrix
from isthmus.search.aggregations.auto_date_histogram import AutoDateHistogram
from isthmus.search.aggregations.boxplot import Boxplot
from isthmus.search.aggregations.cardinality import Cardinality
from isthmus.search.aggregations.composite import Composite
from isthmus.search.aggregations.contract import Aggregation, Node
from isthmus.search.aggregations.distributed import OfDistribution
from isthmus.search.aggregations.filters import Filters, SingleBucket
from isthmus.search.aggregations.metrics import MetricField
from isthmus.search.aggregations.multi_terms import MultiTerms
from isthmus.search.aggregations.order import COUNT, KEY, BucketOrder, path_step
from isthmus.search.aggregations.rare_terms import RareTerms
from isthmus.search.aggregations.string_stats import StringStats
from isthmus.search.aggregations.terms import Terms
from isthmus.search.aggregations.top_hits import TopHits
from isthmus.search.aggregations.top_metrics import TopMetrics
from isthmus.search.aggregations.weighted_average import WeightedAverage

#: Before the name of an aggregation: the list of the values that it is about, and what checks that list.
VALUES: Final = "isthmus-values:"
CHECKED: Final = "isthmus-checked:"
#: Inside of a bucket of that list, or of one that is narrowed by what a caller may see.
FOUND: Final = "found"
VISIBLE: Final = "visible"

#: values of such a list, of the whole search and of one bucket
MOST_LISTED: Final = 10_000
MOST_LISTED_IN_A_BUCKET: Final = 1_000
#: rare values can be told only of a list of all
MOST_RARE: Final = 50_000
#: no engine can be asked for more buckets than this by default
_MOST_BUCKETS: Final = 65_535
_SHARD_FACTOR: Final = 1.5
_SHARD_EXTRA: Final = 10
_LEAST_OF_A_SHARD: Final = 1_000


@dataclass(frozen=True, slots=True)
class Listing:
    """The values that an aggregation sums up: those of a field, each with what is to be known of it."""

    path: str
    missing: Json = None
    below: MetricField | None = None


def listing_of(aggregation: Aggregation) -> Listing | None:
    """Answer which values a metric sums up; None of what an engine sums up itself."""
    if isinstance(aggregation, Cardinality):
        return Listing(aggregation.path, aggregation.missing)
    if isinstance(aggregation, StringStats):
        return Listing(aggregation.path, aggregation.missing)
    if isinstance(aggregation, WeightedAverage):
        return Listing(aggregation.weight.path, aggregation.weight.missing, aggregation.value)
    if isinstance(aggregation, OfDistribution):
        return Listing(aggregation.field.path, aggregation.field.missing)
    return None


@dataclass(frozen=True, slots=True)
class AggregationRequests:
    """Translates one search's aggregations. ``lists`` False leaves lists of values to be asked for later."""

    limits: Limits
    types: FieldTypes
    lists: bool = True

    def asked(self, nodes: Sequence[Node], order: BucketOrder | None = None, depth: int = 0) -> JsonObject:
        """Answer the member ``aggs``; ``order`` is that of the buckets that these are inside of."""
        asked: JsonObject = {}
        for node in nodes:
            asked |= self._one(node, depth, needed=order is not None and _orders_by(order, node, nodes))
        return asked

    def field(self, path: str) -> str:
        """Answer the name of a field as the caller has it."""
        return self.limits.field(path)

    def below(self, listing: Listing) -> JsonObject:
        """Answer what is to be known of each value of a list."""
        if listing.below is None:
            return {}
        return {"aggs": {FOUND: {"stats": {**listing.below.ask(), "field": self.field(listing.below.path)}}}}

    def _one(self, node: Node, depth: int, *, needed: bool) -> JsonObject:
        aggregation = node.aggregation
        listing = listing_of(aggregation)
        if listing is not None:
            asked = self._list(node.name, listing, depth) if self.lists else {}
            if needed:
                asked[node.name] = self._native(node)
            return asked
        if isinstance(aggregation, AutoDateHistogram):
            members: JsonObject = {"field": self.field(aggregation.field)}
            if aggregation.missing is not None:
                members["missing"] = aggregation.missing
            return {node.name: {"stats": members}}
        body = self._body(node)
        if node.children:
            order = getattr(aggregation, "order", None)
            body["aggs"] = self.asked(node.children, order, depth + 1)
        if isinstance(aggregation, SingleBucket) and aggregation.kind == "global" and self.limits.filters:
            visible = {"filter": {"bool": {"filter": list(self.limits.filters)}}}
            if "aggs" in body:
                visible["aggs"] = body.pop("aggs")
            body["aggs"] = {VISIBLE: visible}
        return {node.name: body}

    def _list(self, name: str, listing: Listing, depth: int) -> JsonObject:
        field = self.field(listing.path)
        terms: JsonObject = {
            "field": field,
            "size": MOST_LISTED_IN_A_BUCKET if depth else MOST_LISTED,
            "order": {KEY: "asc"},
        }
        if listing.missing is not None:
            terms["missing"] = listing.missing
        asked: JsonObject = {VALUES + name: {"terms": terms, **self.below(listing)}}
        if listing.below is not None:
            everything = {"match_all": {}} if listing.missing is not None else {"exists": {"field": field}}
            asked[CHECKED + name] = {"filter": everything}
        return asked

    def _native(self, node: Node) -> JsonObject:
        """Answer the aggregation as the engine has it, by which it orders buckets."""
        aggregation = node.aggregation
        if isinstance(aggregation, Boxplot | StringStats):
            raise illegal_argument(
                f"ordering by [{aggregation.kind}] is not supported over an attached engine"
            )
        ((kind, members),) = aggregation.ask(node.children).items()
        return {kind: self._renamed(members)}

    def _body(self, node: Node) -> JsonObject:
        aggregation = node.aggregation
        ((kind, members),) = aggregation.ask(node.children).items()
        if isinstance(aggregation, SingleBucket) and kind == "filter":
            return {kind: self.limits.checked(aggregation.query) or {"match_all": {}}}
        if isinstance(aggregation, Filters | AdjacencyMatrix):
            return {kind: {**members, "filters": self._queries(members["filters"])}}
        if isinstance(aggregation, TopHits):
            return {kind: self._top_hits(aggregation, members)}
        if isinstance(aggregation, TopMetrics):
            return {"top_hits": self._top_metrics(aggregation)}
        if isinstance(aggregation, RareTerms):
            kept = {name: value for name, value in members.items() if name != "max_doc_count"}
            return {"terms": {**self._renamed(kept), "size": MOST_RARE, "order": {COUNT: "asc"}}}
        if isinstance(aggregation, Terms):
            self._require_visible(aggregation)
        return self._lists(aggregation, kind, members, has_children=bool(node.children))

    def _require_visible(self, aggregation: Terms) -> None:
        if aggregation.min_doc_count == 0 and self.limits.hides_anything:
            raise illegal_argument(
                "min_doc_count: 0 in terms aggregations is not supported where an attached engine hides "
                "documents"
            )

    def _lists(
        self, aggregation: Aggregation, kind: str, members: JsonObject, *, has_children: bool
    ) -> JsonObject:
        if isinstance(aggregation, Terms | MultiTerms):
            members = {**members, **_sizes(members["size"], has_children=has_children)}
        if isinstance(aggregation, MultiTerms):
            return {kind: {**members, "terms": [self._renamed(each) for each in members["terms"]]}}
        if isinstance(aggregation, Composite):
            return {kind: {**members, "sources": [self._source(each) for each in members["sources"]]}}
        return {kind: self._renamed(members)}

    def _renamed(self, members: JsonObject) -> JsonObject:
        path = members.get("field")
        return {**members, "field": self.field(path)} if isinstance(path, str) else members

    def _queries(self, filters: Json) -> Json:
        if isinstance(filters, dict):
            return {name: self.limits.checked(query) for name, query in filters.items()}
        return [self.limits.checked(query) for query in filters]

    def _source(self, source: JsonObject) -> JsonObject:
        ((name, definition),) = source.items()
        ((kind, members),) = definition.items()
        kept = {
            member: value
            for member, value in members.items()
            if not (member == "missing_order" and value == "default")
        }
        return {name: {kind: self._renamed(kept)}}

    def _sort(self, keys: tuple[SortKey, ...]) -> list[JsonObject]:
        return sort_of(SearchRequest(sort=keys), self.limits, self.types)

    def _top_hits(self, aggregation: TopHits, members: JsonObject) -> JsonObject:
        asked = dict(members)
        asked.pop("sort", None)
        if aggregation.keys:
            asked["sort"] = self._sort(aggregation.keys)
        return asked

    def _top_metrics(self, aggregation: TopMetrics) -> JsonObject:
        return {
            "size": aggregation.size,
            "sort": self._sort((aggregation.key,)),
            "_source": False,
            "docvalue_fields": [{"field": self.field(path)} for path in aggregation.fields],
        }


def _sizes(size: int, *, has_children: bool) -> JsonObject:
    """Answer how many buckets are asked for, and of each shard: the more, the fewer are overlooked."""
    size = min(size, _MOST_BUCKETS)
    of_a_shard = max(int(size * _SHARD_FACTOR) + _SHARD_EXTRA, 0 if has_children else _LEAST_OF_A_SHARD)
    return {"size": size, "shard_size": of_a_shard}


def _orders_by(order: BucketOrder, node: Node, siblings: Sequence[Node]) -> bool:
    paths = [key.path for key in order.keys if key.path not in (COUNT, KEY)]
    return any(path_step(path, siblings)[0] is node for path in paths)
