"""Records are tested on both kinds of databases: a SQLite file, and a PostgreSQL that the tests start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from postgresql_server import PostgresqlServer, postgresql_or_none

from isthmus.store.database import sqlite_url


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """Start a server for all tests of the session, where Debian's package is installed."""
    with postgresql_or_none() as server:
        if server is None:
            pytest.skip("PostgreSQL is not installed: scripts/install-postgresql")
        yield server


@pytest.fixture
def postgresql_url(postgresql_server: PostgresqlServer) -> str:
    """Answer the URL of a new, empty database."""
    return postgresql_server.new_database()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Answer the URL of a new, empty database of each kind."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "records.sqlite3")
    return str(request.getfixturevalue("postgresql_url"))
