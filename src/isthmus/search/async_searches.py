"""Searches that go on without their callers: submit, look, extend, delete.

Each runs in a task of its own. As soon as its id is told to anybody it is in the records, so that it is
known after a restart: with its answer if it had ended, else as lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

import msgspec

from isthmus.clock import Clock
from isthmus.errors import Failure, FailureKind
from isthmus.remotes.failure_reports import report_of
from isthmus.search.async_run import AsyncRun
from isthmus.search.async_search import (
    CANCEL_ACTION,
    DELETE_ACTION,
    GET_ACTION,
    STATUS_ACTION,
    AsyncSearch,
    AsyncSearchOwner,
    AsyncSearchRecords,
    KeptAmount,
    WritesAnswers,
    expiry,
    is_owner,
    lost,
    new_search_id,
    not_found,
    owner_of,
    require_search_id,
    within_limit,
)
from isthmus.search.merge import SearchAnswer
from isthmus.search.plan import SearchOrder
from isthmus.search.progress import SearchProgress
from isthmus.search.running import ASYNC_SEARCH_ACTION
from isthmus.security.audit_notes import continue_notes, note_granted
from isthmus.security.authorize import may_do_cluster_action, require_index_action
from isthmus.security.principal import Principal

logger = logging.getLogger(__name__)

#: how long a remote cluster may take when the request sets no ``timeout``: nobody waits for this search, so
#: it is as long as a remote cluster works on anything
REMOTE_TIMEOUT_SECONDS: Final = 3600.0
#: beyond this a node has other worries than one more search that nobody waits for
MOST_RUNNING: Final = 500
#: what may be kept in all
LIMIT: Final = KeptAmount(searches=10_000, size_bytes=1024**3)
_CHECK_SECONDS: Final = 5.0


class SearchesWithProgress(Protocol):
    """What runs the searches: :class:`isthmus.search.coordinator.SearchCoordinator`."""

    async def search(
        self, principal: Principal, order: SearchOrder, progress: SearchProgress | None, action: str
    ) -> SearchAnswer:
        """Answer the search, and tell how it gets on; raises only failures."""
        ...


@dataclass(frozen=True, slots=True)
class Submission:
    """How a submitted search is to be treated. ``wait_seconds`` None waits for its end."""

    keep_alive_milliseconds: int
    wait_seconds: float | None
    keep_on_completion: bool


class AsyncSearches:
    """The submitted searches of this node. For one event loop."""

    def __init__(
        self,
        searcher: SearchesWithProgress,
        records: AsyncSearchRecords,
        clock: Clock,
        maximum_response_bytes: Callable[[], int],
        limit: KeptAmount = LIMIT,
    ) -> None:
        self._searcher = searcher
        self._records = records
        self._clock = clock
        self._maximum_response_bytes = maximum_response_bytes
        self._limit = limit
        self._runs: dict[str, AsyncRun] = {}

    async def load(self) -> None:
        """Take note of what the last process left unfinished; call once before serving."""
        now = self._clock.now_milliseconds()
        await self._records.delete_expired(now)
        count = await self._records.fail_unfinished(now, lost("was restarted"))
        if count:
            logger.warning("searches were lost with the last process", extra={"searches": count})

    async def submit(
        self, principal: Principal, order: SearchOrder, submission: Submission, write: WritesAnswers
    ) -> tuple[AsyncSearch, bool]:
        """Begin a search, wait a little, and answer how it stands, and whether it is kept under its id.

        One that ended in time is kept only where that was asked for. A caller who goes away meanwhile
        takes the search along. Raises 403, and a 429 failure where too many run or are kept.
        """
        _require_may_submit(principal)
        if len(self._runs) >= MOST_RUNNING:
            raise _too_many(f"[{MOST_RUNNING}] async searches run on this node")
        now = self._clock.now_milliseconds()
        expires = expiry(now, submission.keep_alive_milliseconds)
        run = AsyncRun(new_search_id(), owner_of(principal), expires, write, self._clock)
        if order.remote_timeout_seconds is None:
            order = replace(order, remote_timeout_seconds=REMOTE_TIMEOUT_SECONDS)
        self._runs[run.id] = run
        run.work = asyncio.create_task(self._work(run, principal, order), name="async search")
        try:
            await _wait(run, submission.wait_seconds)
            if run.ended is not None and not submission.keep_on_completion:
                self._runs.pop(run.id, None)
                return run.now(), False
            await self._keep(run)
        except BaseException:
            await asyncio.shield(self._discard(run))
            raise
        return run.now(), True

    async def get(
        self,
        principal: Principal,
        search_id: str,
        *,
        wait_seconds: float | None = 0.0,
        keep_alive_milliseconds: int | None = None,
        with_intermediate_hits: bool = True,
    ) -> AsyncSearch:
        """Answer the search, after its end or this time; None waits for its end.

        Raises a 404 failure for one that is not there or not this caller's.
        """
        found = await self._find(search_id, _owned_by(principal), keep_alive_milliseconds)
        note_granted(GET_ACTION)
        if isinstance(found, AsyncSearch):
            return found
        await _wait(found, wait_seconds)
        return found.now(with_hits=with_intermediate_hits)

    async def status(
        self, principal: Principal, search_id: str, keep_alive_milliseconds: int | None = None
    ) -> AsyncSearch:
        """Answer how a search stands, without what it found; also to whoever may monitor the cluster."""
        may_see = _owned_by(principal, or_may=STATUS_ACTION)
        found = await self._find(search_id, may_see, keep_alive_milliseconds, with_response=False)
        note_granted(STATUS_ACTION)
        if isinstance(found, AsyncSearch):
            return found
        return msgspec.structs.replace(found.now(with_hits=False), response=None, typed_response=None)

    async def delete(self, principal: Principal, search_id: str) -> None:
        """End the search if it runs, everywhere, and forget it; also for whoever may cancel tasks."""
        may_delete = _owned_by(principal, or_may=CANCEL_ACTION)
        found = await self._find(search_id, may_delete, with_response=False)
        note_granted(DELETE_ACTION)
        if isinstance(found, AsyncRun):
            await self._discard(found)
        elif not await self._records.delete(search_id):
            raise not_found(search_id)

    async def run(self) -> None:
        """Remove what has expired, until cancelled."""
        while True:
            await self._clock.sleep(_CHECK_SECONDS)
            try:
                await self.remove_expired()
            except Failure as failure:  # the database: it is tried again
                logger.warning("expired searches not removed", extra={"reason": failure.reason})

    async def remove_expired(self) -> None:
        """End and forget every search whose time is over."""
        now = self._clock.now_milliseconds()
        for run in [run for run in self._runs.values() if run.expires_milliseconds <= now]:
            await self._discard(run)
        await self._records.delete_expired(now)

    async def close(self) -> None:
        """End every search; what the clusters have answered is kept, with the reason why that is not all."""
        runs = list(self._runs.values())
        for run in runs:
            await _end_work(run, only_searching=True)
        for run in runs:
            if run.kept and run.ended is None:
                run.break_off(lost("was stopped"))
                with contextlib.suppress(Failure):  # the next process finds it unfinished
                    await self._records.complete(await self._bounded(run.now()))
        self._runs.clear()

    async def _find(
        self,
        search_id: str,
        allows: Callable[[AsyncSearchOwner], bool],
        keep_alive_milliseconds: int | None = None,
        *,
        with_response: bool = True,
    ) -> AsyncRun | AsyncSearch:
        """Answer the search, running or stored, and keep it for so long from now on if that is given.

        Raises a 404 failure where there is none, its time is over, or the caller may not know of it.
        """
        require_search_id(search_id)
        now = self._clock.now_milliseconds()
        run = self._runs.get(search_id)
        found = run or await self._records.find(search_id, with_response=with_response)
        if found is None or found.expires_milliseconds <= now or not allows(found.owner):
            raise not_found(search_id)
        if keep_alive_milliseconds is None:
            return found
        expires = expiry(now, keep_alive_milliseconds)
        if isinstance(found, AsyncRun):
            found.expires_milliseconds = expires
        await self._records.expire_at(search_id, expires)
        if isinstance(found, AsyncRun):
            return found
        return msgspec.structs.replace(found, expires_milliseconds=expires)

    async def _work(self, run: AsyncRun, principal: Principal, order: SearchOrder) -> None:
        """Search, and store how that ended if anybody knows of it."""
        write_notes = continue_notes()  # the request may be answered long before
        try:
            run.succeed(await self._searcher.search(principal, order, run, ASYNC_SEARCH_ACTION))
        except Failure as failure:
            run.fail(failure)
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # a panic of an engine written in Rust is no Exception
            logger.exception("async search failed inside the server", extra={"id": run.id})
            run.fail(Failure(FailureKind.INTERNAL, "exception", f"internal error, reference [{run.id}]"))
        finally:
            write_notes()
        async with run.storing:
            if run.kept:
                await self._store_end(run, self._records.complete)

    async def _keep(self, run: AsyncRun) -> None:
        """Store the search as it stands, before its id is told."""
        kept = await self._records.kept()
        if kept.searches >= self._limit.searches:
            raise _too_many(f"[{kept.searches}] async searches are kept on this node")
        async with run.storing:
            if run.ended is None:
                # Without what was found so far: after a restart it could not be told from an answer.
                await self._records.put(
                    AsyncSearch(
                        id=run.id,
                        owner=run.owner,
                        started_milliseconds=run.started_milliseconds,
                        expires_milliseconds=run.expires_milliseconds,
                    )
                )
            else:
                await self._store_end(run, self._records.put)
            run.kept = True

    async def _store_end(self, run: AsyncRun, store: Callable[[AsyncSearch], Awaitable[object]]) -> None:
        """Store how it ended and let go of it; what cannot be stored is kept in memory as a failure."""
        try:
            run.ended = await self._bounded(run.now())
            await store(run.ended)
        except Failure as failure:
            logger.error("async search not stored", extra={"id": run.id, "reason": failure.reason})  # noqa: TRY400 - the reason says it all
            run.ended = msgspec.structs.replace(
                run.now(), response=None, typed_response=None, is_partial=True, error=report_of(failure)
            )
        else:
            self._runs.pop(run.id, None)

    async def _bounded(self, search: AsyncSearch) -> AsyncSearch:
        return within_limit(search, self._maximum_response_bytes(), await self._records.kept(), self._limit)

    async def _discard(self, run: AsyncRun) -> None:
        """End the search and forget it."""
        self._runs.pop(run.id, None)
        await _end_work(run)
        await self._records.delete(run.id)
        if run.ended is None:  # whoever waits for it learns that there is nothing to wait for
            run.break_off(report_of(not_found(run.id)))


def _owned_by(principal: Principal, or_may: str | None = None) -> Callable[[AsyncSearchOwner], bool]:
    """Answer what tells whether this caller submitted a search, or may do this cluster action anyway."""
    return lambda owner: (
        is_owner(principal, owner) or (or_may is not None and may_do_cluster_action(principal, or_may))
    )


def _require_may_submit(principal: Principal) -> None:
    """Refuse early who may search nothing here this way; what may be searched decides the search itself."""
    if not any(role.remote_indices for roles in principal.role_sets for role in roles):
        require_index_action(principal, ASYNC_SEARCH_ACTION, ())


def _too_many(what: str) -> Failure:
    return Failure(
        FailureKind.TOO_MANY_REQUESTS,
        "es_rejected_execution_exception",
        f"rejected execution of an async search: {what} already; delete those that nobody needs",
    )


async def _wait(run: AsyncRun, seconds: float | None) -> None:
    if seconds == 0:
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await run.done.wait()


async def _end_work(run: AsyncRun, *, only_searching: bool = False) -> None:
    """End the run's task; ``only_searching`` lets one that stores its end go on."""
    if run.work is not None:
        if run.ended is None or not only_searching:
            run.work.cancel()
        await asyncio.gather(run.work, return_exceptions=True)
