"""Indices of an engine held as they were: a point in time for each, kept alive for as long as it is held."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec

from isthmus.engines.attached.answers import read_answer
from isthmus.engines.attached.calls import Calls, path_of
from isthmus.engines.attached.dialect import Dialect, PointInTimeSyntax
from isthmus.engines.attached.limits import Limits
from isthmus.engines.attached.merging import search_apart
from isthmus.engines.attached.searching import Send, Target, over_point_in_time
from isthmus.engines.attached.shard_documents import ShardDocuments, ShardLayout, whole_setting
from isthmus.engines.attached.snapshot import Snapshot
from isthmus.engines.attached.sorting import with_dates_read
from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.exchange import IndexDescription, IndexSelection, SearchRequest, SearchResult
from isthmus.names import IndexName

logger = logging.getLogger(__name__)

#: an engine lets go of what nobody keeps alive any more: this node may be gone
KEEP_ALIVE: Final = "5m"
RENEWAL_SECONDS: Final = 90.0
_DEFAULT_WINDOW: Final = 10_000
#: points in time that are opened or closed at once
_AT_ONCE: Final = 8


class _Opened(msgspec.Struct):
    id: str | None = None
    pit_id: str | None = None


class HeldIndices:
    """Satisfies :class:`isthmus.exchange.HeldIndices` over an engine's points in time."""

    def __init__(
        self,
        calls: Calls,
        dialect: Dialect,
        snapshot: Snapshot,
        descriptions: Mapping[IndexName, IndexDescription],
        points: dict[IndexName, str],
        closed: Callable[[HeldIndices], None],
    ) -> None:
        """Tell ``closed`` once nobody needs the points any more."""
        self._calls = calls
        self._dialect = dialect
        self._snapshot = snapshot
        self._descriptions = descriptions
        self._points = points
        self._told = closed
        self._searches = 0
        self._is_closed = False

    def present(self) -> Collection[IndexName]:
        """Answer those that can still be searched."""
        known = self._snapshot.indices
        return [
            name
            for name, held in self._descriptions.items()
            if name in known and known[name].uuid == held.uuid and not known[name].closed
        ]

    async def search(self, selections: Sequence[IndexSelection], request: SearchRequest) -> SearchResult:
        """Search these indices as they were."""
        if self._is_closed:
            raise Failure(FailureKind.UNAVAILABLE, "already_closed_exception", "the view is closed")
        request = with_dates_read(request)
        self._searches += 1
        try:
            searches = [partial(self._search_one, each) for each in selections]
            return await search_apart(request, searches)
        finally:
            self._searches -= 1
            if self._is_closed and not self._searches:
                self._told(self)

    def close(self) -> None:
        """Let go of what was held, once the searches that run have ended."""
        if self._is_closed:
            return
        self._is_closed = True
        if not self._searches:
            self._told(self)

    async def renew(self) -> None:
        """Keep everything for as long again."""
        for name in list(self._points):
            try:
                await self._send(name)({"size": 0, "track_total_hits": False, "query": {"match_none": {}}})
            except Failure as failure:
                logger.warning("view of an attached engine not renewed", extra={"reason": failure.reason})

    async def let_go(self) -> None:
        """Close the points in time; one that the engine does not let go of ends by itself."""
        await close_points(self._calls, self._dialect, list(self._points.values()))

    async def _search_one(self, selection: IndexSelection, request: SearchRequest) -> SearchResult:
        name = selection.index
        types = self._snapshot.types_of(name)
        settings = self._descriptions[name].settings
        numbering = ShardDocuments.of(request, ShardLayout.of_settings(settings), selection.ordinal)
        asked = request
        if numbering is not None:
            asked = numbering.asked(whole_setting(settings, "index.max_result_window", _DEFAULT_WINDOW))
        boosts = () if selection.boost == 1.0 else ((str(name), selection.boost),)
        target = Target(self._send(name), Limits(selection, types), types, self._dialect, boosts)
        return await target.search(asked, numbering)

    def _send(self, name: IndexName) -> Send:
        def renewed(point: str) -> None:
            self._points[name] = point

        return over_point_in_time(self._calls, lambda: self._points[name], renewed, KEEP_ALIVE)


async def open_points(calls: Calls, dialect: Dialect, names: Sequence[IndexName]) -> dict[IndexName, str]:
    """Open a point in time for each index, or none of them where one cannot be."""
    syntax = dialect.point_in_time
    if syntax is None:
        raise illegal_argument(
            f"[pit] and [scroll] are not supported over the attached engine [{dialect.name}]: it has no "
            "points in time"
        )
    places = asyncio.Semaphore(_AT_ONCE)

    async def open_one(name: IndexName) -> str:
        rest = ("_pit",) if syntax is PointInTimeSyntax.ELASTICSEARCH else ("_search", "point_in_time")
        async with places:
            answer = await calls.ask("POST", path_of([name], *rest), query={"keep_alive": KEEP_ALIVE})
        opened = read_answer(answer, _Opened)
        return opened.id or opened.pit_id or ""

    outcomes = await asyncio.gather(*(open_one(name) for name in names), return_exceptions=True)
    points = {
        name: outcome for name, outcome in zip(names, outcomes, strict=True) if isinstance(outcome, str)
    }
    refused = next((outcome for outcome in outcomes if isinstance(outcome, BaseException)), None)
    if refused is not None:
        await close_points(calls, dialect, list(points.values()))
        raise refused
    return points


async def close_points(calls: Calls, dialect: Dialect, points: Sequence[str]) -> None:
    """Close points in time; failures are for the log."""
    if not points:
        return
    try:
        if dialect.point_in_time is PointInTimeSyntax.OPENSEARCH:
            await calls.ask("DELETE", "/_search/point_in_time", {"pit_id": list(points)})
            return
        for point in points:
            await calls.send("DELETE", "/_pit", {"id": point})
    except Failure as failure:
        logger.warning("view of an attached engine not closed", extra={"reason": failure.reason})
