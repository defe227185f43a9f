"""The loop that keeps a link up: looks at what should be and at what is, and does the next thing."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from isthmus.remotes.causes import Cause
from isthmus.remotes.connection import Connection
from isthmus.remotes.dialling import send_hello, send_ping
from isthmus.remotes.link_core import LinkCore
from isthmus.remotes.link_state import LinkState
from isthmus.remotes.outcome import Outcome
from isthmus.remotes.phases import Phase, PhaseFailure
from isthmus.remotes.pool import IDLE_SECONDS
from isthmus.remotes.records import Revealable

#: connections kept open without a request: one to use and one to spare
WARM_CONNECTIONS: Final = 2
_PING_TIMEOUT_SECONDS: Final = 5.0


class LinkLoop:
    """Runs one link. ``outcome`` is announced after each attempt."""

    def __init__(self, core: LinkCore, outcome: Outcome) -> None:
        self._core = core
        self._outcome = outcome

    async def run(self) -> None:
        """Keep the link up until it is closed, or until cancelled."""
        core = self._core
        while core.health.state is not LinkState.CLOSED:
            core.bell.clear()
            await self._step()
            await self._wait(self._due_seconds_or_none())

    @property
    def _warm_connections(self) -> int:
        wanted = max(WARM_CONNECTIONS, self._core.route.wanted_nodes)
        return min(wanted, self._core.settings.mode.maximum_connections)

    @property
    def _wants_attempt(self) -> bool:
        core = self._core
        if core.health.state is LinkState.CLOSED or not core.pool.has_room:
            return False
        return not core.health.connected or core.pool.open_count < self._warm_connections

    async def _step(self) -> None:
        core = self._core
        due = core.keys.trial_due_seconds
        if due is not None and core.now() >= due and core.health.state is not LinkState.CLOSED:
            await self._try_next_key()
        if core.introduce_again or (core.health.connected and core.now() >= core.next_ping_at):
            await self._check_peer()
        while self._wants_attempt and core.now() >= core.health.next_attempt_at:
            await self._attempt()
        core.pool.close_idle_beyond(self._warm_connections)

    def _due_seconds_or_none(self) -> float | None:
        core = self._core
        due = []
        if self._wants_attempt:
            due.append(core.health.next_attempt_at)
        if core.keys.trial_due_seconds is not None:
            due.append(core.keys.trial_due_seconds)
        if core.health.connected:
            due += [core.next_ping_at, core.now() + IDLE_SECONDS]
        return max(0.0, min(due) - core.now()) if due else None

    async def _wait(self, seconds: float | None) -> None:
        """Return when the bell rings or, unless that is None, after this time."""
        tasks: set[asyncio.Task[object]] = {asyncio.create_task(self._core.bell.wait())}
        if seconds is not None:
            tasks.add(asyncio.create_task(self._core.context.clock.sleep(seconds)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    async def _attempt(self) -> None:
        self._core.health.attempt_begins()
        with contextlib.suppress(PhaseFailure):  # noted where it happened
            await self._core.pool.open_one()
        self._outcome.announce()

    async def _try_next_key(self) -> None:
        core = self._core
        if await core.keys.try_next(core.require_same_cluster):
            core.use_key(core.keys.in_use)
            await self._move_connections()

    async def _move_connections(self) -> None:
        """Have every idle connection carry the key in use once, so that all are known to work with it."""
        core = self._core
        for _ in range(core.pool.open_count):
            connection = core.pool.take_idle_where_or_none(lambda each: each.key is not core.key)
            key = core.key
            if connection is None or key is None:
                return
            with contextlib.suppress(PhaseFailure, TimeoutError):
                async with asyncio.timeout(_PING_TIMEOUT_SECONDS):
                    await self._exchange_signs(connection, key, introduce=True)
                core.introduce_again = False
            core.pool.release(connection)

    async def _check_peer(self) -> None:
        """Ask the far side for a sign of life, with the key as it is now, and now and then for its nodes."""
        core = self._core
        core.next_ping_at = core.now() + core.ping_interval_seconds
        key = core.key
        # The one that idles longest, so that all warm ones take turns and none is closed for idleness.
        connection = core.pool.take_longest_idle_or_none()
        if connection is None:
            # All are busy, which is a sign of life. A new key is tried on a connection of its own.
            if core.introduce_again and core.pool.has_room:
                core.introduce_again = False
                await self._attempt()
            return
        introduce, core.introduce_again = core.introduce_again, False
        try:
            async with asyncio.timeout(_PING_TIMEOUT_SECONDS):
                await self._exchange_signs(connection, key, introduce=introduce)
                await self._look_for_nodes(connection, key)
        except TimeoutError:
            self._node_is_silent(connection)
        except PhaseFailure as failure:
            # A single connection that broke is replaced without ado; an answer that says no counts.
            if failure.refused and key is core.key and not core.fall_back(key, failure):
                core.note_failure(failure)
        finally:
            core.pool.release(connection)

    async def _exchange_signs(
        self, connection: Connection, key: Revealable | None, *, introduce: bool
    ) -> None:
        core = self._core
        started = core.now()
        if introduce:
            core.note_success(await send_hello(connection, connection.destination, key, core.context))
        else:
            core.note_pong(await send_ping(connection, connection.destination, key, core.context))
        core.health.round_trip_milliseconds = (core.now() - started) * 1000

    async def _look_for_nodes(self, connection: Connection, key: Revealable | None) -> None:
        """Ask for the nodes if that is due, and leave those that are not to be connected to any more."""
        core = self._core
        if core.route.refresh_is_due(core.now()):
            await core.route.refresh(connection, key, core.now())
            core.pool.retire_where(lambda each: not core.route.leads_to(each))

    def _node_is_silent(self, connection: Connection) -> None:
        """End all connections to the node at the end of this one, so that nobody waits for it."""
        failure = PhaseFailure(
            Phase.CONNECT,
            f"[{connection.destination.address}] stopped answering",
            "check the remote node and the network on the way",
            cause=Cause.CONNECTION_BREAKS,
        )
        self._core.health.note_silence(failure)
        self._core.pool.drop_where(lambda each: each.node_id == connection.node_id, failure.reason)
