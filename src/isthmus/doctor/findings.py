"""What a diagnosis consists of. Plain values and their JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from isthmus.remotes.causes import TROUBLESHOOTING, Cause

_LONGEST_TEXT: Final = 2_000


class Outcome(Enum):
    """How a check ended. A warning is worth a look and stops nothing."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check found. ``cause`` and ``remedy`` are there for warnings and errors.

    ``details`` repeats in JSON what ``found`` says in words, where programs may want it.
    """

    outcome: Outcome
    found: str
    cause: Cause | None = None
    remedy: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def blocks(self) -> bool:
        """Tell whether a check that needs this one would tell nothing."""
        return self.outcome in (Outcome.ERROR, Outcome.SKIPPED)


def fine(found: str, **details: Any) -> Verdict:
    """Answer that nothing is wrong here."""
    return Verdict(Outcome.OK, found, details=details)


def skipped(reason: str) -> Verdict:
    """Answer that this could not be checked or needs no checking."""
    return Verdict(Outcome.SKIPPED, reason)


def warning(cause: Cause, found: str, remedy: str, **details: Any) -> Verdict:
    """Answer that something works and should be looked at."""
    return Verdict(Outcome.WARNING, found, cause, remedy, details)


def error(cause: Cause, found: str, remedy: str, **details: Any) -> Verdict:
    """Answer that something keeps the remote from being used."""
    return Verdict(Outcome.ERROR, found, cause, remedy, details)


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of one remote, and what it found."""

    id: str
    title: str
    verdict: Verdict

    @property
    def documentation(self) -> str:
        """The paragraph about the cause, or the section about the check where nothing is wrong."""
        if self.verdict.cause is not None:
            return self.verdict.cause.documentation
        return f"{TROUBLESHOOTING}#{self.title.replace(' ', '-')}"

    def to_json(self) -> dict[str, Any]:
        """Answer the finding as it is served."""
        verdict = self.verdict
        described: dict[str, Any] = {
            "id": self.id,
            "title": self.title,
            "outcome": verdict.outcome.value,
            "found": _shown(verdict.found),
        }
        if verdict.cause is not None:
            described["cause"] = verdict.cause.value
        if verdict.remedy:
            described["remedy"] = _shown(verdict.remedy)
        if verdict.details:
            described["details"] = {name: _shown_value(value) for name, value in verdict.details.items()}
        return {**described, "documentation": self.documentation}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything found about one alias, in the order of the checks."""

    alias: str
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Tell whether no check found an error."""
        return all(finding.verdict.outcome is not Outcome.ERROR for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Answer the diagnosis as it is served."""
        return {
            "alias": self.alias,
            "healthy": self.healthy,
            "checks": [finding.to_json() for finding in self.findings],
        }


def _shown(text: str) -> str:
    """Answer the text fit for a terminal: what a stranger's server said may hold control characters."""
    printable = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return printable if len(printable) <= _LONGEST_TEXT else f"{printable[:_LONGEST_TEXT]}…"


def _shown_value(value: Any) -> Any:
    if isinstance(value, str):
        return _shown(value)
    if isinstance(value, list | tuple):
        return [_shown_value(item) for item in value]
    return value
