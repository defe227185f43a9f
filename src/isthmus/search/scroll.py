"""Scrolls over several clusters: pages of one search, in an order that is settled when it begins.

A scroll is a point in time together with how far it has been read: the sort values of its last hit, with
``_shard_doc`` as the last of them, so that no document comes twice and none is left out. Every cluster holds
a view; this node keeps the request and the place.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import msgspec

from isthmus.clock import Clock
from isthmus.errors import Failure, FailureKind, validation_failure
from isthmus.exchange import (
    DEFAULT_TRACK_TOTAL_HITS,
    FailureReport,
    Hit,
    SearchRequest,
    SearchResult,
    ShardCounts,
    SortKey,
    SortValue,
)
from isthmus.search.clusters import ClusterDetail, ClusterStatus
from isthmus.search.keep_alive import require_keep_alive
from isthmus.search.merge import SearchAnswer
from isthmus.search.plan import SearchOrder
from isthmus.search.point_in_time import Opening, PointsInTime
from isthmus.search.point_in_time_id import HeldSearch, PointInTime
from isthmus.search.shard_doc import SHARD_DOC, with_tie_breaker
from isthmus.search.views import Owner, context_missing, owner_of, too_many_contexts
from isthmus.security.principal import Principal

_PREFIX: Final = b"scroll1"
_ID_BYTES: Final = 18
_ID_LENGTH: Final = len(_PREFIX) + _ID_BYTES
_BY_SCORE: Final = SortKey(field="_score", descending=True)


class Searches(Protocol):
    """What carries searches out: :class:`isthmus.search.coordinator.SearchCoordinator`."""

    async def search(self, principal: Principal, order: SearchOrder) -> SearchAnswer:
        """Answer the search as this caller may see it; raises only failures."""
        ...


@dataclass(slots=True, eq=False)
class _Scroll:
    """One scroll. Not frozen: it is read on."""

    owner: Owner
    principal: Principal
    point: PointInTime
    order: SearchOrder
    ends_at_seconds: float
    after: tuple[SortValue, ...] | None = None
    #: the page before, without its hits
    before: SearchAnswer | None = None
    is_at_end: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Scrolls:
    """All scrolls of this node. For one event loop."""

    def __init__(self, searches: Searches, points: PointsInTime, clock: Clock) -> None:
        self._searches = searches
        self._points = points
        self._clock = clock
        self._scrolls: dict[str, _Scroll] = {}

    async def begin(
        self, principal: Principal, order: SearchOrder, keep_alive_milliseconds: int | None
    ) -> tuple[str, SearchAnswer]:
        """Open a scroll over the order's indices; answer its id and the first page.

        None keeps it for as long as the settings say. Raises 400 failures for what a scroll cannot do,
        and what a search raises; nothing is held then.
        """
        require_scrollable(order.request)
        limits = self._points.views.limits()
        if keep_alive_milliseconds is None:
            keep_alive_milliseconds = limits.default_milliseconds
        require_keep_alive(keep_alive_milliseconds, limits)
        self._forget_expired()
        self._require_room(limits.most_contexts)
        opened = await self._points.open(
            principal,
            Opening(
                tuple(order.expressions),
                order.options,
                keep_alive_milliseconds,
                skip_unavailable=order.skip_unavailable,
            ),
        )
        scroll = _Scroll(
            owner=owner_of(principal),
            principal=principal,
            point=opened.point,
            order=replace(order, expressions=opened.point.expressions),
            ends_at_seconds=self._clock.monotonic_seconds() + keep_alive_milliseconds / 1000,
        )
        try:
            answer = await self._page(scroll, principal, None)
            self._require_room(limits.most_contexts)  # others may have begun meanwhile
        except BaseException:
            await asyncio.shield(self._points.close(principal, opened.point))
            raise
        skipped = [detail for detail in opened.clusters if detail.status is ClusterStatus.SKIPPED]
        if skipped:
            answer = replace(answer, clusters=_in_order((*answer.clusters, *skipped)))
        scroll_id = base64.urlsafe_b64encode(_PREFIX + secrets.token_bytes(_ID_BYTES)).decode().rstrip("=")
        self._scrolls[scroll_id] = scroll
        return scroll_id, answer

    async def next_page(
        self, principal: Principal, scroll_id: str, keep_alive_milliseconds: int | None
    ) -> SearchAnswer:
        """Answer the next page of a scroll of this caller; an empty one when it is at its end.

        None keeps the scroll for as long as it has. Raises 400 for a text that is no id and a keep-alive that
        is too large, 404 for a scroll that is not there or not theirs.
        """
        require_scroll_id(scroll_id)
        if keep_alive_milliseconds is not None:
            require_keep_alive(keep_alive_milliseconds, self._points.views.limits())
        self._forget_expired()
        scroll = self._scrolls.get(scroll_id)
        if scroll is None or scroll.owner != owner_of(principal):
            raise context_missing(scroll_id)
        async with scroll.turn:
            if keep_alive_milliseconds is not None:
                end = self._clock.monotonic_seconds() + keep_alive_milliseconds / 1000
                scroll.ends_at_seconds = max(scroll.ends_at_seconds, end)
            if scroll.is_at_end and scroll.before is not None:
                return scroll.before
            return await self._page(scroll, principal, keep_alive_milliseconds)

    async def clear(self, principal: Principal, scroll_ids: Collection[str]) -> int:
        """End these scrolls of this caller; answer how many contexts were let go.

        Raises a 400 failure for a text that is no id.
        """
        for scroll_id in scroll_ids:
            require_scroll_id(scroll_id)
        owner = owner_of(principal)
        ended = [
            self._scrolls.pop(each)
            for each in dict.fromkeys(scroll_ids)
            if each in self._scrolls and self._scrolls[each].owner == owner
        ]
        return await self._close(ended)

    async def clear_all(self) -> int:
        """End the scrolls of all callers."""
        ended = list(self._scrolls.values())
        self._scrolls.clear()
        return await self._close(ended)

    async def _close(self, scrolls: Collection[_Scroll]) -> int:
        freed = await asyncio.gather(*(self._points.close(each.principal, each.point) for each in scrolls))
        return sum(max(number, 1) for number in freed)  # one over no index at all is a context too

    async def _page(
        self, scroll: _Scroll, principal: Principal, keep_alive_milliseconds: int | None
    ) -> SearchAnswer:
        wanted = scroll.order.request
        before = scroll.before
        request = msgspec.structs.replace(wanted, sort=wanted.sort or (_BY_SCORE,), search_after=scroll.after)
        if before is None:
            request = msgspec.structs.replace(
                request, track_total_hits=True, track_scores=request.track_scores or not wanted.sort
            )
        else:  # what is the same on every page is worked out for the first only
            request = msgspec.structs.replace(request, track_total_hits=False, aggregations={})
        request = with_tie_breaker(request)
        seen: dict[SortValue, tuple[SortValue, ...]] = {}
        held = HeldSearch(scroll.point, keep_alive_milliseconds, seen, in_batches=True)
        found = await self._searches.search(principal, replace(scroll.order, request=request, held=held))
        hits = found.result.hits
        if hits and hits[-1].sort:
            # Of dates as they were before they were written as the caller wants them.
            scroll.after = seen.get(hits[-1].sort[-1], hits[-1].sort)
        is_whole = not any(detail.status is ClusterStatus.SKIPPED for detail in found.clusters)
        scroll.is_at_end = is_whole and len(hits) < wanted.size
        answer = _with_lost_shards(_shown(found, wanted.sort), scroll.point)
        if before is not None:
            same = before.result
            result = msgspec.structs.replace(answer.result, total=same.total, max_score=same.max_score)
            answer = replace(answer, result=result)
        bare = msgspec.structs.replace(answer.result, hits=(), aggregations={}, took_milliseconds=0)
        scroll.before = replace(answer, result=bare)
        return answer

    def _require_room(self, most: int) -> None:
        if len(self._scrolls) >= most:
            raise too_many_contexts(most)

    def _forget_expired(self) -> None:
        """Forget scrolls whose time is over; what they held in each cluster goes with its own keep-alive."""
        now = self._clock.monotonic_seconds()
        for scroll_id in [each for each, scroll in self._scrolls.items() if scroll.ends_at_seconds <= now]:
            del self._scrolls[scroll_id]


def require_scrollable(request: SearchRequest, further: Collection[str] = ()) -> None:
    """Return if a search can be a scroll; raises a 400 failure that lists what it cannot have.

    ``further`` are problems that the caller has found already.
    """
    problems = []
    if request.track_total_hits not in (True, DEFAULT_TRACK_TOTAL_HITS):
        problems.append("disabling [track_total_hits] is not allowed in a scroll context")
    if request.offset > 0:
        problems.append("using [from] is not allowed in a scroll context")
    if request.size == 0:
        problems.append("[size] cannot be [0] in a scroll context")
    if request.rescore:
        problems.append("using [rescore] is not allowed in a scroll context")
    if request.collapse is not None:
        problems.append("cannot use `collapse` in a scroll context")
    if request.search_after is not None:
        problems.append("[search_after] cannot be used in a scroll context")
    if any(key.field == SHARD_DOC for key in request.sort):
        problems.append("[_shard_doc] sort field cannot be used without [point in time]")
    problems += further
    if problems:
        raise validation_failure(*problems)


def require_scroll_id(text: str) -> None:
    """Return if the text can be the id of a scroll; raises a 400 failure otherwise."""
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        packed = b""
    if len(packed) != _ID_LENGTH or not packed.startswith(_PREFIX):
        raise Failure(
            FailureKind.INVALID_REQUEST,
            "illegal_argument_exception",
            "Cannot parse scroll id",
        )


def _shown(answer: SearchAnswer, sort: Collection[SortKey]) -> SearchAnswer:
    """Answer the answer with the sort values that the caller asked for, and no more."""
    hits: tuple[Hit, ...] = tuple(
        msgspec.structs.replace(hit, sort=hit.sort[: len(sort)] if sort and hit.sort else None)
        for hit in answer.result.hits
    )
    return replace(answer, result=msgspec.structs.replace(answer.result, hits=hits))


def _with_lost_shards(answer: SearchAnswer, point: PointInTime) -> SearchAnswer:
    """Count the indices of a cluster that did not answer as failed shards.

    Clients that scroll look there to learn that something is missing: the pages of that cluster do not
    come again.
    """
    held = {part.alias: part.indices for part in point.parts}
    result: SearchResult = answer.result
    shards, failures = result.shards, list(result.failures)
    for detail in answer.clusters:
        if detail.status is not ClusterStatus.SKIPPED or not held.get(detail.alias or ""):
            continue
        lost = held[detail.alias or ""]
        shards = ShardCounts(
            total=shards.total + lost,
            successful=shards.successful,
            skipped=shards.skipped,
            failed=shards.failed + lost,
        )
        failures.extend(detail.failures or (_unanswered(detail),))
    if len(failures) == len(result.failures):
        return answer
    return replace(answer, result=msgspec.structs.replace(result, shards=shards, failures=tuple(failures)))


def _unanswered(detail: ClusterDetail) -> FailureReport:
    return FailureReport(
        kind=FailureKind.UNAVAILABLE.name,
        error_type="status_exception",
        reason=f"remote cluster [{detail.alias}] did not answer",
    )


def _in_order(details: Collection[ClusterDetail]) -> tuple[ClusterDetail, ...]:
    return tuple(sorted(details, key=lambda detail: detail.alias or ""))
