"""The audit log's file: written by a thread of its own, from a queue that never makes a request wait."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator
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
#: lines of a busy moment are written together: waking the thread for each costs more than the line
_GATHERING_SECONDS: Final = 0.05
_BYTES_AT_ONCE: Final = 64 * 1024
_CLOSE_TIMEOUT_SECONDS: Final = 5.0


class AuditLog:
    """Satisfies :class:`isthmus.security.audit.AuditSink`. A line is in the file a moment after it was taken.

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
        self._bytes_at_once = min(_BYTES_AT_ONCE, maximum_bytes)
        self._queued_lines = queued_lines
        self._waiting: deque[JsonObject] = deque()
        #: set while there may be lines that the thread does not know of
        self._bell = threading.Event()
        self._closing = threading.Event()
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
        if len(self._waiting) >= self._queued_lines:
            self._count_dropped(1)
            return
        self._waiting.append(line)
        if not self._bell.is_set():
            self._bell.set()

    def close(self) -> None:
        """Write what was taken, then close the file. Blocks for a few seconds at most."""
        self._closing.set()
        self._bell.set()
        self._thread.join(_CLOSE_TIMEOUT_SECONDS)
        if self._thread.is_alive():
            logger.warning("audit log could not be finished", extra={"lines": len(self._waiting)})

    def _run(self) -> None:
        while not (self._closing.is_set() and not self._waiting):
            self._bell.wait()
            self._closing.wait(_GATHERING_SECONDS)
            self._bell.clear()  # before looking: what comes from now on rings again
            lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if lines:
                self._write(lines)
        self._file.close()

    def _write(self, lines: list[JsonObject]) -> None:
        with self._lock:
            missing, self._dropped = self._dropped, 0
        lost = missing
        if missing and self._file.write(_text(_notice(missing, lines[0]))):
            lost = 0
        for text, count in self._pieces(lines):
            if not self._file.write(text):
                lost += count
        if lost and not missing:
            logger.error("audit log cannot be written", extra={"lines": lost})
        if lost:
            self._count_dropped(lost)

    def _pieces(self, lines: list[JsonObject]) -> Iterator[tuple[bytes, int]]:
        """Answer the lines as pieces of text, each with how many whole lines it holds."""
        piece: list[bytes] = []
        size = 0
        for text in map(_text, lines):
            if piece and size + len(text) > self._bytes_at_once:
                yield b"".join(piece), len(piece)
                piece, size = [], 0
            piece.append(text)
            size += len(text)
        yield b"".join(piece), len(piece)

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
