"""The HTTP server on loopback, and raw connections to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from typing import TypeAlias

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


class RunningServer:
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
        self.plain = bound_listener()
        self.secure = bound_listener()
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


def bound_listener() -> socket.socket:
    """Answer a socket that listens on a free loopback port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    return listener


StartsServers: TypeAlias = Callable[[HttpLimits], RunningServer]


@pytest.fixture(scope="session", name="http_authority")
def http_authority_() -> trustme.CA:
    """Make the authority of servers' and callers' certificates."""
    return trustme.CA()


@pytest_asyncio.fixture(
    params=[False, True], ids=["for everybody", "for other nodes"], name="start_http_server"
)
async def start_http_server_(
    http_authority: trustme.CA, request: pytest.FixtureRequest
) -> AsyncIterator[StartsServers]:
    """Give a function that starts servers; they are stopped in the end."""
    started: list[RunningServer] = []

    def start_one(limits: HttpLimits) -> RunningServer:
        one = RunningServer(limits, http_authority, is_link=request.param)
        one.start()
        started.append(one)
        return one

    yield start_one
    for one in started:
        await one.stop()


@pytest_asyncio.fixture(name="http_server")
async def http_server_(start_http_server: StartsServers) -> RunningServer:
    """Start a server with small limits."""
    return start_http_server(LIMITS)


def get(path: str = "/", *headers: str) -> bytes:
    """Answer the bytes of a request without a body."""
    lines = [f"GET {path} HTTP/1.1", "Host: x", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def post(path: str, body: bytes, *headers: str) -> bytes:
    """Answer the bytes of a request with this body."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
