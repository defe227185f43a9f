"""Date math and the zones of dates in queries."""

from __future__ import annotations

import pytest

from isthmus.engines.embedded.query.date_math import (
    DateReading,
    from_milliseconds,
    read_zone,
    resolve_date,
)
from isthmus.errors import Failure

FORMATS = "strict_date_optional_time||epoch_millis"
NOW = 1_709_214_330_123  # 2024-02-29T13:45:30.123Z, a Thursday


@pytest.mark.parametrize(
    ("text", "round_up", "expected"),
    [
        ("now", False, "2024-02-29T13:45:30.123"),
        ("now-1d", False, "2024-02-28T13:45:30.123"),
        ("now+1y", False, "2025-02-28T13:45:30.123"),
        ("now-1M/M", False, "2024-01-01T00:00:00.000"),
        ("now-1M/M", True, "2024-01-31T23:59:59.999"),
        ("now/d", False, "2024-02-29T00:00:00.000"),
        ("now/d", True, "2024-02-29T23:59:59.999"),
        ("now/w", False, "2024-02-26T00:00:00.000"),
        ("now/w", True, "2024-03-03T23:59:59.999"),
        ("now/y", True, "2024-12-31T23:59:59.999"),
        ("now/h-30m", False, "2024-02-29T12:30:00.000"),
        ("now/H+15s", False, "2024-02-29T13:00:15.000"),
        ("now/m", True, "2024-02-29T13:45:59.999"),
        ("now/s", True, "2024-02-29T13:45:30.999"),
        ("now+d", False, "2024-03-01T13:45:30.123"),
        ("2024", False, "2024-01-01T00:00:00.000"),
        ("2024", True, "2024-12-31T23:59:59.999"),
        ("2024-02", True, "2024-02-29T23:59:59.999"),
        ("2024-02-10T11", True, "2024-02-10T11:59:59.999"),
        ("2024-02-10T11:12:13Z", True, "2024-02-10T11:12:13.999"),
        ("2024-02-10||+1M/M", False, "2024-03-01T00:00:00.000"),
        ("2024-01-31||+1M", True, "2024-02-29T00:00:00.000"),
        ("1709214330123||/d", False, "2024-02-29T00:00:00.000"),
        ("1709214330123", True, "2024-02-29T13:45:30.123"),
    ],
)
def test_expressions_name_moments(text: str, round_up: bool, expected: str) -> None:
    """Calculations apply in order; what was not said is taken at its earliest or latest."""
    moment = from_milliseconds(resolve_date(text, DateReading(FORMATS, round_up=round_up), NOW))
    assert moment.isoformat(timespec="milliseconds") == f"{expected}+00:00"


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2024-02-10", "+02:00", "2024-02-09T22:00:00.000"),
        ("2024-02-10T12:00:00", "-05:30", "2024-02-10T17:30:00.000"),
        ("2024-02-10T12:00:00Z", "-05:30", "2024-02-10T12:00:00.000"),
        ("2024-02-10T12:00:00+01:00", "-05:30", "2024-02-10T11:00:00.000"),
        ("1709214330123", "+02:00", "2024-02-29T13:45:30.123"),
        ("now/d", "+12:00", "2024-02-29T12:00:00.000"),
        ("2024-07-01", "Europe/Berlin", "2024-06-30T22:00:00.000"),
        ("2024-03-31||+1d", "Europe/Berlin", "2024-03-31T22:00:00.000"),
        ("2024-03-31||+24h", "Europe/Berlin", "2024-03-31T23:00:00.000"),
    ],
)
def test_a_zone_applies_to_what_names_none(text: str, zone: str, expected: str) -> None:
    """Texts with an offset and numbers keep their moment; days follow the zone's calendar."""
    moment = from_milliseconds(resolve_date(text, DateReading(FORMATS, read_zone(zone)), NOW))
    assert moment.isoformat(timespec="milliseconds") == f"{expected}+00:00"


@pytest.mark.parametrize(
    "text",
    [
        "tomorrow",
        "now-",
        "now+1q",
        "now+1d+",
        "2024-02-30",
        "2024||+",
        "now+999999y",
        "2024-01-01||-9999y/d",
        "",
    ],
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    """A malformed or impossible date is a 400, never a crash."""
    with pytest.raises(Failure):
        resolve_date(text, DateReading(FORMATS), NOW)


@pytest.mark.parametrize("zone", ["+19:00", "Nowhere", "../etc/passwd", "", "+1:2:3"])
def test_unknown_zones_are_refused(zone: str) -> None:
    """A zone is an offset of at most 18 hours or a known name."""
    with pytest.raises(Failure):
        read_zone(zone)
