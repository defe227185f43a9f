"""The searches that run here now: to list them, to wait for them, to cancel them.

The synchronous way of a search goes through here, so beginning and ending one is a handful of
assignments; everything that is only for whoever looks is worked out when somebody does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import count
from typing import Final, Protocol

from isthmus.errors import Failure, FailureKind
from isthmus.remotes.trace import Trace, current_trace

SEARCH_ACTION: Final = "indices:data/read/search"
MULTI_SEARCH_ACTION: Final = "indices:data/read/msearch"
ASYNC_SEARCH_ACTION: Final = "indices:data/read/async_search/submit"

#: what Elasticsearch says of a task that somebody cancelled by ``_tasks``
BY_USER_REQUEST: Final = "by user request"


_PARENT: Final[ContextVar[RunningTask | None]] = ContextVar("parent task", default=None)


class Described(Protocol):
    """What a task is about, for whoever looks at it in detail."""

    def describe(self) -> str:
        """Answer it in one line."""
        ...


@dataclass(slots=True, eq=False)
class RunningTask:
    """One thing that runs here. Not frozen: it may be cancelled.

    ``number`` tells it apart from every other of this process. ``work`` is what cancelling ends; without
    it the task can only be looked at.
    """

    number: int
    action: str
    subject: Described | None
    started_nanoseconds: int
    trace: Trace
    work: asyncio.Task[object] | None
    #: what it is a part of
    parent: RunningTask | None = None
    cancelled_because: str | None = None
    _ended: list[asyncio.Future[None]] = field(default_factory=list)

    @property
    def running_nanoseconds(self) -> int:
        """How long it has run."""
        return time.monotonic_ns() - self.started_nanoseconds

    @property
    def description(self) -> str:
        """What it is about, "" where there is nothing to tell."""
        return "" if self.subject is None else self.subject.describe()

    def cancel(self, reason: str = BY_USER_REQUEST) -> None:
        """Have it stop; its caller is told why. Once is enough."""
        if self.cancelled_because is None and self.work is not None:
            self.cancelled_because = reason
            self.work.cancel()

    def cancellation(self) -> Failure | None:
        """Answer what its caller is told; None where nobody cancelled it here.

        To be called where the cancellation arrives, in the task itself: it is taken as handled.
        """
        if self.cancelled_because is None or self.work is None:
            return None
        self.work.uncancel()
        return Failure(
            FailureKind.INVALID_REQUEST,
            "task_cancelled_exception",
            f"task cancelled [{self.cancelled_because}]",
        )


class RunningTasks:
    """Every task of this process, from :meth:`begin` to :meth:`end`. For one event loop."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._tasks: dict[int, RunningTask] = {}

    def begin(
        self, action: str, subject: Described | None = None, *, cancellable: bool = True
    ) -> RunningTask:
        """Take note that the current asyncio task begins with this; give the answer to :meth:`end`."""
        task = RunningTask(
            next(self._numbers),
            action,
            subject,
            time.monotonic_ns(),
            current_trace(),
            asyncio.current_task() if cancellable else None,
            _PARENT.get(),
        )
        self._tasks[task.number] = task
        return task

    def begin_parent(self, action: str) -> RunningTask:
        """Do what :meth:`begin` does; what the current asyncio task begins from now on is a part of it."""
        task = self.begin(action)
        _PARENT.set(task)
        return task

    def end(self, task: RunningTask) -> None:
        """Take note that it is over."""
        del self._tasks[task.number]
        for waiter in task._ended:  # noqa: SLF001 - of this module
            if not waiter.done():
                waiter.set_result(None)

    def all(self) -> list[RunningTask]:
        """Answer every task, the oldest first."""
        return list(self._tasks.values())

    def find(self, number: int) -> RunningTask | None:
        """Answer the task of this number while it runs."""
        return self._tasks.get(number)

    async def until_ended(self, tasks: Iterable[RunningTask], timeout_seconds: float | None = None) -> None:
        """Return when none of them runs any longer; raises :class:`TimeoutError` after this time."""
        async with asyncio.timeout(timeout_seconds):
            for task in tasks:
                if task.number in self._tasks:
                    waiter = asyncio.get_running_loop().create_future()
                    task._ended.append(waiter)  # noqa: SLF001 - of this module
                    await waiter
