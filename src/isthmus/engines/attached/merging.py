"""Several answers of one engine become one result: of indices that are searched apart.

Indices are searched together unless callers see different parts of them, or a view holds each by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from isthmus.exchange import SearchRequest, SearchResult
from isthmus.search.aggregations import merge as merge_aggregations
from isthmus.search.aggregations import parse_aggregations
from isthmus.search.ordering import Found, in_order, one_of_each_group
from isthmus.search.suggestions import combine_suggestions
from isthmus.search.tallies import highest_score, shards_of, terminated_early, total_of

#: searches of one request that run at the same time
_AT_ONCE: Final = 16


async def search_apart(
    request: SearchRequest, searches: Sequence[Callable[[SearchRequest], Awaitable[SearchResult]]]
) -> SearchResult:
    """Carry out several searches, some at once, that together are one; each is asked for the whole window."""
    if len(searches) == 1:
        return await searches[0](request)
    window = msgspec.structs.replace(request, offset=0, size=request.offset + request.size)
    places = asyncio.Semaphore(_AT_ONCE)

    async def search(one: Callable[[SearchRequest], Awaitable[SearchResult]]) -> SearchResult:
        async with places:
            return await one(window)

    return merged(request, await asyncio.gather(*map(search, searches)))


def merged(request: SearchRequest, parts: Sequence[SearchResult]) -> SearchResult:
    """Answer one result of parts that were each asked for the whole window from its beginning.

    Equal hits keep the order of the parts. ``aggregations`` stay in combinable form.
    """
    addresses = frozenset(
        place for part in parts for place, kind in enumerate(part.sort_kinds) if kind == "ip"
    )
    found: list[Found] = in_order(
        [(None, hit) for part in parts for hit in part.hits], request.sort, addresses
    )
    if request.collapse is not None:
        found = one_of_each_group(found)
    counted = [part.aggregations for part in parts if part.aggregations]
    return SearchResult(
        took_milliseconds=max((part.took_milliseconds for part in parts), default=0),
        timed_out=any(part.timed_out for part in parts),
        terminated_early=terminated_early(parts),
        shards=shards_of(parts),
        total=total_of(parts, request.track_total_hits),
        max_score=highest_score(parts),
        hits=tuple(hit for _, hit in found[request.offset : request.offset + request.size]),
        aggregations=merge_aggregations(parse_aggregations(request.aggregations), counted)
        if request.aggregations and (counted or not parts)
        else {},
        failures=tuple(failure for part in parts for failure in part.failures),
        sort_kinds=next((part.sort_kinds for part in parts if part.sort_kinds), ()),
        suggestions=combine_suggestions(request, [part.suggestions for part in parts], final=False)
        if request.suggests
        else {},
        profile=tuple(each for part in parts for each in part.profile),
    )
