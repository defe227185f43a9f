"""TLS straight on a socket: whole and in order both ways, and an end however it ends."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import ssl
from collections.abc import Callable
from typing import cast

import pytest
import trustme

from isthmus.remotes import tls_stream
from isthmus.remotes.tls_stream import TlsTransport, start_tls

NAME = "far.test"
LARGE = bytes(range(256)) * 20_000  # five megabytes


class Recorder(asyncio.Protocol):
    """Remembers what it is told; answers each piece with what ``reply`` makes of it."""

    def __init__(self, reply: Callable[[bytes], bytes] | None = None) -> None:
        self.reply = reply
        self.received = b""
        self.size = 0
        self.digest = hashlib.sha256()
        self.paused = 0
        self.saw_eof = False
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.writable = asyncio.Event()
        self.writable.set()
        self.news = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("TlsTransport", transport)

    def data_received(self, data: bytes) -> None:
        self.size += len(data)
        self.digest.update(data)
        self.received = (self.received + data)[-100:]
        self.news.set()
        if self.reply is not None:
            self.transport.write(self.reply(data))

    def eof_received(self) -> None:
        self.saw_eof = True

    def pause_writing(self) -> None:
        self.paused += 1
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)

    async def until(self, size: int) -> None:
        """Return once so much has come."""
        async with asyncio.timeout(30):
            while self.size < size:
                self.news.clear()
                await self.news.wait()


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Answer the server's context and the client's."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(NAME).configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


async def pair(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], reply: Callable[[bytes], bytes] | None = None
) -> tuple[Recorder, Recorder]:
    """Answer the client's end and the server's end of a connection."""
    ours, theirs = socket.socketpair()
    client, server = await asyncio.gather(
        start_tls(ours, contexts[1], Recorder, server_hostname=NAME, handshake_seconds=10),
        start_tls(theirs, contexts[0], lambda: Recorder(reply), server_side=True, handshake_seconds=10),
    )
    return client, server


async def test_small_pieces_and_answers(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """What is written is there; both ends tell who they are."""
    client, server = await pair(contexts, reply=bytes.upper)
    for word in (b"one", b"two"):
        client.transport.write(word)
        await client.until(client.size + len(word))
    assert client.received == b"ONETWO"
    assert client.transport.get_extra_info("ssl_object").version() == "TLSv1.3"
    assert client.transport.get_extra_info("sslcontext") is contexts[1]
    client.transport.close()
    assert await asyncio.wait_for(server.lost, 10) is None
    assert await asyncio.wait_for(client.lost, 10) is None
    assert server.saw_eof


async def test_more_than_the_socket_takes(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """The writer is told to wait, the reader may pause, and a close comes after the last byte."""
    client, server = await pair(contexts)
    server.transport.pause_reading()
    client.transport.write(LARGE)
    assert client.paused == 1
    assert client.transport.get_write_buffer_size() > 0
    client.transport.close()
    client.transport.write(b"too late")
    server.transport.resume_reading()
    assert await asyncio.wait_for(server.lost, 30) is None
    assert (server.size, server.digest.digest()) == (len(LARGE), hashlib.sha256(LARGE).digest())
    assert await asyncio.wait_for(client.lost, 10) is None


async def test_both_ways_at_once(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """Neither end waits for the other."""
    client, server = await pair(contexts)
    for end in (client, server):
        for start in range(0, len(LARGE), 500_000):
            await asyncio.wait_for(end.writable.wait(), 30) if end is server else None
            end.transport.write(LARGE[start : start + 500_000])
    await asyncio.gather(client.until(len(LARGE)), server.until(len(LARGE)))
    assert client.digest.digest() == server.digest.digest() == hashlib.sha256(LARGE).digest()
    await asyncio.wait_for(client.writable.wait(), 30)
    client.transport.abort()
    server.transport.abort()
    await asyncio.gather(client.lost, server.lost)


async def test_an_abort_is_an_end_for_the_other_side(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """However it comes about; what is written after it is dropped."""
    client, server = await pair(contexts)
    client.transport.abort()
    client.transport.write(b"lost")
    await asyncio.wait_for(client.lost, 10)
    await asyncio.wait_for(server.lost, 10)
    assert server.size == 0
    client.transport.close()
    client.transport.pause_reading()
    client.transport.resume_reading()
    assert client.transport.is_closing()
    assert not client.transport.is_reading()


async def test_another_protocol_takes_over(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """From then on it is told."""
    client, server = await pair(contexts)
    successor = Recorder()
    server.transport.set_protocol(successor)
    assert server.transport.get_protocol() is successor
    client.transport.write(b"hello")
    await successor.until(5)
    client.transport.close()
    await asyncio.wait_for(successor.lost, 10)
    await asyncio.wait_for(client.lost, 10)
    assert server.size == 0


async def test_bytes_that_are_no_tls_end_the_connection_with_the_reason(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    """In the middle of an established connection."""
    client, server = await pair(contexts)
    raw = socket.socket(fileno=client.transport.get_extra_info("socket").detach())
    raw.send(b"GET / HTTP/1.1\r\n\r\n")
    error = await asyncio.wait_for(server.lost, 10)
    assert isinstance(error, ssl.SSLError)
    raw.close()
    client.transport.abort()
    await asyncio.wait_for(client.lost, 10)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", ssl.SSLError),
        (b"", ConnectionResetError),
        (None, TimeoutError),
    ],
    ids=["not TLS", "closes", "silent"],
)
async def test_a_handshake_that_fails_closes_the_socket(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], said: bytes | None, expected: type[Exception]
) -> None:
    """And tells how it failed."""
    ours, theirs = socket.socketpair()
    if said is not None:
        theirs.sendall(said)
    if said == b"":
        theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(expected):
        await start_tls(ours, contexts[1], Recorder, server_hostname=NAME, handshake_seconds=0.3)
    assert ours.fileno() == -1
    with contextlib.suppress(ConnectionResetError):  # what the server said was not read to the end
        while theirs.recv(10_000):
            pass
    theirs.close()


async def test_a_handshake_that_nobody_waits_for_ends(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    """Cancelled, it closes the socket."""
    ours, theirs = socket.socketpair()
    shaking = asyncio.create_task(
        start_tls(ours, contexts[1], Recorder, server_hostname=NAME, handshake_seconds=60)
    )
    await asyncio.sleep(0.05)
    shaking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await shaking
    while theirs.recv(10_000):
        pass
    theirs.close()


async def test_another_name_in_the_certificate_is_refused(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    """The context's own checks hold."""
    ours, theirs = socket.socketpair()
    serving = asyncio.create_task(
        start_tls(theirs, contexts[0], Recorder, server_side=True, handshake_seconds=10)
    )
    with pytest.raises(ssl.SSLCertVerificationError):
        await start_tls(ours, contexts[1], Recorder, server_hostname="near.test", handshake_seconds=10)
    with pytest.raises(OSError, match=r".*"):
        await serving


async def test_a_side_that_reads_nothing_holds_up_no_end(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left to send is given up a while after the close; as long as some is read it is not."""
    monkeypatch.setattr(tls_stream, "_UNREAD_SECONDS", 0.5)
    client, server = await pair(contexts)
    server.transport.pause_reading()
    client.transport.write(LARGE)
    client.transport.close()
    assert await asyncio.wait_for(client.lost, 10) is None
    assert client.transport.get_write_buffer_size() == 0
    server.transport.abort()
    await asyncio.wait_for(server.lost, 10)


async def test_a_slow_reader_costs_no_copies(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """What waits stays where it is, however often some of it leaves."""
    client, server = await pair(contexts)
    server.transport.pause_reading()
    client.transport.write(LARGE)
    waiting = client.transport._unsent
    server.transport.resume_reading()
    await server.until(len(LARGE))
    assert client.transport._unsent is waiting
    assert server.digest.digest() == hashlib.sha256(LARGE).digest()
    client.transport.abort()
    server.transport.abort()
    await asyncio.gather(client.lost, server.lost)
