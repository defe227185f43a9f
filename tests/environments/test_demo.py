"""The demonstration: right when it is right, and an error when an answer is not."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from environments_support import processes_in

from isthmus.demo.airports import Airport
from isthmus.demo.questions import questions
from isthmus.demo.run import DemoResult

_LAST_LINE = r"demo: ok \(28298 documents, 2 clusters, [0-9]+\.[0-9] s\)"


def test_once_ends_with_the_result(tmp_path: Path) -> None:
    """Exit status 0, the last line as promised, curl commands that name no password, and no trace left."""
    started = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-m", "isthmus", "demo", "--once"],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    assert re.fullmatch(_LAST_LINE, ran.stdout.rstrip("\n").splitlines()[-1])
    assert time.monotonic() - started < 60
    assert ran.stdout.count("as computed from the data") == len(questions("x"))
    assert "not what the data says" not in ran.stdout
    assert "-u elastic:$PASSWORD" in ran.stdout
    assert ran.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_it_stays_up_until_interrupted(tmp_path: Path) -> None:
    """Without ``--once`` the addresses and passwords are printed; Ctrl-C removes everything."""
    process = subprocess.Popen(
        [sys.executable, "-m", "isthmus", "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or "Ctrl-C stops and removes everything" not in lines[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1], "".join(lines)
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=30)
    assert process.returncode == 0, rest + errors
    assert re.fullmatch(_LAST_LINE, rest.rstrip("\n").splitlines()[-1])
    assert errors == ""
    assert processes_in(str(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


def test_the_closing_line_and_the_exit_status() -> None:
    """They say what was wrong, or how much was right."""
    right = DemoResult(documents=10, clusters=2, seconds=1.26, wrong=())
    assert right.closing_line() == "demo: ok (10 documents, 2 clusters, 1.3 s)"
    wrong = dataclasses.replace(right, wrong=("The highest", "The lowest"))
    assert (right.exit_status, wrong.exit_status) == (0, 1)
    assert wrong.closing_line() == "demo: failed (2 wrong answers: The highest; The lowest)"


def _airport(code: str, **values: Any) -> Airport:
    defaults: dict[str, Any] = {
        "code": code,
        "iata": "",
        "name": code,
        "city": "",
        "country": "IS",
        "elevation_feet": 0,
        "latitude": 0.0,
        "longitude": 0.0,
        "time_zone": "Atlantic/Reykjavik",
    }
    return Airport(**{**defaults, **values})


_AIRPORTS = [
    _airport("A", elevation_feet=100, city="Londonderry"),
    _airport("B", elevation_feet=5000, country="US", city="New London", time_zone="America/New_York"),
    _airport("C", elevation_feet=-20),
]


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (
            0,
            [("airports", "B", "US", 5000), ("eu:airports", "A", "IS", 100), ("eu:airports", "C", "IS", -20)],
        ),
        (1, [("airports", "B", "New London", "US")]),
        (2, [("IS", 2, 40), ("US", 1, 5000)]),
        (3, [(-3000, 1), (0, 1), (3000, 1)]),
    ],
)
def test_what_is_expected_is_computed_from_the_data(number: int, expected: Sequence[Any]) -> None:
    """Independently of any search."""
    assert questions("eu")[number].expected(_AIRPORTS) == expected


def _answer(*rows: tuple[str, str, str, int], successful: int = 2) -> dict[str, Any]:
    hits = [
        {"_index": index, "_source": {"name": name, "country": country, "elevation_feet": feet}}
        for index, name, country, feet in rows
    ]
    return {"_clusters": {"successful": successful}, "hits": {"hits": hits}}


_RIGHT = (("airports", "B", "US", 5000), ("eu:airports", "A", "IS", 100), ("eu:airports", "C", "IS", -20))


@pytest.mark.parametrize(
    ("answer", "is_right"),
    [
        (_answer(*_RIGHT), True),
        (_answer(*_RIGHT, successful=1), False),
        (_answer(*_RIGHT[:2]), False),
        (_answer(), False),
        (_answer(_RIGHT[1], _RIGHT[0], _RIGHT[2]), False),
        (_answer(*_RIGHT[:2], ("airports", "C", "IS", -20)), False),
        (_answer(*_RIGHT[:2], ("eu:airports", "C", "IS", -21)), False),
    ],
)
def test_an_answer_is_right_only_if_it_is_all_that_the_data_says(
    answer: dict[str, Any], is_right: bool
) -> None:
    """A row too few, another order, another value, another cluster, a cluster that is missing: all wrong."""
    assert questions("eu")[0].is_answered_right(answer, _AIRPORTS, clusters=2) is is_right
