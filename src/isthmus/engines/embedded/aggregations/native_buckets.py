"""Buckets over numbers and time in the library's terms."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from isthmus.engines.embedded.aggregations.fields import AggregatedField, whole_limits
from isthmus.engines.embedded.aggregations.plans import NATIVE, Plan, Request
from isthmus.engines.embedded.field_types import ColumnKind
from isthmus.exchange import JsonObject
from isthmus.search.aggregations.date_histogram import DateHistogram
from isthmus.search.aggregations.histogram import Bounds, Histogram
from isthmus.search.aggregations.ranges import Limits, Ranges


def plan_histogram(aggregation: Histogram, field: AggregatedField) -> Plan:
    """Plan buckets of equal width."""

    def read(answers: Sequence[JsonObject]) -> JsonObject:
        buckets = [
            {"key": key, "doc_count": native["doc_count"], NATIVE: native}
            for native in answers[0].get("buckets", ())
            # adding nothing makes a negative zero positive
            if _within(aggregation.hard_bounds, key := native["key"] + 0.0) and native["doc_count"]
        ]
        return {"buckets": buckets}

    return Plan((_histogram(field, aggregation.interval, aggregation.offset),), read)


def plan_grid(aggregation: DateHistogram, field: AggregatedField, grid: tuple[int, int]) -> Plan:
    """Plan buckets of equal length over time, as a histogram of milliseconds."""
    shown = aggregation.format or field.format

    def read(answers: Sequence[JsonObject]) -> JsonObject:
        buckets = [
            {
                "key_as_string": shown.render(key, aggregation.rounding.zone),
                "key": key,
                "doc_count": native["doc_count"],
                NATIVE: native,
            }
            for native in answers[0].get("buckets", ())
            if _within(aggregation.hard_bounds, key := round(native["key"])) and native["doc_count"]
        ]
        return {"buckets": buckets}

    return Plan((_histogram(field, *grid),), read)


def plan_calendar(aggregation: DateHistogram, field: AggregatedField, keys: Sequence[int]) -> Plan:
    """Plan buckets of the calendar: ``keys`` are the starts of all that may have documents, ascending."""
    shown = aggregation.format or field.format
    rounding = aggregation.rounding
    limits = [
        Limits(key, rounding.next(key), str(key)) for key in keys if _within(aggregation.hard_bounds, key)
    ]
    if not limits:
        return Plan((), lambda _answers: {"buckets": []})

    def read(answers: Sequence[JsonObject]) -> JsonObject:
        by_key = {native["key"]: native for native in answers[0].get("buckets", ())}
        buckets = [
            {
                "key_as_string": shown.render(each.least or 0, rounding.zone),
                "key": each.least,
                "doc_count": by_key[each.key]["doc_count"],
                NATIVE: by_key[each.key],
            }
            for each in limits
            if each.key in by_key and by_key[each.key]["doc_count"]
        ]
        return {"buckets": buckets}

    return Plan((_ranges(field, limits),), read)


def plan_ranges(aggregation: Ranges, field: AggregatedField) -> Plan:
    """Plan ranges. The library takes no overlapping ones, so that each then gets a request of its own."""
    named = []
    for place, each in enumerate(aggregation.ranges):
        least, most = each.least, each.most
        if field.kind is not ColumnKind.FLOAT:
            least, most = whole_limits(least, most)
        if least is None or most is None or least < most:
            named.append(Limits(least, most, str(place)))
    apart = all(one.rank[1] <= other.rank[0] for one, other in pairwise(named))
    groups = [named] if apart else [[each] for each in named]
    requests = tuple(_ranges(field, group) for group in groups if group)

    def read(answers: Sequence[JsonObject]) -> JsonObject:
        by_place = {native["key"]: native for answer in answers for native in answer.get("buckets", ())}
        buckets = []
        for place, each in enumerate(aggregation.ranges):
            native = by_place.get(str(place))
            bucket = range_members(each)
            bucket["doc_count"] = 0 if native is None else native["doc_count"]
            if native is not None:
                bucket[NATIVE] = native
            buckets.append(bucket)
        return {"buckets": buckets}

    return Plan(requests, read)


def range_members(limits: Limits) -> JsonObject:
    """Answer the members of a bucket that say its limits."""
    members: JsonObject = {"key": limits.key}
    if limits.least is not None:
        members["from"] = limits.least
    if limits.most is not None:
        members["to"] = limits.most
    return members


def _histogram(field: AggregatedField, interval: float, offset: float) -> Request:
    body = {"field": field.column, "interval": interval, "offset": offset, "min_doc_count": 1}
    return Request({"histogram": body}, takes_children=True)


def _ranges(field: AggregatedField, limits: Sequence[Limits]) -> Request:
    ranges = []
    for each in limits:
        entry: JsonObject = {"key": each.key}
        if each.least is not None:
            entry["from"] = float(each.least)
        if each.most is not None:
            entry["to"] = float(each.most)
        ranges.append(entry)
    return Request({"range": {"field": field.column, "ranges": ranges}}, takes_children=True)


def _within(bounds: Bounds | None, key: float) -> bool:
    if bounds is None:
        return True
    return (bounds.least is None or key >= bounds.least) and (
        bounds.greatest is None or key <= bounds.greatest
    )
