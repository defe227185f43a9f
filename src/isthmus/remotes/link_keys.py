"""The keys of one link: tried, used, counted, and told of before they expire."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from isthmus.names import ClusterAlias
from isthmus.remotes.address import Destination
from isthmus.remotes.connection import Connection
from isthmus.remotes.dialling import LinkContext, dial
from isthmus.remotes.key_expiry import ExpiryWarning
from isthmus.remotes.phases import PhaseFailure
from isthmus.remotes.protocol import Welcome
from isthmus.remotes.records import Revealable
from isthmus.remotes.rotation import KeyRotation, KeyUse, KeyUses, key_id_of

logger = logging.getLogger(__name__)


class LinkKeys:
    """Runs the rules of :mod:`isthmus.remotes.rotation` against the far side.

    ``destination`` answers where a key can be tried now.
    """

    def __init__(
        self,
        alias: ClusterAlias,
        destination: Callable[[], Destination],
        current: Revealable | None,
        following: Revealable | None,
        context: LinkContext,
    ) -> None:
        self._alias = alias
        self._destination = destination
        self._context = context
        self._rotation = KeyRotation(current, following)
        self._uses = KeyUses()
        self._expiry = ExpiryWarning()

    @property
    def in_use(self) -> Revealable | None:
        """The key that requests are to carry; None: the certificate model."""
        return self._rotation.in_use

    @property
    def configured(self) -> tuple[Revealable | None, Revealable | None]:
        """The current and the next key, as they were set."""
        return self._rotation.current, self._rotation.following

    @property
    def trial_due_seconds(self) -> float | None:
        """When the next key is to be tried (monotonic); None where there is nothing to try."""
        return self._rotation.trial_due_seconds

    def set(self, current: Revealable | None, following: Revealable | None) -> None:
        """Take the keys as the keystore has them now."""
        self._rotation.set(current, following, self._context.clock.monotonic_seconds())

    def use_of(self, key: Revealable) -> KeyUse:
        """Answer the counters of this key."""
        return self._uses.of(key)

    async def try_next(self, check: Callable[[Welcome], None]) -> bool:
        """Introduce this node with the next key, over a connection of its own; tell whether it is used then.

        ``check`` raises :class:`PhaseFailure` for a cluster that is not the one that is expected.
        """
        key = self._rotation.on_trial
        if key is None:
            return False
        try:
            connection, welcome = await dial(self._destination(), key, self._context)
            connection.abort()
            check(welcome)
        except PhaseFailure as failure:
            now_seconds = self._context.clock.monotonic_seconds()
            self._rotation.trial_failed(key, failure, now_seconds, self._context.chance())
            if failure.refused:
                self._tell("next remote cluster key refused", reason=failure.reason)
            return False
        self._rotation.accepted(key)
        if self._rotation.in_use is not key:  # it has been taken out of the keystore meanwhile
            return False
        self._tell("next remote cluster key in use")
        return True

    def go_on_without(self, key: Revealable | None, failure: PhaseFailure) -> bool:
        """Tell whether there is another key to use than this one, which was refused."""
        if key is None or not failure.refused:
            return False
        before = self._rotation.in_use
        now_seconds = self._context.clock.monotonic_seconds()
        if not self._rotation.refused(key, failure, now_seconds, self._context.chance()):
            return False
        if self._rotation.in_use is not before:
            self._tell("remote cluster key refused, going on with the other", reason=failure.reason)
        return True

    def warn_of_expiry(self, welcome: Welcome) -> None:
        """Log, now and then, that the key that the far side recognised is about to expire."""
        expires_milliseconds = welcome.key_expires_milliseconds
        now_milliseconds = self._context.clock.now_milliseconds()
        if expires_milliseconds is None:
            return
        if self._expiry.is_due(welcome.key_id, expires_milliseconds, now_milliseconds):
            remaining_milliseconds = max(0, expires_milliseconds - now_milliseconds)
            logger.warning(
                "remote cluster key expires soon",
                extra={
                    "alias": self._alias,
                    "api_key_id": welcome.key_id,
                    "expires_in_hours": remaining_milliseconds // 3_600_000,
                    "remedy": f"isthmus remote rotate DIRECTORY DEPLOYMENT {self._alias}",
                },
            )

    def describe(self, connections: Iterable[Connection]) -> dict[str, Any] | None:
        """Answer the keys by their ids, and which of them requests and connections carry."""
        if self.in_use is None:
            return None
        carried = Counter(key_id_of(connection.key) for connection in connections if connection.key)
        described = self._rotation.to_json()
        return {**described, "requests": self._uses.to_json(), "connections": dict(carried)}

    def _tell(self, message: str, **fields: str) -> None:
        keys = {f"{name}_key_id": value for name, value in self._rotation.ids().items()}
        logger.info(message, extra={"alias": self._alias, **keys, **fields})
