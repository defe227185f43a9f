"""A node's own log: one JSON object a line on standard error, from the first line on.

What is logged never holds a body, a header or a key: whoever logs gives named fields, and this writes
them as they are. The fields of one request have its identifiers, so that its lines in several nodes' logs and
audit files can be put together.
"""

from __future__ import annotations

import json
import logging
import math
import sys
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from isthmus.remotes.trace import current_trace

#: what every log record has; anything else was given as a field
_STANDARD_ATTRIBUTES: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_LONGEST_TEXT: Final = 10_000


class JsonFormatter(logging.Formatter):
    """Records as JSON: ``timestamp``, ``level``, ``logger``, ``message``, then the fields that were given."""

    def format(self, record: logging.LogRecord) -> str:
        """Answer one line without its end; never raises for what a field may hold."""
        line: dict[str, Any] = {
            "timestamp": _timestamp(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage()[:_LONGEST_TEXT],
        }
        trace = current_trace()
        identifiers = {"request_id": trace.request_id, "opaque_id": trace.opaque_id}
        line |= {name: value for name, value in identifiers.items() if value}
        for name, value in vars(record).items():
            if name not in _STANDARD_ATTRIBUTES:
                line[f"{name}_" if name in line else name] = _plain(value)
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return json.dumps(line, ensure_ascii=True, separators=(",", ":"))


def log_as_json(stream: TextIO | None = None) -> None:
    """Send everything that is logged, warnings too, as JSON to this stream (None: standard error).

    To be called before anything else of the process starts.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # Migrations tell of each of their plugins.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    # An error while logging would print the record's arguments: a broken pipe is not worth that.
    logging.raiseExceptions = False


def _timestamp(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(element) for element in value]
    return str(value)[:_LONGEST_TEXT]
