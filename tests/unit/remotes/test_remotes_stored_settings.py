"""Cluster settings kept in a real database, and links under a clock that the test moves."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from remotes_harness import ALIAS, FakeKeystore, identity

from isthmus.errors import Failure
from isthmus.remotes.address import HostAndPort
from isthmus.remotes.cluster_settings import ClusterSettingsService
from isthmus.remotes.connection_modes import ProxyMode
from isthmus.remotes.dialling import LinkContext
from isthmus.remotes.link import Link
from isthmus.remotes.settings import RemoteSettings
from isthmus.remotes.trust import TrustedAuthorities
from isthmus.store.cluster_settings import SqlClusterSettingsRecords
from isthmus.store.database import Database, Line, sqlite_url

EU = "cluster.remote.eu."
PROXY: dict[str, Any] = {f"{EU}mode": "proxy", f"{EU}proxy_address": "far:9443"}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Open a node's database."""
    opened = Database.open(sqlite_url(tmp_path / "node.sqlite"), Line.NODE)
    yield opened
    opened.close()


async def test_persistent_settings_survive_and_transient_ones_do_not(database: Database) -> None:
    """After a restart the persistent settings are back and followed, the transient ones are gone."""
    records = SqlClusterSettingsRecords(database)
    followed: list[Any] = []
    service = ClusterSettingsService(records, followed.append)
    await service.load()
    await service.update({**PROXY, "cluster.metadata.list": ("a", "b")}, {f"{EU}skip_unavailable": "false"})
    assert followed[-1]["eu"].skip_unavailable is False
    again = ClusterSettingsService(records, followed.append)
    await again.load()
    assert again.current.persistent == {**PROXY, "cluster.metadata.list": ("a", "b")}
    assert again.current.transient == {}
    assert followed[-1]["eu"].skip_unavailable is True


async def test_a_refused_update_changes_nothing(database: Database) -> None:
    """When one of several settings is bad, none of them is stored or followed."""
    records = SqlClusterSettingsRecords(database)
    followed: list[Any] = []
    service = ClusterSettingsService(records, followed.append)
    await service.load()
    with pytest.raises(Failure):
        await service.update({**PROXY, "nonsense": "x"}, {})
    assert await records.load() == {}
    assert followed == [{}]


async def test_stored_settings_that_are_no_longer_valid_do_not_stop_the_start(database: Database) -> None:
    """What another version stored is kept and answered, and connects nothing."""
    records = SqlClusterSettingsRecords(database)
    await records.save({f"{EU}server_name": "far"})
    followed: list[Any] = []
    service = ClusterSettingsService(records, followed.append)
    await service.load()
    assert service.current.persistent == {f"{EU}server_name": "far"}
    assert followed == [{}]


class ManualClock:
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now_milliseconds(self) -> int:
        """Answer the time."""
        return int(self.seconds * 1000)

    def monotonic_seconds(self) -> float:
        """Answer the time."""
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """Wait until the test has moved the clock that far."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.seconds + seconds, waiter))
        await waiter

    async def pass_seconds(self, seconds: float) -> None:
        """Move the clock, wake who is due, and let everything that follows happen."""
        self.seconds += seconds
        for due, waiter in self._sleepers:
            if due <= self.seconds and not waiter.done():
                waiter.set_result(None)
        for _ in range(50):
            await asyncio.sleep(0.001)


async def test_attempts_are_spaced_out_and_can_be_brought_forward() -> None:
    """A link to a dead address tries again after ever longer waits; a caller who insists is served now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dead = HostAndPort("127.0.0.1", listener.getsockname()[1])
    clock = ManualClock()
    context = LinkContext(
        identity=identity("near"),
        trust=TrustedAuthorities(None, system_trust=False),
        clock=clock,
        chance=lambda: 1.0,
    )
    keystore = FakeKeystore()
    keystore.put_key("key1")
    link = Link(
        RemoteSettings(alias=ALIAS, mode=ProxyMode(dead)),
        keystore.get("cluster.remote.eu.credentials"),
        context,
    )
    running = asyncio.create_task(link.run())
    await clock.pass_seconds(0)
    waits = []
    for failures in range(1, 8):
        status = link.status()
        assert status.failures_in_a_row == failures
        assert status.state.value == "backing_off"
        assert status.next_attempt_seconds is not None
        waits.append(round(status.next_attempt_seconds, 3))
        await clock.pass_seconds(status.next_attempt_seconds * 0.9)
        assert link.status().failures_in_a_row == failures
        await clock.pass_seconds(status.next_attempt_seconds * 0.1 + 0.001)
    assert waits == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    with pytest.raises(Failure):
        await link.ensure_connected(1, insist=True)
    assert link.status().failures_in_a_row == 9
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await link.close()
    with pytest.raises(Failure):
        await link.ensure_connected(1, insist=True)
