"""Aggregations as an engine answers them, read into combinable form.

What an engine could not list in one go is left open: a :class:`Gap` says what is to be asked for. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from isthmus.engines.attached.aggregation_documents import top_hits, top_metrics
from isthmus.engines.attached.aggregation_requests import CHECKED, FOUND, VALUES, VISIBLE, Listing, listing_of
from isthmus.engines.attached.aggregation_scopes import BucketQueries, Scope
from isthmus.engines.attached.field_types import NUMBERS, FieldType, FieldTypes
from isthmus.engines.attached.limits import Limits
from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.auto_date_histogram import UNITS, AutoDateHistogram
from isthmus.search.aggregations.cardinality import INDEX_FIELD, Cardinality
from isthmus.search.aggregations.composite import KEY_TYPES as COMPOSITE_TYPES
from isthmus.search.aggregations.composite import Composite
from isthmus.search.aggregations.contract import Node
from isthmus.search.aggregations.date_format import DEFAULT_DATE_FORMAT, DateFormat
from isthmus.search.aggregations.distributed import OfDistribution
from isthmus.search.aggregations.filters import SingleBucket
from isthmus.search.aggregations.frequent import ERROR, OTHER
from isthmus.search.aggregations.multi_terms import KEY_TYPES, MultiTerms
from isthmus.search.aggregations.multi_terms import VALUES as COMPARABLE
from isthmus.search.aggregations.number_format import NumberFormat
from isthmus.search.aggregations.numbers import write_number
from isthmus.search.aggregations.rare_terms import FREQUENT, RareTerms
from isthmus.search.aggregations.shown import BOOLEAN, SHOWN, ValueFormat
from isthmus.search.aggregations.sketches.distinct import DistinctValues, hashes_of
from isthmus.search.aggregations.string_stats import StringStats, summed_up
from isthmus.search.aggregations.terms import ADDRESS_KEYS, KEY_TYPE, Terms
from isthmus.search.aggregations.top_hits import TopHits
from isthmus.search.aggregations.top_metrics import TopMetrics
from isthmus.search.aggregations.weighted_average import WeightedAverage

_NAMES: Final = "names"


@dataclass(frozen=True, slots=True)
class Gap:
    """Something to be asked for: a list of values that was too long, or buckets of a unit to be chosen.

    ``into`` is the answer that it belongs to, by the node's name. ``extent`` are the first and the last
    instant of an ``auto_date_histogram``.
    """

    node: Node
    scope: Scope
    into: JsonObject
    extent: tuple[float, float] | None = None


@dataclass(slots=True)
class AggregationAnswers:
    """Reads the answers to one search; ``gaps`` fills while it does."""

    limits: Limits
    types: FieldTypes
    queries: BucketQueries
    gaps: list[Gap] = field(default_factory=list)

    def read(self, nodes: Sequence[Node], answer: JsonObject, scope: Scope) -> JsonObject:
        """Answer what sibling aggregations answered of the documents of a scope."""
        read: JsonObject = {}
        for node in nodes:
            read[node.name] = None
            read[node.name] = self._one(node, answer, scope, read)
        return read

    def _one(self, node: Node, answer: JsonObject, scope: Scope, into: JsonObject) -> Json:
        aggregation = node.aggregation
        listing = listing_of(aggregation)
        if listing is not None:
            return self._listed(node, listing, answer, scope, into)
        given = answer[node.name]
        if isinstance(aggregation, AutoDateHistogram):
            if given["count"]:
                self.gaps.append(Gap(node, scope, into, (given["min"], given["max"])))
            return {"buckets": [], "interval": f"1{UNITS[aggregation.least].letter}"}
        if isinstance(aggregation, TopHits):
            return top_hits(aggregation, given, self.limits, self.types)
        if isinstance(aggregation, TopMetrics):
            return top_metrics(aggregation, given, self.limits, self.types)
        if isinstance(aggregation, SingleBucket):
            inside = given
            if aggregation.kind == "global" and VISIBLE in given:
                inside = given[VISIBLE]
            return _with(self._below(node, inside, "", scope), {"doc_count": inside["doc_count"]})
        if "buckets" not in given:
            return {name: value for name, value in given.items() if name != "meta"}
        return self._buckets(node, given, scope)

    def _below(self, node: Node, bucket: JsonObject, place: str | int, scope: Scope) -> JsonObject:
        """Answer what is inside of a bucket. Its scope is made only where there are gaps in it."""
        if not node.children:
            return {}
        before = len(self.gaps)
        read = self.read(node.children, bucket, scope)
        if len(self.gaps) > before:
            inner = self.queries.scope(node, bucket, place, scope)
            for position in range(before, len(self.gaps)):
                gap = self.gaps[position]
                self.gaps[position] = Gap(gap.node, _joined(inner, gap.scope, scope), gap.into, gap.extent)
        return read

    def _buckets(self, node: Node, given: JsonObject, scope: Scope) -> JsonObject:
        aggregation = node.aggregation
        buckets = given["buckets"]
        if isinstance(buckets, dict):
            return {
                "buckets": {name: self._bucket(node, each, name, scope) for name, each in buckets.items()}
            }
        if isinstance(aggregation, MultiTerms):
            buckets = [{**each, COMPARABLE: self._comparable(aggregation, each)} for each in buckets]
        if isinstance(aggregation, RareTerms):
            return self._rare(aggregation, node, given, scope)
        read = [self._bucket(node, each, place, scope) for place, each in enumerate(buckets)]
        answer: JsonObject = {"buckets": read}
        if isinstance(aggregation, Terms | MultiTerms):
            answer = _frequent(given, read)
        if isinstance(aggregation, Terms) and self._is_address(aggregation.field):
            answer[KEY_TYPE] = ADDRESS_KEYS
        if isinstance(aggregation, MultiTerms):
            answer[KEY_TYPES] = [self._key_type(source.field) for source in aggregation.sources]
        if isinstance(aggregation, Composite):
            answer[COMPOSITE_TYPES] = [
                self._key_type(source.values.field) if isinstance(source.values, Terms) else None
                for source in aggregation.sources
            ]
        return answer

    def _bucket(self, node: Node, bucket: JsonObject, place: str | int, scope: Scope) -> JsonObject:
        children = {child.name for child in node.children}
        own = {
            name: value
            for name, value in bucket.items()
            if name not in children and not name.startswith((VALUES, CHECKED))
        }
        return _with(self._below(node, bucket, place, scope), own)

    def _rare(self, rare: RareTerms, node: Node, given: JsonObject, scope: Scope) -> JsonObject:
        if given.get(OTHER):
            raise illegal_argument(
                f"[rare_terms] over a field with more than [{len(given['buckets'])}] values is not supported "
                "over an attached engine"
            )
        buckets, frequent = [], []
        for place, bucket in enumerate(given["buckets"]):
            if bucket["doc_count"] > rare.max_doc_count:
                frequent.append(bucket["key"])
            else:
                buckets.append(self._bucket(node, bucket, place, scope))
        key_type = {KEY_TYPE: ADDRESS_KEYS} if self._is_address(rare.field) else {}
        return {**key_type, FREQUENT: frequent, "buckets": buckets}

    def _comparable(self, aggregation: MultiTerms, bucket: JsonObject) -> list[Json]:
        """Answer the values of a bucket as they compare: dates as milliseconds, truth as a number."""
        values = []
        for source, key in zip(aggregation.sources, bucket["key"], strict=True):
            known = self.types.get(source.field)
            if known is not None and known.is_date and isinstance(key, str):
                values.append(date_format_of(known).read(key))
            elif isinstance(key, bool):
                values.append(int(key))
            else:
                values.append(key)
        return values

    def _key_type(self, path: str) -> str | None:
        return ADDRESS_KEYS if self._is_address(path) else None

    def _is_address(self, path: str) -> bool:
        known = self.types.get(path)
        return known is not None and known.type == "ip"

    def _listed(
        self, node: Node, listing: Listing, answer: JsonObject, scope: Scope, into: JsonObject
    ) -> Json:
        self._require_summable(node)
        given = answer.get(VALUES + node.name)
        if given is None or given.get(OTHER):
            self.gaps.append(Gap(node, scope, into))
            return None
        if listing.below is not None:
            documents = answer[CHECKED + node.name]["doc_count"]
            require_single_values(node, given["buckets"], documents)
        return self.summed_up(node, [given["buckets"]])

    def _require_summable(self, node: Node) -> None:
        aggregation = node.aggregation
        if not isinstance(aggregation, OfDistribution):
            return
        known = self.types.get(aggregation.field.path)
        if known is not None and not (known.type in NUMBERS or known.is_date or known.type == "boolean"):
            raise illegal_argument(
                f"Field [{known.path}] of type [{known.type}] is not supported for aggregation "
                f"[{aggregation.kind}]"
            )

    def summed_up(self, node: Node, pages: Iterable[Sequence[JsonObject]]) -> JsonObject:
        """Answer a metric in combinable form out of the buckets of the values that it sums up."""
        aggregation = node.aggregation
        if isinstance(aggregation, Cardinality):
            return self._distinct(aggregation, pages)
        if isinstance(aggregation, StringStats):
            return summed_up((str(each["key"]), each["doc_count"]) for page in pages for each in page)
        if isinstance(aggregation, WeightedAverage):
            return self._weighted(aggregation, pages)
        if isinstance(aggregation, OfDistribution):
            return self._distribution(aggregation, pages)
        raise TypeError(f"no sum of values: {aggregation.kind}")

    def _distinct(self, aggregation: Cardinality, pages: Iterable[Sequence[JsonObject]]) -> JsonObject:
        if aggregation.path == INDEX_FIELD:
            return {_NAMES: sorted({str(each["key"]) for page in pages for each in page})}
        values = DistinctValues(aggregation.threshold)
        for page in pages:
            values.add(hashes_of(each["key"] for each in page))
        return values.write()

    def _weighted(self, aggregation: WeightedAverage, pages: Iterable[Sequence[JsonObject]]) -> JsonObject:
        sums: list[float] = []
        weights: list[float] = []
        for page in pages:
            for bucket in page:
                weight, found = float(bucket["key"]), bucket[FOUND]
                sums.append(weight * float(found["sum"] or 0.0))
                weights.append(weight * found["count"])
        return {
            "sum": write_number(math.fsum(sums)),
            "weight": write_number(math.fsum(weights)),
            **shown_of(self.types.get(aggregation.value.path), aggregation.format),
        }

    def _distribution(self, aggregation: OfDistribution, pages: Iterable[Sequence[JsonObject]]) -> JsonObject:
        values = aggregation.method.distribution()
        steps = aggregation.method.steps
        for page in pages:
            listed = [(float(each["key"]), each["doc_count"]) for each in page]
            if steps is not None:
                if any(value < 0 for value, _ in listed):
                    raise Failure(
                        FailureKind.INVALID_REQUEST,
                        "array_index_out_of_bounds_exception",
                        f"[hdr] has no place for the negative values of [{aggregation.field.path}]",
                    )
                listed = [(steps.floor(value), count) for value, count in listed]
            values.add(listed)
        known = self.types.get(aggregation.field.path)
        return {**values.write(), **shown_of(known, aggregation.field.format)}


def require_single_values(node: Node, buckets: Sequence[JsonObject], documents: int) -> None:
    """Raise a 400 failure for documents with several weights."""
    if sum(bucket["doc_count"] for bucket in buckets) != documents:
        raise illegal_argument(
            "Encountered more than one weight for a single document. Use a script to combine multiple "
            f"weights-per-doc into a single value. [{node.name}]"
        )


def shown_of(known: FieldType | None, chosen: ValueFormat | None) -> JsonObject:
    """Answer how values of a field are shown as text, where they are; ``chosen`` is the request's format."""
    if known is None:
        return {}
    if known.is_date:
        if isinstance(chosen, NumberFormat):
            raise illegal_argument(f"Invalid format: [{chosen.text}] of the date field [{known.path}]")
        return {SHOWN: (chosen or date_format_of(known)).text}
    return {SHOWN: BOOLEAN} if known.type == "boolean" else {}


def date_format_of(known: FieldType) -> DateFormat:
    """Answer how dates of a field are written."""
    try:
        return DateFormat.parse(known.date_format)
    except Failure:
        # a format that can be read and not written
        return DEFAULT_DATE_FORMAT


def _frequent(given: JsonObject, buckets: list[JsonObject]) -> JsonObject:
    """Answer a list of frequent values; one that nothing is missing from has no error."""
    if not given.get(OTHER):
        return {ERROR: 0, OTHER: 0, "buckets": [_with(bucket, {ERROR: 0}) for bucket in buckets]}
    return {ERROR: given.get(ERROR, 0), OTHER: given[OTHER], "buckets": buckets}


def _with(bucket: JsonObject, members: JsonObject) -> JsonObject:
    """Answer the very same bucket with more members: gaps in it are yet to be filled."""
    bucket.update(members)
    return bucket


def _joined(inner: Scope, gap: Scope, outer: Scope) -> Scope:
    """Answer the scope of a gap that was found inside of a bucket, whose own scope is known now.

    The gap's was made as if the bucket were not: what it added to the outer one it adds to the inner one.
    """
    if gap.everything and not outer.everything:
        return gap
    added = gap.filters[len(outer.filters) :]
    return Scope((*inner.filters, *added), inner.everything)
