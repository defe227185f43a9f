"""What is special about PostgreSQL: how it is connected to, and what its failures mean.

A writing transaction is serializable and tried again where PostgreSQL could not order it among others.
Nothing here needs the driver until a database of this kind is opened.
"""

from __future__ import annotations

import importlib.util
import logging
import random
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.store.change_watch import Topic, payload_of

ResultT = TypeVar("ResultT")

BACKEND: Final = "postgresql"
DRIVER: Final = "postgresql+psycopg"

#: where nodes hear of each other's changes
CHANNEL: Final = "isthmus_records"

_CONNECT_SECONDS: Final = 3
_WAIT_FOR_CONNECTION_SECONDS: Final = 5
_RECYCLE_SECONDS: Final = 1_800
_STATEMENT_MILLISECONDS: Final = 15_000
_DEAD_PEER_MILLISECONDS: Final = 10_000
_ATTEMPTS: Final = 20
_LONGEST_PAUSE_SECONDS: Final = 0.05
#: serialization_failure and deadlock_detected: nothing was stored, and the next attempt may well succeed
_TRY_AGAIN: Final = ("40001", "40P01")
#: the server goes down, is starting, or has no connection left
_UNAVAILABLE: Final = ("57", "53300", "08", "25006")
#: one number for the upgrade of this software's tables
_UPGRADE_LOCK: Final = 0x15746D75

_logger = logging.getLogger(__name__)


def checked_url(url: URL) -> URL:
    """Answer the URL with the one driver that is used; raises a failure that names what is missing."""
    if url.drivername not in (BACKEND, DRIVER):
        raise illegal_argument(f"[{url.drivername}] is no kind of database here: sqlite and postgresql are")
    if importlib.util.find_spec("psycopg") is None:
        raise Failure(
            FailureKind.INTERNAL,
            "database_exception",
            "records in PostgreSQL need a driver that is not installed: pip install 'isthmus[postgresql]'",
        )
    return url.set(drivername=DRIVER)


def make_engine(url: URL, connections: int) -> Engine:
    """Answer an engine that finds out by itself when the server has been restarted."""
    return create_engine(
        url,
        hide_parameters=True,
        isolation_level="SERIALIZABLE",
        pool_size=connections,
        max_overflow=0,
        pool_timeout=_WAIT_FOR_CONNECTION_SECONDS,
        pool_recycle=_RECYCLE_SECONDS,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": _CONNECT_SECONDS,
            "application_name": "isthmus",
            "tcp_user_timeout": _DEAD_PEER_MILLISECONDS,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 2,
            "prepare_threshold": None,
            "options": f"-c statement_timeout={_STATEMENT_MILLISECONDS}",
        },
    )


def lock_for_upgrade(connection: Connection) -> None:
    """Have other processes that open the database wait until this transaction ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _UPGRADE_LOCK})


def begin_reading(connection: Connection) -> None:
    """Take one snapshot for the whole transaction, which is told not to write."""
    connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def begin_telling(connection: Connection) -> None:
    """Wait until no other transaction changes what nodes are told of; before the transaction's snapshot."""
    connection.execute(text("LOCK TABLE record_versions IN EXCLUSIVE MODE"))


def tell(connection: Connection, topic: Topic) -> None:
    """Raise the topic's version, and have every node hear of it once the transaction is committed."""
    raised = text(
        "UPDATE record_versions SET version = version + 1 WHERE topic = :topic RETURNING version"
    ).bindparams(topic=topic.value)
    version = connection.execute(raised).scalar_one()
    payload = payload_of(topic, version)
    connection.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": CHANNEL, "payload": payload})


def with_retries(attempt: Callable[[], ResultT]) -> ResultT:
    """Run a transaction until PostgreSQL can order it among the others; blocks between attempts."""
    for number in range(1, _ATTEMPTS):
        try:
            return attempt()
        except DBAPIError as error:
            if _state_of(error) not in _TRY_AGAIN:
                raise
            _logger.debug("transaction tried again", extra={"attempt": number})
            time.sleep(random.uniform(0, _LONGEST_PAUSE_SECONDS * number / _ATTEMPTS))  # noqa: S311 - no secret
    return attempt()


def failure_of(error: SQLAlchemyError) -> Failure:
    """Answer what a caller is told; the server's words about values and addresses stay in the log."""
    if isinstance(error, PoolTimeoutError):
        return _unavailable("every connection to it is busy")
    state, cause = _state_of(error), _primary_message(error)
    if isinstance(error, IntegrityError):
        return Failure(FailureKind.CONFLICT, "database_exception", f"the database refused: {cause}")
    if state in _TRY_AGAIN:
        return _unavailable(cause)
    if state.startswith("22") or (not state and "NUL" in cause):
        return illegal_argument(f"this cannot be stored: {cause}")
    is_lost = isinstance(error, DBAPIError) and error.connection_invalidated
    if is_lost or not state or state.startswith(_UNAVAILABLE):
        return _unavailable(cause)
    return Failure(FailureKind.INTERNAL, "database_exception", f"the database refused: {cause}")


def _unavailable(cause: str) -> Failure:
    return Failure(
        FailureKind.UNAVAILABLE,
        "database_exception",
        "the database that holds the users, keys and settings of this deployment does not answer just now; "
        "try again",
        log_note=cause,
    )


def _state_of(error: SQLAlchemyError) -> str:
    return str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")


def _primary_message(error: SQLAlchemyError) -> str:
    """Answer the server's own one line, without its detail: that quotes values."""
    original: Any = getattr(error, "orig", None)
    told = getattr(getattr(original, "diag", None), "message_primary", None)
    return str(told or original or type(error).__name__).partition("\n")[0]
