"""Durations as Elasticsearch writes them: ``1d``, ``12h``, ``500ms``."""

from __future__ import annotations

import re
from typing import Final

from isthmus.errors import illegal_argument

_UNITS_MILLISECONDS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SMALLER_UNITS: Final = {"nanos": 1_000_000, "micros": 1_000}
_VALUE: Final = re.compile(r"([0-9]{1,15})(nanos|micros|ms|s|m|h|d)\Z", re.IGNORECASE)


def parse_duration_milliseconds(name: str, text: str) -> int:
    """Answer a positive duration in milliseconds; raises a 400 failure that names the setting."""
    match = _VALUE.match(text.strip())
    if match is None:
        raise illegal_argument(
            f"failed to parse setting [{name}] with value [{text[:100]}] as a time value: unit is missing or "
            "unrecognized"
        )
    amount, unit = int(match.group(1)), match.group(2).lower()
    if unit in _SMALLER_UNITS:
        milliseconds = -(-amount // _SMALLER_UNITS[unit])
    else:
        milliseconds = amount * _UNITS_MILLISECONDS[unit]
    if milliseconds <= 0:
        raise illegal_argument(f"[{name}] must be greater than zero, but was [{text[:100]}]")
    # The end must be a time that every client can read: not after the year 9999 or so.
    if milliseconds > 8_000 * 366 * _UNITS_MILLISECONDS["d"]:
        raise illegal_argument(f"[{name}] is too far in the future: [{text[:100]}]")
    return milliseconds
