"""What a link is made of, and what happens to it: connections opened, keys changed, attempts failed."""

from __future__ import annotations

import asyncio
from typing import Final

from isthmus.remotes.causes import Cause
from isthmus.remotes.connection import Connection
from isthmus.remotes.dialling import LinkContext
from isthmus.remotes.link_health import LinkHealth
from isthmus.remotes.link_keys import LinkKeys
from isthmus.remotes.link_routes import route_of
from isthmus.remotes.link_state import LinkEvent
from isthmus.remotes.phases import Phase, PhaseFailure
from isthmus.remotes.pool import ConnectionPool
from isthmus.remotes.protocol import Pong, Welcome
from isthmus.remotes.records import Revealable
from isthmus.remotes.settings import RemoteSettings

#: how often a quiet link makes sure that the far side is there and accepts the key
DEFAULT_PING_INTERVAL_SECONDS: Final = 5.0
#: what a shorter ``transport.ping_schedule`` is taken as
_SHORTEST_PING_INTERVAL_SECONDS: Final = 0.1


class LinkCore:
    """The parts of one link. ``bell`` has the loop look again."""

    def __init__(
        self,
        settings: RemoteSettings,
        key: Revealable | None,
        next_key: Revealable | None,
        context: LinkContext,
    ) -> None:
        self.settings = settings
        self.context = context
        self.bell = asyncio.Event()
        self.health = LinkHealth(settings.alias, context)
        self.route = route_of(settings.mode, settings.alias, context)
        self.keys = LinkKeys(settings.alias, lambda: self.route.destination, key, next_key, context)
        #: what requests carry; None: the certificate model
        self.key = self.keys.in_use
        self.pool = ConnectionPool(
            settings.mode.maximum_connections, self._dial, self._pool_changed, context.clock
        )
        #: whether the far side is to see the key that is in use over a connection that is open
        self.introduce_again = False
        self.next_ping_at = self.now() + self.ping_interval_seconds

    def now(self) -> float:
        """Answer the time in monotonic seconds."""
        return self.context.clock.monotonic_seconds()

    @property
    def ping_interval_seconds(self) -> float:
        """How long a link may be quiet."""
        asked = self.settings.ping_interval_seconds
        return DEFAULT_PING_INTERVAL_SECONDS if asked is None else max(asked, _SHORTEST_PING_INTERVAL_SECONDS)

    def adopt(self, settings: RemoteSettings) -> None:
        """Take settings for which the connections that are open can stay."""
        self.settings = settings
        self.pool.allow(settings.mode.maximum_connections)
        self.next_ping_at = min(self.next_ping_at, self.now() + self.ping_interval_seconds)
        self.bell.set()

    def use_key(self, key: Revealable | None) -> None:
        """Use this key from the next request on; requests under way go on with the one they carry.

        None is the certificate model. From one model to the other no connection can be taken along.
        """
        if key is None and self.key is None:
            return
        if key is None or self.key is None:
            self.key = key
            self.health.failure = None
            self.pool.close_idle()
            self.health.move(LinkEvent.MODEL_CHANGED)
            self.introduce_again = False
            self.health.try_now()
        elif key is not self.key:
            self.key = key
            self.health.move(LinkEvent.KEY_CHANGED)
            self.introduce_again = self.health.connected
            self.health.try_now()
        self.bell.set()

    def fall_back(self, key: Revealable | None, failure: PhaseFailure) -> bool:
        """Tell whether requests can go on with another key than this one, and have them do so."""
        if not self.keys.go_on_without(key, failure):
            return False
        self.use_key(self.keys.in_use)
        return True

    def connect_anew(self) -> None:
        """Have new connections opened at once; those in use are not used again."""
        self.pool.close_idle()
        self.health.try_now()
        self.bell.set()

    def note_success(self, welcome: Welcome) -> None:
        """Take note of a far side that was introduced to and answered."""
        self.health.note_success(welcome)
        self.keys.warn_of_expiry(welcome)

    def note_pong(self, pong: Pong) -> None:
        """Take note of a sign of life, and of what it tells of the key."""
        self.health.note_pong(pong)
        if self.health.welcome is not None and pong.key_id:
            self.keys.warn_of_expiry(self.health.welcome)

    def note_failure(self, failure: PhaseFailure) -> None:
        """Take note of an attempt or a request that failed; after a refusal nobody waits any longer."""
        self.health.note_failure(failure)
        if failure.refused:
            self.pool.close_idle()
            self.pool.fail_waiters(failure)

    def require_same_cluster(self, welcome: Welcome) -> None:
        """Refuse a second cluster behind one alias while connections to the first are open."""
        known = self.health.welcome
        if known is not None and self.pool.open_count and known.cluster_id != welcome.cluster_id:
            raise PhaseFailure(
                Phase.HANDSHAKE,
                f"handshake failed. unexpected remote cluster name [{welcome.cluster_name}]",
                "the address leads to more than one cluster: give each its own address or server name",
                cause=Cause.MORE_THAN_ONE_CLUSTER,
            )

    async def _dial(self) -> Connection:
        """Open a connection and introduce this node; raises :class:`PhaseFailure`, noted already."""
        key = self.key

        def check(welcome: Welcome) -> None:
            if (key is None) != (self.key is None):
                raise PhaseFailure(Phase.CONNECT, "the security model was changed meanwhile")
            self.require_same_cluster(welcome)

        try:
            connection, welcome = await self.route.open(key, self.pool.open_connections(), check)
        except PhaseFailure as failure:
            # What an old key led to says nothing about the new one.
            if key is self.key and not self.fall_back(key, failure):
                self.note_failure(failure)
            raise
        self.note_success(welcome)
        return connection

    def _pool_changed(self, _failure: PhaseFailure | None) -> None:
        if self.health.connected and self.pool.open_count == 0:
            self.health.all_lost()
        self.bell.set()
