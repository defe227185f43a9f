"""Every value of a field among some documents, with how often it is there, however many there are.

The library lists at most 65,000 values at once. Where there are more, the documents are taken in slices
of their sequence numbers: each is gone through once, and no list is longer than a slice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias, TypeVar

from tantivy import FieldType, Query

from isthmus.engines.embedded.aggregations.fields import AggregatedField
from isthmus.engines.embedded.aggregations.scope import (
    MOST_BUCKETS,
    AggregatedIndex,
    BucketLimitError,
    MemoryLimitError,
    both,
    without,
)
from isthmus.engines.embedded.columns import SEQUENCE_COLUMN
from isthmus.engines.embedded.field_types import ColumnKind
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.contract import too_many_buckets

Values: TypeAlias = list[tuple[Any, int]]
"""Values as the column holds them, each with how often it is there."""

Item = TypeVar("Item")

#: Documents a slice: fewer than there may be values in one list.
_DOCUMENTS_OF_A_SLICE: Final = 40_000
_EVERY_SEGMENT_WHOLE: Final = 2**31 - 1


def every_value(
    index: AggregatedIndex, query: Query, field: AggregatedField, missing: Json = None
) -> Iterator[Values]:
    """Answer the values in some lists; a value may be in several of them.

    ``missing`` is what each document without a value counts as. Raises an ``illegal_argument_exception``
    failure for one that the field cannot hold, and ``too_many_buckets_exception`` for a document
    with more values than the library can list.
    """
    if missing is not None:
        number = index.count(without(query, [index.context.exists(field.path)]))
        yield [(field.column_value(missing), number)] if number else []
    yield from _in_slices(index, query, lambda part: _values(index, part, field))


def every_bucket(
    index: AggregatedIndex, query: Query, field: AggregatedField, below: JsonObject
) -> Iterator[list[JsonObject]]:
    """Answer the library's buckets of every value, in some lists, with sub-aggregations in its form.

    A document that has a value twice is in its bucket once. Raises as :func:`every_value`.
    """

    def listed(part: Query) -> list[JsonObject] | None:
        terms = {"terms": {**_every(field), "order": {"_key": "asc"}}, "aggs": below}
        answer = index.aggregate(part, {"values": terms})["values"]
        return None if answer.get("sum_other_doc_count") else list(answer["buckets"])

    yield from _in_slices(index, query, listed)


def _every(field: AggregatedField) -> JsonObject:
    return {"field": field.column, "size": MOST_BUCKETS, "segment_size": _EVERY_SEGMENT_WHOLE}


def _in_slices(
    index: AggregatedIndex, query: Query, listed: Callable[[Query], list[Item] | None]
) -> Iterator[list[Item]]:
    """Answer the list of all documents, or the lists of slices of them where it is too long (None)."""
    whole = _within_limits(listed, query)
    if whole is not None:
        yield whole
        return
    slices = list(_slices(index, query))
    while slices:
        first, last = slices.pop()
        numbers = Query.range_query(index.schema, SEQUENCE_COLUMN, FieldType.Integer, first, last)
        found = _within_limits(listed, both(query, numbers))
        if found is not None:
            yield found
        elif first == last:
            raise too_many_buckets()
        else:
            middle = (first + last) // 2
            slices.extend(((first, middle), (middle + 1, last)))


def _slices(index: AggregatedIndex, query: Query) -> Iterator[tuple[int, int]]:
    found = index.aggregate(query, {"numbers": {"stats": {"field": SEQUENCE_COLUMN}}})["numbers"]
    if not found["count"]:
        return
    first, last = int(found["min"]), int(found["max"])
    width = max(1, (last - first + 1) * _DOCUMENTS_OF_A_SLICE // int(found["count"]))
    for start in range(first, last + 1, width):
        yield start, min(start + width - 1, last)


def _within_limits(listed: Callable[[Query], list[Item] | None], query: Query) -> list[Item] | None:
    try:
        return listed(query)
    except (BucketLimitError, MemoryLimitError):
        return None


def _values(index: AggregatedIndex, query: Query, field: AggregatedField) -> Values | None:
    """Answer all values at once; None where there are too many for that."""
    requests: JsonObject = {"values": {"terms": _every(field)}}
    if field.kind is not ColumnKind.KEYWORD:
        requests["number"] = {"value_count": {"field": field.column}}
    answer = index.aggregate(query, requests)
    if answer["values"].get("sum_other_doc_count"):
        return None
    values = [(bucket["key"], bucket["doc_count"]) for bucket in answer["values"]["buckets"]]
    if "number" in requests and sum(count for _, count in values) != answer["number"]["value"]:
        # terms count documents; some document has a number more than once
        return _with_repetitions(index, query, field)
    return values


def _with_repetitions(index: AggregatedIndex, query: Query, field: AggregatedField) -> Values | None:
    """Answer the values, one that a document has twice counted twice, which takes twice as long."""
    source = {"value": {"terms": {"field": field.column}}}
    request = {"values": {"composite": {"size": MOST_BUCKETS, "sources": [source]}}}
    buckets = index.aggregate(query, request)["values"]["buckets"]
    if len(buckets) >= MOST_BUCKETS:
        return None
    return [(bucket["key"]["value"], bucket["doc_count"]) for bucket in buckets]
