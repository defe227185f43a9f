"""Dates: written, read, and rounded to buckets, in time zones and across changes of clocks."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.errors import Failure
from isthmus.search.aggregations.date_format import DEFAULT_DATE_FORMAT, DateFormat
from isthmus.search.aggregations.numbers import java_double
from isthmus.search.aggregations.rounding import Rounding, parse_time_value
from isthmus.search.aggregations.time_zone import DAY, HOUR, UTC, TimeZone

MOMENT = DEFAULT_DATE_FORMAT.read("2024-02-29T15:04:05.678Z")
BERLIN = TimeZone.parse("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("strict_date_optional_time", "2024-02-29T15:04:05.678Z"),
        ("epoch_millis", "1709219045678"),
        ("epoch_second", "1709219045"),
        ("yyyy-MM-dd", "2024-02-29"),
        ("basic_date_time", "20240229T150405.678Z"),
        ("strict_date_time_no_millis", "2024-02-29T15:04:05Z"),
        ("dd/MM/yy", "29/02/24"),
        ("d. MMMM yyyy, EEEE 'o''clock' h a", "29. February 2024, Thursday o'clock 3 PM"),
        ("MMM EEE DDD Q", "Feb Thu 060 1"),
        ("yyyy-MM-dd||epoch_millis", "2024-02-29"),
        ("HH:mm:ss.SSSSSS Z x XX", "15:04:05.678000 +0000 +00 Z"),
    ],
)
def test_formats_write_as_java_does(text: str, written: str) -> None:
    """Names and patterns give what Elasticsearch gives."""
    assert DateFormat.parse(text).render(MOMENT) == written


@pytest.mark.parametrize(
    ("milliseconds", "zone", "written"),
    [
        (0, "Europe/Berlin", "1970-01-01T01:00:00.000+01:00"),
        (-1, "Z", "1969-12-31T23:59:59.999Z"),
        (0, "-03:30", "1969-12-31T20:30:00.000-03:30"),
        (253_402_300_800_000, "Z", "+10000-01-01T00:00:00.000Z"),
        (-62_167_219_200_001, "Z", "-0001-12-31T23:59:59.999Z"),
        (0, "UTC+1", "1970-01-01T01:00:00.000+01:00"),
    ],
)
def test_dates_are_written_in_their_zone(milliseconds: int, zone: str, written: str) -> None:
    """The offset shows; years beyond four digits have a sign."""
    assert DEFAULT_DATE_FORMAT.render(milliseconds, TimeZone.parse(zone)) == written


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024", 1_704_067_200_000),
        ("2024-02", 1_706_745_600_000),
        ("2024-02-29T15:04:05.678Z", MOMENT),
        ("2024-02-29T16:04:05,678+01:00", MOMENT),
        ("1709219045678", MOMENT),
        ("-1", -1),
    ],
)
def test_dates_are_read(text: str, instant: int) -> None:
    """Dates of any precision and epoch numbers are understood by default."""
    assert DEFAULT_DATE_FORMAT.read(text) == instant


@pytest.mark.parametrize("text", ["2024-13", "2023-02-29", "yesterday", "", "2024-01-01T25", "²"])
def test_what_is_no_date_is_refused(text: str) -> None:
    """The text and the format are named."""
    with pytest.raises(Failure, match="failed to parse date field"):
        DEFAULT_DATE_FORMAT.read(text)


@pytest.mark.parametrize("text", ["yyyy[-MM]", "GGGG", "foo", "VV", "XXXX"])
def test_patterns_that_cannot_be_written_are_refused(text: str) -> None:
    """What would be written wrongly is refused when it is asked for."""
    with pytest.raises(Failure, match="Invalid format"):
        DateFormat.parse(text)


@given(st.integers(-62_135_000_000_000, 253_402_000_000_000))
def test_writing_and_reading_agree_with_python(milliseconds: int) -> None:
    """The calendar here is the one of the standard library, and reading undoes writing."""
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=milliseconds)
    written = DEFAULT_DATE_FORMAT.render(milliseconds)
    assert written[:19] == moment.isoformat()[:19]
    assert DEFAULT_DATE_FORMAT.read(written) == milliseconds


def keys_from(rounding: Rounding, start: str, number: int) -> list[str]:
    """Answer so many buckets from the one that holds an instant, as local times."""
    key = rounding.round(DEFAULT_DATE_FORMAT.read(start))
    keys = []
    for _ in range(number):
        keys.append(DateFormat.parse("yyyy-MM-dd HH:mm XXX").render(key, rounding.zone))
        key = rounding.next(key)
    return keys


def test_days_have_23_or_25_hours_where_clocks_change() -> None:
    """Each day begins at midnight on the wall."""
    assert keys_from(Rounding.calendar("day", BERLIN, 0), "2024-03-30T12:00:00Z", 3) == [
        "2024-03-30 00:00 +01:00",
        "2024-03-31 00:00 +01:00",
        "2024-04-01 00:00 +02:00",
    ]


def test_an_hour_that_comes_twice_has_two_buckets() -> None:
    """In autumn the second two o'clock is not mixed with the first."""
    assert keys_from(Rounding.calendar("hour", BERLIN, 0), "2024-10-26T23:30:00Z", 4) == [
        "2024-10-27 01:00 +02:00",
        "2024-10-27 02:00 +02:00",
        "2024-10-27 02:00 +01:00",
        "2024-10-27 03:00 +01:00",
    ]


def test_a_day_without_midnight_begins_when_the_clock_jumps() -> None:
    """In São Paulo clocks once jumped at midnight."""
    zone = TimeZone.parse("America/Sao_Paulo")
    assert keys_from(Rounding.calendar("day", zone, 0), "2017-10-15T12:00:00Z", 2) == [
        "2017-10-15 01:00 -02:00",
        "2017-10-16 00:00 -02:00",
    ]


@pytest.mark.parametrize(
    ("unit", "first", "second"),
    [
        ("week", "2024-02-26 00:00 Z", "2024-03-04 00:00 Z"),
        ("month", "2024-02-01 00:00 Z", "2024-03-01 00:00 Z"),
        ("quarter", "2024-01-01 00:00 Z", "2024-04-01 00:00 Z"),
        ("year", "2024-01-01 00:00 Z", "2025-01-01 00:00 Z"),
    ],
)
def test_calendar_units_follow_each_other(unit: str, first: str, second: str) -> None:
    """Weeks begin on Monday, quarters in January, April, July and October."""
    assert keys_from(Rounding.calendar(unit, UTC, 0), "2024-02-29T15:04:05Z", 2) == [first, second]


def test_an_offset_moves_every_bucket() -> None:
    """With six hours a day begins at six, and what is earlier belongs to the day before."""
    rounding = Rounding.calendar("day", UTC, 6 * HOUR)
    assert keys_from(rounding, "2024-02-29T05:59:59Z", 2) == ["2024-02-28 06:00 Z", "2024-02-29 06:00 Z"]


@given(
    st.sampled_from(["hour", "day", "week", "month", "quarter", "year"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "-02:30"]),
    st.integers(-4_000_000_000_000, 4_000_000_000_000),
    st.sampled_from([0, 6 * HOUR]),
)
def test_every_instant_is_in_exactly_the_bucket_it_is_rounded_to(
    unit: str, zone: str, instant: int, offset: int
) -> None:
    """A bucket begins at or before its instants, the next one after them, and rounding is stable."""
    rounding = Rounding.calendar(unit, TimeZone.parse(zone), offset)
    key = rounding.round(instant)
    following = rounding.next(key)
    assert key <= instant < following
    assert rounding.round(key) == key
    assert rounding.round(following) == following
    assert rounding.round(following - 1) == key
    if rounding.grid is not None:
        length, shift = rounding.grid
        assert (key - shift) % length == 0


def test_months_agree_with_the_standard_library() -> None:
    """Two centuries of months in Berlin are those that the standard library gives."""
    zone = ZoneInfo("Europe/Berlin")
    starts = [
        dt.datetime(year, month, 1, tzinfo=zone) for year in range(1890, 2090) for month in range(1, 13)
    ]
    expected = [round(start.timestamp() * 1000) for start in starts]
    rounding = Rounding.calendar("month", BERLIN, 0)
    assert [rounding.round(each) for each in expected] == expected
    assert [rounding.next(each) for each in expected[:-1]] == expected[1:]


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("90m", 90 * 60_000),
        ("-1d", -DAY),
        ("+6h", 6 * HOUR),
        ("5ms", 5),
        ("2000micros", 2),
        ("1micros", None),
        ("1M", None),
        ("", None),
        ("1.5h", None),
    ],
)
def test_time_values(text: str, milliseconds: int | None) -> None:
    """Whole numbers of known units are read, others are not."""
    assert parse_time_value(text) == milliseconds


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, "0.0"),
        (-0.5, "-0.5"),
        (100.0, "100.0"),
        (9_999_999.0, "9999999.0"),
        (0.001, "0.001"),
        (1e7, "1.0E7"),
        (-12_345_678.5, "-1.23456785E7"),
        (1e21, "1.0E21"),
        (0.00015, "1.5E-4"),
        (1e-7, "1.0E-7"),
        (float("inf"), "Infinity"),
        (float("nan"), "NaN"),
    ],
)
def test_doubles_are_written_as_java_writes_them(value: float, written: str) -> None:
    """Keys that are made of numbers look as Elasticsearch's."""
    assert java_double(value) == written
