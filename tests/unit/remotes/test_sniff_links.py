"""Mode sniff over real TLS on loopback: clusters of several nodes, found through seeds."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
import pytest
import trustme
from remotes_harness import (
    ALIAS,
    SERVER_NAME,
    FakeEngine,
    FakeKeys,
    FarCluster,
    Near,
    NearFactory,
    reader,
    until,
)

from isthmus.clock import SystemClock
from isthmus.errors import Failure
from isthmus.exchange import SearchRequest
from isthmus.names import IndicesOptions
from isthmus.remotes.address import HostAndPort
from isthmus.remotes.connection_modes import ProxyMode, SniffMode
from isthmus.remotes.protocol import GatewayNode, Welcome
from isthmus.remotes.setting_values import Compression
from isthmus.remotes.settings import RemoteSettings
from isthmus.rest.remote.interface import RemoteInterface

DATA = ("data", "ingest", "master")


class OldInterface(RemoteInterface):
    """A peer from before there was a way to ask for nodes."""

    async def _handshake(self, incoming: Any) -> Welcome:
        return msgspec.structs.replace(await super()._handshake(incoming), features=("zstd",))


def free_ports(number: int) -> list[int]:
    """Answer loopback ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [listener.getsockname()[1] for listener in listeners]


@asynccontextmanager
async def nodes_of(
    certificate: trustme.LeafCert, *roles: tuple[str, ...], name: str = "far", **options: Any
) -> AsyncIterator[list[FarCluster]]:
    """Run one cluster of as many nodes as there are roles; each tells of all."""
    ports = free_ports(len(roles))
    told = tuple(
        GatewayNode(
            node_id=f"{name}-{number}",
            address=f"127.0.0.1:{port}",
            server_name=SERVER_NAME,
            roles=of_node,
            attributes={"gateway": "true"} if number == 1 else {},
        )
        for number, (port, of_node) in enumerate(zip(ports, roles, strict=True))
    )
    keys = FakeKeys(key1=("*",))
    async with AsyncExitStack() as stack:
        running = []
        for node, port in zip(told, ports, strict=True):
            far = FarCluster(certificate, keys, FakeEngine(**{"logs-a": ["1", "2"]}), name, port)
            far.node_id, far.nodes = node.node_id, told
            for option, value in options.items():
                setattr(far, option, value)
            await far.start()
            stack.push_async_callback(far.kill)
            running.append(far)
        yield running


def sniff(near: Near, seeds: Sequence[FarCluster | int], **values: Any) -> None:
    """Configure the alias in mode sniff, with the certificate's name as the host of each seed."""
    of_mode = ("node_connections", "node_attribute", "proxy")
    ports = [seed if isinstance(seed, int) else seed.port for seed in seeds]
    settings = {name: values.pop(name) for name in of_mode if name in values}
    mode = SniffMode(tuple(HostAndPort(SERVER_NAME, port) for port in ports), **settings)
    near.remotes.apply({ALIAS: RemoteSettings(alias=ALIAS, mode=mode, **values)})


@pytest.fixture(autouse=True)
def name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the certificate's name stand for loopback, as a name server would have it."""
    real = asyncio.BaseEventLoop.getaddrinfo

    async def getaddrinfo(loop: Any, host: str, port: int, **values: Any) -> Any:
        return await real(loop, "127.0.0.1" if host == SERVER_NAME else host, port, **values)

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)


@pytest.fixture
async def near(near_of: NearFactory) -> AsyncIterator[Near]:
    """Run a near side with the good key."""
    async with near_of() as made:
        yield made


async def found(near: Near) -> int:
    """Search as ann and answer how many documents were found."""
    target = near.remotes.get(ALIAS).search_target(reader("*"))
    return len((await target.search(("logs-*",), IndicesOptions(), SearchRequest(size=9))).hits)


async def connected(near: Near, nodes: int) -> None:
    """Return once so many nodes are connected to."""
    await until(lambda: near.state["num_nodes_connected"] == nodes, 15)


async def test_as_many_nodes_as_wanted_are_connected_to(near: Near, certificate: trustme.LeafCert) -> None:
    """Five nodes, three connections: three nodes have one each, and requests take turns among them."""
    async with nodes_of(certificate, *[DATA] * 5) as far:
        sniff(near, [far[4]])
        await connected(near, 3)
        assert [node.open_connections for node in far] == [1, 1, 0, 0, 1]
        for _ in range(6):
            assert await found(near) == 2
        assert [node.engine.searches for node in far] == [2, 2, 0, 0, 2]
        state = near.state
        assert state.pop("isthmus")["remote"]["cluster_name"] == "far"
        assert state == {
            "connected": True,
            "mode": "sniff",
            "seeds": [f"{SERVER_NAME}:{far[4].port}"],
            "num_nodes_connected": 3,
            "max_connections_per_cluster": 3,
            "initial_connect_timeout": "30s",
            "skip_unavailable": True,
            "cluster_credentials": "::es_redacted::",
        }
        await asyncio.gather(*(found(near) for _ in range(40)))
        assert sum(node.open_connections for node in far) <= 18


async def test_one_node_alone_has_two_warm_connections(near: Near, certificate: trustme.LeafCert) -> None:
    """A cluster of one node is connected to like an address in mode proxy."""
    async with nodes_of(certificate, DATA) as (far,):
        sniff(near, [far])
        await until(lambda: far.open_connections == 2)
        assert near.state["num_nodes_connected"] == 1


async def test_the_next_seed_is_asked_when_one_fails(near: Near, certificate: trustme.LeafCert) -> None:
    """Seeds that nobody listens on cost no attempt: one of several is enough."""
    dead = free_ports(2)
    async with nodes_of(certificate, DATA, DATA) as far:
        sniff(near, [*dead, far[1]])
        await near.remotes.settle([ALIAS], 5)
        assert near.state["connected"]
        await connected(near, 2)
        assert await found(near) == 2


async def test_without_any_seed_the_failure_says_so(near: Near) -> None:
    """No seed answers: Elasticsearch's failure, and what was wrong with the last one as its cause."""
    dead = free_ports(2)
    sniff(near, dead)
    await near.remotes.settle([ALIAS], 5)
    with pytest.raises(Failure) as caught:
        await found(near)
    assert caught.value.error_type == "no_seed_node_left_exception"
    assert caught.value.reason == "no seed node left for cluster: [eu]"
    assert caught.value.caused_by is not None
    assert f"[{SERVER_NAME}:{dead[1]}] refused the connection" in caught.value.caused_by.reason


async def test_masters_are_asked_and_not_connected_to(near: Near, certificate: trustme.LeafCert) -> None:
    """A seed that is a master and nothing else tells of the others and gets no request."""
    async with nodes_of(certificate, ("master",), DATA, DATA) as far:
        sniff(near, [far[0]])
        await connected(near, 2)
        await until(lambda: far[0].open_connections == 0)
        assert await found(near) == 2
        assert far[0].engine.searches == 0


async def test_only_nodes_with_the_attribute_are_connected_to(
    near: Near, certificate: trustme.LeafCert
) -> None:
    """cluster.remote.node.attr chooses the gateways; a cluster without one is no cluster that is down."""
    async with nodes_of(certificate, DATA, DATA, DATA) as far:
        sniff(near, [far[0]], node_attribute="gateway")
        await until(lambda: far[1].open_connections == 2)
        assert (near.state["num_nodes_connected"], far[0].open_connections) == (1, 0)
        sniff(near, [far[0]], node_attribute="other")
        await near.remotes.settle([ALIAS], 5)
        error = near.state["isthmus"]["last_error"]
        assert "none of the nodes" in error["reason"]
        assert "cluster.remote.node.attr" in error["remedy"]


async def test_another_node_takes_the_place_of_one_that_is_lost(
    near: Near, certificate: trustme.LeafCert
) -> None:
    """A node that dies is replaced by another, without a request that fails once it is known to be gone."""
    async with nodes_of(certificate, *[DATA] * 4) as far:
        sniff(near, [far[0], far[3]])
        await connected(near, 3)
        await far[0].kill()
        await until(lambda: far[3].open_connections == 1, 15)
        await connected(near, 3)
        assert await found(near) == 2
        for node in far[1:]:
            await node.kill()
        await until(lambda: not near.state["connected"])
        await far[3].start()
        await until(lambda: bool(near.state["connected"]), 15)
        assert await found(near) == 2


async def test_a_node_that_is_told_of_no_more_is_left(
    near_of: NearFactory, certificate: trustme.LeafCert
) -> None:
    """The nodes are asked for again now and then; connections to one that has left end without a failure."""
    clock = _FastClock()
    interfaces: list[RemoteInterface] = []

    def kept(*arguments: Any, **named: Any) -> RemoteInterface:
        interfaces.append(RemoteInterface(*arguments, **named))
        return interfaces[-1]

    async with (
        near_of(clock=clock) as near,
        nodes_of(certificate, *[DATA] * 3, interface_type=kept) as far,
    ):
        sniff(near, [far[0]], ping_interval_seconds=0.1)
        await connected(near, 3)
        for interface in interfaces:
            interface._nodes = interface._nodes[1:]
        clock.ahead_seconds = 1000.0
        await until(lambda: far[0].open_connections == 0, 15)
        assert await found(near) == 2


class _FastClock:
    """The system's clock, moved ahead at will."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self.ahead_seconds = 0.0

    def now_milliseconds(self) -> int:
        """Answer the time."""
        return self._clock.now_milliseconds()

    def monotonic_seconds(self) -> float:
        """Answer the time that has been moved."""
        return self._clock.monotonic_seconds() + self.ahead_seconds

    async def sleep(self, seconds: float) -> None:
        """Sleep at most a little, so that a move is noticed."""
        await self._clock.sleep(min(seconds, 0.05))


async def test_a_peer_that_knows_no_such_question_is_its_only_node(
    near: Near, certificate: trustme.LeafCert
) -> None:
    """A cluster of an earlier version is connected to at the seed itself."""
    async with nodes_of(certificate, DATA, DATA, interface_type=OldInterface) as far:
        sniff(near, [far[0]])
        await until(lambda: far[0].open_connections == 2)
        assert near.state["num_nodes_connected"] == 1
        assert await found(near) == 2


async def test_a_proxy_is_dialled_in_place_of_every_address(
    near: Near, certificate: trustme.LeafCert
) -> None:
    """With a proxy neither the seed's nor the nodes' own addresses need to be reachable."""
    async with nodes_of(certificate, DATA) as (far,):
        await far.kill()
        node = GatewayNode(node_id="far-0", address="nowhere.invalid:1", server_name=SERVER_NAME, roles=DATA)
        far.nodes = (node,)
        await far.start()
        sniff(near, [1], proxy=far.address)
        await until(lambda: far.open_connections == 2)
        assert await found(near) == 2


async def test_a_refused_key_is_shown_to_one_node_only(near: Near, certificate: trustme.LeafCert) -> None:
    """What one node says of the key holds for all of them: the other seeds are not tried with it."""
    async with nodes_of(certificate, DATA, DATA) as far:
        far[0].keys.access.clear()
        sniff(near, far)
        await near.remotes.settle([ALIAS], 5)
        assert near.state["isthmus"]["state"] == "refused"
        assert near.state["isthmus"]["last_error"]["phase"] == "authenticate"
        assert far[0].keys.used == ["key1"]


async def test_a_node_of_another_cluster_is_passed_over(
    near: Near, certificate: trustme.LeafCert, caplog: pytest.LogCaptureFixture
) -> None:
    """A cluster that tells of a node that is another's sends no request there; the log says who that was."""
    async with (
        nodes_of(certificate, DATA) as (far,),
        nodes_of(certificate, DATA, name="other") as (other,),
    ):
        far_node = far.nodes[0]
        await far.kill()
        stranger = msgspec.structs.replace(other.nodes[0], node_id="far-9")
        far.nodes = (far_node, stranger)
        await far.start()
        sniff(near, [far])
        await until(lambda: far.open_connections == 2)
        assert await found(near) == 2
        passed_over = [record for record in caplog.records if record.message == "gateway passed over"]
        assert [record.node_id for record in passed_over] == ["far-9"]  # type: ignore[attr-defined]
        assert "unexpected remote cluster name [other]" in passed_over[0].reason  # type: ignore[attr-defined]
        assert (near.state["num_nodes_connected"], other.engine.searches) == (1, 0)


async def test_who_waits_for_a_remote_gets_it_once_its_settings_are_right(
    near: Near, certificate: trustme.LeafCert
) -> None:
    """A request that waits for a link with bad settings goes on over the one that takes its place."""
    async with nodes_of(certificate, DATA) as (far,):
        (dead,) = free_ports(1)
        with socket.create_server(("127.0.0.1", dead), backlog=1) as silent:
            sniff(near, [dead], skip_unavailable=False)
            waiting = [asyncio.create_task(found(near)) for _ in range(3)]
            accepted, _ = await asyncio.get_running_loop().run_in_executor(None, silent.accept)
            assert not any(task.done() for task in waiting)
            sniff(near, [far], skip_unavailable=False)
            assert await asyncio.gather(*waiting) == [2, 2, 2]
            accepted.close()


async def test_settings_change_while_requests_are_under_way_and_none_is_lost(
    near: Near, certificate: trustme.LeafCert
) -> None:
    """From mode to mode and through every other setting under load: each request is answered."""
    async with nodes_of(certificate, DATA, DATA) as far:
        seeds = tuple(HostAndPort(SERVER_NAME, node.port) for node in far)
        proxy = ProxyMode(far[0].address, SERVER_NAME)
        modes = [
            proxy,
            SniffMode(seeds),
            SniffMode(seeds, 1),
            SniffMode(seeds[:1], proxy=far[0].address),
            proxy,
            ProxyMode(far[0].address, SERVER_NAME, 2),
            ProxyMode(HostAndPort(SERVER_NAME, far[1].port)),
        ]
        others: list[dict[str, Any]] = [
            {"compression": Compression.ALL},
            {"ping_interval_seconds": 0.1},
            {"skip_unavailable": False},
        ]
        answers: list[int] = []
        stop = asyncio.Event()

        async def keep_searching() -> None:
            while not stop.is_set():
                answers.append(await found(near))

        near.remotes.apply({ALIAS: RemoteSettings(alias=ALIAS, mode=proxy)})
        await near.remotes.settle([ALIAS], 5)
        held = asyncio.create_task(found(near))
        far[0].engine.hold = asyncio.Event()
        await far[0].engine.searching.wait()
        hold, far[0].engine.hold = far[0].engine.hold, None
        workers = [asyncio.create_task(keep_searching()) for _ in range(4)]
        for mode in [*modes, *modes]:
            for other in others:
                near.remotes.apply({ALIAS: RemoteSettings(alias=ALIAS, mode=mode, **other)})
                enough = len(answers) + 8
                await until(lambda wanted=enough: len(answers) >= wanted)  # type: ignore[misc]
        stop.set()
        await asyncio.gather(*workers)
        assert not held.done()
        assert hold is not None
        hold.set()
        assert await held == 2
        assert set(answers) == {2}
        await until(
            lambda: (
                sum(node.open_connections for node in far)
                == near.state["num_proxy_sockets_connected"]
                <= len(workers) + 1
            ),
            15,
        )
