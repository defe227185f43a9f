"""Single values of a search's body, read as leniently as Elasticsearch does and no more."""

from __future__ import annotations

import math
import re
from typing import Any, Final

from isthmus.errors import Failure, illegal_argument, parsing_failure

_LARGEST_INTEGER: Final = 2**31 - 1
_TIME_VALUE: Final = re.compile(
    r"\s*(?P<number>[0-9]{1,15})\s*(?P<unit>nanos|micros|ms|s|m|h|d)\s*\Z", re.IGNORECASE
)
_MILLISECONDS: Final = {
    "nanos": 1e-6,
    "micros": 1e-3,
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
}


def unsupported(name: str) -> Failure:
    """Answer the failure for something that Elasticsearch knows and this deployment does not (400)."""
    return illegal_argument(f"[{name}] is not supported by this deployment")


def unknown_key(name: str, value: Any) -> Failure:
    """Answer the failure for a key of a search body that nobody knows, in Elasticsearch's words."""
    return parsing_failure(f"Unknown key for a {token_of(value)} in [{name[:200]}].")


def token_of(value: Any) -> str:
    """Answer what Elasticsearch's JSON parser calls the token that starts this value."""
    if isinstance(value, dict):
        return "START_OBJECT"
    if isinstance(value, list):
        return "START_ARRAY"
    if isinstance(value, bool):
        return "VALUE_BOOLEAN"
    if isinstance(value, int | float):
        return "VALUE_NUMBER"
    return "VALUE_NULL" if value is None else "VALUE_STRING"


def integer(name: str, value: Any) -> int:
    """Read a whole number of 32 bits, also one written as text."""
    number = value
    if isinstance(value, str) and re.fullmatch(r"[-+]?[0-9]{1,18}", value):
        number = int(value)
    if isinstance(value, float) and value.is_integer():
        number = int(value)
    if isinstance(number, bool) or not isinstance(number, int):
        raise parsing_failure(f"[{name}] must be a whole number, found {token_of(value)}")
    if abs(number) > _LARGEST_INTEGER:
        raise parsing_failure(f"Numeric value ({number}) out of range of int (-2147483648 - 2147483647)")
    return number


def not_negative(name: str, value: Any) -> int:
    """Read ``from`` or ``size``."""
    number = integer(name, value)
    if number < 0:
        raise illegal_argument(f"[{name}] parameter cannot be negative, found [{number}]")
    return number


def number(name: str, value: Any) -> float:
    """Read a finite number, also one written as text."""
    try:
        read = float(value) if value is not None and not isinstance(value, bool | dict | list) else math.nan
    except (ValueError, OverflowError):
        read = math.nan
    if not math.isfinite(read):
        raise parsing_failure(f"[{name}] must be a number, found {token_of(value)}")
    return read


def boolean(name: str, value: Any) -> bool:
    """Read a flag: true and false, also written as text."""
    if isinstance(value, bool):
        return value
    if value == "true":
        return True
    if value in ("false", ""):
        return False
    raise parsing_failure(f"[{name}] must be a boolean, found {token_of(value)}")


def json_object(name: str, value: Any) -> dict[str, Any]:
    """Read an object."""
    if not isinstance(value, dict):
        raise unknown_key(name, value)
    return value


def time_milliseconds(name: str, value: Any) -> int | None:
    """Read a time value such as ``500ms``; ``-1`` is None: no limit.

    Fractions are refused as Elasticsearch refuses them; anything above zero counts at least 1 ms.
    """
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if text == "-1":
        return None
    if text == "0":
        return 0
    matched = _TIME_VALUE.match(text)
    if matched is None:
        raise illegal_argument(
            f"failed to parse setting [{name}] with value [{text[:100]}] as a time value: "
            "unit is missing or unrecognized"
        )
    amount = int(matched["number"])
    milliseconds = int(amount * _MILLISECONDS[matched["unit"].lower()])
    return max(milliseconds, 1) if amount else 0


def text_list(name: str, value: Any) -> list[str]:
    """Read a text or a list of texts."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise parsing_failure(f"[{name}] must be a string or a list of strings")
    return values
