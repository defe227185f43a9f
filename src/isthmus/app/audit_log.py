"""The audit log's file: written by a thread of its own, from a queue that never makes a request wait."""

from __future__ import annotations

import logging
import queue
import threading
from pathlib import Path
from typing import Final

import orjson

from isthmus.app.rotating_log import RotatingLog
from isthmus.exchange import JsonObject

logger = logging.getLogger(__name__)

#: seconds of the busiest node's lines; about 20 MB if each is long
_QUEUED_LINES: Final = 20_000
#: 64 MiB and four older ones: half a million lines
_MAXIMUM_BYTES: Final = 64 * 1024 * 1024
_KEPT_FILES: Final = 4
_LINES_AT_ONCE: Final = 500
_CLOSE_TIMEOUT_SECONDS: Final = 5.0


class AuditLog:
    """Satisfies :class:`isthmus.security.audit.AuditSink`.

    Lines that do not fit into the queue, or cannot be written, are counted; the next one that is written
    follows a line that says how many are missing (``event.action`` ``events_dropped``).
    """

    def __init__(
        self,
        path: Path,
        *,
        queued_lines: int = _QUEUED_LINES,
        maximum_bytes: int = _MAXIMUM_BYTES,
        kept_files: int = _KEPT_FILES,
    ) -> None:
        self._file = RotatingLog(path, maximum_bytes, kept_files)
        self._queue: queue.Queue[JsonObject | None] = queue.Queue(queued_lines)
        self._lock = threading.Lock()
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="audit log", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """How many lines are missing that the file does not tell of yet."""
        return self._dropped

    def write(self, line: JsonObject) -> None:
        """Take a line. Never blocks and never raises."""
        try:
            self._queue.put_nowait(line)
        except queue.Full:
            self._count_dropped(1)

    def close(self) -> None:
        """Write what was taken, then close the file. Blocks for a few seconds at most."""
        try:
            self._queue.put(None, timeout=_CLOSE_TIMEOUT_SECONDS)
        except queue.Full:
            logger.warning("audit log could not be finished", extra={"lines": self._queue.qsize()})
            return
        self._thread.join(_CLOSE_TIMEOUT_SECONDS)

    def _run(self) -> None:
        while True:
            lines, ends = self._next_lines()
            if lines:
                self._write(lines)
            if ends:
                self._file.close()
                return

    def _next_lines(self) -> tuple[list[JsonObject], bool]:
        """Wait for a line, then answer all that are there; and whether they are the last."""
        lines: list[JsonObject] = []
        line = self._queue.get()
        while line is not None:
            lines.append(line)
            if len(lines) >= _LINES_AT_ONCE:
                return lines, False
            try:
                line = self._queue.get_nowait()
            except queue.Empty:
                return lines, False
        return lines, True

    def _write(self, lines: list[JsonObject]) -> None:
        with self._lock:
            missing, self._dropped = self._dropped, 0
        lost = missing
        if missing and self._file.write(_text(_notice(missing, lines[0]))):
            lost = 0
        # One by one: a file ends with a whole line.
        lost += sum(not self._file.write(_text(line)) for line in lines)
        if lost and not missing:
            logger.error("audit log cannot be written", extra={"lines": lost})
        if lost:
            self._count_dropped(lost)

    def _count_dropped(self, count: int) -> None:
        with self._lock:
            self._dropped += count


def _notice(missing: int, following: JsonObject) -> JsonObject:
    return {
        "type": "audit",
        "timestamp": following.get("timestamp"),
        "event.type": "audit",
        "event.action": "events_dropped",
        "count": missing,
    }


def _text(line: JsonObject) -> bytes:
    try:
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE, default=str)
    except orjson.JSONEncodeError:  # text that is no Unicode came in a header or path
        return orjson.dumps(_encodable(line), option=orjson.OPT_APPEND_NEWLINE, default=str)


def _encodable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {str(_encodable(key)): _encodable(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(member) for member in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)
