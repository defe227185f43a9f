"""The door on real sockets, with real TLS behind it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from door_harness import DOMAIN, KnownNodes

from isthmus.control.addresses import Address
from isthmus.door.handover import HandoverListener
from isthmus.door.listener import Door, DoorLimits
from isthmus.door.routing import DoorPort, NodeAddress

RUNNING, STOPPED = "a" * 32, "b" * 32
LIMITS = DoorLimits(hello_timeout_seconds=0.3, maximum_waiting=3, refusal_after_seconds=0.05)


class EchoNode:
    """Takes connections as a node does, and echoes over TLS."""

    def __init__(self, path: Path, context: ssl.SSLContext) -> None:
        self.ports: list[DoorPort] = []
        self._context = context
        self._tasks: set[asyncio.Task[object]] = set()
        self.listener = HandoverListener(path, self._take)

    def _take(self, port: DoorPort, connection: socket.socket, _client: Address | None) -> None:
        self.ports.append(port)
        task = asyncio.get_running_loop().create_task(self._serve(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(_Echo, connection, ssl=self._context)
        except OSError:
            connection.close()


class _Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


@dataclass
class Running:
    """A door and what it leads to."""

    ports: dict[DoorPort, int]
    node: EchoNode
    ended_here: list[bytes]


@pytest.fixture
async def door(
    nodes: KnownNodes, server_context: ssl.SSLContext, socket_folder: Path
) -> AsyncIterator[Running]:
    """Answer a running door with one running and one stopped deployment."""
    node = EchoNode(socket_folder / "door", server_context)
    node.listener.start()
    nodes.running[RUNNING] = NodeAddress(socket_folder / "door", socket_folder / "http")
    nodes.stopped.add(STOPPED)
    ended_here: list[bytes] = []

    async def end_tls(connection: socket.socket, _client: Address | None, _only: str | None) -> None:
        with connection:
            ended_here.append(connection.recv(5, socket.MSG_PEEK))

    listeners = {port: socket.create_server(("127.0.0.1", 0)) for port in DoorPort}
    ports = {port: listener.getsockname()[1] for port, listener in listeners.items()}
    door = Door(domain=DOMAIN, listeners=listeners, nodes=nodes, end_tls=end_tls, limits=LIMITS)
    running = asyncio.create_task(door.run())
    yield Running(ports, node, ended_here)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    node.listener.close()


async def echo(port: int, context: ssl.SSLContext, name: str, message: bytes = b"hello") -> bytes:
    """Connect with that server name and answer what comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    try:
        writer.write(message)
        return await asyncio.wait_for(reader.readexactly(len(message)), 5)
    finally:
        writer.close()


def client_hello(context: ssl.SSLContext, name: str | None) -> bytes:
    """Answer the first bytes of a client."""
    outgoing = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


async def answer_to(port: int, *pieces: bytes, pause_seconds: float = 0) -> bytes:
    """Send the pieces and answer all that comes back until the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_seconds)
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionError:
        return b""
    finally:
        writer.close()


UNRECOGNIZED_NAME = b"\x15\x03\x03\x00\x02\x02\x70"


@pytest.mark.parametrize("port", DoorPort)
async def test_a_named_connection_speaks_tls_with_its_node(
    door: Running, client_context: ssl.SSLContext, port: DoorPort
) -> None:
    """The handshake, the certificate and the data are between client and node."""
    name = f"{RUNNING}.{DOMAIN}"
    assert await echo(door.ports[port], client_context, name, b"x" * 100_000) == b"x" * 100_000
    assert await echo(door.ports[port], client_context, name.upper()) == b"hello"
    assert door.node.ports == [port, port]


async def test_tls_12_works(door: Running, client_context: ssl.SSLContext) -> None:
    """A client that knows nothing newer is served."""
    client_context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert await echo(door.ports[DoorPort.DATA], client_context, f"{RUNNING}.{DOMAIN}") == b"hello"


async def test_a_hello_in_pieces_is_waited_for(door: Running, client_context: ssl.SSLContext) -> None:
    """A hello of many segments reaches the node whole: the handshake goes on after it."""
    hello = client_hello(client_context, f"{RUNNING}.{DOMAIN}")
    reader, writer = await asyncio.open_connection("127.0.0.1", door.ports[DoorPort.REMOTE_CLUSTER])
    writer.transport.set_write_buffer_limits(0)
    for start in range(0, len(hello), 100):
        writer.write(hello[start : start + 100])
        await writer.drain()
        await asyncio.sleep(0.005)
    assert (await asyncio.wait_for(reader.readexactly(6), 5))[0] == 22  # the node's ServerHello
    writer.close()


async def test_waiting_for_the_rest_of_a_hello_costs_nothing(
    door: Running, client_context: ssl.SSLContext
) -> None:
    """Bytes that were peeked at do not keep the loop awake."""
    hello = client_hello(client_context, f"{RUNNING}.{DOMAIN}")
    before = time.process_time()
    assert await answer_to(door.ports[DoorPort.DATA], hello[:50]) == b""
    assert time.process_time() - before < 0.15


@pytest.mark.parametrize("port", [DoorPort.REMOTE_CLUSTER, DoorPort.TRANSPORT])
@pytest.mark.parametrize("name", [f"{STOPPED}.{DOMAIN}", f"{'c' * 32}.{DOMAIN}", DOMAIN, "localhost", None])
async def test_every_refusal_on_a_port_for_clusters_is_the_same(
    door: Running, client_context: ssl.SSLContext, name: str | None, port: DoorPort
) -> None:
    """Stopped, unknown, impossible: the same alert, not before the same moment."""
    client_context.check_hostname = False
    started = time.monotonic()
    hello = client_hello(client_context, name)
    assert await answer_to(door.ports[port], hello) == UNRECOGNIZED_NAME
    assert time.monotonic() - started >= LIMITS.refusal_after_seconds


async def test_openssl_understands_the_refusal(door: Running, client_context: ssl.SSLContext) -> None:
    """A client's error says that the name was not recognised."""
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        await echo(door.ports[DoorPort.REMOTE_CLUSTER], client_context, f"{STOPPED}.{DOMAIN}")


async def test_a_node_that_has_just_died_is_refused_alike(
    door: Running, client_context: ssl.SSLContext
) -> None:
    """The remote port answers as for an unknown name; the data port answers by HTTP."""
    door.node.listener.close()
    hello = client_hello(client_context, f"{RUNNING}.{DOMAIN}")
    assert await answer_to(door.ports[DoorPort.REMOTE_CLUSTER], hello) == UNRECOGNIZED_NAME
    await answer_to(door.ports[DoorPort.DATA], hello)
    assert door.ended_here == [hello[:5]]


async def test_a_name_that_leads_nowhere_ends_tls_at_the_door(
    door: Running, client_context: ssl.SSLContext
) -> None:
    """On the data port, with nothing of the hello read."""
    client_context.check_hostname = False
    for name in (None, DOMAIN, f"{STOPPED}.{DOMAIN}"):
        await answer_to(door.ports[DoorPort.DATA], client_hello(client_context, name))
    assert len(door.ended_here) == 3
    assert all(first[0] == 22 for first in door.ended_here)


async def test_plain_http_is_answered(door: Running) -> None:
    """With what to do instead."""
    answer = await answer_to(door.ports[DoorPort.DATA], b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"https://" in answer


@pytest.mark.parametrize("junk", [b"SSH-2.0-OpenSSH\r\n", b"\x00" * 10, b"\xff" * 20_000])
async def test_what_is_not_tls_gets_no_answer(door: Running, junk: bytes) -> None:
    """The connection is closed."""
    assert await answer_to(door.ports[DoorPort.REMOTE_CLUSTER], junk) == b""


async def test_a_slow_hello_is_cut_off(door: Running, client_context: ssl.SSLContext) -> None:
    """A byte now and then does not move the deadline."""
    hello = client_hello(client_context, f"{RUNNING}.{DOMAIN}")
    started = time.monotonic()
    pieces = [hello[i : i + 1] for i in range(100)]
    assert await answer_to(door.ports[DoorPort.DATA], *pieces, pause_seconds=0.02) == b""
    assert time.monotonic() - started < 3
    assert door.node.ports == []


async def test_connections_that_say_nothing_make_room_for_others(
    door: Running, client_context: ssl.SSLContext
) -> None:
    """Above the limit the oldest of them is closed, at once."""
    silent = [await asyncio.open_connection("127.0.0.1", door.ports[DoorPort.DATA]) for _ in range(4)]
    started = time.monotonic()
    assert await asyncio.wait_for(silent[0][0].read(), 5) == b""
    assert time.monotonic() - started < LIMITS.hello_timeout_seconds / 2
    assert await echo(door.ports[DoorPort.DATA], client_context, f"{RUNNING}.{DOMAIN}") == b"hello"
    for _, writer in silent:
        writer.close()


async def test_a_peer_that_goes_away_leaves_the_door_open(
    door: Running, client_context: ssl.SSLContext
) -> None:
    """Half a hello and an end, or nothing at all."""
    for first in (b"", b"\x16\x03\x01"):
        _, writer = await asyncio.open_connection("127.0.0.1", door.ports[DoorPort.DATA])
        writer.write(first)
        writer.close()
        await writer.wait_closed()
    assert await echo(door.ports[DoorPort.DATA], client_context, f"{RUNNING}.{DOMAIN}") == b"hello"
