"""Handing a connection to another process: both sides of the Unix socket."""

from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from isthmus.control.addresses import Address, parse_address_or_none
from isthmus.door.handover import HandoverError, HandoverListener, hand_over
from isthmus.door.routing import DoorPort

CLIENT = parse_address_or_none("192.0.2.7")


class Taken:
    """Keeps what was handed over."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[DoorPort, socket.socket, Address | None]] = asyncio.Queue()
        self.fail = False

    def __call__(self, port: DoorPort, connection: socket.socket, client: Address | None) -> None:
        if self.fail:
            raise RuntimeError("cannot take it")
        self.queue.put_nowait((port, connection, client))


@pytest.fixture
def taken() -> Taken:
    """Answer a receiver."""
    return Taken()


@pytest.fixture
async def path(socket_folder: Path, taken: Taken) -> AsyncIterator[Path]:
    """Answer where a receiver listens."""
    listener = HandoverListener(socket_folder / "door", taken)
    listener.start()
    yield socket_folder / "door"
    listener.close()
    assert not (socket_folder / "door").exists()


async def eventually(condition: Callable[[], bool]) -> None:
    """Return once it holds; fails after five seconds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - a socket of the other process is looked at
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("port", list(DoorPort))
@pytest.mark.parametrize("client", [CLIENT, parse_address_or_none("2001:db8::1"), None])
async def test_a_connection_arrives_with_its_port_and_client(
    path: Path, taken: Taken, port: DoorPort, client: Address | None
) -> None:
    """The receiver speaks with the peer itself; what it had sent before is still there to read."""
    mine, theirs = socket.socketpair()
    with mine, theirs:
        mine.sendall(b"hello")
        hand_over(path, port, theirs, client)
        theirs.close()
        received_port, connection, received_client = await asyncio.wait_for(taken.queue.get(), 5)
        with connection:
            assert (received_port, received_client) == (port, client)
            assert connection.gettimeout() == 0
            assert connection.recv(100) == b"hello"
            connection.sendall(b"answer")
            assert mine.recv(100) == b"answer"


async def test_the_socket_is_for_its_owner_only(path: Path) -> None:
    """Whoever else may reach the folder cannot hand anything over."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600  # noqa: ASYNC240 - a test may block


async def test_many_connections_arrive(path: Path, taken: Taken) -> None:
    """A burst is taken one by one."""
    pairs = [socket.socketpair() for _ in range(50)]
    for _, theirs in pairs:
        hand_over(path, DoorPort.DATA, theirs, CLIENT)
        theirs.close()
    for _ in pairs:
        _, connection, _ = await asyncio.wait_for(taken.queue.get(), 5)
        connection.close()
    for mine, _ in pairs:
        assert mine.recv(1) == b""
        mine.close()


async def test_a_node_that_is_not_there_refuses_at_once(socket_folder: Path) -> None:
    """Neither a missing socket nor one that a killed process left takes anything."""
    mine, theirs = socket.socketpair()
    with mine, theirs:
        with pytest.raises(HandoverError):
            hand_over(socket_folder / "missing", DoorPort.DATA, theirs, CLIENT)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as left:
            left.bind(str(socket_folder / "left"))
        with pytest.raises(HandoverError):
            hand_over(socket_folder / "left", DoorPort.DATA, theirs, CLIENT)


async def test_a_node_that_does_not_accept_is_too_busy(socket_folder: Path) -> None:
    """A full queue is an error, not a wait."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stuck:
        stuck.bind(str(socket_folder / "stuck"))
        stuck.listen(1)
        mine, theirs = socket.socketpair()
        with mine, theirs:
            hand_over(socket_folder / "stuck", DoorPort.DATA, theirs, CLIENT)
            hand_over(socket_folder / "stuck", DoorPort.DATA, theirs, CLIENT)
            with pytest.raises(HandoverError):
                hand_over(socket_folder / "stuck", DoorPort.DATA, theirs, CLIENT)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"isthmus-handover/2 data -",
        b"isthmus-handover/1 nowhere -",
        b"isthmus-handover/1 data",
        b"isthmus-handover/1 data localhost",
        b"\xff" * 200,
    ],
)
async def test_a_packet_that_is_not_understood_closes_what_it_brought(
    path: Path, taken: Taken, packet: bytes
) -> None:
    """And the next one is served as if nothing had been."""
    mine, theirs = socket.socketpair()
    with mine, theirs, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as channel:
        channel.connect(str(path))
        if packet:
            socket.send_fds(channel, [packet], [theirs.fileno()])
        theirs.close()
        mine.settimeout(0)
        await eventually(lambda: _is_closed(mine))
        other_mine, other_theirs = socket.socketpair()
        with other_mine, other_theirs:
            hand_over(path, DoorPort.DATA, other_theirs, CLIENT)
            _, connection, _ = await asyncio.wait_for(taken.queue.get(), 5)
            connection.close()


async def test_a_callback_that_raises_loses_its_connection_only(
    path: Path, taken: Taken, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, the connection is closed, and the listener goes on."""
    taken.fail = True
    mine, theirs = socket.socketpair()
    with mine, theirs:
        hand_over(path, DoorPort.DATA, theirs, CLIENT)
        theirs.close()
        mine.settimeout(0)
        await eventually(lambda: _is_closed(mine))
    assert "handover failed" in caplog.text


async def test_a_successor_keeps_its_socket(socket_folder: Path, taken: Taken) -> None:
    """A node that ends late does not remove the socket of the one that was started since."""
    path = socket_folder / "door"
    old, new = HandoverListener(path, taken), HandoverListener(path, taken)
    old.start()
    new.start()
    old.close()
    mine, theirs = socket.socketpair()
    with mine, theirs:
        hand_over(path, DoorPort.DATA, theirs, CLIENT)
        _, connection, _ = await asyncio.wait_for(taken.queue.get(), 5)
        connection.close()
    new.close()
    new.close()


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
