"""From a bucket back to the query for the documents in it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tantivy import Query

from isthmus.engines.embedded.aggregations.fields import AggregatedField
from isthmus.engines.embedded.aggregations.scope import AggregatedIndex, either, without
from isthmus.exchange import JsonObject
from isthmus.search.aggregations.date_histogram import DateHistogram
from isthmus.search.aggregations.histogram import Histogram
from isthmus.search.aggregations.ranges import Ranges
from isthmus.search.aggregations.terms import Terms


def bucket_queries(
    index: AggregatedIndex,
    aggregation: Terms | Histogram | DateHistogram | Ranges,
    field: AggregatedField,
    buckets: Sequence[JsonObject],
) -> list[Query]:
    """Answer one query a bucket, in the buckets' order."""
    schema = index.schema
    if isinstance(aggregation, Ranges):
        return [field.range_query(schema, each.least, each.most) for each in aggregation.ranges]
    if isinstance(aggregation, DateHistogram):
        following = aggregation.rounding.next
        return [field.range_query(schema, each["key"], following(each["key"])) for each in buckets]
    if isinstance(aggregation, Histogram):
        numbers = [round((each["key"] - aggregation.offset) / aggregation.interval) for each in buckets]
        return [
            field.range_query(schema, first_value(aggregation, each), first_value(aggregation, each + 1))
            for each in numbers
        ]
    return [_term_query(index, aggregation, field, each) for each in buckets]


def first_value(aggregation: Histogram, number: int) -> float:
    """Answer the least double that falls into a bucket: rounding may move it off the bucket's key."""
    value = aggregation.key(number)
    while aggregation.number(value) >= number:
        value = math.nextafter(value, -math.inf)
    while aggregation.number(value) < number:
        value = math.nextafter(value, math.inf)
    return value


def _term_query(
    index: AggregatedIndex, aggregation: Terms, field: AggregatedField, bucket: JsonObject
) -> Query:
    value = field.column_value(bucket["key"])
    found = field.term_query(index.schema, value)
    if aggregation.missing is None or field.column_value(aggregation.missing) != value:
        return found
    lacking = without(Query.all_query(), [index.context.exists(field.path)])
    return either(found, lacking)
