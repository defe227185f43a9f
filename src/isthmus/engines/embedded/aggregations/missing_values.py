"""Buckets for documents without a value, when a request says what they count as."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.engines.embedded.aggregations.fields import AggregatedField
from isthmus.engines.embedded.aggregations.native_buckets import range_members
from isthmus.engines.embedded.mapping import FieldMapping
from isthmus.errors import illegal_argument
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.contract import Node, combine_all
from isthmus.search.aggregations.date_format import DEFAULT_DATE_FORMAT
from isthmus.search.aggregations.date_histogram import DateHistogram
from isthmus.search.aggregations.histogram import Histogram
from isthmus.search.aggregations.ranges import Ranges
from isthmus.search.aggregations.terms import VALUE_TYPES, Terms


def buckets_of_missing(
    aggregation: Terms | Histogram | DateHistogram | Ranges,
    field: AggregatedField | None,
    bucket: JsonObject,
    children: Sequence[Node],
) -> JsonObject:
    """Answer the aggregation over documents that all count as the same value; ``bucket`` has them.

    ``field`` is None where the index has not the field. Raises an ``illegal_argument_exception``
    failure for a value that the field cannot hold.
    """
    if isinstance(aggregation, Ranges):
        value = _number(aggregation.missing, field)
        held = [each.rank[0] <= value < each.rank[1] for each in aggregation.ranges]
        nothing = {"doc_count": 0, **combine_all(children, ())}
        places = zip(aggregation.ranges, held, strict=True)
        return {
            "buckets": [{**range_members(each), **(bucket if here else nothing)} for each, here in places]
        }
    if isinstance(aggregation, Terms):
        errors = {"doc_count_error_upper_bound": 0}
        if field is None and aggregation.value_type is not None:
            mapped = FieldMapping(aggregation.field, VALUE_TYPES[aggregation.value_type])
            field = AggregatedField(mapped, "")
            key = field.key_members(field.column_value(aggregation.missing))
        else:
            key = {"key": aggregation.missing} if field is None else field.key_members(aggregation.missing)
        buckets = [{**key, **errors, **bucket}] if bucket["doc_count"] else []
        return {**errors, "sum_other_doc_count": 0, "buckets": buckets}
    if not bucket["doc_count"]:
        return {"buckets": []}
    if isinstance(aggregation, Histogram):
        number = aggregation.number(_number(aggregation.missing, field))
        return {"buckets": [{"key": aggregation.key(number), **bucket}]}
    instant = _instant(aggregation, field)
    key_milliseconds = aggregation.rounding.round(instant)
    shown = aggregation.format or (DEFAULT_DATE_FORMAT if field is None else field.format)
    as_text = shown.render(key_milliseconds, aggregation.rounding.zone)
    return {"buckets": [{"key_as_string": as_text, "key": key_milliseconds, **bucket}]}


def _instant(aggregation: DateHistogram, field: AggregatedField | None) -> int:
    given = aggregation.missing
    if isinstance(given, str):
        shown = aggregation.format or (DEFAULT_DATE_FORMAT if field is None else field.format)
        return shown.read(given, aggregation.rounding.zone)
    return int(_number(given, field))


def _number(value: Json, field: AggregatedField | None) -> float:
    if field is not None:
        return float(field.column_value(value))
    try:
        return float(value)
    except (TypeError, ValueError):
        raise illegal_argument(f'For input string: "{value}"') from None
