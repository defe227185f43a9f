"""``_shard_doc``: a number for every document of a view, by which documents that tie are told apart.

Within a cluster it is the index's ordinal and the document's sequence number
(:data:`isthmus.exchange.ORDINAL_SHIFT`). Over several clusters each one's ordinal stands above that. So the
order is that of equal hits elsewhere: this cluster first, then by alias, index and age. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from isthmus.exchange import ORDINAL_SHIFT, SearchRequest, SearchResult, SortKey, SortValue

SHARD_DOC: Final = "_shard_doc"

#: 8,192 indices a cluster. With 17 thousand million operations an index all of it stays below 2**53 for
#: 64 clusters: beyond that, languages without 64-bit integers read the number wrong.
_INDEX_BITS: Final = 13
MOST_INDICES: Final = 1 << _INDEX_BITS
_CLUSTER_SHIFT: Final = ORDINAL_SHIFT + _INDEX_BITS
MOST_CLUSTERS: Final = 1 << (62 - _CLUSTER_SHIFT)
#: after every document of a cluster
_BEYOND: Final = 1 << _CLUSTER_SHIFT
#: after every document of every cluster
AFTER_ALL: Final = 1 << 62


def with_tie_breaker(request: SearchRequest) -> SearchRequest:
    """Answer a sorted request made total by ``_shard_doc``; without a sort, or with it already, as it is.

    ``search_after`` may leave out the value of a key that is added here: then all that ties was seen.
    """
    if not request.sort or position_of(request.sort) is not None:
        return request
    after = request.search_after
    if after is not None and len(after) == len(request.sort):
        after = (*after, AFTER_ALL)
    return msgspec.structs.replace(
        request, sort=(*request.sort, SortKey(field=SHARD_DOC)), search_after=after
    )


def position_of(sort: Sequence[SortKey]) -> int | None:
    """Answer where among the keys ``_shard_doc`` is; None where it is not."""
    return next((position for position, key in enumerate(sort) if key.field == SHARD_DOC), None)


def asked_of_cluster(request: SearchRequest, ordinal: int) -> SearchRequest:
    """Answer the request with ``search_after`` as this cluster counts its documents."""
    position, after = position_of(request.sort), request.search_after
    if position is None or after is None or position >= len(after):
        return request
    place = _whole_number(after[position])
    if place is None:
        return request  # the engine says what is wrong with it
    value = min(max(place - (ordinal << _CLUSTER_SHIFT), -1), _BEYOND)
    return msgspec.structs.replace(request, search_after=_replaced(after, position, value))


def answered_by_cluster(result: SearchResult, sort: Sequence[SortKey], ordinal: int) -> SearchResult:
    """Answer the result with ``_shard_doc`` as all clusters count documents."""
    position = position_of(sort)
    if position is None or ordinal == 0:
        return result
    base = ordinal << _CLUSTER_SHIFT
    hits = tuple(
        msgspec.structs.replace(hit, sort=_raised(hit.sort, position, base)) if hit.sort else hit
        for hit in result.hits
    )
    return msgspec.structs.replace(result, hits=hits)


def _whole_number(value: SortValue) -> int | None:
    """Answer the number that was sent, be it as text; None for what is none."""
    try:
        return int(value) if isinstance(value, int | str) else None
    except ValueError:
        return None


def _raised(values: tuple[SortValue, ...], position: int, base: int) -> tuple[SortValue, ...]:
    value = values[position] if position < len(values) else None
    # A peer that answers something else is wrong, and no reason to lose the hits of all others.
    return _replaced(values, position, value + base) if isinstance(value, int) else values


def _replaced(values: tuple[SortValue, ...], position: int, value: SortValue) -> tuple[SortValue, ...]:
    return (*values[:position], value, *values[position + 1 :])
