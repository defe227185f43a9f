"""The link to one remote cluster: keeps connections open and mends itself, request or no request.

What requests and the registry see of it. Inside, a loop (:mod:`isthmus.remotes.link_loop`) works on the
link's parts (:mod:`isthmus.remotes.link_core`). All states and transitions stand in
:mod:`isthmus.remotes.link_state`, the waits in :mod:`isthmus.remotes.backoff`, where connections go in
:mod:`isthmus.remotes.link_routes`.
"""

from __future__ import annotations

from isthmus.errors import Failure
from isthmus.remotes.address import Destination
from isthmus.remotes.connection import Connection
from isthmus.remotes.dialling import LinkContext
from isthmus.remotes.link_core import LinkCore
from isthmus.remotes.link_loop import LinkLoop
from isthmus.remotes.link_routes import count_by_node
from isthmus.remotes.link_state import LinkEvent, LinkState
from isthmus.remotes.link_status import LinkStatus
from isthmus.remotes.outcome import Outcome
from isthmus.remotes.phases import Phase, PhaseFailure
from isthmus.remotes.protocol import Welcome
from isthmus.remotes.records import Revealable
from isthmus.remotes.rotation import KeyUse
from isthmus.remotes.setting_values import Compression
from isthmus.remotes.settings import RemoteSettings
from isthmus.remotes.unavailable import remote_unavailable


class Link:
    """One alias with one set of connection settings, from its first attempt to :meth:`close`."""

    def __init__(
        self,
        settings: RemoteSettings,
        key: Revealable | None,
        context: LinkContext,
        next_key: Revealable | None = None,
    ) -> None:
        self._core = LinkCore(settings, key, next_key, context)
        self._outcome = Outcome()
        self._loop = LinkLoop(self._core, self._outcome)
        self._last_node_id = ""

    @property
    def settings(self) -> RemoteSettings:
        """The settings as they are now."""
        return self._core.settings

    @property
    def connected(self) -> bool:
        """Tell whether a request can be sent now."""
        return self._core.health.connected

    @property
    def destination(self) -> Destination:
        """Where the last connection was opened or tried."""
        return self._core.route.destination

    @property
    def key(self) -> Revealable | None:
        """The cross-cluster key that requests are to carry."""
        return self._core.key

    @property
    def keys(self) -> tuple[Revealable | None, Revealable | None]:
        """The current and the next key, as the registry has set them."""
        return self._core.keys.configured

    @property
    def security_model(self) -> str:
        """How both sides trust each other: ``api_key`` or ``certificate``, by whether there is a key."""
        return "certificate" if self.key is None else "api_key"

    @property
    def welcome(self) -> Welcome | None:
        """What the far side told of itself last."""
        return self._core.health.welcome

    @property
    def body_encoding(self) -> str | None:
        """How bodies are to be compressed; None: not at all.

        As the settings say, where the far side can undo that; else in another way that it can.
        """
        settings = self._core.settings
        if settings.compression is not Compression.ALL:
            return None
        welcome = self.welcome
        return None if welcome is None else settings.compression_scheme.among(welcome.features)

    def status(self) -> LinkStatus:
        """Answer how the link stands."""
        core, health = self._core, self._core.health
        connections = core.pool.open_connections()
        return LinkStatus(
            state=health.state,
            open_connections=len(connections),
            open_nodes=len(count_by_node(connections)),
            has_key=core.key is not None,
            history=health.history,
            failure=health.failure,
            failures_in_a_row=health.failures_in_a_row,
            next_attempt_seconds=health.waits_seconds,
            welcome=health.welcome,
            round_trip_milliseconds=health.round_trip_milliseconds,
            keys=core.keys.describe(connections),
            now_milliseconds=core.context.clock.now_milliseconds(),
        )

    # For requests

    async def acquire(self, *, fresh: bool = False) -> Connection:
        """Answer a connection for one request; give it back with :meth:`release`.

        Raises the 503 failure of :meth:`unavailable` when the link is down.
        """
        core = self._core
        if not core.health.connected:
            raise self.unavailable()
        if core.route.spreads and not fresh:
            # Gateways take turns as long as they have a connection that idles.
            other = core.pool.take_idle_where_or_none(lambda each: each.node_id != self._last_node_id)
            if other is not None:
                self._last_node_id = other.node_id
                return other
        try:
            return await core.pool.acquire(fresh=fresh)
        except PhaseFailure as failure:
            raise self.unavailable(failure) from failure

    def release(self, connection: Connection) -> None:
        """Take a connection back, whatever became of it."""
        self._core.pool.release(connection)

    async def ensure_connected(self, timeout_seconds: float, *, insist: bool) -> None:
        """Return when connected; raises the 503 failure of :meth:`unavailable` otherwise.

        The first attempt is waited for. A link that is known to be down, because the last attempt failed,
        fails at once whether or not the next one is under way, unless the caller insists: then an attempt
        is made now, and waited for.
        """
        health = self._core.health
        if health.connected:
            return
        known_to_be_down = health.waits or health.failures_in_a_row > 0
        if health.state is LinkState.CLOSED:
            raise self.unavailable()
        if health.bring_forward(insist=insist):
            self._core.bell.set()
        if known_to_be_down and not insist:
            raise self.unavailable()
        await self._outcome.wait(timeout_seconds)
        if not health.connected:
            raise self.unavailable()

    def unavailable(self, failure: PhaseFailure | None = None) -> Failure:
        """Answer the failure for a caller who needs this remote: what is wrong, and what to do."""
        cause = failure or self._core.health.failure
        return remote_unavailable(
            self.settings,
            self.destination.address,
            cause or PhaseFailure(Phase.CONNECT, "no connection is open yet"),
        )

    def use_of(self, key: Revealable) -> KeyUse:
        """Answer the counters of this key, for whoever sends requests with it."""
        return self._core.keys.use_of(key)

    def refused(self, key: Revealable | None, failure: PhaseFailure) -> None:
        """Take note that a request, not an attempt, was refused for the key that it carried.

        Where there is another key to go on with, :attr:`key` is that one afterwards.
        """
        if not self._core.fall_back(key, failure):
            self._core.note_failure(failure)

    # For the registry

    def set_keys(self, current: Revealable | None, following: Revealable | None) -> None:
        """Take the keys as they are in the keystore now; `isthmus.remotes.rotation` says which is used."""
        self._core.keys.set(current, following)
        self._core.use_key(self._core.keys.in_use)
        self._core.bell.set()

    def adopt(self, settings: RemoteSettings) -> None:
        """Take settings for which the connections that are open can stay (`RemoteSettings.connects_like`)."""
        self._core.adopt(settings)

    def trust_changed(self) -> None:
        """Connect anew: what was trusted may no longer be, and the other way round."""
        self._core.connect_anew()

    def certificates_changed(self) -> None:
        """Drop each connection to a node that is trusted no longer, whatever it carries; connect anew."""
        security = self._core.context.transport
        if self.key is not None or security is None:
            return
        self._core.pool.drop_where(
            lambda connection: not security.trusts(connection.peer_chain),
            "the remote's certificate is trusted no longer",
        )
        self._core.connect_anew()

    async def run(self) -> None:
        """Keep the link up until cancelled; whoever cancels calls :meth:`drain` or :meth:`close` then."""
        await self._loop.run()

    async def close(self) -> None:
        """End every connection at once; requests under way fail."""
        self._end()
        self._outcome.announce()
        await self._core.pool.close(PhaseFailure(Phase.CONNECT, "the link was closed by this node"))

    async def drain(self, grace_seconds: float) -> None:
        """Take no more requests, let those under way finish within this time, then close."""
        core = self._core
        self._end()
        core.pool.close_idle()
        give_up_at = core.now() + grace_seconds
        while core.pool.is_in_use and core.now() < give_up_at:
            await core.context.clock.sleep(0.05)
        await self.close()

    def _end(self) -> None:
        self._core.health.move(LinkEvent.CLOSE)
        self._core.bell.set()
