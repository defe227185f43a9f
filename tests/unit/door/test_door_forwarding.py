"""TLS that ends at the door: each request finds its node by its headers."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from door_harness import DOMAIN, KnownNodes
from yarl import URL

from isthmus.control.addresses import parse_address_or_none
from isthmus.door.forwarding import Forwarder, passed_on
from isthmus.door.routing import NodeAddress

RUNNING, STOPPED, DYING = "a" * 32, "b" * 32, "d" * 32


async def _answer(request: web.BaseRequest) -> web.StreamResponse:
    """Tell what arrived; a few paths behave otherwise."""
    if request.path == "/gzip":
        return web.Response(body=b"not really", headers={"Content-Encoding": "gzip", "X-Node": "1"})
    if request.path == "/stream":
        stream = web.StreamResponse()
        await stream.prepare(request)
        for number in range(3):
            await stream.write(b"%d\n" % number)
            await asyncio.sleep(0.01)
        await stream.write_eof()
        return stream
    if request.path == "/broken":
        stream = web.StreamResponse(headers={"Content-Length": "1000"})
        await stream.prepare(request)
        await stream.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return stream
    if request.path == "/_doc/missing":
        return web.json_response({"found": False}, status=404)
    body = await request.read()
    told = {
        "method": request.method,
        "target": request.raw_path,
        "headers": {name.lower(): value for name, value in request.headers.items()},
        "body_bytes": len(body),
    }
    return web.json_response(told)


@pytest.fixture
async def port(nodes: KnownNodes, server_context: ssl.SSLContext, socket_folder: Path) -> AsyncIterator[int]:
    """Answer the port of a forwarder in front of one node that runs, one stopped, one dying."""
    loop = asyncio.get_running_loop()
    upstream = web.Server(_answer, access_log=None)
    node = await loop.create_unix_server(upstream, str(socket_folder / "http"))
    nodes.running[RUNNING] = NodeAddress(socket_folder / "door", socket_folder / "http")
    nodes.running[DYING] = NodeAddress(socket_folder / "door", socket_folder / "nothing")
    nodes.stopped.add(STOPPED)
    forwarder = Forwarder(
        domain=DOMAIN, nodes=nodes, context=server_context, first_request_timeout_seconds=0.5
    )
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0)

    async def accept() -> None:
        while True:
            connection, address = await loop.sock_accept(listener)
            try:
                await forwarder.serve(connection, parse_address_or_none(address[0]))
            except OSError:
                continue

    accepting = asyncio.create_task(accept())
    yield listener.getsockname()[1]
    accepting.cancel()
    await asyncio.gather(accepting, return_exceptions=True)
    await forwarder.close()
    await upstream.shutdown(1)
    node.close()
    listener.close()


@pytest.fixture
async def client(client_context: ssl.SSLContext) -> AsyncIterator[aiohttp.ClientSession]:
    """Answer a client that trusts the door."""
    connector = aiohttp.TCPConnector(ssl=client_context)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        yield session


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Found-Cluster": RUNNING},
        {"x-found-cluster": f" {RUNNING.upper()} "},
        {"Host": f"{RUNNING}.{DOMAIN}"},
        {"Host": f"{RUNNING}.{DOMAIN.upper()}:9243"},
        {"Host": f"{STOPPED}.{DOMAIN}", "X-Found-Cluster": RUNNING},
    ],
)
async def test_headers_lead_to_the_node(
    port: int, client: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    """``X-Found-Cluster`` first, then the host's name, in any case of letters."""
    async with client.get(f"https://127.0.0.1:{port}/", headers=headers) as answer:
        assert answer.status == 200
        assert (await answer.json())["method"] == "GET"


@pytest.mark.parametrize(
    ("headers", "status", "message"),
    [
        ({}, 404, "Unknown resource."),
        ({"X-Found-Cluster": "c" * 32}, 404, "Unknown resource."),
        ({"X-Found-Cluster": "../x"}, 404, "Unknown resource."),
        ({"Host": DOMAIN}, 404, "Unknown resource."),
        ({"Host": f"{RUNNING}.other.localhost"}, 404, "Unknown resource."),
        ({"X-Found-Cluster": STOPPED}, 503, "The requested deployment is currently unavailable."),
        ({"X-Found-Cluster": DYING}, 503, "The requested deployment is currently unavailable."),
    ],
)
async def test_headers_that_lead_nowhere(
    port: int, client: aiohttp.ClientSession, headers: dict[str, str], status: int, message: str
) -> None:
    """Answered in the shape of Elastic's proxies."""
    async with client.get(f"https://127.0.0.1:{port}/x", headers=headers) as answer:
        assert answer.status == status
        assert await answer.json() == {"ok": False, "message": message}


async def test_the_door_tells_its_health(port: int, client: aiohttp.ClientSession) -> None:
    """Without a deployment's name."""
    async with client.get(f"https://localhost:{port}/_health") as answer:
        assert (answer.status, await answer.json()) == (200, {"ok": True, "status": 200})


async def test_a_request_arrives_as_it_was_sent(port: int, client: aiohttp.ClientSession) -> None:
    """Target, body and headers; without those of the hop, with who asks."""
    headers = {
        "X-Found-Cluster": RUNNING,
        "Authorization": "ApiKey abc",
        "X-Forwarded-For": "6.6.6.6",
        "Connection": "keep-alive, X-Hop",
        "X-Hop": "1",
    }
    target = "/in%2Fdex/_doc/%C3%A4?q=a%20b&q=+c"
    url = f"https://127.0.0.1:{port}{target}"

    async with client.put(URL(url, encoded=True), headers=headers, data=b"x" * 300_000) as answer:
        told = await answer.json()
    assert (told["method"], told["target"], told["body_bytes"]) == ("PUT", target, 300_000)
    assert told["headers"]["authorization"] == "ApiKey abc"
    assert told["headers"]["content-length"] == "300000"
    assert told["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert told["headers"]["x-forwarded-proto"] == "https"
    assert not {"x-hop", "x-found-cluster", "transfer-encoding"} & told["headers"].keys()


async def test_a_streamed_body_arrives(port: int, client: aiohttp.ClientSession) -> None:
    """Of unknown length, after a request for permission to send it."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"y" * 1000
            await asyncio.sleep(0)

    url = f"https://127.0.0.1:{port}/_bulk"
    headers = {"X-Found-Cluster": RUNNING}
    async with client.post(url, headers=headers, data=pieces(), expect100=True) as answer:
        told = await answer.json()
    assert told["body_bytes"] == 10_000


async def test_an_answer_passes_unchanged(port: int, client: aiohttp.ClientSession) -> None:
    """Status, encoding and pieces."""
    headers = {"X-Found-Cluster": RUNNING}
    async with client.get(f"https://127.0.0.1:{port}/gzip", headers=headers) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["X-Node"] == "1"
        assert await answer.read() == b"not really"
    async with client.get(f"https://127.0.0.1:{port}/stream", headers=headers) as answer:
        assert await answer.read() == b"0\n1\n2\n"
    async with client.get(f"https://127.0.0.1:{port}/_doc/missing", headers=headers) as answer:
        assert (answer.status, await answer.json()) == (404, {"found": False})
    async with client.head(f"https://127.0.0.1:{port}/", headers=headers) as answer:
        assert answer.status == 200
        assert await answer.read() == b""


async def test_half_an_answer_does_not_look_whole(port: int, client: aiohttp.ClientSession) -> None:
    """A node that dies in the middle breaks the caller's connection too."""
    url, headers = f"https://127.0.0.1:{port}/broken", {"X-Found-Cluster": RUNNING}
    with pytest.raises(aiohttp.ClientError):
        await _read(client, url, headers)


async def test_a_connection_without_a_request_is_closed(port: int, client_context: ssl.SSLContext) -> None:
    """Also where it sends half a head; one that has had an answer is kept."""
    silent, half, kept = [
        await asyncio.open_connection("127.0.0.1", port, ssl=client_context) for _ in range(3)
    ]
    half[1].write(b"GET / HTTP/1.1\r\nHost: x")
    health = b"GET /_health HTTP/1.1\r\nHost: x\r\n\r\n"
    kept[1].write(health)
    assert await asyncio.wait_for(kept[0].readline(), 5) == b"HTTP/1.1 200 OK\r\n"
    assert await asyncio.wait_for(silent[0].read(), 5) == b""
    assert await asyncio.wait_for(half[0].read(), 5) == b""
    kept[1].write(health)
    await asyncio.wait_for(kept[0].readuntil(b"200 OK\r\n"), 5)
    for _, writer in (silent, half, kept):
        writer.close()


async def test_what_is_not_http_is_refused(port: int, client_context: ssl.SSLContext) -> None:
    """Junk behind TLS, and a target that is no path."""
    for junk in (b"\x00\x01\x02\r\n\r\n", b"GET http://evil/ HTTP/1.1\r\nHost: x\r\n\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_context)
        writer.write(junk)
        assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.")
        writer.close()


def test_headers_of_one_hop_are_not_passed_on() -> None:
    """Those that the standard lists, and those that the sender lists."""
    headers = [("Connection", "close, X-Mine"), ("x-mine", "1"), ("TE", "trailers"), ("Accept", "*/*")]
    assert passed_on(headers, frozenset()) == [("Accept", "*/*")]
    assert passed_on([("Expect", "x"), ("A", "b")], frozenset({"expect"})) == [("A", "b")]


async def _read(client: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> object:
    async with client.get(url, headers=headers) as answer:
        return json.loads(await answer.read())
