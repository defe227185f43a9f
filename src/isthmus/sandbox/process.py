"""One ``isthmus serve`` as a child process that never outlives its parent."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

_STOP_TIMEOUT_SECONDS: Final = 20.0
_LAST_WORDS_CHARACTERS: Final = 2000


class ServingProcess:
    """A running environment. Its standard input is a pipe: when that closes, it stops by itself."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    @classmethod
    def start(cls, directory: Path) -> ServingProcess:
        """Start serving an environment; returns at once."""
        log = directory / "logs" / "serve.log"
        with log.open("wb") as output:
            command = [sys.executable, "-m", "isthmus", "serve", str(directory), "--until-stdin-closes"]
            process = subprocess.Popen(  # noqa: S603 - our own program
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is for the parent, which then stops in order
            )
        return cls(process, log)

    @property
    def process_id(self) -> int:
        """The process id of the supervisor."""
        return self._process.pid

    def check(self) -> None:
        """Raise ``RuntimeError`` with the program's last words if it is not running any more."""
        if self._process.poll() is not None:
            raise RuntimeError(f"isthmus serve ended with {self._process.returncode}: {self.last_words()}")

    def last_words(self) -> str:
        """Answer the end of what the program printed."""
        return self._log.read_text(errors="replace")[-_LAST_WORDS_CHARACTERS:].strip()

    def ask_to_stop(self) -> None:
        """Ask for an orderly stop; returns at once."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        if self._process.stdin is not None:
            self._process.stdin.close()

    def wait_until_stopped(self) -> None:
        """Wait for the stop that was asked for; kill what has not stopped by then."""
        try:
            self._process.wait(_STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
