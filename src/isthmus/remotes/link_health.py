"""How one link fares: its state, what was seen last, when the next attempt is due."""

from __future__ import annotations

import logging
from typing import Final

import msgspec

from isthmus.names import ClusterAlias
from isthmus.remotes.backoff import AFTER_FAILURE, AFTER_REFUSAL
from isthmus.remotes.dialling import LinkContext
from isthmus.remotes.link_state import LinkEvent, LinkState, next_state
from isthmus.remotes.phases import PhaseFailure, PhaseHistory
from isthmus.remotes.protocol import Pong, Welcome

logger = logging.getLogger(__name__)

#: how soon a request may bring an attempt forward: a busy node must not hammer a remote that is down
_SOONEST_RETRY_SECONDS: Final = 1.0
_LOG_INTERVAL_SECONDS: Final = 60.0


class LinkHealth:
    """Everything that is known of a link between two looks at it; ``seconds`` are monotonic."""

    def __init__(self, alias: ClusterAlias, context: LinkContext) -> None:
        self._alias = alias
        self._context = context
        self.state = LinkState.CONNECTING
        self.history = PhaseHistory()
        #: why the last attempt failed; None after one that did not
        self.failure: PhaseFailure | None = None
        self.failures_in_a_row = 0
        #: what the far side told of itself last
        self.welcome: Welcome | None = None
        self.round_trip_milliseconds: float | None = None
        now = self.now_seconds
        self.next_attempt_at = now
        self._last_attempt_at = now - _SOONEST_RETRY_SECONDS
        self._next_log_at = now

    @property
    def now_seconds(self) -> float:
        """The time."""
        return self._context.clock.monotonic_seconds()

    @property
    def connected(self) -> bool:
        """Tell whether a request can be sent now."""
        return self.state is LinkState.CONNECTED

    @property
    def waits(self) -> bool:
        """Tell whether nothing is tried until the next attempt is due."""
        return self.state in (LinkState.BACKING_OFF, LinkState.REFUSED)

    @property
    def waits_seconds(self) -> float | None:
        """How long until the next attempt; None where none is waited for."""
        return max(0.0, self.next_attempt_at - self.now_seconds) if self.waits else None

    def move(self, event: LinkEvent) -> None:
        """Go where this event leads."""
        self.state = next_state(self.state, event)

    def attempt_begins(self) -> None:
        """Take note of an attempt."""
        if self.waits:
            self.move(LinkEvent.RETRY_DUE)
        self._last_attempt_at = self.now_seconds

    def try_now(self) -> None:
        """Have the next attempt made at once, as if none had failed: something has changed."""
        self.next_attempt_at = self.now_seconds
        self.failures_in_a_row = 0

    def bring_forward(self, *, insist: bool) -> bool:
        """Have the next attempt made soon (at once, if the caller insists); tell whether that is sooner."""
        soonest = self.now_seconds if insist else self._last_attempt_at + _SOONEST_RETRY_SECONDS
        sooner = soonest < self.next_attempt_at
        if sooner:
            self.next_attempt_at = soonest
        return sooner

    def all_lost(self) -> None:
        """Take note that the last connection has gone."""
        logger.info("link lost", extra={"alias": self._alias})
        self.next_attempt_at = self.now_seconds
        self.move(LinkEvent.ALL_LOST)

    def note_success(self, welcome: Welcome) -> None:
        """Take note of a far side that was introduced to and answered."""
        if self.failure is not None or self.welcome is None:
            logger.info("link opened", extra={"alias": self._alias, "cluster": welcome.cluster_id})
        self.history = self.history.with_success(self._context.clock.now_milliseconds())
        self.failure = None
        self.failures_in_a_row = 0
        self.welcome = welcome
        self.move(LinkEvent.OPENED)

    def note_pong(self, pong: Pong) -> None:
        """Take over what a ping tells of the key, which may be changed on the far side at any time."""
        if self.welcome is not None and pong.key_id:
            self.welcome = msgspec.structs.replace(
                self.welcome,
                key_id=pong.key_id,
                key_name=pong.key_name,
                key_expires_milliseconds=pong.key_expires_milliseconds,
            )

    def note_silence(self, failure: PhaseFailure) -> None:
        """Take note of connections that are open and answer nothing; no attempt has failed for it."""
        self.history = self.history.with_failure(failure, self._context.clock.now_milliseconds())
        self.failure = failure

    def note_failure(self, failure: PhaseFailure) -> None:
        """Take note of an attempt or a request that failed, and say when to try again."""
        repeated = self.failure is not None and self.failure.reason == failure.reason
        self.note_silence(failure)
        self.failures_in_a_row += 1
        policy = AFTER_REFUSAL if failure.refused else AFTER_FAILURE
        delay = policy.delay_seconds(self.failures_in_a_row, self._context.chance())
        self.next_attempt_at = self.now_seconds + delay
        self.move(LinkEvent.REFUSED if failure.refused else LinkEvent.FAILED)
        if not repeated or self.now_seconds >= self._next_log_at:
            self._next_log_at = self.now_seconds + _LOG_INTERVAL_SECONDS
            logger.warning(
                "link attempt failed",
                extra={
                    "alias": self._alias,
                    "phase": failure.phase.value,
                    "reason": failure.reason,
                    "remedy": failure.remedy,
                },
            )
