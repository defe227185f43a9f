"""Groups of hits over several clusters: one hit of each, and the searches for what else is in them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

import msgspec

from isthmus.exchange import Hit, InnerHits, Json, JsonObject, SortValue
from isthmus.search.merge import SearchAnswer
from isthmus.search.plan import SearchOrder

Search: TypeAlias = Callable[[SearchOrder], Awaitable[SearchAnswer]]
"""Carries out a search for the caller of the one that has found the groups."""

#: how many groups are looked into at once where the request does not say
_AT_ONCE: Final = 10


async def with_inner_hits(answer: SearchAnswer, order: SearchOrder, search: Search) -> SearchAnswer:
    """Answer the answer with the inner hits of each group, each searched for in all clusters."""
    collapse = order.request.collapse
    if collapse is None or not collapse.inner_hits or not answer.result.hits:
        return answer
    turn = asyncio.Semaphore(collapse.max_concurrent_group_searches or _AT_ONCE)
    orders = [
        _order_of(order, inner, collapse.field, hit)
        for hit in answer.result.hits
        for inner in collapse.inner_hits
    ]

    async def one(wanted: SearchOrder) -> SearchAnswer:
        async with turn:
            return await search(wanted)

    answers = iter(await _all([one(wanted) for wanted in orders]))
    found = tuple({inner.name: next(answers) for inner in collapse.inner_hits} for _ in answer.result.hits)
    return replace(answer, inner_hits=found)


async def _all(searches: Iterable[Awaitable[SearchAnswer]]) -> Sequence[SearchAnswer]:
    """Answer what all of these answer; the first failure is raised when the others have been stopped."""
    tasks = [asyncio.ensure_future(each) for each in searches]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _order_of(order: SearchOrder, inner: InnerHits, field: str, hit: Hit) -> SearchOrder:
    """Answer the search for the inner hits of the group that a hit stands for."""
    original = order.request
    group = _query_of_group(field, hit.group or ())
    query: JsonObject = {"filter": [group]}
    if original.query is not None:
        query["must"] = [original.query]
    request = msgspec.structs.replace(
        inner.request,
        query={"bool": query},
        post_filter=original.post_filter,
        timeout_milliseconds=original.timeout_milliseconds,
    )
    return replace(order, request=request)


def _query_of_group(field: str, group: tuple[SortValue, ...]) -> Json:
    if not group:
        return {"bool": {"must_not": [{"exists": {"field": field}}]}}
    return {"term": {field: {"value": group[0]}}}
