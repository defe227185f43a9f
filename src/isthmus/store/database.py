"""A database: opened, brought to the current version, and used from async code.

SQLAlchemy Core is used synchronously in a few threads: SQLite is not asynchronous anyway, and the
statements are short. A URL chooses the database: SQLite, which is special here, or PostgreSQL, whose part is
in :mod:`isthmus.store.postgresql`.
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
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError

from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.store import postgresql
from isthmus.store.change_watch import Topic

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
        #: whether other nodes may use it at the same time
        self.is_shared: Final = _is_postgresql(engine)
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="database")

    @classmethod
    def open(cls, url: str, line: Line) -> Database:
        """Open the database, make it where it is not there, bring it to the current version.

        Blocks; meant for the start of a process. Raises a failure of type ``database_exception`` that
        says what to do: a newer version's database, a file that is damaged or not ours.
        """
        engine = _engine(url)
        try:
            _upgrade(engine, line)
        except SQLAlchemyError as error:
            engine.dispose()
            raise _failure_of(engine, error) from error
        except Failure:
            engine.dispose()
            raise
        return cls(engine)

    async def read(self, work: Callable[[Connection], ResultT]) -> ResultT:
        """Run ``work`` in a thread, in a transaction of its own that it does not write in."""
        return await self._run(lambda: self._transact(work, writing=False))

    async def write(self, work: Callable[[Connection], ResultT], *, topic: Topic | None = None) -> ResultT:
        """Run ``work`` in a thread, in a transaction that is committed when it returns.

        ``topic`` is what other nodes with the same records are to read again. In PostgreSQL ``work`` may be
        run several times, until its transaction fits among the others.

        Cancelling the caller does not undo what is under way. Raises a ``database_exception`` failure,
        CONFLICT where a constraint forbids it, and then nothing of it is stored.
        """
        return await self._run(lambda: self._transact(work, writing=True, topic=topic))

    def connection_text(self) -> str:
        """Answer what a driver connects with. It holds the password: neither show nor store it."""
        url = self._engine.url.set(drivername=postgresql.BACKEND) if self.is_shared else self._engine.url
        return url.render_as_string(hide_password=False)

    def close(self) -> None:
        """Wait for what is under way and release everything."""
        self._executor.shutdown()
        self._engine.dispose()

    async def _run(self, transaction: Callable[[], ResultT]) -> ResultT:
        return await asyncio.get_running_loop().run_in_executor(self._executor, transaction)

    def _transact(
        self, work: Callable[[Connection], ResultT], *, writing: bool, topic: Topic | None = None
    ) -> ResultT:
        try:
            if self.is_shared and writing:
                return postgresql.with_retries(lambda: self._attempt(work, writing=True, topic=topic))
            return self._attempt(work, writing=writing, topic=topic)
        except SQLAlchemyError as error:
            raise _failure_of(self._engine, error) from error
        except UnicodeEncodeError:
            raise illegal_argument("this cannot be stored: it holds half a character") from None

    def _attempt(
        self, work: Callable[[Connection], ResultT], *, writing: bool, topic: Topic | None
    ) -> ResultT:
        with self._engine.connect() as connection:
            connection.execution_options(**{_WRITING: writing})
            if self.is_shared and not writing:
                postgresql.begin_reading(connection)
            with connection.begin():
                if topic is None or not self.is_shared:
                    return work(connection)
                postgresql.begin_telling(connection)
                result = work(connection)
                postgresql.tell(connection, topic)
                return result


def _engine(url: str) -> Engine:
    """Answer an engine for the URL; raises a failure that does not quote it, for it may hold a password."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise illegal_argument("the database's URL is not one: sqlite:///… or postgresql://…") from None
    if parsed.get_backend_name() != "sqlite":
        return postgresql.make_engine(postgresql.checked_url(parsed), _THREADS)
    engine = create_engine(parsed, hide_parameters=True)
    _prepare_sqlite(engine, parsed.database)
    return engine


def _is_postgresql(engine: Engine) -> bool:
    return engine.dialect.name == postgresql.BACKEND


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
    if _is_postgresql(engine):
        # Whoever waited for another's upgrade has to see what that did.
        engine = engine.execution_options(isolation_level="READ COMMITTED")
    with engine.begin() as connection:
        # In one transaction: a second process that opens the same database waits, then finds it done.
        if _is_postgresql(engine):
            postgresql.lock_for_upgrade(connection)
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


def _failure_of(engine: Engine, error: SQLAlchemyError) -> Failure:
    if _is_postgresql(engine):
        return postgresql.failure_of(error)
    # The driver's own words hold no values: SQLAlchemy's would, were its parameters not hidden.
    cause = str(getattr(error, "orig", None) or type(error).__name__)
    kind = FailureKind.CONFLICT if isinstance(error, IntegrityError) else FailureKind.INTERNAL
    return Failure(kind, "database_exception", f"the database refused: {cause}")
