"""Joining lists of the most frequent keys that were cut, with bounds on what the cuts may have hidden."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Final

from isthmus.exchange import JsonObject
from isthmus.search.aggregations.contract import Node, combine_all
from isthmus.search.aggregations.numbers import read_count
from isthmus.search.aggregations.order import BucketOrder

ERROR: Final = "doc_count_error_upper_bound"
OTHER: Final = "sum_other_doc_count"
#: The bound is not known.
UNBOUNDED: Final = -1


def join_lists(
    parts: Sequence[JsonObject],
    children: Sequence[Node],
    key_of: Callable[[JsonObject], Hashable],
    hidden: Sequence[float],
) -> JsonObject:
    """Answer the list of all keys of all parts, in no order and not cut, so that joining again loses nothing.

    ``hidden``: how often a key that a part did not list may occur in it. A bucket keeps the members of
    the first part that has it.
    """
    grouped: dict[Hashable, list[JsonObject]] = {}
    found_in: dict[Hashable, float] = {}
    errors: dict[Hashable, float] = {}
    for part, bound in zip(parts, hidden, strict=True):
        known = 0 if bound == UNBOUNDED else bound
        for bucket in part["buckets"]:
            key = key_of(bucket)
            grouped.setdefault(key, []).append(bucket)
            found_in[key] = found_in.get(key, 0) + known
            if ERROR in bucket:
                errors[key] = _added(errors.get(key, 0), read_count(bucket[ERROR]))
    everywhere = hidden[0] if len(parts) == 1 else _total(hidden)
    buckets = []
    for key, same in grouped.items():
        unseen = UNBOUNDED if everywhere == UNBOUNDED else everywhere - found_in[key]
        error = int(_added(errors.get(key, 0), 0 if len(same) == len(parts) else unseen))
        count = sum(read_count(each["doc_count"]) for each in same)
        buckets.append({**same[0], "doc_count": count, ERROR: error, **combine_all(children, same)})
    unlisted = _total(hidden) if len(parts) > 1 else _total([read_count(part[ERROR]) for part in parts])
    return {
        ERROR: int(unlisted),
        OTHER: sum(read_count(part[OTHER]) for part in parts),
        "buckets": buckets,
    }


def hidden_bound(part: JsonObject, shard_size: int, order: BucketOrder) -> float:
    """Answer how often a key that this part did not list may occur in it; -1 is not known.

    What a part lists may itself be combined: then its own error says what its parts hid, and it
    lists more than it was asked for, since combining cuts nothing.
    """
    buckets, error = part["buckets"], read_count(part[ERROR])
    nothing_was_cut = not read_count(part[OTHER]) or len(buckets) < shard_size
    if nothing_was_cut or order.is_by_key or error == UNBOUNDED:
        return error
    if not order.is_by_falling_count:
        return UNBOUNDED
    if error and len(buckets) > shard_size:
        return error
    return error + min(read_count(bucket["doc_count"]) for bucket in buckets)


def _added(one: float, other: float) -> float:
    return UNBOUNDED if UNBOUNDED in (one, other) else one + other


def _total(bounds: Sequence[float]) -> float:
    return UNBOUNDED if UNBOUNDED in bounds else sum(bounds)
