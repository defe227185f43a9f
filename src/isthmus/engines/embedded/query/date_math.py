"""Date math: ``now-1d/d`` and ``2024-02-01||+1M/d``, exact to the millisecond."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from isthmus.engines.embedded.field_types_dates import parse_date
from isthmus.errors import illegal_argument

_OPERATION: Final = re.compile(
    r"(?P<sign>[+-])(?P<number>\d{0,6})(?P<unit>[yMwdhHms])|/(?P<rounding>[yMwdhHms])"
)
#: a time followed by an offset; a date alone may end in digits after a dash too
_NAMES_ITS_ZONE: Final = re.compile(
    r"\d(?:Z|UTC|GMT)$|:\d{2}(?:[.,]\d+)?[+-]\d{2}(?::?\d{2})?$|T\d{2}[+-]\d{2}(?::?\d{2})?$"
)
#: longer than any year
_EPOCH_NUMBER: Final = re.compile(r"-?\d{5,18}(?:\.\d+)?")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_SPANS: Final = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "H": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}


@dataclass(frozen=True, slots=True)
class DateReading:
    """How dates are read: the formats, the zone of a text that names none, and what was left out.

    ``round_up``: what a text does not say is taken at its latest (``2024-01`` ends the month).
    """

    formats: str
    zone: tzinfo = UTC
    round_up: bool = False


def resolve_date(text: str, reading: DateReading, now_milliseconds: int) -> int:
    """Answer the epoch milliseconds that an expression names.

    Raises a failure of type ``illegal_argument_exception`` for what cannot be read.
    """
    if text.startswith("now"):
        return _calculated(now_milliseconds, text.removeprefix("now"), text, reading)
    anchor, separator, operations = text.partition("||")
    # the anchor of a calculation is taken as it stands; only a text on its own is rounded
    exact = replace(reading, round_up=False) if separator else reading
    moment = _read(anchor, exact)
    return _calculated(moment, operations, text, reading) if separator else moment


def _read(text: str, reading: DateReading) -> int:
    milliseconds = parse_date(text, reading.formats, round_up=reading.round_up)
    if reading.zone is UTC or _NAMES_ITS_ZONE.search(text) or _EPOCH_NUMBER.fullmatch(text):
        return milliseconds
    local = from_milliseconds(milliseconds).replace(tzinfo=reading.zone)
    return to_milliseconds(local)


def to_milliseconds(moment: datetime) -> int:
    """Answer the epoch milliseconds of an aware moment, cut downwards."""
    return (moment - _EPOCH) // _MILLISECOND


def from_milliseconds(milliseconds: int, zone: tzinfo = UTC) -> datetime:
    """Answer the moment; raises OverflowError outside the years 1 to 9999."""
    return (_EPOCH + timedelta(milliseconds=milliseconds)).astimezone(zone)


def read_zone(text: str) -> tzinfo:
    """Answer the zone of an offset such as ``+01:00`` or of a name; raises a 400."""
    if text in ("Z", "UTC", "GMT"):
        return UTC
    found = re.fullmatch(r"([+-])(\d{1,2})(?::?(\d{2}))?", text)
    if found is not None:
        offset = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
        if offset >= timedelta(hours=18, minutes=1):
            raise illegal_argument(f"Zone offset not in valid range: {text}")
        return timezone(-offset if found[1] == "-" else offset)
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise illegal_argument(f"Unknown time-zone ID: {text[:100]}") from None


def _calculated(milliseconds: int, operations: str, text: str, reading: DateReading) -> int:
    position = 0
    while position < len(operations):
        found = _OPERATION.match(operations, position)
        if found is None:
            raise illegal_argument(f"operator not supported for date math [{text[:100]}]")
        try:
            milliseconds = _applied(milliseconds, found, reading)
        except (ValueError, OverflowError):
            raise illegal_argument(
                f"date math [{text[:100]}] leaves the years that can be calculated with"
            ) from None
        position = found.end()
    return milliseconds


def _applied(milliseconds: int, found: re.Match[str], reading: DateReading) -> int:
    moment = from_milliseconds(milliseconds, reading.zone)
    if found["rounding"]:
        start = _start(moment, found["rounding"])
        if not reading.round_up:
            return to_milliseconds(start)
        return to_milliseconds(_later(start, found["rounding"], 1)) - 1
    number = int(found["number"] or 1)
    return to_milliseconds(_later(moment, found["unit"], -number if found["sign"] == "-" else number))


def _start(moment: datetime, unit: str) -> datetime:
    second = moment.replace(microsecond=0)
    if unit == "s":
        return second
    minute = second.replace(second=0)
    if unit == "m":
        return minute
    hour = minute.replace(minute=0)
    if unit in "hH":
        return hour
    day = hour.replace(hour=0, fold=0)
    if unit == "d":
        return day
    if unit == "w":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if unit == "M" else day.replace(day=1, month=1)


def _later(moment: datetime, unit: str, number: int) -> datetime:
    if unit in "yM":
        months = moment.year * 12 + moment.month - 1 + number * (12 if unit == "y" else 1)
        year, month = divmod(months, 12)
        day = min(moment.day, calendar.monthrange(year, month + 1)[1])
        return moment.replace(year=year, month=month + 1, day=day)
    span = _SPANS[unit] * number
    if unit in "wd":
        # a day is a day on the calendar, also where the clocks change
        return moment + span
    return (moment.astimezone(UTC) + span).astimezone(moment.tzinfo)
