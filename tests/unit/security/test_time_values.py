"""Durations as callers write them."""

from __future__ import annotations

import pytest

from isthmus.errors import Failure
from isthmus.security.time_values import parse_duration_milliseconds


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1d", 86_400_000),
        ("12h", 43_200_000),
        ("90m", 5_400_000),
        ("2s", 2_000),
        ("500ms", 500),
        ("1500micros", 2),
        ("1nanos", 1),
        (" 1D ", 86_400_000),
    ],
)
def test_every_unit_is_read(text: str, milliseconds: int) -> None:
    """Parts of a millisecond count as a whole one: nothing that is positive ends at once."""
    assert parse_duration_milliseconds("expiration", text) == milliseconds


@pytest.mark.parametrize(
    "text", ["", "1", "d", "-1d", "1.5d", "1 d", "1w", "9999999999999999d", "0s", "9" * 14 + "d"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """The failure names the setting."""
    with pytest.raises(Failure, match="expiration"):
        parse_duration_milliseconds("expiration", text)
