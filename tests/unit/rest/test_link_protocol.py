"""A connection of another node: short requests are served at once, all else by the usual protocol."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from isthmus.errors import Failure
from isthmus.rest.http import Request, Response, json_response
from isthmus.rest.limits import HttpLimits
from isthmus.rest.link_protocol import LinkHttpProtocol
from isthmus.rest.serving import HttpServer

LIMITS = HttpLimits(max_content_bytes=400_000, admission_bytes=50_000, body_idle_seconds=2, head_seconds=2)


class Application:
    """Answers the path and the size of the body; waits at ``/slow`` until the bell rings."""

    def __init__(self) -> None:
        self.bell = asyncio.Event()
        self.begun = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def handle(self, request: Request) -> Response:
        if request.path == "/slow":
            self.begun.set()
            try:
                await self.bell.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        if request.path == "/large":
            return json_response({"large": "x" * 3_000_000})
        if request.path == "/broken":
            raise RuntimeError("hush")
        return json_response({"path": request.path, "size": len(request.body)})

    async def admit(self, _head: Request) -> Response | None:
        return None

    def refuse(self, failure: Failure) -> Response:
        return json_response({"error": failure.reason}, 400)

    def may_be_abandoned(self, _method: str, _path: str) -> bool:
        return True


class Wire:
    """A server for one link, and the client's end of a connection to it."""

    def __init__(self) -> None:
        self.application = Application()
        self.server = HttpServer(LIMITS)

    async def connect(self) -> None:
        ours, theirs = socket.socketpair()
        await self.server.serve_connection(theirs, None, self.application, is_link=True)
        self.reader, self.writer = await asyncio.open_connection(sock=ours)

    @property
    def is_for_short_requests(self) -> bool:
        """Whether the link's own protocol still has the connection."""
        (connection,) = self.server._state.connections
        return isinstance(connection, LinkHttpProtocol)

    async def answer(self) -> bytes:
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)
        size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        return head.split(b" ")[1] + b" " + await self.reader.readexactly(size)

    async def ask(self, *pieces: bytes) -> bytes:
        for piece in pieces:
            self.writer.write(piece)
            await asyncio.sleep(0.01)
        return await self.answer()


@pytest_asyncio.fixture
async def wire() -> AsyncIterator[Wire]:
    """Answer an open connection."""
    wire = Wire()
    await wire.connect()
    yield wire
    wire.application.bell.set()
    wire.writer.close()
    await wire.server.stop(1.0)


def _post(path: str, body: bytes = b"") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def test_short_requests_follow_each_other(wire: Wire) -> None:
    """Whole, or with the body in pieces."""
    for number in range(3):
        assert await wire.ask(_post(f"/{number}", b"xy")) == b'200 {"path":"/%d","size":2}' % number
    whole = _post("/pieces", b"x" * 40_000)
    assert await wire.ask(whole[:10_000], whole[10_000:]) == b'200 {"path":"/pieces","size":40000}'
    assert wire.is_for_short_requests


async def test_whatever_else_comes_is_served_by_the_usual_protocol(wire: Wire) -> None:
    """From then on, and nothing is lost or answered twice."""
    assert await wire.ask(_post("/first", b"x")) == b'200 {"path":"/first","size":1}'
    chunked = b"POST /chunked HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    assert await wire.ask(chunked) == b'200 {"path":"/chunked","size":3}'
    assert not wire.is_for_short_requests
    assert await wire.ask(_post("/last", b"xy")) == b'200 {"path":"/last","size":2}'


async def test_a_head_in_pieces_and_a_long_body_are_served_too(wire: Wire) -> None:
    """Slow senders and large requests are the usual protocol's."""
    whole = _post("/long", b"x" * 60_000)
    assert await wire.ask(whole[:20], whole[20:]) == b'200 {"path":"/long","size":60000}'
    assert not wire.is_for_short_requests


async def test_requests_sent_before_the_answer_are_answered_in_order(wire: Wire) -> None:
    """One by one, also when they come in one packet."""
    wire.writer.write(_post("/slow"))
    await wire.application.begun.wait()
    wire.writer.write(_post("/second", b"x") + _post("/third"))
    await asyncio.sleep(0.05)
    wire.application.bell.set()
    assert [await wire.answer() for _ in range(3)] == [
        b'200 {"path":"/slow","size":0}',
        b'200 {"path":"/second","size":1}',
        b'200 {"path":"/third","size":0}',
    ]


async def test_work_that_nobody_waits_for_stops(wire: Wire) -> None:
    """The other node has gone."""
    wire.writer.write(_post("/slow"))
    await wire.application.begun.wait()
    wire.writer.close()
    await asyncio.wait_for(wire.application.cancelled.wait(), 10)


async def test_a_body_that_stops_coming_ends_the_connection(wire: Wire) -> None:
    """Within the limit for silence."""
    wire.writer.write(_post("/half", b"x" * 100)[:-50])
    assert await asyncio.wait_for(wire.reader.read(), 20) == b""


async def test_what_breaks_inside_is_not_told(wire: Wire) -> None:
    """A reference leads to the log."""
    answer = await wire.ask(_post("/broken"))
    assert answer.startswith(b'400 {"error":"internal error, reference [')
    assert b"hush" not in answer
    assert wire.is_for_short_requests


async def test_a_retired_connection_answers_and_closes(wire: Wire) -> None:
    """The other node comes back on a new connection."""
    wire.writer.write(_post("/slow"))
    await wire.application.begun.wait()
    wire.server.retire_connections(wire.application)
    wire.application.bell.set()
    assert b"connection: close" in (await asyncio.wait_for(wire.reader.read(), 10))


async def test_requests_of_a_peer_that_reads_no_answer_wait(wire: Wire) -> None:
    """One answer at most is held for it; once it reads on, it is served on."""
    (connection,) = wire.server._state.connections
    wire.writer.transport.pause_reading()
    for _ in range(4):
        wire.writer.write(_post("/large"))
        await asyncio.sleep(0.05)
        assert connection.transport.get_write_buffer_size() < 4_000_000
    wire.writer.transport.resume_reading()
    for _ in range(4):
        assert len(await wire.answer()) > 3_000_000
    assert await wire.ask(_post("/after")) == b'200 {"path":"/after","size":0}'


@pytest.mark.parametrize("requests", [1, 3])
async def test_a_peer_that_never_reads_is_dropped(wire: Wire, requests: int) -> None:
    """With what was kept for it, whichever protocol has the connection."""
    wire.writer.transport.pause_reading()
    wire.writer.write(_post("/large") * requests)
    async with asyncio.timeout(20):
        while wire.server.open_connections:  # noqa: ASYNC110 - nothing tells when the server drops one
            await asyncio.sleep(0.05)
