"""The phases of reaching a remote cluster, and what was last known of each.

A link that "does not work" can fail in five places with five remedies. Every failure names its
phase, and the last success and last error of each phase are kept apart, so that a person reads
where it broke instead of guessing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from isthmus.remotes.causes import Cause


class Phase(Enum):
    """What happens, in this order, before the first request."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    AUTHENTICATE = "authenticate"
    HANDSHAKE = "handshake"


class PhaseFailure(Exception):  # noqa: N818 - "failure" is this project's word
    """An attempt that ended in one phase.

    ``reason`` says what was seen, ``remedy`` what to do about it; neither holds a secret.
    ``refused`` tells that the far side answered and said no: trying again soon is of no use,
    somebody has to change something. ``cause`` is None where what was seen fits none of them.
    """

    def __init__(
        self,
        phase: Phase,
        reason: str,
        remedy: str = "",
        *,
        refused: bool = False,
        cause: Cause | None = None,
    ) -> None:
        super().__init__(f"{phase.value}: {reason}")
        self.phase = phase
        self.reason = reason
        self.remedy = remedy
        self.refused = refused
        self.cause = cause

    @property
    def text(self) -> str:
        """Reason and remedy as one sentence."""
        return f"{self.reason}; {self.remedy}" if self.remedy else self.reason


@dataclass(frozen=True, slots=True)
class PhaseError:
    """What went wrong once, and when (milliseconds since 1970)."""

    at_milliseconds: int
    phase: Phase
    reason: str
    remedy: str = ""

    def to_json(self) -> dict[str, Any]:
        """Answer the form shown by ``_remote/info``."""
        described = {"phase": self.phase.value, "reason": self.reason, "at_in_millis": self.at_milliseconds}
        return {**described, "remedy": self.remedy} if self.remedy else described


@dataclass(frozen=True, slots=True)
class PhaseHistory:
    """The last success and the last error of every phase."""

    successes: Mapping[Phase, int] = field(default_factory=dict)
    errors: Mapping[Phase, PhaseError] = field(default_factory=dict)

    def with_success(self, at_milliseconds: int) -> PhaseHistory:
        """Answer the history after an attempt that went all the way."""
        return replace(self, successes=dict.fromkeys(Phase, at_milliseconds))

    def with_failure(self, failure: PhaseFailure, at_milliseconds: int) -> PhaseHistory:
        """Answer the history after an attempt that ended in a phase: those before it succeeded."""
        order = list(Phase)
        passed = dict.fromkeys(order[: order.index(failure.phase)], at_milliseconds)
        error = PhaseError(at_milliseconds, failure.phase, failure.reason, failure.remedy)
        return PhaseHistory({**self.successes, **passed}, {**self.errors, failure.phase: error})

    def to_json(self) -> dict[str, Any]:
        """Answer ``{"resolve": {"last_success_in_millis", "last_error"}, …}``, known facts only."""
        described: dict[str, Any] = {}
        for phase in Phase:
            facts: dict[str, Any] = {}
            if phase in self.successes:
                facts["last_success_in_millis"] = self.successes[phase]
            if phase in self.errors:
                facts["last_error"] = self.errors[phase].to_json()
            if facts:
                described[phase.value] = facts
        return described
