"""What is special about records in PostgreSQL: failures, recovery, several writers, the password."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Iterator

import pytest
from postgresql_server import PASSWORD, PostgresqlServer, postgresql_or_none
from sqlalchemy import Connection, text

from isthmus.errors import Failure, FailureKind
from isthmus.security.principal import RoleDescriptor
from isthmus.store.database import Database, Line
from isthmus.store.platform_value_records import SqlPlatformValues
from isthmus.store.security_records import SqlSecurityRecords

ROLE = RoleDescriptor(name="r", cluster=("monitor",))


@pytest.fixture
def own_server() -> Iterator[PostgresqlServer]:
    """Start a server that a test may stop."""
    with postgresql_or_none() as server:
        if server is None:
            pytest.skip("PostgreSQL is not installed: scripts/install-postgresql")
        yield server


async def test_a_server_that_is_down_is_unavailable_and_comes_back_by_itself(
    own_server: PostgresqlServer,
) -> None:
    """A crash of the server is a 503; what was stored is found as soon as it runs again."""
    database = await asyncio.to_thread(Database.open, own_server.new_database(), Line.NODE)
    records = SqlSecurityRecords(database)
    await records.put_role(ROLE)
    await asyncio.to_thread(own_server.stop, kill=True)
    for attempt in (records.find_roles(("r",)), records.put_role(ROLE)):
        with pytest.raises(Failure, match="does not answer just now") as raised:
            await attempt
        assert raised.value.kind is FailureKind.UNAVAILABLE
        assert str(own_server.port) not in raised.value.reason
    await asyncio.to_thread(own_server.start)
    assert list(await records.find_roles(("r",))) == [ROLE]
    assert await records.put_role(ROLE) is False
    database.close()


async def test_two_nodes_put_the_same_record_at_once(postgresql_url: str) -> None:
    """Serialized: exactly one of them was first, none fails."""
    databases = [await asyncio.to_thread(Database.open, postgresql_url, Line.NODE) for _ in range(2)]
    stores = [SqlSecurityRecords(database) for database in databases]
    created = await asyncio.gather(*(stores[number % 2].put_role(ROLE) for number in range(16)))
    assert sorted(created) == [False] * 15 + [True]
    for database in databases:
        database.close()


async def test_several_nodes_upgrade_an_empty_database_at_once(postgresql_url: str) -> None:
    """One does, the others wait and find it done."""
    opened = await asyncio.gather(
        *(asyncio.to_thread(Database.open, postgresql_url, Line.NODE) for _ in range(4))
    )
    for database in opened:
        assert await SqlSecurityRecords(database).all_users() == []
        database.close()


async def test_the_lines_of_an_environment_work_too(postgresql_url: str) -> None:
    """Migrations and records of the other line."""
    database = await asyncio.to_thread(Database.open, postgresql_url, Line.ENVIRONMENT)
    values = SqlPlatformValues(database)
    for value in ({"enabled": True}, {"enabled": False}):
        await values.put("trust_all", value)
        assert await values.find_or_none("trust_all") == value
    database.close()


@pytest.mark.parametrize("name", ["a\0b", "half \ud800 of it", "x" * 2_000])
async def test_what_cannot_be_stored_is_the_callers_fault(postgresql_url: str, name: str) -> None:
    """Text that PostgreSQL has no place for is a 400, never a 500."""
    database = await asyncio.to_thread(Database.open, postgresql_url, Line.NODE)
    with pytest.raises(Failure, match="cannot be stored") as raised:
        await SqlSecurityRecords(database).put_role(RoleDescriptor(name=name))
    assert raised.value.kind is FailureKind.INVALID_REQUEST
    database.close()


async def test_a_constraint_is_a_conflict_that_quotes_no_value(postgresql_url: str) -> None:
    """PostgreSQL tells the values of a key that is there twice; callers are not told them."""
    database = await asyncio.to_thread(Database.open, postgresql_url, Line.NODE)
    insert = text("INSERT INTO security_roles (name, descriptor) VALUES ('hidden', '{}')")

    def twice(connection: Connection) -> None:
        connection.execute(insert)
        connection.execute(insert)

    with pytest.raises(Failure, match="duplicate key") as raised:
        await database.write(twice)
    assert raised.value.kind is FailureKind.CONFLICT
    assert "hidden" not in raised.value.reason
    database.close()


async def test_reads_cannot_write(postgresql_url: str) -> None:
    """A read that writes by mistake is refused by the server, and its connection can write after."""
    database = await asyncio.to_thread(Database.open, postgresql_url, Line.NODE)
    insert = text("INSERT INTO security_roles (name, descriptor) VALUES ('a', '{}')")
    with pytest.raises(Failure):
        await database.read(lambda connection: connection.execute(insert).rowcount)
    assert await database.write(lambda connection: connection.execute(insert).rowcount) == 1
    database.close()


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (("isthmus:", "nobody:"), FailureKind.UNAVAILABLE),
        (("postgresql://", "oracle://"), FailureKind.INVALID_REQUEST),
        (("postgresql://", "postgresql//"), FailureKind.INVALID_REQUEST),
        (("postgresql://", "postgresql+asyncpg://"), FailureKind.INVALID_REQUEST),
    ],
)
def test_no_failure_tells_the_password(
    postgresql_url: str, change: tuple[str, str], kind: FailureKind
) -> None:
    """Whatever is wrong with the URL: neither the text nor the traceback has the password in it."""
    with pytest.raises(Failure) as raised:
        Database.open(postgresql_url.replace(*change), Line.NODE)
    assert raised.value.kind is kind
    told = "".join(traceback.format_exception(raised.value)) + str(raised.value.log_note)
    assert PASSWORD not in told
