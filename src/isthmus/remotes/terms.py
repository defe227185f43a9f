"""On which terms a remote cluster is asked, where a request says something else than the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class CallTerms:
    """What a request says of itself; None leaves it to the settings.

    ``may_be_skipped`` decides how long a connection is waited for: a cluster that may not be skipped
    is worth an attempt. ``timeout_seconds`` is how long the far side may work. ``timed`` asks it to tell
    how long it did.
    """

    may_be_skipped: bool | None = None
    timeout_seconds: float | None = None
    timed: bool = False


USUAL_TERMS: Final = CallTerms()
