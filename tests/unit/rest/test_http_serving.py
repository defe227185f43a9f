"""The HTTP server over real sockets: raw bytes in, raw bytes out."""

from __future__ import annotations

import asyncio
import gzip
import socket
from pathlib import Path

import orjson
import pytest
import trustme
from http_server_harness import Connection, RunningServer, bound_listener, get, post


async def test_serves_several_requests_on_one_tls_connection(http_server: RunningServer) -> None:
    """Keep-alive over TLS; the handler learns who is at the other end."""
    connection = await http_server.connect(secure=True)
    for number in range(3):
        status, headers, body = await connection.ask(get(f"/path%20{number}?a=b%20c&d"))
        answer = orjson.loads(body)
        assert (status, answer["path"]) == (200, f"/path%20{number}")
        assert answer["parameters"] == {"a": "b c", "d": ""}
        assert (answer["peer"], answer["encrypted"], answer["certificate"]) == ("127.0.0.1", True, False)
        assert "connection" not in headers


async def test_shows_the_certificate_of_a_tls_client(
    http_server: RunningServer, http_authority: trustme.CA
) -> None:
    """A caller's certificate reaches the handler."""
    http_authority.issue_cert("client.test").configure_cert(http_server.client_context)
    connection = await http_server.connect(secure=True)
    _, _, body = await connection.ask(get())
    assert orjson.loads(body)["certificate"] is True


async def test_serves_a_connection_that_was_handed_over(http_server: RunningServer) -> None:
    """An accepted socket is served as if it had been accepted here."""
    listener = bound_listener()
    client = socket.create_connection(listener.getsockname())
    accepted, _ = listener.accept()
    listener.close()
    await http_server.server.serve_connection(accepted, None, http_server.application)
    connection = Connection(*await asyncio.open_connection(sock=client))
    http_server.connections.append(connection)
    status, _, _ = await connection.ask(get())
    assert status == 200


async def test_serves_a_unix_socket(http_server: RunningServer, tmp_path: Path) -> None:
    """Processes of the same machine are served without an address."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "node"))
    listener.listen()
    http_server.server.listen(listener, None, http_server.application)
    connection = Connection(*await asyncio.open_unix_connection(tmp_path / "node"))
    http_server.connections.append(connection)
    status, _, body = await connection.ask(get())
    assert (status, orjson.loads(body)["peer"]) == (200, None)


async def test_answers_pipelined_requests_in_order(http_server: RunningServer) -> None:
    """Requests sent at once are answered one after the other."""
    connection = await http_server.connect()
    await connection.send(b"".join(post(f"/{number}", b"x" * number) for number in range(20)))
    for number in range(20):
        _, _, body = await connection.answer()
        assert (orjson.loads(body)["path"], orjson.loads(body)["length"]) == (f"/{number}", number)


async def test_junk_after_a_request_does_not_overtake_its_answer(http_server: RunningServer) -> None:
    """The answer to the good request comes first, then the 400 of the junk, then the end."""
    connection = await http_server.connect()
    await connection.send(get("/slow") + b"\x00junk\r\n\r\n")
    await asyncio.sleep(0.05)
    http_server.application.bell.set()
    assert (await connection.answer())[0] == 200
    status, headers, body = await connection.answer()
    assert (status, headers["connection"]) == (400, "close")
    assert orjson.loads(body)["status"] == 400
    assert await connection.is_closed()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT host:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET nonsense HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nbroken header\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 30_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"A%d: b\r\n" % n for n in range(3000)) + b"\r\n",
        b"GET /?a=%ff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /?a=%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
@pytest.mark.parametrize("secure", [False, True])
async def test_answers_what_is_no_request_with_400(
    http_server: RunningServer, sent: bytes, secure: bool
) -> None:
    """Bytes that make no request get a 400 in the usual shape, and the server goes on."""
    connection = await http_server.connect(secure=secure)
    status, _, body = await connection.ask(sent)
    assert status == 400
    assert orjson.loads(body)["status"] == 400
    again = await http_server.connect(secure=secure)
    assert (await again.ask(get()))[0] == 200


async def test_an_endless_header_is_cut_off(http_server: RunningServer) -> None:
    """A header without an end is refused although the parser has not seen its end."""
    connection = await http_server.connect()
    await connection.send(b"GET / HTTP/1.1\r\nA: ")
    for _ in range(6):
        await connection.send(b"a" * 10_000)
        await asyncio.sleep(0.01)
    status, _, body = await connection.answer()
    assert (status, orjson.loads(body)["error"]["type"]) == (400, "too_long_http_header_exception")


async def test_head_has_the_length_and_no_body(http_server: RunningServer) -> None:
    """HEAD is answered like GET, without the body; the next request is served."""
    connection = await http_server.connect()
    status, headers, body = await connection.ask(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", head_only=True)
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 0
    assert (await connection.ask(get()))[0] == 200


async def test_streams_a_response(http_server: RunningServer) -> None:
    """A body that is an iterator is sent in chunks."""
    connection = await http_server.connect()
    assert (await connection.ask(get("/stream")))[2] == b"part 0;part 1;part 2;"


async def test_hides_what_broke(http_server: RunningServer) -> None:
    """An application that raises is answered for with a 500 and a reference, nothing more."""
    connection = await http_server.connect()
    status, _, body = await connection.ask(get("/broken"))
    assert status == 500
    assert b"secret" not in body
    assert orjson.loads(body)["error"]["reason"].startswith("internal error, reference [")


async def test_compresses_large_answers_on_plain_http_only(http_server: RunningServer) -> None:
    """Over TLS a compressed answer could leak a secret."""
    plain, secure = await http_server.connect(), await http_server.connect(secure=True)
    _, headers, body = await plain.ask(get("/large", "Accept-Encoding: deflate, gzip;q=0.5"))
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(body) == b"x" * 5000
    _, headers, body = await plain.ask(get("/large", "Accept-Encoding: gzip;q=0"))
    assert ("content-encoding" in headers, len(body)) == (False, 5000)
    _, headers, body = await secure.ask(get("/large", "Accept-Encoding: gzip"))
    assert ("content-encoding" in headers, len(body)) == (False, 5000)


async def test_upgrades_are_ignored(http_server: RunningServer) -> None:
    """A request that offers an upgrade is answered as it stands."""
    connection = await http_server.connect()
    sent = get("/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQ")
    status, headers, _ = await connection.ask(sent)
    assert (status, headers["connection"]) == (200, "close")


async def test_http_1_0_is_answered_and_closed(http_server: RunningServer) -> None:
    """An old client gets its answer and the end of the connection."""
    connection = await http_server.connect()
    status, _, _ = await connection.ask(b"GET / HTTP/1.0\r\n\r\n")
    assert status == 200
    assert await connection.is_closed()
