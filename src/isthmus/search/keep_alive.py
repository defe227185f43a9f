"""For how long search contexts are kept, and how many of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from isthmus.errors import illegal_argument
from isthmus.remotes.search_settings import MAXIMUM_KEEP_ALIVE

_MILLISECONDS: Final[Mapping[str, int]] = {
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}


@dataclass(frozen=True, slots=True)
class KeepAliveLimits:
    """Elasticsearch's defaults: five minutes unless said, a day at most, 500 contexts (one an index)."""

    default_milliseconds: int = 300_000
    max_milliseconds: int = 86_400_000
    most_contexts: int = 500


def require_keep_alive(keep_alive_milliseconds: int, limits: KeepAliveLimits) -> None:
    """Return if a context may be kept for that long; raises a 400 failure otherwise."""
    if keep_alive_milliseconds > limits.max_milliseconds:
        raise illegal_argument(
            f"Keep alive for request ({time_text(keep_alive_milliseconds)}) is too large. It must be less "
            f"than ({time_text(limits.max_milliseconds)}). This limit can be set by changing the "
            f"[{MAXIMUM_KEEP_ALIVE}] cluster level setting."
        )


def time_text(milliseconds: int) -> str:
    """Write a time as Elasticsearch does in messages: the largest unit, one decimal rounded down."""
    for unit, length in _MILLISECONDS.items():
        if milliseconds >= length:
            tenths = milliseconds * 10 // length
            return f"{tenths // 10}.{tenths % 10}{unit}" if tenths % 10 else f"{tenths // 10}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"
