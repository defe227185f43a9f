"""Carries out ``date_range``: the limits are read by the field's formats, the rest is done as for numbers."""

from __future__ import annotations

from tantivy import Query

from isthmus.engines.embedded.aggregations.fields import AggregatedField, find_field
from isthmus.engines.embedded.aggregations.runner import Runner
from isthmus.engines.embedded.query.date_math import DateReading, read_zone, resolve_date
from isthmus.exchange import JsonObject
from isthmus.search.aggregations.contract import Node
from isthmus.search.aggregations.date_format import DEFAULT_DATE_FORMAT, DateFormat
from isthmus.search.aggregations.date_ranges import DateRanges
from isthmus.search.aggregations.ranges import Limits, Ranges
from isthmus.search.aggregations.time_zone import UTC


def date_range_buckets(runner: Runner, query: Query, node: Node) -> JsonObject:
    """Answer the buckets, each with the number of its place for a key."""
    aggregation = node.aggregation
    if not isinstance(aggregation, DateRanges):
        raise TypeError(aggregation.kind)
    context = runner.index.context
    field = find_field(context, aggregation.field, aggregation.kind)
    now = context.now_milliseconds
    limits = [
        Limits(
            None if each.least is None else _instant(each.least, aggregation, field, now),
            None if each.most is None else _instant(each.most, aggregation, field, now),
            str(place),
        )
        for place, each in enumerate(aggregation.ranges)
    ]
    missing = aggregation.missing
    ranges = Ranges(
        field=aggregation.field,
        ranges=tuple(sorted(limits, key=lambda each: each.rank)),
        missing=None if missing is None else _instant(str(missing), aggregation, field, now),
    )
    answer = runner.run(query, [Node(node.name, ranges, node.children)])[node.name]
    shown = aggregation.format or (DEFAULT_DATE_FORMAT if field is None else field.format)
    return {"buckets": [_with_texts(bucket, shown, aggregation) for bucket in answer["buckets"]]}


def read_instant(text: str, formats: str, zone: str | None, now_milliseconds: int) -> int:
    """Answer the milliseconds that a text or a calculation with dates names."""
    reading = DateReading(formats) if zone is None else DateReading(formats, read_zone(zone))
    return resolve_date(text, reading, now_milliseconds)


def formats_of(field: AggregatedField | None, chosen: str | None) -> str:
    """Answer by what dates in a request are read."""
    if chosen is not None:
        return chosen
    return DEFAULT_DATE_FORMAT.text if field is None or not field.is_date else field.mapped.date_format


def _instant(text: str, aggregation: DateRanges, field: AggregatedField | None, now: int) -> float:
    if field is not None and not field.is_date and aggregation.format is None:
        return float(field.column_value(text))
    formats = formats_of(field, None if aggregation.format is None else aggregation.format.text)
    zone = None if aggregation.zone == UTC else aggregation.zone.text
    return float(read_instant(text, formats, zone, now))


def _with_texts(bucket: JsonObject, shown_as: DateFormat, aggregation: DateRanges) -> JsonObject:
    shown: JsonObject = {"key": bucket["key"]}
    for member in ("from", "to"):
        if member in bucket:
            shown[member] = bucket[member]
            shown[f"{member}_as_string"] = shown_as.render(bucket[member], aggregation.zone)
    return {**shown, **bucket}
