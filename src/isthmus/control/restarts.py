"""When a node that ended is started again: a pure policy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Exponential back-off that forgets after a stable while.

    The first delay is short because most ends are single events; the longest is what a person
    who has just mended the cause is willing to wait. ``stable_after_seconds`` is twice that, so
    that a node that always fails at its longest delay never counts as stable.
    """

    first_delay_seconds: float = 0.5
    factor: float = 2.0
    longest_delay_seconds: float = 30.0
    stable_after_seconds: float = 60.0

    def delay_seconds(self, failures_in_row: int) -> float:
        """Answer the wait before the next start after so many failures in a row (1 or more)."""
        # The exponent is capped: 2.0 ** 1100 would overflow in a node that has failed for days.
        exponent = min(failures_in_row - 1, 64)
        return min(self.first_delay_seconds * self.factor**exponent, self.longest_delay_seconds)

    def failures_after(self, failures_in_row: int, ran_seconds: float) -> int:
        """Answer the count of failures in a row once a node has ended that ran so long."""
        return 1 if ran_seconds >= self.stable_after_seconds else failures_in_row + 1
