"""Bodies of requests over real sockets: within limits, asked about before they are read, unpacked."""

from __future__ import annotations

import asyncio
import gzip

import orjson
import pytest
from http_server_harness import RunningServer, StartsServers, get, post

from isthmus.rest.limits import HttpLimits


@pytest.mark.parametrize("secure", [False, True])
async def test_refuses_a_body_that_is_too_large_and_stays_usable(
    http_server: RunningServer, secure: bool
) -> None:
    """The 413 can be read although the caller sends on, and the next request is served."""
    connection = await http_server.connect(secure=secure)
    for size in (2_000_000, 300_000, 200_001):
        await connection.send(post("/", b"x" * size))
        status, _, body = await connection.answer()
        assert (status, orjson.loads(body)["status"]) == (413, 413)
    assert not http_server.application.seen
    assert (await connection.ask(get("/next")))[0] == 200


async def test_a_request_of_101_megabytes(start_http_server: StartsServers) -> None:
    """With the limits of a node it is refused, read to its end and forgotten; 100 are served."""
    http_server = start_http_server(HttpLimits())
    connection = await http_server.connect(secure=True)
    mebibyte = b"x" * 1024 * 1024
    for size, expected in ((101, 413), (100, 200)):
        await connection.send(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (size * len(mebibyte))
        )
        for _ in range(size):
            await connection.send(mebibyte)
        assert (await connection.answer())[0] == expected
    assert [len(request.body) for request in http_server.application.seen] == [100 * len(mebibyte)]


async def test_refuses_a_chunked_body_that_grows_too_large(http_server: RunningServer) -> None:
    """Without an announced length the limit counts what has come."""
    connection = await http_server.connect()
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    await connection.send(
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 20 + b"0\r\n\r\n"
    )
    assert (await connection.answer())[0] == 413
    assert (await connection.ask(get("/next")))[0] == 200


async def test_takes_a_chunked_body(http_server: RunningServer) -> None:
    """Chunks are put together."""
    connection = await http_server.connect()
    sent = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    assert orjson.loads((await connection.ask(sent))[2])["length"] == 5


async def test_asks_before_a_large_body_is_read(http_server: RunningServer) -> None:
    """A caller who would be turned away is turned away before the body, also a chunked one."""
    http_server.application.admitted = False
    connection = await http_server.connect()
    assert (await connection.ask(post("/", b"x" * 60_000)))[0] == 401
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    await connection.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(5):
        await connection.send(chunk)
        await asyncio.sleep(0.02)
    assert (await connection.answer())[0] == 401
    assert not http_server.application.seen


async def test_all_bodies_together_have_a_limit(start_http_server: StartsServers) -> None:
    """What would fill the memory is refused with 429; what was held is given back."""
    http_server = start_http_server(HttpLimits(max_buffered_bytes=150_000))
    first, second = await http_server.connect(), await http_server.connect()
    await first.send(post("/slow", b"x" * 100_000))
    await asyncio.sleep(0.1)
    status, _, body = await second.ask(post("/", b"x" * 100_000))
    assert (status, orjson.loads(body)["error"]["type"]) == (429, "circuit_breaking_exception")
    http_server.application.bell.set()
    assert (await first.answer())[0] == 200
    assert (await second.ask(post("/", b"x" * 100_000)))[0] == 200


async def test_expect_continue(http_server: RunningServer) -> None:
    """A caller that waits for permission gets it, or the refusal instead."""
    connection = await http_server.connect()
    await connection.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert await connection.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert (await connection.ask(b"abc"))[0] == 200
    status, headers, _ = await connection.ask(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\nExpect: 100-continue\r\n\r\n"
    )
    assert (status, headers["connection"]) == (413, "close")
    assert await connection.is_closed()


async def test_unpacks_a_compressed_body_within_the_limit(http_server: RunningServer) -> None:
    """A gzip body is unpacked; one that unpacks to too much is refused."""
    connection = await http_server.connect()
    packed = gzip.compress(b"x" * 100_000)
    _, _, body = await connection.ask(post("/", packed, "Content-Encoding: gzip"))
    assert orjson.loads(body)["length"] == 100_000
    bomb = gzip.compress(b"\0" * 50_000_000)
    assert (await connection.ask(post("/", bomb, "Content-Encoding: gzip")))[0] == 413
    assert (await connection.ask(post("/", b"plain", "Content-Encoding: gzip")))[0] == 400
    assert (await connection.ask(post("/", b"plain", "Content-Encoding: br")))[0] == 415


async def test_json_nested_a_hundred_thousand_deep_is_a_400(http_server: RunningServer) -> None:
    """Deep nesting breaks nothing."""
    connection = await http_server.connect()
    assert (await connection.ask(post("/json", b"[" * 100_000)))[0] == 400
    assert (await connection.ask(post("/json", b'{"a":' * 30_000)))[0] == 400
    assert (await connection.ask(post("/json", b'{"a":"\xff"}')))[0] == 400
