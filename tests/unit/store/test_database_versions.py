"""Databases and their versions."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from isthmus.errors import Failure
from isthmus.store import async_search_records, security_tables
from isthmus.store.database import Database, Line, sqlite_url


async def test_migrations_make_exactly_the_tables_that_are_declared(database_url: str) -> None:
    """Nothing is declared that no migration makes, and the other way round."""
    declared = {security_tables.USERS.name, async_search_records.ASYNC_SEARCHES.name}
    assert declared <= set(Line.NODE.metadata.tables)
    database = Database.open(database_url, Line.NODE)

    def differences(connection: Connection) -> list[str]:
        ours = set(Line.NODE.metadata.tables)
        context = MigrationContext.configure(
            connection,
            opts={"include_name": lambda name, kind, _parent: kind != "table" or name in ours},
        )
        return [str(difference) for difference in compare_metadata(context, Line.NODE.metadata)]

    assert await database.read(differences) == []
    database.close()


@pytest.mark.parametrize("line", list(Line))
async def test_versions_are_numbered_without_gaps(line: Line) -> None:
    """The modules of a line are 0001, 0002 and so on: no two of one number."""
    names = sorted(path.name[:4] for path in (line.migrations_path / "versions").glob("[0-9]*.py"))
    assert names == [f"{number:04}" for number in range(1, len(names) + 1)]


async def test_a_database_of_a_newer_version_is_refused_with_the_remedy(database_url: str) -> None:
    """An old program does not touch what a newer one wrote."""
    url = database_url
    database = Database.open(url, Line.NODE)
    change = text("UPDATE alembic_version SET version_num = '9999'")
    await database.write(lambda connection: connection.execute(change).rowcount)
    database.close()
    with pytest.raises(Failure, match="newer version"):
        Database.open(url, Line.NODE)


async def test_a_file_that_is_no_database_is_a_clear_failure(tmp_path: Path) -> None:
    """A damaged file is a failure of ours, not a traceback of the driver's."""
    path = tmp_path / "n.sqlite"
    path.write_bytes(b"this is not a database at all, whatever it is" * 100)
    with pytest.raises(Failure, match="not a database"):
        Database.open(sqlite_url(path), Line.NODE)


async def test_a_failed_write_stores_nothing(database_url: str) -> None:
    """What a transaction did before it failed is undone."""
    database = Database.open(database_url, Line.NODE)
    insert = text("INSERT INTO security_roles (name, descriptor) VALUES ('a', '{}')")

    def twice(connection: Connection) -> None:
        connection.execute(insert)
        connection.execute(insert)

    with pytest.raises(Failure):
        await database.write(twice)
    count = text("SELECT count(*) FROM security_roles")
    assert await database.read(lambda connection: connection.execute(count).scalar()) == 0
    database.close()


async def test_many_writers_wait_for_each_other(database_url: str) -> None:
    """Two processes' worth of connections write at once without losing a write."""
    url = database_url
    databases = [Database.open(url, Line.NODE), Database.open(url, Line.NODE)]

    async def put(number: int) -> None:
        statement = text("INSERT INTO security_roles (name, descriptor) VALUES (:name, '{}')")
        await databases[number % 2].write(
            lambda connection: connection.execute(statement, {"name": str(number)}).rowcount
        )

    await asyncio.gather(*(put(number) for number in range(40)))
    count = text("SELECT count(*) FROM security_roles")
    assert await databases[0].read(lambda connection: connection.execute(count).scalar()) == 40
    for database in databases:
        database.close()
