"""Where on the calendar an index has documents."""

from __future__ import annotations

from tantivy import Query

from isthmus.engines.embedded.aggregations.fields import AggregatedField
from isthmus.engines.embedded.aggregations.scope import MOST_BUCKETS, AggregatedIndex
from isthmus.search.aggregations.contract import too_many_buckets
from isthmus.search.aggregations.rounding import Rounding


def calendar_keys(
    index: AggregatedIndex, query: Query, field: AggregatedField, rounding: Rounding
) -> list[int]:
    """Answer the starts, ascending, of all buckets in which there may be documents.

    The library knows only buckets of one length: those of about the length of a month say which months
    to look at, however far apart the documents are. Raises ``too_many_buckets_exception``, and
    BucketLimitError where already those are too many.
    """
    length = rounding.length
    request = {"histogram": {"field": field.column, "interval": length, "min_doc_count": 1}}
    answer = index.aggregate(query, {"coarse": request}).get("coarse") or {}
    keys: set[int] = set()
    for bucket in answer.get("buckets", ()):
        start = round(bucket["key"])
        key = rounding.round(start)
        while key < start + length:
            keys.add(key)
            key = rounding.next(key)
        if len(keys) > MOST_BUCKETS:
            raise too_many_buckets()
    return sorted(keys)
