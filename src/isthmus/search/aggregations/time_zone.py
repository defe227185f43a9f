"""Days, time zones and what a clock on the wall shows: arithmetic on epoch milliseconds.

Python's ``datetime`` ends at the years 1 and 9999 and Elasticsearch's dates do not, so that the
calendar here is computed (proleptic Gregorian, as Elasticsearch's).
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from isthmus.errors import illegal_argument

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_OFFSET: Final = re.compile(r"(?:UTC|GMT|UT)?([+-])(\d{1,2})(?::?(\d{2}))?(?::?(\d{2}))?")
_ZERO_NAMES: Final = frozenset({"Z", "z", "UTC", "GMT", "UT"})
_MAXIMUM_OFFSET: Final = 18 * HOUR
#: Zone rules are looked up between these years; outside, those of the nearest year hold.
_FIRST_RULED: Final = -62_135_510_400_000  # 0001-01-02
_LAST_RULED: Final = 253_402_128_000_000  # 9999-12-30
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Day(NamedTuple):
    """A date of the calendar; months and days count from 1."""

    year: int
    month: int
    day: int


def days_of(year: int, month: int, day: int) -> int:
    """Answer the days from 1970-01-01 to a date; ``month`` may be out of 1-12 and then carries over."""
    year += (month - 1) // 12
    month = (month - 1) % 12 + 1
    # the year begins in March here, so that the leap day is its last
    shifted = year - (month <= 2)  # noqa: PLR2004 - February
    era = shifted // 400
    year_of_era = shifted - era * 400
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * 146_097 + day_of_era - 719_468


def day_of(days: int) -> Day:
    """Answer the date so many days after 1970-01-01."""
    shifted = days + 719_468
    era = shifted // 146_097
    day_of_era = shifted - era * 146_097
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    march_month = (5 * day_of_year + 2) // 153
    month = (march_month + 2) % 12 + 1
    year = year_of_era + era * 400 + (month <= 2)  # noqa: PLR2004 - February
    return Day(year, month, day_of_year - (153 * march_month + 2) // 5 + 1)


@dataclass(frozen=True, slots=True)
class TimeZone:
    """A fixed offset from UTC, or a zone with rules."""

    text: str
    fixed_milliseconds: int | None
    rules: ZoneInfo | None = None

    @classmethod
    def parse(cls, text: str) -> TimeZone:
        """Read ``+01:00``, ``UTC`` or ``Europe/Berlin``.

        Raises an ``illegal_argument_exception`` failure for anything else.
        """
        if text in _ZERO_NAMES:
            return cls(text, 0)
        match = _OFFSET.fullmatch(text)
        if match is not None:
            sign, hours, minutes, seconds = match.groups()
            amount = int(hours) * HOUR + int(minutes or 0) * MINUTE + int(seconds or 0) * SECOND
            if amount <= _MAXIMUM_OFFSET:
                return cls(text, -amount if sign == "-" else amount)
        try:
            return cls(text, None, ZoneInfo(text))
        except (KeyError, ValueError, OSError):
            raise illegal_argument(f"Unknown time-zone ID: {text}") from None

    def offset(self, milliseconds: int) -> int:
        """Answer how far local time is ahead of UTC at an instant, in milliseconds."""
        if self.rules is None:
            return self.fixed_milliseconds or 0
        constant = _offset_of_day(self.rules, milliseconds // DAY)
        return _ruled_offset(self.rules, milliseconds) if constant is None else constant

    def first_instant(self, local_milliseconds: int) -> int:
        """Answer the first instant at which the clock on the wall shows this, or is past it.

        A time that is skipped in spring becomes the moment of the change; one that comes twice
        in autumn is its first.
        """
        before = self.offset(local_milliseconds - DAY)
        after = self.offset(local_milliseconds + DAY)
        if before == after:
            return local_milliseconds - before
        valid = [
            local_milliseconds - offset
            for offset in (before, after)
            if self.offset(local_milliseconds - offset) == offset
        ]
        if valid:
            return min(valid)
        early, late = sorted((local_milliseconds - before, local_milliseconds - after))
        while early < late:
            middle = (early + late) // 2
            if middle + self.offset(middle) >= local_milliseconds:
                late = middle
            else:
                early = middle + 1
        return early


def _ruled_offset(rules: ZoneInfo, milliseconds: int) -> int:
    ruled = min(max(milliseconds, _FIRST_RULED), _LAST_RULED)
    moment = _EPOCH + dt.timedelta(milliseconds=ruled)
    offset = moment.astimezone(rules).utcoffset()
    return 0 if offset is None else int(offset.total_seconds() * SECOND)


@lru_cache(maxsize=32_768)
def _offset_of_day(rules: ZoneInfo, days: int) -> int | None:
    """Answer the offset all through a day of UTC, or None where it changes: no zone changes twice a day."""
    first = _ruled_offset(rules, days * DAY)
    return first if _ruled_offset(rules, (days + 1) * DAY - 1) == first else None


UTC: Final = TimeZone("Z", 0)
