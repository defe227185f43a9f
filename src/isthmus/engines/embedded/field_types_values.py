"""One JSON value to the value that a column holds, coerced as Elasticsearch does it.

The same functions read the values of documents and those of queries, so that they meet.
"""

from __future__ import annotations

import ipaddress
import math
import struct
from collections.abc import Callable
from typing import Final, TypeAlias

from isthmus.engines.embedded.document_depth import is_too_deep
from isthmus.engines.embedded.field_types import FIELD_TYPES
from isthmus.engines.embedded.field_types_dates import parse_date
from isthmus.engines.embedded.mapping import FieldMapping
from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.exchange import Json

ColumnValue: TypeAlias = str | int | float

#: whole numbers up to here are exact in a double
_EXACT_DOUBLE: Final = 1 << 53
#: a value that nests deeper is not spelled out in a failure
_SHOWN_LEVELS: Final = 20
_MAPPED_V4: Final = "00000000000000000000ffff"


def parse_value(field: FieldMapping, value: Json) -> ColumnValue | None:
    """Answer what the field's main column holds for one value (not a list, not null).

    None means that there is nothing to hold (an empty string where a number is read).
    Whole numbers, booleans (0, 1) and dates (epoch milliseconds) are int, other numbers float,
    the rest str. Raises a failure whose type and reason are the cause to report.
    """
    return _READERS[field.type](field, value)


def reader_of(field: FieldMapping) -> Callable[[FieldMapping, Json], ColumnValue | None]:
    """Answer what :func:`parse_value` calls for a field, for reading many values of it."""
    return _READERS[field.type]


def sortable_ip(text: str) -> str:
    """Answer an address as 32 hexadecimal digits that sort like addresses; IPv4 is mapped into IPv6."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise illegal_argument(f"'{text}' is not an IP string literal.") from None
    if isinstance(address, ipaddress.IPv4Address):
        return f"{_MAPPED_V4}{int(address):08x}"
    if address.scope_id is not None:
        raise illegal_argument(f"'{text}' is not an IP string literal.")
    return f"{int(address):032x}"


def ip_from_sortable(text: str) -> str:
    """Answer the usual form of an address that :func:`sortable_ip` made."""
    if text.startswith(_MAPPED_V4):
        return str(ipaddress.IPv4Address(int(text[24:], 16)))
    return str(ipaddress.IPv6Address(int(text, 16)))


def text_of(value: Json) -> str:
    """Answer a scalar as text, the way a keyword or text field reads it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        raise Failure(
            FailureKind.INVALID_REQUEST,
            "illegal_state_exception",
            f"Can't get text on a {'START_OBJECT' if isinstance(value, dict) else 'START_ARRAY'}",
        )
    return str(value)


def show_value(value: Json) -> str:
    """Answer a value as Elasticsearch previews it in a failure (``{a=1}`` for an object)."""
    if is_too_deep(value, _SHOWN_LEVELS):
        return "{...}" if isinstance(value, dict) else "[...]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={show_value(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(show_value(each) for each in value) + "]"
    if value is None:
        return "null"
    return text_of(value)


def _text(_field: FieldMapping, value: Json) -> str:
    return text_of(value)


def _whole(field: FieldMapping, value: Json) -> int | None:
    kind = FIELD_TYPES[field.type]
    if type(value) is int:
        number = value
    else:
        read = _number(field, value)
        if read is None:
            return None
        number = _truncated(field, read)
    if kind.lowest is not None and kind.highest is not None and not kind.lowest <= number <= kind.highest:
        article = "an" if field.type == "integer" else "a"
        raise illegal_argument(f"Value [{show_value(value)}] is out of range for {article} {field.type}")
    return number


def _truncated(field: FieldMapping, number: float) -> int:
    if isinstance(number, int):
        return number
    if not math.isfinite(number):
        raise illegal_argument(f"[{field.type}] supports only finite values, but got [{number}]")
    if not field.coerce and not number.is_integer():
        raise illegal_argument(f"Value [{number}] has a decimal part")
    return int(number)


def _number(field: FieldMapping, value: Json) -> float | None:
    """Read a JSON value as a number: an int where it is whole, else a float."""
    if isinstance(value, bool):
        token = "VALUE_TRUE" if value else "VALUE_FALSE"
        raise Failure(
            FailureKind.INVALID_REQUEST,
            "x_content_parse_exception",
            f"Current token ({token}) not numeric, can not use numeric value accessors",
        )
    if isinstance(value, int | float):
        return value
    if isinstance(value, dict | list):
        raise illegal_argument("Cannot parse object as number")
    if not field.coerce:
        raise illegal_argument(f"{field.type.capitalize()} value passed as String")
    text = value.strip()
    if not value:
        return None
    try:
        return int(text) if text.lstrip("+-").isdecimal() else _float_of(text)
    except ValueError:
        error_type = "illegal_argument_exception" if field.type == "long" else "number_format_exception"
        raise Failure(FailureKind.INVALID_REQUEST, error_type, f'For input string: "{value}"') from None


def _float_of(text: str) -> float:
    if "_" in text:  # Python allows 1_000
        raise ValueError(text)
    return float(text)


def _fraction(field: FieldMapping, value: Json) -> float | None:
    number = value if type(value) is float else _number(field, value)
    if number is None:
        return None
    try:
        rounded = _ROUNDERS[field.type](field, float(number))
    except OverflowError:
        rounded = math.inf
    if not math.isfinite(rounded):
        raise illegal_argument(f"[{field.type}] supports only finite values, but got [{show_value(value)}]")
    return rounded


def _single(_field: FieldMapping, number: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", number))[0])


def _half(_field: FieldMapping, number: float) -> float:
    return float(struct.unpack("<e", struct.pack("<e", number))[0])


def _scaled(field: FieldMapping, number: float) -> float:
    factor = field.scaling_factor
    scaled = number * factor
    # beyond what a double holds exactly there is nothing left to round
    return math.floor(scaled + 0.5) / factor if abs(scaled) < _EXACT_DOUBLE else number


def _double(_field: FieldMapping, number: float) -> float:
    return number


_ROUNDERS: Final[dict[str, Callable[[FieldMapping, float], float]]] = {
    "double": _double,
    "float": _single,
    "half_float": _half,
    "scaled_float": _scaled,
}


def _boolean(_field: FieldMapping, value: Json) -> int:
    if value is True or value == "true":
        return 1
    if value is False or value in ("false", ""):
        return 0
    if isinstance(value, str):
        raise illegal_argument(f"Failed to parse value [{value}] as only [true] or [false] are allowed.")
    raise Failure(
        FailureKind.INVALID_REQUEST,
        "x_content_parse_exception",
        f"Failed to parse value [{show_value(value)}] as only [true] or [false] are allowed.",
    )


def _date(field: FieldMapping, value: Json) -> int:
    if isinstance(value, dict | list):
        raise illegal_argument(
            f"failed to parse date field [{show_value(value)}] with format [{field.date_format}]"
        )
    milliseconds = parse_date(value, field.date_format)
    if not -(1 << 63) <= milliseconds < 1 << 63:
        raise illegal_argument(f"date [{show_value(value)}] is out of range")
    return milliseconds


def _ip(_field: FieldMapping, value: Json) -> str:
    if not isinstance(value, str):
        raise illegal_argument(f"'{show_value(value)}' is not an IP string literal.")
    return sortable_ip(value)


_READERS: Final[dict[str, Callable[[FieldMapping, Json], ColumnValue | None]]] = {
    "completion": _text,
    "text": _text,
    "keyword": _text,
    "long": _whole,
    "integer": _whole,
    "short": _whole,
    "byte": _whole,
    "double": _fraction,
    "float": _fraction,
    "half_float": _fraction,
    "scaled_float": _fraction,
    "boolean": _boolean,
    "date": _date,
    "ip": _ip,
}
