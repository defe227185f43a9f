"""Two nodes' records, caches and files over one PostgreSQL, in one process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from postgresql_server import PostgresqlServer, postgresql_or_none

from isthmus.app.node_records import RecordsError, open_records
from isthmus.app.node_shared_files import SharedFiles, shared_files
from isthmus.app.node_sharing import OneNodeOnlyError, OtherNodes, SharingParts, sharing, take_part
from isthmus.clock import SystemClock
from isthmus.control.layout import DeploymentLayout
from isthmus.exchange import FailureReport
from isthmus.remotes.cluster_settings import ClusterSettingsService
from isthmus.search.async_search import AsyncSearch, AsyncSearchOwner
from isthmus.search.stored_scripts import StoredScript, StoredScripts
from isthmus.security.changes import Changes
from isthmus.security.keystore import Keystore
from isthmus.security.principal import RoleDescriptor
from isthmus.security.secret import Secret
from isthmus.store.async_search_records import SqlAsyncSearchRecords
from isthmus.store.cluster_settings import SqlClusterSettingsRecords
from isthmus.store.database import Database, Line, sqlite_url
from isthmus.store.node_records import SharingNode, SqlNodeRecords
from isthmus.store.security_records import SqlSecurityRecords
from isthmus.store.stored_script_records import SqlStoredScriptRecords

CLUSTER = "c" * 32
SEARCH = AsyncSearch(
    id="a" * 32,
    owner=AsyncSearchOwner(username="ann", realm_name="n", realm_type="native"),
    started_milliseconds=1,
    expires_milliseconds=2**40,
)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresqlServer]:
    """Start PostgreSQL for the tests of this module."""
    with postgresql_or_none() as found:
        if found is None:
            pytest.skip("PostgreSQL is not installed: scripts/install-postgresql")
        yield found


@dataclass
class Stack:
    """One node without its ports."""

    database: Database
    parts: SharingParts
    keystore: Keystore


@pytest.fixture
async def start(server: PostgresqlServer, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Stack]]]:
    """Answer what starts a node by its name, over one database."""
    url = server.new_database()
    async with AsyncExitStack() as stack:

        async def start(name: str, engine: str = "attached") -> Stack:
            layout = DeploymentLayout(tmp_path / name)
            layout.data.mkdir(parents=True)
            layout.records_url.write_text(url)
            if name == "one":
                keystore = Keystore.create(layout.keystore, layout.keystore_key)
            else:
                layout.keystore_key.write_bytes((tmp_path / "one" / "keystore.key").read_bytes())
                keystore = Keystore(layout.keystore, layout.keystore_key)
            database = await open_records(layout.directory, CLUSTER)
            stack.callback(database.close)
            settings = ClusterSettingsService(SqlClusterSettingsRecords(database), lambda _remotes: None)
            await settings.load()
            files = SharedFiles(SqlNodeRecords(database), shared_files(layout, is_joined=name != "one"))
            parts = SharingParts(
                database=database,
                node=SharingNode(node_id=name, name=name, engine=engine),
                others=OtherNodes(name),
                changes=Changes(),
                settings=settings,
                scripts=StoredScripts(SqlStoredScriptRecords(database)),
                files=files,
                clock=SystemClock(),
            )
            await take_part(parts)
            await stack.enter_async_context(sharing(parts))
            return Stack(database, parts, keystore)

        yield start


async def until(condition: Callable[[], object]) -> None:
    """Wait for the condition, for 30 seconds at most."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_a_change_on_one_node_is_taken_up_by_the_other(start: Callable[..., Awaitable[Stack]]) -> None:
    """Keys, settings, scripts and the keystore, each within moments."""
    one, two = await start("one"), await start("two")
    await until(lambda: [node.name for node in one.parts.others.known] == ["one", "two"])
    rung = two.parts.changes.count
    await SqlSecurityRecords(one.database).put_role(RoleDescriptor(name="r"))
    await until(lambda: two.parts.changes.count > rung)
    await one.parts.settings.update({"search.default_keep_alive": "4m"}, {})
    await until(lambda: "search.default_keep_alive" in two.parts.settings.current.persistent)
    await one.parts.scripts.put("s", StoredScript(source="{}"))
    await until(lambda: two.parts.scripts.find("s"))
    for writer, reader, value in ((one, two, "a"), (two, one, "b")):
        writer.keystore.set("cluster.remote.eu.credentials", Secret(value))

        def arrived(reader: Stack = reader, value: str = value) -> bool:
            found = reader.keystore.get("cluster.remote.eu.credentials")
            return found is not None and found.reveal() == value

        await until(arrived)


async def test_settings_that_two_nodes_change_at_once_are_both_kept(
    start: Callable[..., Awaitable[Stack]],
) -> None:
    """Neither undoes what the other has stored."""
    one, two = await start("one"), await start("two")
    await asyncio.gather(
        one.parts.settings.update({"search.default_keep_alive": "4m"}, {}),
        two.parts.settings.update({"search.max_keep_alive": "20h"}, {}),
    )
    both = {"search.default_keep_alive": "4m", "search.max_keep_alive": "20h"}
    for stack in (one, two):
        await until(lambda stack=stack: stack.parts.settings.current.persistent == both)


async def test_a_node_with_an_embedded_engine_is_alone(start: Callable[..., Awaitable[Stack]]) -> None:
    """The documents of the first are not the second's."""
    await start("one", "embedded")
    with pytest.raises(OneNodeOnlyError, match="only deployments with an attached engine can have several"):
        await start("two")


async def test_a_search_of_another_node_is_not_taken_for_lost(
    start: Callable[..., Awaitable[Stack]],
) -> None:
    """A node that starts fails its own unfinished searches only."""
    one, two = await start("one"), await start("two")
    running = SqlAsyncSearchRecords(one.database, "one")
    await running.put(SEARCH)
    report = FailureReport(kind="UNAVAILABLE", error_type="x", reason="lost")
    assert await SqlAsyncSearchRecords(two.database, "two").fail_unfinished(5, report) == 0
    assert await running.complete(msgspec.structs.replace(SEARCH, completed_milliseconds=9))


async def test_a_database_belongs_to_one_deployment(server: PostgresqlServer, tmp_path: Path) -> None:
    """Another deployment's node is refused, and what the first had in its own file is taken over."""
    layout = DeploymentLayout(tmp_path)
    layout.data.mkdir()
    own = await asyncio.to_thread(Database.open, sqlite_url(layout.data / "node.sqlite3"), Line.NODE)
    await SqlSecurityRecords(own).put_role(RoleDescriptor(name="before"))
    own.close()
    layout.records_url.write_text(server.new_database())
    for _ in range(2):
        database = await open_records(tmp_path, CLUSTER)
        assert [role.name for role in await SqlSecurityRecords(database).all_roles()] == ["before"]
        database.close()
    with pytest.raises(RecordsError, match="another deployment"):
        await open_records(tmp_path, "d" * 32)


async def test_the_url_may_be_in_the_environment(
    server: PostgresqlServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then no file holds the password."""
    DeploymentLayout(tmp_path).records_url.write_text("env:RECORDS_URL_OF_A_TEST\n")
    with pytest.raises(RecordsError, match="RECORDS_URL_OF_A_TEST, which is not set"):
        await open_records(tmp_path, CLUSTER)
    monkeypatch.setenv("RECORDS_URL_OF_A_TEST", server.new_database())
    database = await open_records(tmp_path, CLUSTER)
    assert database.is_shared
    database.close()
