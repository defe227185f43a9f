"""A database: opened, brought to the current version, and used from async code.

SQLAlchemy Core is used synchronously in a few threads: SQLite is not asynchronous anyway, and the
statements are short. A URL chooses the database; only this module knows that SQLite is special.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, inspect, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from isthmus.errors import Failure, FailureKind

ResultT = TypeVar("ResultT")

node_metadata: Final = MetaData()
environment_metadata: Final = MetaData()

_THREADS: Final = 4
_BUSY_MILLISECONDS: Final = 5_000
_WRITING: Final = "isthmus_writing"
_VERSION_FILE: Final = re.compile(r"(\d{4})_\w+\.py\Z")

_logger = logging.getLogger(__name__)


class Line(Enum):
    """Which kind of database: each has its own tables and counts its own versions."""

    NODE = "node"
    ENVIRONMENT = "environment"

    @property
    def metadata(self) -> MetaData:
        """The tables of such a database."""
        return node_metadata if self is Line.NODE else environment_metadata

    @property
    def migrations_path(self) -> Path:
        """Where the steps from version to version are."""
        return Path(__file__).parent / "migrations" / self.value

    def newest_version(self) -> str:
        """Answer the version that this software works with: the highest number of a migration."""
        numbers = [
            match.group(1)
            for path in (self.migrations_path / "versions").iterdir()
            if (match := _VERSION_FILE.match(path.name))
        ]
        return max(numbers, default="")


def sqlite_url(path: Path) -> str:
    """Answer the URL of a database in this file."""
    return URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)


class Database:
    """An open database at the current version. Safe to use from many tasks."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="database")

    @classmethod
    def open(cls, url: str, line: Line) -> Database:
        """Open the database, make it where it is not there, bring it to the current version.

        Blocks; meant for the start of a process. Raises a failure of type ``database_exception`` that
        says what to do: a newer version's database, a file that is damaged or not ours.
        """
        parsed = make_url(url)
        engine = create_engine(parsed, hide_parameters=True)
        if parsed.get_backend_name() == "sqlite":
            _prepare_sqlite(engine, parsed.database)
        try:
            _upgrade(engine, line)
        except SQLAlchemyError as error:
            engine.dispose()
            raise _database_failure(error) from error
        except Failure:
            engine.dispose()
            raise
        return cls(engine)

    async def read(self, work: Callable[[Connection], ResultT]) -> ResultT:
        """Run ``work`` in a thread, in a transaction of its own that it does not write in."""
        return await self._run(work, writing=False)

    async def write(self, work: Callable[[Connection], ResultT]) -> ResultT:
        """Run ``work`` in a thread, in a transaction that is committed when it returns.

        Cancelling the caller does not undo what is under way. Raises a ``database_exception`` failure,
        CONFLICT where a constraint forbids it, and then nothing of it is stored.
        """
        return await self._run(work, writing=True)

    def close(self) -> None:
        """Wait for what is under way and release everything."""
        self._executor.shutdown()
        self._engine.dispose()

    async def _run(self, work: Callable[[Connection], ResultT], *, writing: bool) -> ResultT:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._transact, work, writing)

    def _transact(self, work: Callable[[Connection], ResultT], writing: bool) -> ResultT:  # noqa: FBT001 - run_in_executor passes no keywords
        try:
            with self._engine.connect() as connection:
                connection.execution_options(**{_WRITING: writing})
                with connection.begin():
                    return work(connection)
        except SQLAlchemyError as error:
            raise _database_failure(error) from error


def _prepare_sqlite(engine: Engine, path: str | None) -> None:
    if path and path != ":memory:":
        # Made here so that it is never readable by others; SQLite gives its -wal and -shm the same mode.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        # The driver's own idea of when to begin a transaction leaves table changes outside of it.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        # A transaction that starts by reading and then writes can fail at once instead of waiting.
        writing = connection.get_execution_options().get(_WRITING, True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _upgrade(engine: Engine, line: Line) -> None:
    newest = line.newest_version()
    with engine.begin() as connection:
        # In one transaction: a second process that opens the same database waits, then finds it done.
        current = _current_version(connection)
        if current == newest:
            return
        if current > newest:
            raise Failure(
                FailureKind.INTERNAL,
                "database_exception",
                f"the database has version [{current}] but this software knows only up to [{newest}]: it was "
                "used by a newer version; install that version again, or restore a backup from before",
            )
        _logger.info(
            "database upgraded", extra={"line": line.value, "from": current or "empty", "to": newest}
        )
        _run_migrations(connection, line)


def _current_version(connection: Connection) -> str:
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")


def _run_migrations(connection: Connection, line: Line) -> None:
    # Imported here: it costs memory and a quarter of a second that a start without changes need not pay.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(line.migrations_path).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _database_failure(error: SQLAlchemyError) -> Failure:
    # The driver's own words hold no values: SQLAlchemy's would, were its parameters not hidden.
    cause = str(getattr(error, "orig", None) or type(error).__name__)
    kind = FailureKind.CONFLICT if isinstance(error, IntegrityError) else FailureKind.INTERNAL
    return Failure(kind, "database_exception", f"the database refused: {cause}")
