"""The open connections of one link: handed out one request at a time, grown on demand up to a maximum.

Elasticsearch opens ``proxy_socket_connections`` at once and multiplexes over them. Here a
connection carries one request at a time, so that number is the *most* requests under way at once: a few
are kept warm, more are opened while requests wait, and those beyond the warm ones are closed
again when they idle. Further requests wait in turn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from isthmus.clock import Clock
from isthmus.remotes.connection import Connection
from isthmus.remotes.phases import PhaseFailure

#: an idle connection beyond the warm ones is closed after this
IDLE_SECONDS: Final = 60.0


class ConnectionPool:
    """Connections by who uses them. ``dial`` opens one that is ready for requests, or raises PhaseFailure.

    ``on_change`` is called whenever a connection was opened or lost and whenever a dial for a waiting
    request has failed (with the failure).
    """

    def __init__(
        self,
        maximum: int,
        dial: Callable[[], Awaitable[Connection]],
        on_change: Callable[[PhaseFailure | None], None],
        clock: Clock,
    ) -> None:
        self._maximum = maximum
        self._dial = dial
        self._on_change = on_change
        self._clock = clock
        self._open: set[Connection] = set()
        self._idle: deque[tuple[float, Connection]] = deque()  # the longest idle first
        self._dialing: set[asyncio.Task[None]] = set()
        self._reserved = 0  # dials that the caller of `open_one` waits for itself
        self._waiters: deque[asyncio.Future[Connection]] = deque()
        self._stale: set[Connection] = set()  # in use, and not to be used again
        self._closed = False

    @property
    def open_count(self) -> int:
        """How many connections are open, busy or idle."""
        return len(self._open)

    @property
    def is_in_use(self) -> bool:
        """Tell whether a request is under way, or waits for a connection."""
        return bool(self._waiters) or len(self._open) > len(self._idle)

    @property
    def has_room(self) -> bool:
        """Tell whether one more may be opened."""
        return len(self._open) + len(self._dialing) + self._reserved < self._maximum

    async def acquire(self, *, fresh: bool = False) -> Connection:
        """Answer a connection for one request; give it back with :meth:`release`.

        Does not wait, not even for a turn of the event loop, where one is idle. ``fresh`` asks for
        one that has not idled. Raises :class:`PhaseFailure` when none is open and none can be opened.
        """
        if not fresh:
            connection = self.take_idle_or_none()
            if connection is not None:
                return connection
        waiter: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._grow()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.release(waiter.result())  # handed over in the very turn of the cancellation
            raise
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def open_connections(self) -> Collection[Connection]:
        """Answer every open connection, busy or idle."""
        return tuple(self._open)

    def take_idle_where_or_none(self, is_wanted: Callable[[Connection], bool]) -> Connection | None:
        """Answer an idle connection of this kind."""
        for entry in self._idle:
            if entry[1].usable and is_wanted(entry[1]):
                self._idle.remove(entry)
                return entry[1]
        return None

    def take_idle_or_none(self) -> Connection | None:
        """Answer the connection that was used last, so that the others can go idle and close."""
        while self._idle:
            _, connection = self._idle.pop()
            if connection.usable:
                return connection
        return None

    def take_longest_idle_or_none(self) -> Connection | None:
        """Answer the connection that nobody has used for the longest time: the one to make sure of."""
        while self._idle:
            _, connection = self._idle.popleft()
            if connection.usable:
                return connection
        return None

    def release(self, connection: Connection) -> None:
        """Take back a connection that was acquired, whatever became of it."""
        if connection not in self._open:
            return
        if not connection.usable or connection in self._stale or len(self._open) > self._maximum:
            connection.abort()
            return
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._idle.append((self._clock.monotonic_seconds(), connection))

    async def open_one(self) -> None:
        """Open one more connection, for the link's own purposes; raises :class:`PhaseFailure`."""
        self._reserved += 1
        try:
            connection = await self._dial()
        finally:
            self._reserved -= 1
        self._adopt(connection)

    def close_idle_beyond(self, keep: int) -> None:
        """Close connections that have idled for long, as long as more than ``keep`` are open."""
        limit = self._clock.monotonic_seconds() - IDLE_SECONDS
        while self._idle and len(self._open) > keep and self._idle[0][0] <= limit:
            self._idle.popleft()[1].close()

    def allow(self, maximum: int) -> None:
        """Keep to this number from now on; connections in use beyond it close when they come back."""
        self._maximum = maximum
        while self._idle and len(self._open) > maximum:
            self._idle.popleft()[1].close()
        self._grow()

    def retire_where(self, is_unwanted: Callable[[Connection], bool]) -> None:
        """Use these connections for nothing new: idle ones close now, the others when they come back."""
        for connection in [each for each in self._open if is_unwanted(each)]:
            self._stale.add(connection)
            if any(idle is connection for _, idle in self._idle):
                connection.close()

    def close_idle(self) -> None:
        """Close every connection that is not in use; those in use close when they come back."""
        while self._idle:
            self._idle.popleft()[1].close()
        self._stale = set(self._open)

    def drop_all(self, reason: str) -> None:
        """End every connection at once; requests under way fail with this reason."""
        for connection in list(self._open):
            connection.abort(reason)

    def drop_where(self, is_bad: Callable[[Connection], bool], reason: str) -> None:
        """End these connections at once; requests under way on them fail with this reason."""
        for connection in [each for each in self._open if is_bad(each)]:
            connection.abort(reason)

    def fail_waiters(self, failure: PhaseFailure) -> None:
        """Tell everybody who waits for a connection that there is none."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(failure)

    async def close(self, failure: PhaseFailure) -> None:
        """End everything, and wait until what was being opened has stopped."""
        self._closed = True
        self.fail_waiters(failure)
        self.drop_all(failure.reason)
        tasks = list(self._dialing)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _adopt(self, connection: Connection) -> None:
        if self._closed:
            connection.abort()
            return
        self._open.add(connection)
        connection.on_end(self._lost)
        self._on_change(None)
        self.release(connection)

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._stale.discard(connection)
        if any(idle is connection for _, idle in self._idle):
            self._idle = deque(entry for entry in self._idle if entry[1] is not connection)
        if not self._closed:
            self._on_change(None)
            self._grow()

    def _grow(self) -> None:
        """Open connections for those who wait, as long as there is room."""
        while len(self._dialing) < len(self._waiters) and self.has_room and not self._closed:
            task = asyncio.get_running_loop().create_task(self._dial_for_waiter())
            self._dialing.add(task)
            task.add_done_callback(self._dialing.discard)

    async def _dial_for_waiter(self) -> None:
        try:
            connection = await self._dial()
        except PhaseFailure as failure:
            self._on_change(failure)
            if not self._open:
                self.fail_waiters(failure)
            return
        self._adopt(connection)
