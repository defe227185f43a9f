"""A PostgreSQL of the tests' own: on a free loopback port, gone with the tests."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Final

PASSWORD: Final = "records-pw-7c1f"
_START_SECONDS: Final = 30.0


def programs_or_none() -> Path | None:
    """Answer the folder of the newest PostgreSQL's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else None


class PostgresqlServer:
    """One server in a folder. It refuses to run as root: then the user ``postgres`` runs it."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._data = folder / "data"
        self._numbers = count(1)
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    def make(self) -> None:
        """Fill the folder of the server's data."""
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres")
        password = self._folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        self._run("initdb", "-D", self._data, "-U", "isthmus", "-A", "scram-sha-256", f"--pwfile={password}",
                  "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")  # fmt: skip

    def start(self) -> None:
        """Start it; return when it answers."""
        options = {"fsync": "off", "listen_addresses": "127.0.0.1", "unix_socket_directories": self._folder,
                   "port": self.port, "max_connections": 80, "shared_buffers": "16MB"}  # fmt: skip
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a fixed program
                [*self._as_user(), str(self._programs / "postgres"), "-D", str(self._data), *arguments],
                stdout=log,
                stderr=log,
                cwd="/",
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            assert time.monotonic() < deadline, (self._folder / "log").read_text()
            time.sleep(0.05)

    def stop(self, *, kill: bool = False) -> None:
        """End it; ``kill`` as a crash would."""
        if self._process is None:
            return
        pid_file = self._data / "postmaster.pid"
        pid = int(pid_file.read_text().split()[0]) if pid_file.exists() else self._process.pid
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGQUIT if kill else signal.SIGINT)
        self._process.wait(30)
        self._process = None

    def new_database(self) -> str:
        """Make an empty database; answer its URL."""
        name = f"records_{next(self._numbers)}"
        self.execute("postgres", f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, database: str) -> str:
        """Answer the URL of a database."""
        return f"postgresql://isthmus:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def execute(self, database: str, statement: str) -> None:
        """Run one statement as the administrator."""
        import psycopg  # only where there is a server to talk to

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload] - a test's own text

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _as_user(self) -> tuple[str, ...]:
        return ("runuser", "-u", "postgres", "--") if os.geteuid() == 0 else ()

    def _run(self, program: str, *arguments: object) -> None:
        command = [*self._as_user(), str(self._programs / program), *(str(each) for each in arguments)]
        subprocess.run(command, check=True, capture_output=True, cwd="/")  # noqa: S603 - likewise


@contextlib.contextmanager
def postgresql_or_none() -> Iterator[PostgresqlServer | None]:
    """Run a server for the block; None where PostgreSQL is not installed."""
    programs = programs_or_none()
    if programs is None:
        yield None
        return
    # Not below the tests' own folder: the user that runs the server could not enter that.
    with tempfile.TemporaryDirectory(prefix="isthmus-pg-") as folder:
        server = PostgresqlServer(programs, Path(folder))
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()
