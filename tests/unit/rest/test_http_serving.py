"""The HTTP server over real sockets: raw bytes in, raw bytes out."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import orjson
import pytest
import pytest_asyncio
import trustme

from isthmus.errors import Failure, FailureKind
from isthmus.rest.elasticsearch.errors import failure_response
from isthmus.rest.http import Request, Response, json_response, parse_json
from isthmus.rest.limits import HttpLimits
from isthmus.rest.serving import HttpServer

HOST = "node.test"
LIMITS = HttpLimits(
    max_content_bytes=200_000,
    admission_bytes=50_000,
    max_buffered_bytes=1_000_000,
    head_seconds=0.2,
    body_idle_seconds=0.2,
    max_connections=300,
)


class Echo:
    """Answers with what it was asked; `/slow` waits for the bell, `/stream` streams, `/json` parses."""

    def __init__(self) -> None:
        self.bell = asyncio.Event()
        self.seen: list[Request] = []
        self.cancelled: list[str] = []
        self.admitted = True

    async def handle(self, request: Request) -> Response:
        self.seen.append(request)
        if request.path == "/slow":
            try:
                await self.bell.wait()
            except asyncio.CancelledError:
                self.cancelled.append(request.method)
                raise
        if request.path == "/stream":
            return Response(body=_parts())
        if request.path == "/broken":
            raise RuntimeError("a secret detail")
        if request.path == "/json":
            parse_json(request.body)
        if request.path == "/large":
            return Response(body=b"x" * 5000)
        return json_response(
            {
                "method": request.method,
                "path": request.path,
                "parameters": dict(request.parameters),
                "length": len(request.body),
                "peer": request.peer.address,
                "encrypted": request.peer.encrypted,
                "certificate": request.peer.certificate is not None,
            }
        )

    async def admit(self, head: Request) -> Response | None:
        assert not head.body
        if self.admitted:
            return None
        return self.refuse(Failure(FailureKind.UNAUTHENTICATED, "security_exception", "missing credentials"))

    def refuse(self, failure: Failure) -> Response:
        return failure_response(failure)

    def may_be_abandoned(self, method: str, path: str) -> bool:
        return method == "GET" and bool(path)


async def _parts() -> AsyncIterator[bytes]:
    for number in range(3):
        yield b"part %d;" % number


class Connection:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, *, head_only: bool = False) -> tuple[int, dict[str, str], bytes]:
        """Read one response."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)
        lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:-2]:
            name, _, value = line.partition(": ")
            headers[name] = value
        body = b""
        if headers.get("transfer-encoding") == "chunked":
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                body += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readexactly(2)
        elif not head_only:
            body = await asyncio.wait_for(self.reader.readexactly(int(headers.get("content-length", 0))), 5)
        return int(lines[0].split(" ")[1]), headers, body

    async def ask(self, data: bytes, *, head_only: bool = False) -> tuple[int, dict[str, str], bytes]:
        await self.send(data)
        return await self.answer(head_only=head_only)

    async def is_closed(self) -> bool:
        """Wait for the server to close, dropping what is left."""
        try:
            return await asyncio.wait_for(self.reader.read(), 5) is not None
        except ConnectionError:
            return True

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await self.writer.wait_closed()


class Running:
    """A server on loopback, with and without TLS."""

    def __init__(self, limits: HttpLimits, authority: trustme.CA, *, is_link: bool) -> None:
        self.is_link = is_link
        self.server = HttpServer(limits)
        self.application = Echo()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(HOST).configure_cert(self.context)
        authority.configure_trust(self.context)
        self.context.verify_mode = ssl.CERT_OPTIONAL
        self.client_context = ssl.create_default_context()
        authority.configure_trust(self.client_context)
        self.plain = _listener()
        self.secure = _listener()
        self.plain_address = self.plain.getsockname()
        self.secure_address = self.secure.getsockname()
        self.connections: list[Connection] = []

    def start(self) -> None:
        self.server.listen(self.plain, None, self.application, is_link=self.is_link)
        self.server.listen(self.secure, self.context, self.application, is_link=self.is_link)

    async def connect(self, *, secure: bool = False) -> Connection:
        streams = await asyncio.open_connection(
            *(self.secure_address if secure else self.plain_address),
            ssl=self.client_context if secure else None,
            server_hostname=HOST if secure else None,
        )
        connection = Connection(*streams)
        self.connections.append(connection)
        return connection

    async def stop(self) -> None:
        self.application.bell.set()
        for connection in self.connections:
            await connection.close()
        await self.server.stop(1.0)


def _listener() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    return listener


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Make the authority of this module's certificates."""
    return trustme.CA()


@pytest_asyncio.fixture(params=[False, True], ids=["for everybody", "for other nodes"])
async def start(
    authority: trustme.CA, request: pytest.FixtureRequest
) -> AsyncIterator[Callable[[HttpLimits], Running]]:
    """Give a function that starts servers; they are stopped in the end."""
    started: list[Running] = []

    def start_one(limits: HttpLimits) -> Running:
        one = Running(limits, authority, is_link=request.param)
        one.start()
        started.append(one)
        return one

    yield start_one
    for one in started:
        await one.stop()


@pytest_asyncio.fixture
async def running(start: Callable[[HttpLimits], Running]) -> Running:
    """Start a server with small limits."""
    return start(LIMITS)


def _get(path: str = "/", *headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: x", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


async def test_serves_several_requests_on_one_tls_connection(running: Running) -> None:
    """Keep-alive over TLS; the handler learns who is at the other end."""
    connection = await running.connect(secure=True)
    for number in range(3):
        status, headers, body = await connection.ask(_get(f"/path%20{number}?a=b%20c&d"))
        answer = orjson.loads(body)
        assert (status, answer["path"]) == (200, f"/path%20{number}")
        assert answer["parameters"] == {"a": "b c", "d": ""}
        assert (answer["peer"], answer["encrypted"], answer["certificate"]) == ("127.0.0.1", True, False)
        assert "connection" not in headers


async def test_shows_the_certificate_of_a_tls_client(running: Running, authority: trustme.CA) -> None:
    """A caller's certificate reaches the handler."""
    authority.issue_cert("client.test").configure_cert(running.client_context)
    connection = await running.connect(secure=True)
    _, _, body = await connection.ask(_get())
    assert orjson.loads(body)["certificate"] is True


async def test_serves_a_connection_that_was_handed_over(running: Running) -> None:
    """An accepted socket is served as if it had been accepted here."""
    listener = _listener()
    client = socket.create_connection(listener.getsockname())
    accepted, _ = listener.accept()
    listener.close()
    await running.server.serve_connection(accepted, None, running.application)
    connection = Connection(*await asyncio.open_connection(sock=client))
    running.connections.append(connection)
    status, _, _ = await connection.ask(_get())
    assert status == 200


async def test_serves_a_unix_socket(running: Running, tmp_path: Path) -> None:
    """Processes of the same machine are served without an address."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "node"))
    listener.listen()
    running.server.listen(listener, None, running.application)
    connection = Connection(*await asyncio.open_unix_connection(tmp_path / "node"))
    running.connections.append(connection)
    status, _, body = await connection.ask(_get())
    assert (status, orjson.loads(body)["peer"]) == (200, None)


async def test_answers_pipelined_requests_in_order(running: Running) -> None:
    """Requests sent at once are answered one after the other."""
    connection = await running.connect()
    await connection.send(b"".join(_post(f"/{number}", b"x" * number) for number in range(20)))
    for number in range(20):
        _, _, body = await connection.answer()
        assert (orjson.loads(body)["path"], orjson.loads(body)["length"]) == (f"/{number}", number)


async def test_junk_after_a_request_does_not_overtake_its_answer(running: Running) -> None:
    """The answer to the good request comes first, then the 400 of the junk, then the end."""
    connection = await running.connect()
    await connection.send(_get("/slow") + b"\x00junk\r\n\r\n")
    await asyncio.sleep(0.05)
    running.application.bell.set()
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
async def test_answers_what_is_no_request_with_400(running: Running, sent: bytes, secure: bool) -> None:
    """Bytes that make no request get a 400 in the usual shape, and the server goes on."""
    connection = await running.connect(secure=secure)
    status, _, body = await connection.ask(sent)
    assert status == 400
    assert orjson.loads(body)["status"] == 400
    again = await running.connect(secure=secure)
    assert (await again.ask(_get()))[0] == 200


async def test_an_endless_header_is_cut_off(running: Running) -> None:
    """A header without an end is refused although the parser has not seen its end."""
    connection = await running.connect()
    await connection.send(b"GET / HTTP/1.1\r\nA: ")
    for _ in range(6):
        await connection.send(b"a" * 10_000)
        await asyncio.sleep(0.01)
    status, _, body = await connection.answer()
    assert (status, orjson.loads(body)["error"]["type"]) == (400, "too_long_http_header_exception")


@pytest.mark.parametrize("secure", [False, True])
async def test_refuses_a_body_that_is_too_large_and_stays_usable(running: Running, secure: bool) -> None:
    """The 413 can be read although the caller sends on, and the next request is served."""
    connection = await running.connect(secure=secure)
    for size in (2_000_000, 300_000, 200_001):
        await connection.send(_post("/", b"x" * size))
        status, _, body = await connection.answer()
        assert (status, orjson.loads(body)["status"]) == (413, 413)
    assert not running.application.seen
    assert (await connection.ask(_get("/next")))[0] == 200


async def test_a_request_of_101_megabytes(start: Callable[[HttpLimits], Running]) -> None:
    """With the limits of a node it is refused, read to its end and forgotten; 100 are served."""
    running = start(HttpLimits())
    connection = await running.connect(secure=True)
    mebibyte = b"x" * 1024 * 1024
    for size, expected in ((101, 413), (100, 200)):
        await connection.send(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (size * len(mebibyte))
        )
        for _ in range(size):
            await connection.send(mebibyte)
        assert (await connection.answer())[0] == expected
    assert [len(request.body) for request in running.application.seen] == [100 * len(mebibyte)]


async def test_refuses_a_chunked_body_that_grows_too_large(running: Running) -> None:
    """Without an announced length the limit counts what has come."""
    connection = await running.connect()
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    await connection.send(
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 20 + b"0\r\n\r\n"
    )
    assert (await connection.answer())[0] == 413
    assert (await connection.ask(_get("/next")))[0] == 200


async def test_takes_a_chunked_body(running: Running) -> None:
    """Chunks are put together."""
    connection = await running.connect()
    sent = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    assert orjson.loads((await connection.ask(sent))[2])["length"] == 5


async def test_asks_before_a_large_body_is_read(running: Running) -> None:
    """A caller who would be turned away is turned away before the body, also a chunked one."""
    running.application.admitted = False
    connection = await running.connect()
    assert (await connection.ask(_post("/", b"x" * 60_000)))[0] == 401
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    await connection.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(5):
        await connection.send(chunk)
        await asyncio.sleep(0.02)
    assert (await connection.answer())[0] == 401
    assert not running.application.seen


async def test_all_bodies_together_have_a_limit(start: Callable[[HttpLimits], Running]) -> None:
    """What would fill the memory is refused with 429; what was held is given back."""
    running = start(HttpLimits(max_buffered_bytes=150_000))
    first, second = await running.connect(), await running.connect()
    await first.send(_post("/slow", b"x" * 100_000))
    await asyncio.sleep(0.1)
    status, _, body = await second.ask(_post("/", b"x" * 100_000))
    assert (status, orjson.loads(body)["error"]["type"]) == (429, "circuit_breaking_exception")
    running.application.bell.set()
    assert (await first.answer())[0] == 200
    assert (await second.ask(_post("/", b"x" * 100_000)))[0] == 200


async def test_expect_continue(running: Running) -> None:
    """A caller that waits for permission gets it, or the refusal instead."""
    connection = await running.connect()
    await connection.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert await connection.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert (await connection.ask(b"abc"))[0] == 200
    status, headers, _ = await connection.ask(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\nExpect: 100-continue\r\n\r\n"
    )
    assert (status, headers["connection"]) == (413, "close")
    assert await connection.is_closed()


async def test_head_has_the_length_and_no_body(running: Running) -> None:
    """HEAD is answered like GET, without the body; the next request is served."""
    connection = await running.connect()
    status, headers, body = await connection.ask(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", head_only=True)
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 0
    assert (await connection.ask(_get()))[0] == 200


async def test_streams_a_response(running: Running) -> None:
    """A body that is an iterator is sent in chunks."""
    connection = await running.connect()
    assert (await connection.ask(_get("/stream")))[2] == b"part 0;part 1;part 2;"


async def test_hides_what_broke(running: Running) -> None:
    """An application that raises is answered for with a 500 and a reference, nothing more."""
    connection = await running.connect()
    status, _, body = await connection.ask(_get("/broken"))
    assert status == 500
    assert b"secret" not in body
    assert orjson.loads(body)["error"]["reason"].startswith("internal error, reference [")


async def test_compresses_large_answers_on_plain_http_only(running: Running) -> None:
    """Over TLS a compressed answer could leak a secret."""
    plain, secure = await running.connect(), await running.connect(secure=True)
    _, headers, body = await plain.ask(_get("/large", "Accept-Encoding: deflate, gzip;q=0.5"))
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(body) == b"x" * 5000
    _, headers, body = await plain.ask(_get("/large", "Accept-Encoding: gzip;q=0"))
    assert ("content-encoding" in headers, len(body)) == (False, 5000)
    _, headers, body = await secure.ask(_get("/large", "Accept-Encoding: gzip"))
    assert ("content-encoding" in headers, len(body)) == (False, 5000)


async def test_unpacks_a_compressed_body_within_the_limit(running: Running) -> None:
    """A gzip body is unpacked; one that unpacks to too much is refused."""
    connection = await running.connect()
    packed = gzip.compress(b"x" * 100_000)
    _, _, body = await connection.ask(_post("/", packed, "Content-Encoding: gzip"))
    assert orjson.loads(body)["length"] == 100_000
    bomb = gzip.compress(b"\0" * 50_000_000)
    assert (await connection.ask(_post("/", bomb, "Content-Encoding: gzip")))[0] == 413
    assert (await connection.ask(_post("/", b"plain", "Content-Encoding: gzip")))[0] == 400
    assert (await connection.ask(_post("/", b"plain", "Content-Encoding: br")))[0] == 415


async def test_json_nested_a_hundred_thousand_deep_is_a_400(running: Running) -> None:
    """Deep nesting breaks nothing."""
    connection = await running.connect()
    assert (await connection.ask(_post("/json", b"[" * 100_000)))[0] == 400
    assert (await connection.ask(_post("/json", b'{"a":' * 30_000)))[0] == 400
    assert (await connection.ask(_post("/json", b'{"a":"\xff"}')))[0] == 400


async def test_closes_on_callers_that_dawdle(running: Running) -> None:
    """Half a head, half a body and nothing at all are each given up after their time."""
    half_head, half_body, silent = [await running.connect() for _ in range(3)]
    await half_head.send(b"GET / HTTP/1.1\r\nHost")
    await half_body.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
    for connection in (half_head, half_body, silent):
        assert await connection.is_closed()
    assert not running.application.seen
    assert running.server.open_connections == 0


async def test_a_slow_body_that_keeps_coming_is_served(running: Running) -> None:
    """Only silence is too slow."""
    connection = await running.connect()
    await connection.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n")
    for _ in range(15):
        await connection.send(b"x")
        await asyncio.sleep(0.1)
    assert orjson.loads((await connection.answer())[2])["length"] == 15


async def test_slow_work_is_not_the_callers_fault(running: Running) -> None:
    """A request that takes long is answered, also with the next one waiting behind it."""
    connection = await running.connect()
    await connection.send(_get("/slow") + b"GET /next HT")
    await asyncio.sleep(1.5)
    running.application.bell.set()
    assert (await connection.answer())[0] == 200
    assert (await connection.ask(b"TP/1.1\r\nHost: x\r\n\r\n"))[0] == 200


async def test_work_stops_when_its_caller_is_gone_unless_it_writes(running: Running) -> None:
    """What only reads is cancelled; a write is finished."""
    reading, writing = await running.connect(), await running.connect()
    await reading.send(_get("/slow"))
    await writing.send(_post("/slow", b"x"))
    await asyncio.sleep(0.1)
    await reading.close()
    await writing.close()
    await asyncio.sleep(0.1)
    assert running.application.cancelled == ["GET"]


async def test_upgrades_are_ignored(running: Running) -> None:
    """A request that offers an upgrade is answered as it stands."""
    connection = await running.connect()
    sent = _get("/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQ")
    status, headers, _ = await connection.ask(sent)
    assert (status, headers["connection"]) == (200, "close")


async def test_http_1_0_is_answered_and_closed(running: Running) -> None:
    """An old client gets its answer and the end of the connection."""
    connection = await running.connect()
    status, _, _ = await connection.ask(b"GET / HTTP/1.0\r\n\r\n")
    assert status == 200
    assert await connection.is_closed()


async def test_connections_above_the_limit_get_a_503(start: Callable[[HttpLimits], Running]) -> None:
    """The limit is said, not felt."""
    running = start(HttpLimits(max_connections=2))
    for _ in range(2):
        assert (await (await running.connect()).ask(_get()))[0] == 200
    refused = await running.connect()
    assert (await refused.answer())[0] == 503


async def test_two_hundred_at_once(running: Running) -> None:
    """Two hundred connections are served at the same time."""

    async def one(number: int) -> int:
        connection = await running.connect()
        await connection.send(_post("/slow", b"x" * number))
        status, _, body = await connection.answer()
        return status if orjson.loads(body)["length"] == number else 0

    asking = [asyncio.create_task(one(number)) for number in range(200)]
    while len(running.application.seen) < 200:  # noqa: ASYNC110 - the application keeps a plain list
        await asyncio.sleep(0.01)
    running.application.bell.set()
    assert await asyncio.gather(*asking) == [200] * 200


async def test_stop_lets_requests_finish(start: Callable[[HttpLimits], Running]) -> None:
    """A request in flight is answered, an idle connection closed, a new one refused."""
    running = start(LIMITS)
    busy, idle = await running.connect(), await running.connect(secure=True)
    await idle.ask(_get())
    await busy.send(_get("/slow"))
    await asyncio.sleep(0.05)
    stopping = asyncio.create_task(running.server.stop(5.0))
    assert await idle.is_closed()
    running.application.bell.set()
    assert (await busy.answer())[0] == 200
    await stopping
    with pytest.raises(ConnectionRefusedError):
        await running.connect()
    assert running.server.open_connections == 0


async def test_stop_gives_up_on_what_takes_too_long(start: Callable[[HttpLimits], Running]) -> None:
    """A request that is not done in time is told that the node goes away."""
    running = start(LIMITS)
    connection = await running.connect()
    await connection.send(_get("/slow"))
    await asyncio.sleep(0.05)
    await running.server.stop(0.1)
    status, _, body = await connection.answer()
    assert (status, orjson.loads(body)["error"]["type"]) == (503, "node_closed_exception")
    await connection.close()


async def test_a_failed_handshake_disturbs_nobody(running: Running) -> None:
    """Plain bytes on the TLS port are dropped."""
    connection = Connection(*await asyncio.open_connection(*running.secure.getsockname()))
    running.connections.append(connection)
    await connection.send(_get())
    assert await connection.is_closed()
    assert (await (await running.connect(secure=True)).ask(_get()))[0] == 200
