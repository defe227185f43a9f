"""A node's log file: appended to, and put aside when it has grown."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import BinaryIO, Final

_MAXIMUM_BYTES: Final = 10 * 1024 * 1024
_KEPT_FILES: Final = 3


class RotatingLog:
    """Bytes to ``name.log``; older ones in ``name.log.1`` (the youngest) to ``.3``. All 0600."""

    def __init__(
        self, path: Path, maximum_bytes: int = _MAXIMUM_BYTES, kept_files: int = _KEPT_FILES
    ) -> None:
        self._path = path
        self._maximum_bytes = maximum_bytes
        self._kept_files = kept_files
        self._file = self._open()

    def write(self, data: bytes) -> bool:
        """Append; False where that failed: a disk that is full loses log lines rather than the node."""
        try:
            if self._file.tell() + len(data) > self._maximum_bytes and self._file.tell() > 0:
                self._rotate()
            self._file.write(data)
            self._file.flush()
        except (OSError, ValueError):  # ValueError: a rotation that failed has left the file closed
            return self._opened_again()
        return True

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _opened_again(self) -> bool:
        """Have the next write find an open file; answers False: this one is lost."""
        if self._file.closed:
            with contextlib.suppress(OSError):
                self._file = self._open()
        return False

    def _open(self) -> BinaryIO:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        file = os.fdopen(descriptor, "ab")
        file.seek(0, os.SEEK_END)
        return file

    def _rotate(self) -> None:
        self._file.close()
        for number in range(self._kept_files, 0, -1):
            source = self._path if number == 1 else self._numbered(number - 1)
            if source.exists():
                source.replace(self._numbered(number))
        self._file = self._open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
