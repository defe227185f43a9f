"""One connection of another cluster's node: short requests are served here, everything else as usual.

Between two clusters the hop is the cost, not the search. What nodes send each other all the time (one short
whole request, then the next) needs little of what a server for everybody does, and is served here for
half the work. Whatever is not exactly that (a long body, an odd header, a head in pieces, bytes that are no
request, two requests at once) is replayed to :class:`isthmus.rest.serving_protocol.NodeHttpProtocol`, which
keeps the connection from then on: there is one place that knows what to do about it.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, cast
from uuid import uuid4

import httptools

from isthmus.errors import Failure, FailureKind
from isthmus.remotes.certificate_chain import verified_chain
from isthmus.remotes.plain_messages import plain_request
from isthmus.rest.http import HttpApplication, Peer, Request, Response
from isthmus.rest.limits import BufferedBytes, HttpLimits, too_many_connections
from isthmus.rest.serving_protocol import NodeHttpProtocol, Origin

logger = logging.getLogger(__name__)

#: a longer body is not a short request's
_SHORT_BYTES: Final = 64 * 1024
#: headers whose handling is the other protocol's
_NOT_FOR_HERE: Final = frozenset(
    {
        "connection",
        "content-encoding",
        "expect",
        "keep-alive",
        "proxy-connection",  # the parser takes it for "connection"
        "transfer-encoding",
        "upgrade",
    }
)
_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class LinkServer:
    """What the connections of a server share: limits, what is open, the work that a stop waits for."""

    limits: HttpLimits
    buffered: BufferedBytes
    open_connections: set[Any]
    running: set[asyncio.Task[None]]


class LinkHttpProtocol(asyncio.Protocol):
    """Serves one connection. Made by :class:`isthmus.rest.serving.HttpServer` only.

    ``general`` makes the protocol that takes the connection over.
    """

    def __init__(
        self,
        application: HttpApplication,
        origin: Origin,
        server: LinkServer,
        general: Callable[[], NodeHttpProtocol],
    ) -> None:
        self._application = application
        self._origin = origin
        self._limits = server.limits
        self._short_bytes = min(_SHORT_BYTES, server.limits.admission_bytes - 1)
        # head and body together: neither can then be longer than its own limit
        self._plain_bytes = min(
            self._short_bytes, server.limits.max_header_bytes, server.limits.max_request_line_bytes
        )
        self._buffered = server.buffered
        self._open_connections = server.open_connections
        self._running = server.running
        self._make_general = general
        self._loop = asyncio.get_running_loop()
        self._peer = Peer()
        #: what is not answered yet, and what the parser has made of it so far
        self._received = b""
        self._reader: _ShortRequest | None = None
        self._task: asyncio.Task[None] | None = None
        self._request: Request | None = None
        self._closing = False
        #: when the last bytes came or went
        self._waiting_since = self._loop.time()
        self._answered_any = False
        #: what is left to send since the other side reads too slowly; None where it keeps up
        self._unread_bytes: int | None = None
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Learn who is at the other end; refuse whom the origin does not admit, or one too many."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        tls: ssl.SSLSocket | None = transport.get_extra_info("ssl_object")
        address = transport.get_extra_info("peername")
        self._peer = Peer(
            address=self._origin.address or (address[0] if isinstance(address, tuple) else None),
            certificate=tls.getpeercert(binary_form=True) if tls is not None else None,
            encrypted=tls is not None,
            chain=verified_chain(tls),
        )
        self._open_connections.add(self)
        if not self.abort_if_not_admitted() and len(self._open_connections) > self._limits.max_connections:
            self._closing = True
            self._refuse(too_many_connections())

    def data_received(self, data: bytes) -> None:
        """Serve a request that is whole by now, or give the connection up to the general protocol."""
        if self._closing:
            return
        self._received += data
        self._waiting_since = self._loop.time()
        if self._task is None and self._unread_bytes is None:
            self._take_up(data)
        elif len(self._received) > self._short_bytes:  # the next request can wait, its sender too
            self.transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop work that only the lost caller wanted."""
        del exc
        self._closing = True
        self._open_connections.discard(self)
        task, request = self._task, self._request
        if task is None or request is None or task.done():
            return
        if self._application.may_be_abandoned(request.method, request.path):
            task.cancel()

    def pause_writing(self) -> None:
        """Serve nothing more to a caller who does not read what is answered."""
        self._unread_bytes = self.transport.get_write_buffer_size()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on where the caller has read on."""
        self._unread_bytes = None
        if self._task is None and not self._closing:
            self._go_on()

    # what the server asks of its connections

    def close_if_too_slow(self, now: float) -> None:
        """Close the connection of a caller that dawdles, does not read the answer, or does not come back."""
        if self._task is not None:
            return
        if self._unread_bytes is not None:
            self._abort_if_unread(now, self._unread_bytes)
            return
        limits = self._limits
        idle = limits.keep_alive_seconds if self._answered_any else limits.head_seconds
        allowed = limits.body_idle_seconds if self._received else idle
        if now - self._waiting_since > allowed:
            self.transport.close()

    def serves(self, application: HttpApplication) -> bool:
        """Answer whether this connection is one of that application's."""
        return self._application is application

    def abort_if_not_admitted(self) -> bool:
        """Drop the connection at once if it may not be any more; answer whether that was so."""
        admitted = self._origin.admits(self._peer)
        if not admitted:
            self._closing = True
            self.transport.abort()
        return not admitted

    def shutdown(self) -> None:
        """Close the connection as soon as it has answered what it is being asked."""
        self._closing = True
        if self._task is None:
            self.transport.close()

    # one request

    def _take_up(self, data: bytes) -> None:
        """Go on with a request: ``data`` is the part of it that the parser has not seen."""
        if self._reader is None and len(data) <= self._plain_bytes:
            plain = plain_request(data)
            if plain is not None:
                self._begin(*plain)
                return
        reader = self._reader or _ShortRequest(self._limits, self._short_bytes)
        reader.feed(data)
        if not reader.is_short or not reader.has_head:
            self._give_up()
            return
        self._reader = None if reader.is_complete else reader
        if reader.is_complete:
            self._begin(reader.path, reader.headers, reader.body)

    def _begin(self, path: str, headers: dict[str, str], body: bytes) -> None:
        """Have a whole request answered."""
        self._received = b""
        request = Request("POST", path, {}, headers, body, self._peer)
        try:
            self._buffered.reserve(len(request.body))
        except Failure as failure:
            self._refuse(failure)
            return
        self._request = request
        task = self._task = self._loop.create_task(self._serve(request))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _serve(self, request: Request) -> None:
        try:
            response = await self._respond(request)
            body = response.body
            text = body if isinstance(body, bytes) else b"".join([part async for part in body])
        finally:
            self._buffered.release(len(request.body))
        self._task = self._request = None
        self._answer(response, text)
        if self._received and not self._closing and self._unread_bytes is None:
            self._go_on()

    def _go_on(self) -> None:
        """Serve what came while there was something else to do."""
        self.transport.resume_reading()
        if self._received:
            self._take_up(self._received)

    def _abort_if_unread(self, now: float, unread_bytes: int) -> None:
        """Drop a connection on which nothing has left for too long: it holds an answer in memory."""
        left = self.transport.get_write_buffer_size()
        if left != unread_bytes:
            self._unread_bytes, self._waiting_since = left, now
        elif now - self._waiting_since > self._limits.body_idle_seconds:
            self.transport.abort()

    async def _respond(self, request: Request) -> Response:
        application = self._application
        try:
            return await application.handle(request)
        except asyncio.CancelledError:
            # The caller went away, or the node stops and its patience with this request is over.
            return application.refuse(
                Failure(FailureKind.UNAVAILABLE, "node_closed_exception", "the node is shutting down")
            )
        except Failure as failure:
            return application.refuse(failure)
        except Exception:
            reference = uuid4().hex
            logger.exception("request failed inside the server", extra={"reference": reference})
            return application.refuse(
                Failure(FailureKind.INTERNAL, "exception", f"internal error, reference [{reference}]")
            )

    def _answer(self, response: Response, body: bytes) -> None:
        """Write a whole answer, the last one if the connection is to close."""
        if self.transport.is_closing():
            return
        lines = [_STATUS_LINES[response.status], f"content-type: {response.content_type}\r\n"]
        lines.extend(f"{name}: {value}\r\n" for name, value in response.headers)
        if self._closing:
            lines.append("connection: close\r\n")
        lines.append(f"content-length: {len(body)}\r\n\r\n")
        self.transport.write("".join(lines).encode("latin-1", "replace") + body)
        self._answered_any = True
        self._waiting_since = self._loop.time()
        if self._closing:
            self.transport.close()

    def _refuse(self, failure: Failure) -> None:
        refusal = self._application.refuse(failure)
        self._answer(refusal, refusal.body if isinstance(refusal.body, bytes) else b"")

    def _give_up(self) -> None:
        """Have the general protocol take the connection over, with everything that is not answered yet."""
        received, self._received, self._reader = self._received, b"", None
        self._closing = True
        self._open_connections.discard(self)
        general = self._make_general()
        self.transport.set_protocol(general)
        general.connection_made(self.transport)
        general.data_received(received)


class _ShortRequest:
    """One request as far as it has come; ``is_short`` False: something was found that is not for here."""

    def __init__(self, limits: HttpLimits, most_body_bytes: int) -> None:
        self.is_short = True
        self.has_head = False
        self.is_complete = False
        self.path = ""
        self.headers: dict[str, str] = {}
        self.body = b""
        self._url = b""
        self._limits = limits
        self._most_body_bytes = most_body_bytes
        self._head_bytes = 0
        self._parser = httptools.HttpRequestParser(self)

    def feed(self, data: bytes) -> None:
        """Take more of it."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.is_short = False
        # A parser that refers to its listener is a circle: that would be garbage to collect.
        if self.is_complete or not self.is_short:
            del self._parser

    # called by the parser

    def on_message_begin(self) -> None:
        if self.is_complete:
            self.is_short = False  # the next request at once

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > self._limits.max_request_line_bytes:
            self.is_short = False

    def on_header(self, name: bytes, value: bytes) -> None:
        text = name.decode("latin-1").lower()
        self._head_bytes += len(name) + len(value) + len(": \r\n")
        if text in _NOT_FOR_HERE or text in self.headers or self._head_bytes > self._limits.max_header_bytes:
            self.is_short = False
        self.headers[text] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        parser, url = self._parser, self._url
        plain = url.startswith(b"/") and b"?" not in url and b"#" not in url and url.isascii()
        usual = parser.get_method() == b"POST" and parser.get_http_version() == "1.1"
        self.has_head = True
        if plain and usual and int(self.headers.get("content-length", "0")) <= self._most_body_bytes:
            self.path = url.decode("ascii")
        else:
            self.is_short = False

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.is_complete = True
