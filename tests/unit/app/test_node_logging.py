"""A node's own log: one JSON object a line, whatever is logged."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path
from typing import Any

from isthmus.app.node_logging import JsonFormatter
from isthmus.remotes.trace import begin_trace


class Log:
    """A logger whose lines are kept."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        handler = logging.StreamHandler(self._stream)
        handler.setFormatter(JsonFormatter())
        self.logger = logging.Logger("isthmus.part")  # noqa: LOG001 - one that nothing else uses
        self.logger.addHandler(handler)

    def lines(self) -> list[dict[str, Any]]:
        """Answer what was logged."""
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]


def test_a_line_has_its_fields() -> None:
    """Time, level, part and event come first, then the fields; one of the same name does not hide them."""
    log = Log()
    log.logger.warning("link opened", extra={"alias": "eu", "level": 3, "names": ("a", "b"), "none": None})
    [line] = log.lines()
    assert list(line)[:4] == ["timestamp", "level", "logger", "message"]
    assert line["timestamp"].endswith("Z")
    assert (line["level"], line["logger"], line["message"]) == ("WARNING", "isthmus.part", "link opened")
    assert (line["alias"], line["level_"], line["names"], line["none"]) == ("eu", 3, ["a", "b"], None)


def test_the_request_is_named() -> None:
    """What is logged while a request is worked on has its identifiers."""
    log = Log()
    begin_trace({"x-request-id": "r-1", "x-opaque-id": "job"})
    log.logger.error("failed")
    [line] = log.lines()
    assert (line["request_id"], line["opaque_id"]) == ("r-1", "job")


def test_line_breaks_and_odd_values_stay_in_their_line() -> None:
    """No value can end a line or make one that is no JSON."""
    log = Log()
    log.logger.error(
        "a\nb", extra={"text": "x\r\n\u2028\udcff", "path": Path("/tmp"), "number": float("nan")}
    )
    [line] = log.lines()
    assert line["message"] == "a\nb"
    assert line["path"] == "/tmp"
    assert line["number"] == "nan"


def test_an_exception_is_one_field() -> None:
    """A traceback is text in the line."""
    log = Log()
    try:
        int("wrong")
    except ValueError:
        log.logger.exception("failed")
    [line] = log.lines()
    assert line["error"].startswith("Traceback")
    assert line["error"].endswith("with base 10: 'wrong'")
