"""The order of hits that come from several clusters.

Hits arrive in order within their cluster. Ties keep the order of the parts (this cluster
first, then by alias) and within a part their position: every sort here is stable.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, TypeAlias

from isthmus.errors import illegal_argument
from isthmus.exchange import Hit, SortKey, SortValue
from isthmus.names import ClusterAlias
from isthmus.search.addresses import address_rank

Found: TypeAlias = tuple[ClusterAlias | None, Hit]


def in_order(found: Iterable[Found], sort: Sequence[SortKey], addresses: Collection[int] = ()) -> list[Found]:
    """Answer all hits in their final order: by ``sort``, without one by descending score.

    ``addresses`` are the positions of the keys whose values are IP addresses. Raises a 400 failure
    when a field holds numbers in one cluster and text in another.
    """
    hits = list(found)
    if not sort:
        hits.sort(key=_by_score)
        return hits
    # The least important key first: each stable sort keeps the order of the ones before it.
    for position in reversed(range(len(sort))):
        key = sort[position]
        _require_one_kind(key.field, (_value(hit, position) for _, hit in hits))
        by_value = _by_value(position, key, address_rank if position in addresses else _as_it_is)
        hits.sort(key=by_value, reverse=key.descending)
    return hits


def one_of_each_group(found: Iterable[Found]) -> list[Found]:
    """Answer of hits in their final order those that are the first of their group."""
    firsts: dict[tuple[SortValue, ...] | None, Found] = {}
    for each in found:
        firsts.setdefault(each[1].group, each)
    return list(firsts.values())


def _by_score(found: Found) -> float:
    score = found[1].score
    return -score if score is not None else float("inf")


def _value(hit: Hit, position: int) -> SortValue:
    # A peer that leaves values out is wrong, and no reason to lose the hits of all others.
    return hit.sort[position] if hit.sort is not None and position < len(hit.sort) else None


def _as_it_is(value: SortValue) -> SortValue:
    return value


def _by_value(position: int, key: SortKey, compared: Callable[[SortValue], Any]) -> Callable[[Found], Any]:
    """Answer a sort key in which a missing value stands where the caller wants it."""
    # Reversed order turns the ranks around too: missing ones go last with the lowest rank.
    missing_is_first = key.missing == "_first"
    rank_of_missing = 1 if missing_is_first == key.descending else -1

    def rank_and_value(found: Found) -> tuple[int, Any]:
        value = _value(found[1], position)
        return (rank_of_missing, 0) if value is None else (0, compared(value))

    return rank_and_value


def _require_one_kind(field: str, values: Iterable[SortValue]) -> None:
    kinds = {"STRING" if isinstance(value, str) else "DOUBLE" for value in values if value is not None}
    if len(kinds) > 1:
        raise illegal_argument(
            f"Can't sort on field [{field}]; the field has incompatible sort types: "
            "[DOUBLE] and [STRING] across shards!"
        )
