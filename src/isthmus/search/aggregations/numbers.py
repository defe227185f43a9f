"""Numbers as Elasticsearch reads and writes them in JSON."""

from __future__ import annotations

import math
from typing import Final

from isthmus.exchange import Json

#: Java writes a double plainly from the first of these up to the second, else with an exponent.
_PLAIN_FROM: Final = 1e-3
_PLAIN_UP_TO: Final = 1e7


def read_number(value: Json) -> float:
    """Read a number of an answer; NaN and infinities arrive as words. Raises ValueError or TypeError."""
    if isinstance(value, bool):
        raise TypeError("a boolean is not a number")
    return float(value)


def read_number_or_none(value: Json) -> float | None:
    """Read a number that may be null."""
    return None if value is None else read_number(value)


def read_count(value: Json) -> int:
    """Read a count of an answer. Raises TypeError for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("a count must be a number")
    return int(value)


def write_number(value: float | None) -> float | str | None:
    """Write a double: JSON has no NaN and no infinities, so that those become words."""
    if value is None or math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def java_double(value: float) -> str:
    """Write a double as Java's ``Double.toString`` does: ``100.0``, ``1.0E7``, ``1.5E-4``."""
    if not math.isfinite(value):
        return str(write_number(value))
    if value == 0 or _PLAIN_FROM <= abs(value) < _PLAIN_UP_TO:
        text = repr(value)
        return text if "e" not in text else f"{value:f}"
    # repr holds the shortest digits that read back as the same double
    mantissa, _, exponent = repr(value).partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    leading_zeros = len(whole + fraction) - len(digits)
    power = int(exponent or 0) + len(whole) - leading_zeros - 1
    digits = digits.rstrip("0") or "0"
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{power}"
