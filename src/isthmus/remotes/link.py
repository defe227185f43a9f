"""The link to one remote cluster: keeps connections open and mends itself, request or no request.

``run`` is a reconcile loop: it looks at what should be (a key, a few warm connections, a peer that
answers) and at what is, does the next thing, and waits until something is due or a bell rings. All
states and transitions stand in :mod:`isthmus.remotes.link_state`, the waits in
:mod:`isthmus.remotes.backoff`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Final

import msgspec

from isthmus.errors import Failure
from isthmus.remotes.backoff import AFTER_FAILURE, AFTER_REFUSAL
from isthmus.remotes.causes import Cause
from isthmus.remotes.connection import Connection
from isthmus.remotes.dialling import LinkContext, dial, send_hello, send_ping
from isthmus.remotes.link_keys import LinkKeys
from isthmus.remotes.link_state import LinkEvent, LinkState, next_state
from isthmus.remotes.link_status import LinkStatus
from isthmus.remotes.outcome import Outcome
from isthmus.remotes.phases import Phase, PhaseFailure, PhaseHistory
from isthmus.remotes.pool import IDLE_SECONDS, ConnectionPool
from isthmus.remotes.protocol import ZSTANDARD, Pong, Welcome
from isthmus.remotes.records import Revealable
from isthmus.remotes.rotation import KeyUse
from isthmus.remotes.settings import RemoteSettings
from isthmus.remotes.tls_failures import Destination
from isthmus.remotes.unavailable import remote_unavailable

logger = logging.getLogger(__name__)

#: connections kept open without a request: one to use and one to spare
WARM_CONNECTIONS: Final = 2
#: how often a quiet link makes sure that the far side is there and accepts the key
DEFAULT_PING_INTERVAL_SECONDS: Final = 5.0
#: what a shorter ``transport.ping_schedule`` is taken as
_SHORTEST_PING_INTERVAL_SECONDS: Final = 0.1
_PING_TIMEOUT_SECONDS: Final = 5.0
#: how soon a request may bring an attempt forward: a busy node must not hammer a remote that is down
_SOONEST_RETRY_SECONDS: Final = 1.0
_LOG_INTERVAL_SECONDS: Final = 60.0


class Link:
    """One alias with one set of connection settings, from its first attempt to :meth:`close`."""

    def __init__(
        self,
        settings: RemoteSettings,
        key: Revealable | None,
        context: LinkContext,
        next_key: Revealable | None = None,
    ) -> None:
        self.settings = settings
        self.destination = Destination(settings.alias, settings.proxy_address, settings.expected_name)
        self._context = context
        self._keys = LinkKeys(self.destination, key, next_key, context)
        self._key = self._keys.in_use
        self._state = LinkState.CONNECTING
        self._history = PhaseHistory()
        self._failure: PhaseFailure | None = None
        self._failures_in_a_row = 0
        self._welcome: Welcome | None = None
        self._round_trip_milliseconds: float | None = None
        self._introduce_again = False
        now = context.clock.monotonic_seconds()
        self._next_attempt_at = now
        self._last_attempt_at = now - _SOONEST_RETRY_SECONDS
        self._next_ping_at = now + self._ping_interval_seconds
        self._next_log_at = now
        self._bell = asyncio.Event()
        self._outcome = Outcome()
        self._pool = ConnectionPool(
            settings.proxy_socket_connections, self._dial, self._pool_changed, context.clock
        )

    @property
    def connected(self) -> bool:
        """Tell whether a request can be sent now."""
        return self._state is LinkState.CONNECTED

    @property
    def key(self) -> Revealable | None:
        """The cross-cluster key that requests are to carry."""
        return self._key

    @property
    def keys(self) -> tuple[Revealable | None, Revealable | None]:
        """The current and the next key, as the registry has set them."""
        return self._keys.configured

    @property
    def security_model(self) -> str:
        """How both sides trust each other: ``api_key`` or ``certificate``, by whether there is a key."""
        return "certificate" if self._key is None else "api_key"

    @property
    def welcome(self) -> Welcome | None:
        """What the far side told of itself last."""
        return self._welcome

    @property
    def remote_understands_zstd(self) -> bool:
        """Tell whether bodies may be compressed."""
        return self._welcome is not None and ZSTANDARD in self._welcome.features

    def status(self) -> LinkStatus:
        """Answer how the link stands."""
        waits = self._state in (LinkState.BACKING_OFF, LinkState.REFUSED)
        failure = self._failure
        remaining = max(0.0, self._next_attempt_at - self._now()) if waits else None
        return LinkStatus(
            state=self._state,
            open_connections=self._pool.open_count,
            has_key=self._key is not None,
            history=self._history,
            failure=failure,
            failures_in_a_row=self._failures_in_a_row,
            next_attempt_seconds=remaining,
            welcome=self._welcome,
            round_trip_milliseconds=self._round_trip_milliseconds,
            keys=self._keys.describe(self._pool.open_connections()),
            now_milliseconds=self._context.clock.now_milliseconds(),
        )

    # For requests

    async def acquire(self, *, fresh: bool = False) -> Connection:
        """Answer a connection for one request; give it back with :meth:`release`.

        Raises the 503 failure of :meth:`unavailable` when the link is down.
        """
        if not self.connected:
            raise self.unavailable()
        try:
            return await self._pool.acquire(fresh=fresh)
        except PhaseFailure as failure:
            raise self.unavailable(failure) from failure

    def release(self, connection: Connection) -> None:
        """Take a connection back, whatever became of it."""
        self._pool.release(connection)

    async def ensure_connected(self, timeout_seconds: float, *, insist: bool) -> None:
        """Return when connected; raises the 503 failure of :meth:`unavailable` otherwise.

        The first attempt is waited for. A link that is known to be down, because the last attempt failed,
        fails at once whether or not the next one is under way, unless the caller insists: then an attempt
        is made now, and waited for.
        """
        if self.connected:
            return
        waiting = self._state in (LinkState.BACKING_OFF, LinkState.REFUSED) or self._failures_in_a_row > 0
        if self._state is LinkState.CLOSED:
            raise self.unavailable()
        self._bring_forward(insist=insist)
        if waiting and not insist:
            raise self.unavailable()
        await self._outcome.wait(timeout_seconds)
        if not self.connected:
            raise self.unavailable()

    def unavailable(self, failure: PhaseFailure | None = None) -> Failure:
        """Answer the failure for a caller who needs this remote: what is wrong, and what to do."""
        cause = failure or self._failure
        return remote_unavailable(
            self.settings, cause or PhaseFailure(Phase.CONNECT, "no connection is open yet")
        )

    def use_of(self, key: Revealable) -> KeyUse:
        """Answer the counters of this key, for whoever sends requests with it."""
        return self._keys.use_of(key)

    def refused(self, key: Revealable | None, failure: PhaseFailure) -> None:
        """Take note that a request, not an attempt, was refused for the key that it carried.

        Where there is another key to go on with, :attr:`key` is that one afterwards.
        """
        if not self._fall_back(key, failure):
            self._note_failure(failure)

    # For the registry

    def set_keys(self, current: Revealable | None, following: Revealable | None) -> None:
        """Take the keys as they are in the keystore now; `isthmus.remotes.rotation` says which is used."""
        self._keys.set(current, following)
        self._use_key(self._keys.in_use)
        self._bell.set()

    def _use_key(self, key: Revealable | None) -> None:
        """Use this key from the next request on; requests under way go on with the one they carry.

        None is the certificate model. From one model to the other no connection can be taken along.
        """
        if key is None and self._key is None:
            return
        if key is None or self._key is None:
            self._key = key
            self._failure = None
            self._pool.close_idle()
            self._move(LinkEvent.MODEL_CHANGED)
            self._introduce_again = False
            self._next_attempt_at = self._now()
            self._failures_in_a_row = 0
        elif key is not self._key:
            self._key = key
            self._move(LinkEvent.KEY_CHANGED)
            self._introduce_again = self.connected
            self._next_attempt_at = self._now()
            self._failures_in_a_row = 0
        self._bell.set()

    def set_skip_unavailable(self, settings: RemoteSettings) -> None:
        """Take settings that need no new connections."""
        self.settings = settings

    def trust_changed(self) -> None:
        """Connect anew: what was trusted may no longer be, and the other way round."""
        self._pool.close_idle()
        self._next_attempt_at = self._now()
        self._failures_in_a_row = 0
        self._bell.set()

    def certificates_changed(self) -> None:
        """Drop each connection to a node that is trusted no longer, whatever it carries; connect anew."""
        security = self._context.transport
        if self._key is not None or security is None:
            return
        self._pool.drop_where(
            lambda connection: not security.trusts(connection.peer_chain),
            "the remote's certificate is trusted no longer",
        )
        self.trust_changed()

    async def run(self) -> None:
        """Keep the link up until cancelled; whoever cancels calls :meth:`drain` or :meth:`close` then."""
        while self._state is not LinkState.CLOSED:
            self._bell.clear()
            await self._step()
            await self._wait(self._due_seconds_or_none())

    async def close(self) -> None:
        """End every connection at once; requests under way fail."""
        self._move(LinkEvent.CLOSE)
        self._bell.set()
        self._outcome.announce()
        await self._pool.close(PhaseFailure(Phase.CONNECT, "the link was closed by this node"))

    async def drain(self, grace_seconds: float) -> None:
        """Take no more requests, let those under way finish within this time, then close."""
        self._move(LinkEvent.CLOSE)
        self._bell.set()
        self._pool.close_idle()
        give_up_at = self._now() + grace_seconds
        while self._pool.open_count and self._now() < give_up_at:
            await self._context.clock.sleep(0.05)
        await self.close()

    # The loop

    @property
    def _ping_interval_seconds(self) -> float:
        asked = self.settings.ping_interval_seconds
        return DEFAULT_PING_INTERVAL_SECONDS if asked is None else max(asked, _SHORTEST_PING_INTERVAL_SECONDS)

    @property
    def _warm_connections(self) -> int:
        return min(WARM_CONNECTIONS, self.settings.proxy_socket_connections)

    @property
    def _wants_attempt(self) -> bool:
        if self._state is LinkState.CLOSED or not self._pool.has_room:
            return False
        return not self.connected or self._pool.open_count < self._warm_connections

    def _now(self) -> float:
        return self._context.clock.monotonic_seconds()

    async def _step(self) -> None:
        due = self._keys.trial_due_seconds
        if due is not None and self._now() >= due and self._state is not LinkState.CLOSED:
            await self._try_next_key()
        if self._introduce_again or (self.connected and self._now() >= self._next_ping_at):
            await self._check_peer()
        while self._wants_attempt and self._now() >= self._next_attempt_at:
            await self._attempt()
        self._pool.close_idle_beyond(self._warm_connections)

    def _due_seconds_or_none(self) -> float | None:
        due = []
        if self._wants_attempt:
            due.append(self._next_attempt_at)
        if self._keys.trial_due_seconds is not None:
            due.append(self._keys.trial_due_seconds)
        if self.connected:
            due += [self._next_ping_at, self._now() + IDLE_SECONDS]
        return max(0.0, min(due) - self._now()) if due else None

    async def _wait(self, seconds: float | None) -> None:
        """Return when the bell rings or, unless that is None, after this time."""
        tasks: set[asyncio.Task[object]] = {asyncio.create_task(self._bell.wait())}
        if seconds is not None:
            tasks.add(asyncio.create_task(self._context.clock.sleep(seconds)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    async def _attempt(self) -> None:
        if self._state in (LinkState.BACKING_OFF, LinkState.REFUSED):
            self._move(LinkEvent.RETRY_DUE)
        self._last_attempt_at = self._now()
        with contextlib.suppress(PhaseFailure):  # noted where it happened
            await self._pool.open_one()
        self._outcome.announce()

    async def _try_next_key(self) -> None:
        if await self._keys.try_next(self._require_same_cluster):
            self._use_key(self._keys.in_use)
            await self._move_connections()

    async def _move_connections(self) -> None:
        """Have every idle connection carry the key in use once, so that all are known to work with it."""
        for _ in range(self._pool.open_count):
            connection = self._pool.take_idle_where_or_none(lambda each: each.key is not self._key)
            key = self._key
            if connection is None or key is None:
                return
            with contextlib.suppress(PhaseFailure, TimeoutError):
                async with asyncio.timeout(_PING_TIMEOUT_SECONDS):
                    await self._exchange_signs(connection, key, introduce=True)
                self._introduce_again = False
            self._pool.release(connection)

    def _fall_back(self, key: Revealable | None, failure: PhaseFailure) -> bool:
        """Tell whether requests can go on with another key than this one, and have them do so."""
        if not self._keys.go_on_without(key, failure):
            return False
        self._use_key(self._keys.in_use)
        self._bell.set()
        return True

    async def _check_peer(self) -> None:
        """Ask the far side for a sign of life, with the key as it is now."""
        self._next_ping_at = self._now() + self._ping_interval_seconds
        key = self._key
        # The one that idles longest, so that all warm ones take turns and none is closed for idleness.
        connection = self._pool.take_longest_idle_or_none()
        if connection is None:
            # All are busy, which is a sign of life. A new key is tried on a connection of its own.
            if self._introduce_again and self._pool.has_room:
                self._introduce_again = False
                await self._attempt()
            return
        introduce, self._introduce_again = self._introduce_again, False
        try:
            async with asyncio.timeout(_PING_TIMEOUT_SECONDS):
                await self._exchange_signs(connection, key, introduce=introduce)
        except TimeoutError:
            self._peer_is_silent()
        except PhaseFailure as failure:
            # A single connection that broke is replaced without ado; an answer that says no counts.
            if failure.refused and key is self._key and not self._fall_back(key, failure):
                self._note_failure(failure)
        finally:
            self._pool.release(connection)

    async def _exchange_signs(
        self, connection: Connection, key: Revealable | None, *, introduce: bool
    ) -> None:
        started = self._now()
        if introduce:
            self._note_success(await send_hello(connection, self.destination, key, self._context))
        else:
            self._note_pong(await send_ping(connection, self.destination, key, self._context))
        self._round_trip_milliseconds = (self._now() - started) * 1000

    def _peer_is_silent(self) -> None:
        failure = PhaseFailure(
            Phase.CONNECT,
            f"[{self.settings.proxy_address}] stopped answering",
            "check the remote node and the network on the way",
            cause=Cause.CONNECTION_BREAKS,
        )
        self._history = self._history.with_failure(failure, self._context.clock.now_milliseconds())
        self._failure = failure
        self._pool.drop_all(failure.reason)

    async def _dial(self) -> Connection:
        """Open a connection and introduce this node; raises :class:`PhaseFailure`, noted already."""
        key = self._key
        try:
            connection, welcome = await dial(self.destination, key, self._context)
            try:
                self._require_same_model(key)
                self._require_same_cluster(welcome)
            except PhaseFailure:
                connection.abort()
                raise
        except PhaseFailure as failure:
            # What an old key led to says nothing about the new one.
            if key is self._key and not self._fall_back(key, failure):
                self._note_failure(failure)
            raise
        self._note_success(welcome)
        return connection

    def _require_same_model(self, key: Revealable | None) -> None:
        if (key is None) != (self._key is None):
            raise PhaseFailure(Phase.CONNECT, "the security model was changed meanwhile")

    def _require_same_cluster(self, welcome: Welcome) -> None:
        """Refuse a second cluster behind one address while connections to the first are open."""
        known = self._welcome
        if known is not None and self._pool.open_count and known.cluster_id != welcome.cluster_id:
            raise PhaseFailure(
                Phase.HANDSHAKE,
                f"handshake failed. unexpected remote cluster name [{welcome.cluster_name}]",
                "the address leads to more than one cluster: give each its own address or server name",
                cause=Cause.MORE_THAN_ONE_CLUSTER,
            )

    # What happened

    def _note_success(self, welcome: Welcome) -> None:
        if self._failure is not None or self._welcome is None:
            logger.info("link opened", extra={"alias": self.settings.alias, "cluster": welcome.cluster_id})
        self._history = self._history.with_success(self._context.clock.now_milliseconds())
        self._failure = None
        self._failures_in_a_row = 0
        self._welcome = welcome
        self._keys.warn_of_expiry(welcome)
        self._move(LinkEvent.OPENED)

    def _note_pong(self, pong: Pong) -> None:
        """Take over what a ping tells of the key, which may be changed on the far side at any time."""
        welcome = self._welcome
        if welcome is not None and pong.key_id:
            self._welcome = msgspec.structs.replace(
                welcome,
                key_id=pong.key_id,
                key_name=pong.key_name,
                key_expires_milliseconds=pong.key_expires_milliseconds,
            )
            self._keys.warn_of_expiry(self._welcome)

    def _note_failure(self, failure: PhaseFailure) -> None:
        self._history = self._history.with_failure(failure, self._context.clock.now_milliseconds())
        repeated = self._failure is not None and self._failure.reason == failure.reason
        self._failure = failure
        self._failures_in_a_row += 1
        policy = AFTER_REFUSAL if failure.refused else AFTER_FAILURE
        delay = policy.delay_seconds(self._failures_in_a_row, self._context.chance())
        self._next_attempt_at = self._now() + delay
        self._move(LinkEvent.REFUSED if failure.refused else LinkEvent.FAILED)
        if failure.refused:
            self._pool.close_idle()
            self._pool.fail_waiters(failure)
        if not repeated or self._now() >= self._next_log_at:
            self._next_log_at = self._now() + _LOG_INTERVAL_SECONDS
            logger.warning(
                "link attempt failed",
                extra={
                    "alias": self.settings.alias,
                    "phase": failure.phase.value,
                    "reason": failure.reason,
                    "remedy": failure.remedy,
                },
            )

    def _pool_changed(self, _failure: PhaseFailure | None) -> None:
        if self.connected and self._pool.open_count == 0:
            logger.info("link lost", extra={"alias": self.settings.alias})
            self._next_attempt_at = self._now()
            self._move(LinkEvent.ALL_LOST)
        self._bell.set()

    def _bring_forward(self, *, insist: bool) -> None:
        soonest = self._now() if insist else self._last_attempt_at + _SOONEST_RETRY_SECONDS
        if soonest < self._next_attempt_at:
            self._next_attempt_at = soonest
            self._bell.set()

    def _move(self, event: LinkEvent) -> None:
        self._state = next_state(self._state, event)
