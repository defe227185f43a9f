"""The threads that search. The library leaves the interpreter free, so there is one for each core."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, TypeVar

from isthmus.errors import Failure, FailureKind

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

#: Elasticsearch's queue of the search pool
DEFAULT_QUEUE_LENGTH: Final = 1_000


class Stopped(Exception):  # noqa: N818 - not an error: the caller gave up or the time is over
    """Raised inside a search that nobody waits for any longer."""


class Stop:
    """Tells a running search to stop: because it was abandoned, or its time is over."""

    def __init__(self, timeout_seconds: float | None = None) -> None:
        self._abandoned = False
        self._deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds

    def abandon(self) -> None:
        """Stop the search at its next step."""
        self._abandoned = True

    def check(self) -> None:
        """Raise :class:`Stopped` if the search is to stop. Called between its steps."""
        if self._abandoned or self.is_late:
            raise Stopped

    def check_abandoned(self) -> None:
        """Raise :class:`Stopped` if nobody waits any longer. What was found in time is still completed."""
        if self._abandoned:
            raise Stopped

    @property
    def is_late(self) -> bool:
        """Tell whether the time is over."""
        return self._deadline is not None and time.monotonic() >= self._deadline


class SearchPool:
    """Runs searches in threads, so many at a time, and refuses more than it can keep waiting."""

    def __init__(self, threads: int | None = None, queue_length: int = DEFAULT_QUEUE_LENGTH) -> None:
        self._threads = threads or max(2, os.cpu_count() or 1)
        self._queue_length = queue_length
        self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix="search")
        self._in_flight: set[Future[Any]] = set()
        self._lock = threading.Lock()

    @property
    def in_flight(self) -> int:
        """Answer how many searches run or wait, abandoned ones that still run included."""
        return len(self._in_flight)

    async def run(
        self,
        work: Callable[[], Result],
        stop: Stop,
        grace_seconds: float | None = None,
        not_started: Callable[[], None] | None = None,
    ) -> Result | None:
        """Run work in a thread and answer what it answers; None if that takes longer than the grace.

        Raises what the work raises; a 429 failure when too many wait already. When the grace is
        over or the call is cancelled, ``stop`` is told and the thread is left to notice. Work that
        will never start is made up for by calling ``not_started``.
        """
        clean_up = not_started or _nothing
        try:
            future = self._submit(work)
        except BaseException:
            clean_up()
            raise
        waiting = asyncio.wrap_future(future)
        try:
            done, _ = await asyncio.wait({waiting}, timeout=grace_seconds)
            if done:
                return waiting.result()
        except asyncio.CancelledError:
            _abandon(future, waiting, stop, clean_up)
            raise
        _abandon(future, waiting, stop, clean_up)
        return None

    def _submit(self, work: Callable[[], Result]) -> Future[Result]:
        with self._lock:
            if len(self._in_flight) >= self._threads + self._queue_length:
                raise Failure(
                    FailureKind.TOO_MANY_REQUESTS,
                    "es_rejected_execution_exception",
                    f"rejected execution of a search: [{self._threads}] run and the queue of "
                    f"[{self._queue_length}] is full",
                )
            future = self._executor.submit(work)
            self._in_flight.add(future)
        future.add_done_callback(self._forget)
        return future

    def _forget(self, future: Future[Result]) -> None:
        with self._lock:
            self._in_flight.discard(future)

    def close(self) -> None:
        """Refuse further searches and wait for those that run."""
        self._executor.shutdown(wait=True, cancel_futures=True)


def _abandon(
    future: Future[Result], waiting: asyncio.Future[Result], stop: Stop, not_started: Callable[[], None]
) -> None:
    stop.abandon()
    # its outcome, whatever it is, is of no interest: do not let asyncio complain about it
    waiting.add_done_callback(_look_at)
    if future.cancel():
        not_started()


def _look_at(done: asyncio.Future[Result]) -> None:
    if not done.cancelled():
        done.exception()


def _nothing() -> None:
    """Leave everything as it is."""
