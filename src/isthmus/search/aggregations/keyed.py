"""What all histograms share: merging buckets by their key, and their final form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.contract import (
    BucketBudget,
    Node,
    combine_all,
    finish_all,
)
from isthmus.search.aggregations.numbers import read_count

Key = TypeVar("Key", float, str)


def merged_buckets(
    parts: Sequence[JsonObject], children: Sequence[Node], read_key: Callable[[Json], Key]
) -> list[JsonObject]:
    """Merge the buckets of equal keys, in order of their keys. ``key_as_string`` is kept where given."""
    grouped: dict[Key, list[JsonObject]] = {}
    for part in parts:
        for bucket in part["buckets"]:
            grouped.setdefault(read_key(bucket["key"]), []).append(bucket)
    merged = []
    for key in sorted(grouped):
        same = grouped[key]
        whole: JsonObject = {"key": key}
        if "key_as_string" in same[0]:
            whole["key_as_string"] = same[0]["key_as_string"]
        whole["doc_count"] = sum(read_count(each["doc_count"]) for each in same)
        whole.update(combine_all(children, same))
        merged.append(whole)
    return merged


def finished_bucket(bucket: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:
    """Answer the final form of a merged bucket."""
    shown: JsonObject = {}
    if "key_as_string" in bucket:
        shown["key_as_string"] = bucket["key_as_string"]
    shown["key"] = bucket["key"]
    shown["doc_count"] = bucket["doc_count"]
    return {**shown, **finish_all(children, bucket, budget)}
