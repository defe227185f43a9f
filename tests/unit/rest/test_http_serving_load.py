"""The HTTP server with slow, many and lost callers, and its end."""

from __future__ import annotations

import asyncio

import orjson
import pytest
from http_server_harness import LIMITS, Connection, RunningServer, StartsServers, get, post

from isthmus.rest.limits import HttpLimits


async def test_closes_on_callers_that_dawdle(http_server: RunningServer) -> None:
    """Half a head, half a body and nothing at all are each given up after their time."""
    half_head, half_body, silent = [await http_server.connect() for _ in range(3)]
    await half_head.send(b"GET / HTTP/1.1\r\nHost")
    await half_body.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
    for connection in (half_head, half_body, silent):
        assert await connection.is_closed()
    assert not http_server.application.seen
    assert http_server.server.open_connections == 0


async def test_a_slow_body_that_keeps_coming_is_served(http_server: RunningServer) -> None:
    """Only silence is too slow."""
    connection = await http_server.connect()
    await connection.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n")
    for _ in range(15):
        await connection.send(b"x")
        await asyncio.sleep(0.1)
    assert orjson.loads((await connection.answer())[2])["length"] == 15


async def test_slow_work_is_not_the_callers_fault(http_server: RunningServer) -> None:
    """A request that takes long is answered, also with the next one waiting behind it."""
    connection = await http_server.connect()
    await connection.send(get("/slow") + b"GET /next HT")
    await asyncio.sleep(1.5)
    http_server.application.bell.set()
    assert (await connection.answer())[0] == 200
    assert (await connection.ask(b"TP/1.1\r\nHost: x\r\n\r\n"))[0] == 200


async def test_work_stops_when_its_caller_is_gone_unless_it_writes(http_server: RunningServer) -> None:
    """What only reads is cancelled; a write is finished."""
    reading, writing = await http_server.connect(), await http_server.connect()
    await reading.send(get("/slow"))
    await writing.send(post("/slow", b"x"))
    await asyncio.sleep(0.1)
    await reading.close()
    await writing.close()
    await asyncio.sleep(0.1)
    assert http_server.application.cancelled == ["GET"]


async def test_connections_above_the_limit_get_a_503(start_http_server: StartsServers) -> None:
    """The limit is said, not felt."""
    http_server = start_http_server(HttpLimits(max_connections=2))
    for _ in range(2):
        assert (await (await http_server.connect()).ask(get()))[0] == 200
    refused = await http_server.connect()
    assert (await refused.answer())[0] == 503


async def test_two_hundred_at_once(http_server: RunningServer) -> None:
    """Two hundred connections are served at the same time."""

    async def one(number: int) -> int:
        connection = await http_server.connect()
        await connection.send(post("/slow", b"x" * number))
        status, _, body = await connection.answer()
        return status if orjson.loads(body)["length"] == number else 0

    asking = [asyncio.create_task(one(number)) for number in range(200)]
    while len(http_server.application.seen) < 200:  # noqa: ASYNC110 - the application keeps a plain list
        await asyncio.sleep(0.01)
    http_server.application.bell.set()
    assert await asyncio.gather(*asking) == [200] * 200


async def test_stop_lets_requests_finish(start_http_server: StartsServers) -> None:
    """A request in flight is answered, an idle connection closed, a new one refused."""
    http_server = start_http_server(LIMITS)
    busy, idle = await http_server.connect(), await http_server.connect(secure=True)
    await idle.ask(get())
    await busy.send(get("/slow"))
    await asyncio.sleep(0.05)
    stopping = asyncio.create_task(http_server.server.stop(5.0))
    assert await idle.is_closed()
    http_server.application.bell.set()
    assert (await busy.answer())[0] == 200
    await stopping
    with pytest.raises(ConnectionRefusedError):
        await http_server.connect()
    assert http_server.server.open_connections == 0


async def test_stop_gives_up_on_what_takes_too_long(start_http_server: StartsServers) -> None:
    """A request that is not done in time is told that the node goes away."""
    http_server = start_http_server(LIMITS)
    connection = await http_server.connect()
    await connection.send(get("/slow"))
    await asyncio.sleep(0.05)
    await http_server.server.stop(0.1)
    status, _, body = await connection.answer()
    assert (status, orjson.loads(body)["error"]["type"]) == (503, "node_closed_exception")
    await connection.close()


async def test_a_failed_handshake_disturbs_nobody(http_server: RunningServer) -> None:
    """Plain bytes on the TLS port are dropped."""
    connection = Connection(*await asyncio.open_connection(*http_server.secure.getsockname()))
    http_server.connections.append(connection)
    await connection.send(get())
    assert await connection.is_closed()
    assert (await (await http_server.connect(secure=True)).ask(get()))[0] == 200
