"""Date math in index names."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.errors import Failure, FailureKind
from isthmus.names.date_math import resolve_date_math

#: 2026-08-01T00:30:45.123Z, a Saturday
NOW = 1_785_544_245_123

RESOLVED = [
    ("logs", "logs"),
    ("<logs>", "logs"),
    ("<", "<"),
    ("<logs", "<logs"),
    ("<logs-{now/d}>", "logs-2026.08.01"),
    ("<logs-{now}>", "logs-2026.08.01"),
    ("<logs-{now/d}-x>", "logs-2026.08.01-x"),
    ("<{now/d}>", "2026.08.01"),
    ("<a-{now/d}-{now/d-1d}>", "a-2026.08.01-2026.07.31"),
    ("<logs-{now/d{yyyy.MM.dd|-02:00}}>", "logs-2026.07.31"),
    ("<logs-{now/d{yyyy.MM.dd|+02:00}}>", "logs-2026.08.01"),
    ("<logs-{now/d{yyyy.MM.dd|-0200}}>", "logs-2026.07.31"),
    ("<logs-{now/d{yyyy.MM.dd|UTC-2}}>", "logs-2026.07.31"),
    ("<logs-{now/d{yyyy.MM.dd|Z}}>", "logs-2026.08.01"),
    ("<logs-{now/h{HH|Europe/Berlin}}>", "logs-02"),
    ("<logs-{now/M}>", "logs-2026.08.01"),
    ("<logs-{now/M-1M}>", "logs-2026.07.01"),
    ("<logs-{now/M{yyyy.MM}}>", "logs-2026.08"),
    ("<logs-{now/y}>", "logs-2026.01.01"),
    ("<logs-{now/w}>", "logs-2026.07.27"),
    ("<logs-{now-6M{yyyy-MM-dd}}>", "logs-2026-02-01"),
    ("<logs-{now-1d-5M{yyyy-MM-dd}}>", "logs-2026-02-28"),
    ("<logs-{now+4M+30d{yyyy-MM-dd}}>", "logs-2026-12-31"),
    ("<logs-{now+1y}>", "logs-2027.08.01"),
    ("<logs-{now-1w}>", "logs-2026.07.25"),
    ("<logs-{now-1h{HH}}>", "logs-23"),
    ("<logs-{now-31m{HH.mm}}>", "logs-23.59"),
    ("<logs-{now+d}>", "logs-2026.08.02"),
    ("<logs-{now/s{ss.SSS}}>", "logs-45.000"),
    ("<logs-{now{ss.SSS}}>", "logs-45.123"),
    ("<logs-{now/m{HHmmss}}>", "logs-003000"),
    ("<logs-{now{yy}}>", "logs-26"),
    ("<logs-{now{uuuu.M.d}}>", "logs-2026.8.1"),
    ("<logs-{now{hh}}>", "logs-12"),
    ("<logs-{now{xxxx.ww.e}}>", "logs-2026.31.6"),
    ("<logs-{now{DDD}}>", "logs-213"),
    ("<logs-{now{yyyy'x'MM''dd}}>", "logs-2026x08'01"),
    ("<a\\{b\\}-{now/d}>", "a{b}-2026.08.01"),
    ("<a\\\\b>", "a\\b"),
]


@pytest.mark.parametrize(("expression", "expected"), RESOLVED)
def test_resolves_date_math(expression: str, expected: str) -> None:
    """An expression stands for the name of its moment, in its format and zone."""
    assert resolve_date_math(expression, NOW) == expected


REFUSED = [
    ("<>", "nothing captured"),
    ("<a-{now/d>", "date math placeholder is open ended"),
    ("<a-{now/d{yyyy}>", "date math placeholder is open ended"),
    ("<a-now/d}>", "invalid character at position [8]"),
    ("<a-{now/d{yyyy{MM}}}>", "invalid character in placeholder at position [14]"),
    ("<a-{now/d{}}>", "missing date format"),
    ("<a-{now/d{yyyy}x}>", "missing closing `}` for date math format"),
    ("<a-{now?d}>", "operator not supported for date math [?d]"),
    ("<a-{now+}>", "truncated date math [now+]"),
    ("<a-{now+1}>", "truncated date math [now+1]"),
    ("<a-{now+1q}>", "unit [q] not supported for date math [now+1q]"),
    ("<a-{now/2d}>", "rounding `/` can only be used on single unit types [now/2d]"),
    ("<a-{2020||/d}>", "only [now] is supported as the anchor"),
    ("<a-{}>", "only [now] is supported as the anchor"),
    ("<a-{now+999999999y}>", "leaves the years 1 to 9999"),
    ("<a-{now-999999999d}>", "leaves the years 1 to 9999"),
    ("<a-{now{MMMM}}>", "unsupported pattern letters [MMMM]"),
    ("<a-{now{Q}}>", "unsupported pattern letters [Q]"),
    ("<a-{now{yyyy'}}>", "incomplete string literal"),
    ("<a-{now{yyyy|Mars/Base}}>", "Unknown time-zone ID: Mars/Base"),
    ("<a-{now{yyyy|+99:00}}>", "Unknown time-zone ID: +99:00"),
    ("<a-{now{yyyy|../../etc/passwd}}>", "Unknown time-zone ID: ../../etc/passwd"),
    ("<a-{now{yyyy|Europe}}>", "Unknown time-zone ID: Europe"),
]


@pytest.mark.parametrize(("expression", "reason"), REFUSED)
def test_refuses_date_math_that_is_not_well_formed(expression: str, reason: str) -> None:
    """The message says what is wrong with the expression."""
    with pytest.raises(Failure) as caught:
        resolve_date_math(expression, NOW)
    assert caught.value.kind is FailureKind.INVALID_REQUEST
    assert reason in caught.value.reason


def test_reads_the_clock_when_not_told_the_time() -> None:
    """Without a given moment ``now`` is the system's."""
    assert resolve_date_math("<a-{now{yyyy}}>") >= "a-2026"


_PIECES = st.sampled_from(
    [
        "{",
        "}",
        "now",
        "/d",
        "-1M",
        "+999999999y",
        "|",
        "\\",
        "yyyy",
        "'",
        "Europe/Berlin",
        "|+14:00",
        "a",
        "\0",
    ]
)


@settings(max_examples=400)
@given(st.lists(_PIECES, max_size=10).map("".join))
def test_date_math_raises_failures_only(text: str) -> None:
    """Whatever stands between the brackets, the answer is a name or a caller's failure."""
    try:
        assert resolve_date_math(f"<{text}>", NOW)
    except Failure as failure:
        assert failure.kind is FailureKind.INVALID_REQUEST  # noqa: PT017 - raising is allowed, not required
