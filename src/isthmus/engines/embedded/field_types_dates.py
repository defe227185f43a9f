"""Dates: Elasticsearch's formats, by name and by pattern, to and from epoch milliseconds (UTC)."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

from isthmus.errors import Failure, illegal_argument
from isthmus.exchange import Json

_MILLISECONDS_A_DAY: Final = 86_400_000
_EPOCH_MOMENT: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ZONE: Final = r"(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)"

_ISO: Final = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2})"
    r"(?:T(?:(?P<hour>\d{1,2})(?::(?P<minute>\d{1,2})(?::(?P<second>\d{1,2})(?:[.,](?P<fraction>\d{1,9}))?)?)?"
    rf"{_ZONE}?)?)?)?)?"
)
_STRICT_ISO: Final = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{2})(?:-(?P<day>\d{2})"
    r"(?:T(?:(?P<hour>\d{2})(?::(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?)?"
    rf"{_ZONE}?)?)?)?)?"
)
_WHOLE: Final = re.compile(r"-?\d{1,18}(?:\.\d+)?")

#: formats by name, as patterns; the same names with ``strict_`` in front are accepted too
_NAMED: Final = {
    "basic_date": "yyyyMMdd",
    "basic_date_time": "yyyyMMdd'T'HHmmss.SSSXX",
    "basic_date_time_no_millis": "yyyyMMdd'T'HHmmssXX",
    "date": "yyyy-MM-dd",
    "date_hour": "yyyy-MM-dd'T'HH",
    "date_hour_minute": "yyyy-MM-dd'T'HH:mm",
    "date_hour_minute_second": "yyyy-MM-dd'T'HH:mm:ss",
    "date_hour_minute_second_fraction": "yyyy-MM-dd'T'HH:mm:ss.SSS",
    "date_hour_minute_second_millis": "yyyy-MM-dd'T'HH:mm:ss.SSS",
    "date_time": "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "date_time_no_millis": "yyyy-MM-dd'T'HH:mm:ssXXX",
    "year": "yyyy",
    "year_month": "yyyy-MM",
    "year_month_day": "yyyy-MM-dd",
}
_ISO_NAMES: Final = {
    "strict_date_optional_time": _STRICT_ISO,
    "strict_date_optional_time_nanos": _STRICT_ISO,
    "date_optional_time": _ISO,
    "iso8601": _STRICT_ISO,
}
_PATTERN_PART: Final = re.compile(r"'(?P<quoted>[^']*)'|(?P<letters>([A-Za-z])\3*)|(?P<other>[^A-Za-z'])")
_LETTERS: Final = {
    "yyyy": r"(?P<year>\d{4})",
    "uuuu": r"(?P<year>\d{4})",
    "MMM": rf"(?P<name>{'|'.join(_MONTHS)})",
    "MM": r"(?P<month>\d{2})",
    "M": r"(?P<month>\d{1,2})",
    "dd": r"(?P<day>\d{2})",
    "d": r"(?P<day>\d{1,2})",
    "HH": r"(?P<hour>\d{2})",
    "H": r"(?P<hour>\d{1,2})",
    "mm": r"(?P<minute>\d{2})",
    "m": r"(?P<minute>\d{1,2})",
    "ss": r"(?P<second>\d{2})",
    "s": r"(?P<second>\d{1,2})",
    "S": r"(?P<fraction>\d{1,9})",
    "SSS": r"(?P<fraction>\d{1,9})",
    "SSSSSS": r"(?P<fraction>\d{1,9})",
    "SSSSSSSSS": r"(?P<fraction>\d{1,9})",
    "X": _ZONE,
    "XX": _ZONE,
    "XXX": _ZONE,
    "Z": _ZONE,
    "ZZ": _ZONE,
    "z": _ZONE,
}


@dataclass(frozen=True, slots=True)
class _Format:
    """One alternative of a format. ``scale`` is set for epoch formats: milliseconds per unit."""

    expression: re.Pattern[str]
    scale: int | None = None
    parts: tuple[tuple[str, str], ...] = ()


def check_date_format(text: str) -> None:
    """Raise a 400 that names the format if this engine cannot read it."""
    _formats(text)


def parse_date(value: Json, date_format: str, *, round_up: bool = False) -> int:
    """Answer a date as epoch milliseconds; a part that is missing is its lowest (or highest) value.

    ``value`` is text or a number as JSON has it. Raises a failure of type
    ``illegal_argument_exception`` when no alternative of the format fits.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = value if isinstance(value, str) else str(value)
    if not round_up and date_format.startswith("strict_date_optional_time"):
        complete = _complete_iso(text)
        if complete is not None:
            return complete
    if not isinstance(value, bool):
        for each in _formats(date_format):
            match = each.expression.fullmatch(text)
            if match is None:
                continue
            if each.scale is not None:
                return _epoch(text, each.scale)
            milliseconds = _milliseconds(match.groupdict(), round_up=round_up)
            if milliseconds is not None:
                return milliseconds
    raise date_failure(text, date_format)


def date_failure(text: str, date_format: str) -> Failure:
    """Answer the failure for a text that no alternative of the format fits."""
    return illegal_argument(f"failed to parse date field [{text}] with format [{date_format}]")


def format_date(milliseconds: int, date_format: str) -> str:
    """Answer the date in the first alternative of the format (UTC), as Elasticsearch renders it."""
    first = _formats(date_format)[0]
    if first.scale is not None:
        return str(milliseconds // first.scale)
    moment = _EPOCH_MOMENT + timedelta(milliseconds=milliseconds)
    fraction = f"{moment.microsecond // 1000:03d}"
    if not first.parts:
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction}Z".rjust(24, "0")
    rendered = {
        "y": f"{moment.year:04d}",
        "u": f"{moment.year:04d}",
        "d": str(moment.day),
        "H": str(moment.hour),
        "m": str(moment.minute),
        "s": str(moment.second),
    }
    text = ""
    for kind, part in first.parts:
        if kind == "literal":
            text += part
        elif part == "MMM":
            text += _MONTHS[moment.month - 1]
        elif part[0] == "M":
            text += str(moment.month).rjust(len(part), "0")
        elif part[0] == "S":
            text += fraction.ljust(len(part), "0")[: len(part)]
        elif part[0] in "XZz":
            text += "+0000" if part == "Z" else "Z"
        else:
            text += rendered[part[0]].rjust(len(part), "0")
    return text


@lru_cache(maxsize=256)
def _formats(text: str) -> tuple[_Format, ...]:
    return tuple(_one_format(each) for each in text.split("||"))


def _one_format(text: str) -> _Format:
    iso = _ISO_NAMES.get(text)
    if iso is not None:
        return _Format(iso)
    if text in {"epoch_millis", "epoch_second"}:
        return _Format(_WHOLE, 1 if text == "epoch_millis" else 1000)
    pattern = _NAMED.get(text.removeprefix("strict_"), text)
    expression = ""
    parts: list[tuple[str, str]] = []
    end = 0
    for match in _PATTERN_PART.finditer(pattern):
        if match.start() != end:
            break
        end = match.end()
        letters = match["letters"]
        if letters is None:
            literal = match["other"] if match["quoted"] is None else (match["quoted"] or "'")
            expression += re.escape(literal)
            parts.append(("literal", literal))
        elif letters in _LETTERS and _LETTERS[letters] not in expression:
            expression += _LETTERS[letters]
            parts.append(("field", letters))
        else:
            raise illegal_argument(
                f"Invalid format: [{text}]: [{letters}] is not supported by the embedded engine"
            )
    if end != len(pattern) or not pattern:
        raise illegal_argument(f"Invalid format: [{text}]: unbalanced quotes or no pattern")
    try:
        return _Format(re.compile(expression), parts=tuple(parts))
    except re.error:
        raise illegal_argument(f"Invalid format: [{text}]: a part is given twice") from None


def _complete_iso(text: str) -> int | None:
    """Answer the most usual form at once: a whole ISO date and time that ends with Z; None for others."""
    if len(text) not in {20, 24} or text[-1] != "Z" or text[4] + text[7] + text[10] + text[13] != "--T:":
        return None
    try:
        return (datetime.fromisoformat(text) - _EPOCH_MOMENT) // _MILLISECOND
    except ValueError:
        return None


def _epoch(text: str, scale: int) -> int:
    whole, _, fraction = text.partition(".")
    milliseconds = int(whole) * scale
    if scale > 1 and fraction:
        part = int(fraction[:3].ljust(3, "0"))
        milliseconds += -part if whole.startswith("-") else part
    return milliseconds


def _milliseconds(parts: dict[str, str | None], *, round_up: bool) -> int | None:
    name = parts.get("name")
    month_text = parts.get("month")
    year = int(parts.get("year") or 1970)
    if name is not None:
        month = _MONTHS.index(name) + 1
    else:
        month = int(month_text) if month_text is not None else (12 if round_up else 1)
    if not 1 <= month <= 12 or year < 1:  # noqa: PLR2004 - months
        return None
    last_day = calendar.monthrange(year, month)[1]
    day = _part(parts, "day", last_day if round_up else 1)
    hour = _part(parts, "hour", 23 if round_up else 0)
    minute = _part(parts, "minute", 59 if round_up else 0)
    second = _part(parts, "second", 59 if round_up else 0)
    if not 1 <= day <= last_day or hour > 23 or minute > 59 or second > 59:  # noqa: PLR2004 - a clock
        return None
    fraction = parts.get("fraction")
    thousandths = int(fraction[:3].ljust(3, "0")) if fraction else (999 if round_up else 0)
    days = date(year, month, day).toordinal() - _EPOCH_DAY
    clock = ((hour * 60 + minute) * 60 + second) * 1000 + thousandths
    return days * _MILLISECONDS_A_DAY + clock - _offset_milliseconds(parts.get("zone"))


def _part(parts: dict[str, str | None], name: str, otherwise: int) -> int:
    text = parts.get(name)
    return otherwise if text is None else int(text)


def _offset_milliseconds(zone: str | None) -> int:
    if zone is None or zone in {"Z", "UTC", "GMT"}:
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return (-minutes if zone[0] == "-" else minutes) * 60_000
