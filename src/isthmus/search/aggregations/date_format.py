"""Dates as text: the named formats and the patterns of Elasticsearch, written and read.

What a pattern cannot say here is refused when the pattern is parsed, never written wrongly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

from isthmus.errors import illegal_argument
from isthmus.search.aggregations.time_zone import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    UTC,
    Day,
    TimeZone,
    day_of,
    days_of,
)

_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
)  # fmt: skip
_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_EPOCH_MILLIS: Final = "epoch_millis"
_EPOCH_SECOND: Final = "epoch_second"
_DATE_TIME: Final = "yyyy-MM-dd'T'HH:mm:ss.SSSXXX"
#: Named formats that read more than they write: a date alone, or with a time of any precision.
_OPTIONAL_TIME: Final = frozenset({"date_optional_time", "iso8601"})

#: https://www.elastic.co/docs/reference/elasticsearch/mapping-reference/mapping-date-format
_NAMED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "date_optional_time": _DATE_TIME,
        "iso8601": _DATE_TIME,
        "date_time": _DATE_TIME,
        "date_time_no_millis": "yyyy-MM-dd'T'HH:mm:ssXXX",
        "date": "yyyy-MM-dd",
        "year_month_day": "yyyy-MM-dd",
        "year_month": "yyyy-MM",
        "year": "yyyy",
        "date_hour": "yyyy-MM-dd'T'HH",
        "date_hour_minute": "yyyy-MM-dd'T'HH:mm",
        "date_hour_minute_second": "yyyy-MM-dd'T'HH:mm:ss",
        "date_hour_minute_second_millis": "yyyy-MM-dd'T'HH:mm:ss.SSS",
        "date_hour_minute_second_fraction": "yyyy-MM-dd'T'HH:mm:ss.SSS",
        "ordinal_date": "yyyy-DDD",
        "basic_date": "yyyyMMdd",
        "basic_date_time": "yyyyMMdd'T'HHmmss.SSSXX",
        "basic_date_time_no_millis": "yyyyMMdd'T'HHmmssXX",
        "hour": "HH",
        "hour_minute": "HH:mm",
        "hour_minute_second": "HH:mm:ss",
        "hour_minute_second_millis": "HH:mm:ss.SSS",
        "hour_minute_second_fraction": "HH:mm:ss.SSS",
    }
)

_ISO: Final = re.compile(
    r"(?P<year>[+-]?\d{4,9})(?:-(?P<month>\d{2})(?:-(?P<day>\d{2}))?)?"
    r"(?:T(?:(?P<hour>\d{2})(?::(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?)?)?"
    r"(?P<zone>Z|[+-]\d{2}(?::?\d{2})?)?)?"
)
_TOKEN: Final = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|([^A-Za-z'])", re.DOTALL)


class _Moment(NamedTuple):
    """An instant taken apart, as the clock on a wall shows it."""

    day: Day
    days: int
    hour: int
    minute: int
    second: int
    millisecond: int
    offset: int


_Writer = Callable[[_Moment], str]


def _padded(width: int, number: Callable[[_Moment], int]) -> _Writer:
    return lambda moment: f"{number(moment):0{width}d}"


def _year(width: int) -> _Writer:
    if width == 2:  # noqa: PLR2004 - two letters mean two digits
        return lambda moment: f"{moment.day.year % 100:02d}"

    def write(moment: _Moment) -> str:
        year = moment.day.year
        sign = "-" if year < 0 else "+" if abs(year) > 9_999 else ""  # noqa: PLR2004 - as Java writes them
        return f"{sign}{abs(year):0{width}d}"

    return write


def _month(width: int) -> _Writer:
    if width <= 2:  # noqa: PLR2004 - more letters mean its name
        return _padded(width, lambda moment: moment.day.month)
    letters = 3 if width == 3 else None  # noqa: PLR2004 - three letters mean the short name
    return lambda moment: _MONTHS[moment.day.month - 1][:letters]


def _weekday(width: int) -> _Writer:
    letters = 3 if width <= 3 else None  # noqa: PLR2004 - likewise
    return lambda moment: _WEEKDAYS[(moment.days + 3) % 7][:letters]


def _fraction(width: int) -> _Writer:
    return lambda moment: f"{moment.millisecond:03d}"[:width].ljust(width, "0")


def _zone_offset(width: int, *, zero: str | None) -> _Writer:
    def write(moment: _Moment) -> str:
        if moment.offset == 0 and zero is not None:
            return zero
        sign = "-" if moment.offset < 0 else "+"
        hours, rest = divmod(abs(moment.offset), HOUR)
        minutes = rest // MINUTE
        if width == 1 and not minutes:
            return f"{sign}{hours:02d}"
        separator = ":" if width == 3 else ""  # noqa: PLR2004 - +01:00
        return f"{sign}{hours:02d}{separator}{minutes:02d}"

    return write


#: Letters of plain numbers, padded to the width of the letters.
_NUMBERS: Final[Mapping[str, Callable[[_Moment], int]]] = MappingProxyType(
    {
        "d": lambda moment: moment.day.day,
        "D": lambda moment: moment.days - days_of(moment.day.year, 1, 1) + 1,
        "H": lambda moment: moment.hour,
        "h": lambda moment: (moment.hour - 1) % 12 + 1,
        "m": lambda moment: moment.minute,
        "s": lambda moment: moment.second,
        "e": lambda moment: (moment.days + 3) % 7 + 1,
        "Q": lambda moment: (moment.day.month + 2) // 3,
    }
)
#: Other letters: the most of them that mean something, and what they write.
_WRITERS: Final[Mapping[str, tuple[int, Callable[[int], _Writer]]]] = MappingProxyType(
    {
        "y": (9, _year),
        "u": (9, _year),
        "M": (4, _month),
        "L": (4, _month),
        "E": (4, _weekday),
        "S": (9, _fraction),
        "a": (1, lambda _width: lambda moment: "AM" if moment.hour < 12 else "PM"),  # noqa: PLR2004 - noon
        "X": (3, lambda width: _zone_offset(width, zero="Z")),
        "x": (3, lambda width: _zone_offset(width, zero=None)),
        "Z": (3, lambda _width: _zone_offset(2, zero=None)),
    }
)
_MOST_DIGITS: Final = 3


def _writer(letter: str, width: int) -> _Writer | None:
    if letter in _NUMBERS:
        return _padded(width, _NUMBERS[letter]) if width <= _MOST_DIGITS else None
    most, make = _WRITERS.get(letter, (0, _year))
    return make(width) if width <= most else None


#: What each letter reads, as a regular expression, and the part of a date that it is.
_READERS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "y": ("year", r"[+-]?\d{%d,9}"),
        "u": ("year", r"[+-]?\d{%d,9}"),
        "M": ("month", r"\d{%d,2}"),
        "d": ("day", r"\d{%d,2}"),
        "H": ("hour", r"\d{%d,2}"),
        "m": ("minute", r"\d{%d,2}"),
        "s": ("second", r"\d{%d,2}"),
        "S": ("fraction", r"\d{%d}"),
        "X": ("zone", r"Z|[+-]\d{2}(?::?\d{2})?"),
        "x": ("zone", r"[+-]\d{2}(?::?\d{2})?"),
        "Z": ("zone", r"Z|[+-]\d{2}(?::?\d{2})?"),
    }
)


@dataclass(frozen=True, slots=True)
class _Pattern:
    """One alternative of a format. ``reader`` is None for what can only be written."""

    writers: tuple[_Writer, ...]
    reader: re.Pattern[str] | None

    @classmethod
    def parse(cls, text: str, pattern: str) -> _Pattern:
        writers: list[_Writer] = []
        expression: str | None = ""
        position = 0
        while position < len(pattern):
            token = _TOKEN.match(pattern, position)
            if token is None or token.group(0) in ("[", "]", "{", "}", "#"):
                raise illegal_argument(f"Invalid format: [{text}]: optional sections are not supported")
            position = token.end()
            letter = token.group(2)
            if letter is None:
                quoted = token.group(1)
                literal = token.group(3) if quoted is None else quoted.replace("''", "'") or "'"
                writers.append(lambda _moment, literal=literal: literal)  # type: ignore[misc]
                expression = None if expression is None else expression + re.escape(literal)
                continue
            width = len(token.group(0))
            writer = _writer(letter, width)
            if writer is None:
                raise illegal_argument(f"Invalid format: [{text}]: [{token.group(0)}] is not supported")
            writers.append(writer)
            name, digits = _READERS.get(letter, ("", ""))
            if not name or expression is None or f"<{name}>" in expression or (name == "year" and width == 2):  # noqa: PLR2004
                expression = None
                continue
            expression += f"(?P<{name}>{digits % width if '%d' in digits else digits})"
        return cls(tuple(writers), None if expression is None else re.compile(expression))

    def render(self, moment: _Moment) -> str:
        return "".join(write(moment) for write in self.writers)


@dataclass(frozen=True, slots=True)
class DateFormat:
    """A format, possibly several joined by ``||``: the first writes, each may read."""

    text: str
    alternatives: tuple[str | _Pattern, ...]

    @classmethod
    def parse(cls, text: str) -> DateFormat:
        """Read a format. Raises an ``illegal_argument_exception`` failure for what cannot be written."""
        return cls(text, tuple(_alternative(text, part) for part in text.split("||")))

    def render(self, milliseconds: float, zone: TimeZone = UTC) -> str:
        """Write an instant as a clock in that zone shows it."""
        instant = int(milliseconds // 1)
        first = self.alternatives[0]
        if first == _EPOCH_MILLIS:
            return str(instant)
        if first == _EPOCH_SECOND:
            return str(instant // SECOND)
        moment = _moment(instant, zone)
        return _write_iso(moment) if isinstance(first, str) else first.render(moment)

    def read(self, text: str, zone: TimeZone = UTC) -> int:
        """Read an instant in epoch milliseconds; without an offset of its own it is in that zone.

        Raises an ``illegal_argument_exception`` failure when no alternative reads it.
        """
        for alternative in self.alternatives:
            instant = _read(alternative, text, zone)
            if instant is not None:
                return instant
        raise illegal_argument(f"failed to parse date field [{text}] with format [{self.text}]")


def _alternative(text: str, part: str) -> str | _Pattern:
    name = part.removeprefix("strict_")
    if name in (_EPOCH_MILLIS, _EPOCH_SECOND) or name in _OPTIONAL_TIME:
        return name
    return _Pattern.parse(text, _NAMED.get(name, part))


def _moment(instant: int, zone: TimeZone) -> _Moment:
    offset = zone.offset(instant)
    days, rest = divmod(instant + offset, DAY)
    hour, rest = divmod(rest, HOUR)
    minute, rest = divmod(rest, MINUTE)
    second, millisecond = divmod(rest, SECOND)
    return _Moment(day_of(days), days, hour, minute, second, millisecond, offset)


def _read(alternative: str | _Pattern, text: str, zone: TimeZone) -> int | None:
    if alternative in (_EPOCH_MILLIS, _EPOCH_SECOND):
        if re.fullmatch(r"-?\d{1,18}", text, re.ASCII) is None:
            return None
        return int(text) * (1 if alternative == _EPOCH_MILLIS else SECOND)
    reader = _ISO if isinstance(alternative, str) else alternative.reader
    match = None if reader is None else reader.fullmatch(text)
    return None if match is None else _instant(match.groupdict(), zone)


def _instant(parts: Mapping[str, str | None], zone: TimeZone) -> int | None:
    year = int(parts.get("year") or 1970)
    month, day = int(parts.get("month") or 1), int(parts.get("day") or 1)
    hour, minute, second = (int(parts.get(name) or 0) for name in ("hour", "minute", "second"))
    in_range = 1 <= month <= 12 and hour < 24 and minute < 60 and second < 60  # noqa: PLR2004 - a clock's
    if not in_range or not 1 <= day <= days_of(year, month + 1, 1) - days_of(year, month, 1):
        return None
    millisecond = int((parts.get("fraction") or "").ljust(3, "0")[:3])
    local = days_of(year, month, day) * DAY + hour * HOUR + minute * MINUTE + second * SECOND + millisecond
    offset = parts.get("zone")
    if offset is None:
        return zone.first_instant(local)
    return local - TimeZone.parse(offset).offset(0)


def _write_iso(moment: _Moment) -> str:
    """Write the default form at once: histograms of tens of thousands of days do."""
    day = moment.day
    return (
        f"{_write_year(moment)}-{day.month:02d}-{day.day:02d}T{moment.hour:02d}:{moment.minute:02d}:"
        f"{moment.second:02d}.{moment.millisecond:03d}{_write_offset(moment)}"
    )


_write_year: Final = _year(4)
_write_offset: Final = _zone_offset(3, zero="Z")

DEFAULT_DATE_FORMAT: Final = DateFormat.parse("strict_date_optional_time||epoch_millis")
"""How a date field is read and written that says nothing else."""
