"""Which bucket of a date histogram an instant falls into, and which bucket comes next."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from isthmus.search.aggregations.time_zone import DAY, HOUR, MINUTE, SECOND, TimeZone, day_of, days_of

_CALENDAR_UNITS: Final = MappingProxyType(
    {
        "second": "second", "1s": "second",
        "minute": "minute", "1m": "minute",
        "hour": "hour", "1h": "hour",
        "day": "day", "1d": "day",
        "week": "week", "1w": "week",
        "month": "month", "1M": "month",
        "quarter": "quarter", "1q": "quarter",
        "year": "year", "1y": "year",
    }
)  # fmt: skip
#: Calendar units that always last equally long, unless a clock is changed meanwhile.
_LENGTHS: Final = MappingProxyType(
    {"second": SECOND, "minute": MINUTE, "hour": HOUR, "day": DAY, "week": 7 * DAY}
)
_MONTHS: Final = MappingProxyType({"month": 1, "quarter": 3, "year": 12})
#: 1970-01-01 was a Thursday, weeks begin on Mondays.
_FIRST_MONDAY: Final = 4 * DAY

_TIME_VALUE: Final = re.compile(r"([+-]?)(\d{1,15})(nanos|micros|ms|s|m|h|d)", re.ASCII)
_TIME_UNITS: Final = MappingProxyType({"ms": 1, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY})


def parse_calendar_unit(text: str) -> str | None:
    """Read ``month`` or ``1M``; None for what is no calendar interval."""
    return _CALENDAR_UNITS.get(text)


def parse_time_value(text: str) -> int | None:
    """Read ``90m`` or ``-1d`` into milliseconds; None for what is no time value of whole milliseconds."""
    match = _TIME_VALUE.fullmatch(text.strip())
    if match is None:
        return None
    sign, digits, unit = match.groups()
    if unit in _TIME_UNITS:
        amount = int(digits) * _TIME_UNITS[unit]
    else:
        amount, rest = divmod(int(digits), 1_000_000 if unit == "nanos" else 1_000)
        if rest:
            return None
    return -amount if sign == "-" else amount


@dataclass(frozen=True, slots=True)
class Rounding:
    """Rounds instants down to the start of their bucket. All in epoch milliseconds.

    ``unit`` is a calendar unit, or None where buckets are ``length`` milliseconds long.
    """

    unit: str | None
    length: int
    zone: TimeZone
    offset: int = 0

    @classmethod
    def calendar(cls, unit: str, zone: TimeZone, offset: int) -> Rounding:
        """Make one for a unit that :func:`parse_calendar_unit` answered."""
        length = _LENGTHS.get(unit) or _MONTHS[unit] * 30 * DAY
        return cls(unit, length, zone, offset)

    @property
    def grid(self) -> tuple[int, int] | None:
        """Answer (length, shift) where every bucket begins at a multiple of the length plus the shift."""
        if self._months or self.zone.fixed_milliseconds is None:
            return None
        base = _FIRST_MONDAY if self.unit == "week" else 0
        return self.length, (base + self.offset - self.zone.fixed_milliseconds) % self.length

    def round(self, milliseconds: int) -> int:
        """Answer the start of the bucket that holds an instant."""
        instant = milliseconds - self.offset
        zone_offset = self.zone.offset(instant)
        local = self._floor(instant + zone_offset)
        same_offset = local - zone_offset
        if self.zone.offset(same_offset) == zone_offset and (self._is_short or self.zone.rules is None):
            return same_offset + self.offset
        return self.zone.first_instant(local) + self.offset

    def next(self, key: int) -> int:
        """Answer the start of the bucket after the one that starts at ``key``."""
        if not self._months:
            return self.round(key + self.length + self.length // 2)
        instant = key - self.offset
        # noon of the first day: a start that a change of clocks moved is still on its day
        day = day_of((instant + self.zone.offset(instant) + DAY // 2) // DAY)
        local = days_of(day.year, day.month + self._months, 1) * DAY
        return self.zone.first_instant(local) + self.offset

    @property
    def _months(self) -> int:
        """Answer how many months a bucket spans; 0 where it is not made of months."""
        return _MONTHS.get(self.unit or "", 0)

    @property
    def _is_short(self) -> bool:
        """Tell whether an hour that comes twice has buckets of its own each time."""
        return self.length < DAY

    def _floor(self, local: int) -> int:
        if self._months:
            day = day_of(local // DAY)
            month = (day.month - 1) // self._months * self._months + 1
            return days_of(day.year, month, 1) * DAY
        base = _FIRST_MONDAY if self.unit == "week" else 0
        return (local - base) // self.length * self.length + base
