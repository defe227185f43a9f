"""How the other clusters wrote a value as text, found out from samples, so that more can be written alike.

Only the clusters know a field's mapping. Where a combined value was in one of the answers its text
is in there too; sums, averages and filled gaps are new and have to be written the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from isthmus.search.aggregations.date_format import DEFAULT_DATE_FORMAT, DateFormat
from isthmus.search.aggregations.time_zone import UTC, TimeZone

#: The formats tried: the default first, then those that people give date fields.
_CANDIDATES: Final = tuple(
    map(
        DateFormat.parse,
        (
            "strict_date_optional_time",
            "date_time_no_millis",
            "yyyy-MM-dd",
            "yyyy-MM-dd HH:mm:ss",
            "yyyy-MM-dd HH:mm:ss.SSS",
            "date_hour_minute_second",
            "date_hour_minute_second_millis",
            "yyyy/MM/dd",
            "yyyy/MM/dd HH:mm:ss",
            "dd/MM/yyyy",
            "MM/dd/yyyy",
            "dd.MM.yyyy",
            "basic_date",
            "basic_date_time",
            "basic_date_time_no_millis",
            "year_month",
            "year",
            "epoch_second",
            "epoch_millis",
        ),
    )
)


def renderer_like(
    samples: Sequence[tuple[float, str]], chosen: DateFormat | None, zone: TimeZone = UTC
) -> Callable[[float], str]:
    """Answer how to write a value, given some that were written; ``chosen`` is the caller's format."""
    known = dict(samples)
    if known and set(known.values()) <= {"true", "false"}:
        return lambda value: "true" if value else "false"
    if chosen is not None:
        return lambda value: chosen.render(value, zone)
    fitting = next((each for each in _CANDIDATES if _fits(each, known, zone)), DEFAULT_DATE_FORMAT)
    return lambda value: known[value] if value in known else fitting.render(value, zone)


def _fits(candidate: DateFormat, known: dict[float, str], zone: TimeZone) -> bool:
    return all(candidate.render(value, zone) == text for value, text in known.items())
