"""One HTTP/1.1 connection: uvicorn's protocol with the limits and the peer that a node needs.

What is added to uvicorn's: who is at the other end (address, certificate), limits on the request
line and headers, a 400 in the dialect of the port that never overtakes an earlier answer,
deadlines against slow senders, and the cancelling of work that nobody waits for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from isthmus.errors import Failure
from isthmus.remotes.certificate_chain import verified_chain
from isthmus.rest.asgi import AsgiApplication, Fields, plain_answer
from isthmus.rest.http import HttpApplication, Peer
from isthmus.rest.limits import (
    HttpLimits,
    header_too_large,
    malformed_request,
    request_line_too_large,
    too_many_connections,
)

logger = logging.getLogger(__name__)


#: how long an answer that ends a connection is left to be read while what still comes is dropped
_LINGER_SECONDS: Final = 2.0


def _admits_everybody(_peer: Peer) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of a connection that was handed over: the client's address, and whether it may be.

    ``admits`` is asked when the TLS handshake is over and whenever
    :meth:`isthmus.rest.serving.HttpServer.recheck_connections` is called. It must not raise.
    """

    address: str | None = None
    admits: Callable[[Peer], bool] = _admits_everybody


_NO_ORIGIN: Final = Origin()


class NodeHttpProtocol(HttpToolsProtocol):
    """Serves one connection. Made by :class:`isthmus.rest.serving.HttpServer` only."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        application: AsgiApplication,
        limits: HttpLimits,
        origin: Origin = _NO_ORIGIN,
    ) -> None:
        super().__init__(config, server_state, app_state={})
        self.app = application  # only handed to _start_asgi_task
        self.access_log = False
        self.timeout_keep_alive = limits.keep_alive_seconds  # type: ignore[assignment]  # only given to call_later
        self._application = application
        self._limits = limits
        self._origin = origin
        self._extensions: dict[str, Any] = {}
        self._running: tuple[asyncio.Task[None], RequestResponseCycle] | None = None
        #: when the head that is awaited or half received began; None outside of a head
        self._head_since: float | None = None
        #: when the last piece of an unfinished body came; None outside of a body
        self._body_active_at: float | None = None
        self._heads_begun = 0
        self._head_bytes = 0
        self._header_bytes = 0
        self._discarded_bytes = 0
        self._head_failure: Failure | None = None
        #: an answer that ends the connection, kept until the answers before it are out
        self._last_words: bytes | None = None
        self._close_at: float | None = None
        #: what was left to send when the sweep last looked and since when: the caller reads too slowly
        self._unread: tuple[int, float] | None = None
        #: True: whatever arrives is dropped
        self._deaf = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Learn who is at the other end; refuse a connection above the limit."""
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        self._extensions["isthmus.peer"] = Peer(
            address=self._origin.address or (self.client[0] if self.client else None),
            certificate=tls.getpeercert(binary_form=True) if tls is not None else None,
            encrypted=tls is not None,
            chain=verified_chain(tls),
        )
        self._head_since = self.loop.time()
        if not self.abort_if_not_admitted() and len(self.connections) > self._limits.max_connections:
            self._end_with(too_many_connections())

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop work that only the lost caller wanted."""
        self._deaf = True
        super().connection_lost(exc)
        self.pipeline.clear()
        if self._running is not None:
            task, cycle = self._running
            cycle.disconnected = True
            cycle.message_event.set()
            if not task.done() and self._application.may_be_abandoned(cycle.scope):
                task.cancel()

    def data_received(self, data: bytes) -> None:
        """Feed the parser, within the limits."""
        if self._deaf:
            return
        self._unset_keepalive_if_required()
        if self._body_active_at is not None:
            self._body_active_at = self.loop.time()
        elif self._head_since is None:
            self._head_since = self.loop.time()
        heads_begun, within_head = self._heads_begun, self._head_since is not None
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # No upgrade is offered, so the request is answered as it stands; the parser is done for.
            self._deaf = True
            self.cycle.keep_alive = False
            if self.cycle.response_complete:
                self.transport.close()
            return
        except httptools.HttpParserError:
            self._end_with(self._head_failure or malformed_request())
            return
        if within_head and self._head_since is not None and self._heads_begun == heads_begun:
            # The parser keeps half a header to itself: only the bytes fed tell how long it is.
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.max_header_bytes + self._limits.max_request_line_bytes:
                self._end_with(header_too_large(self._limits))

    def on_message_begin(self) -> None:
        """Start a request."""
        super().on_message_begin()
        self.scope["extensions"] = self._extensions  # one for the connection
        self._heads_begun += 1
        self._head_since = self._head_since or self.loop.time()
        self._head_bytes = 0
        self._header_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request line."""
        super().on_url(url)
        if len(self.url) > self._limits.max_request_line_bytes:
            self._refuse_head(request_line_too_large(self._limits))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header."""
        self._header_bytes += len(name) + len(value) + len(": \r\n")
        if self._header_bytes > self._limits.max_header_bytes:
            self._refuse_head(header_too_large(self._limits))
        super().on_header(name, value)

    def _refuse_head(self, failure: Failure) -> None:
        self._head_failure = failure
        raise ValueError(failure.error_type)  # the parser stops and reports to data_received

    def on_headers_complete(self) -> None:
        """Start the work for a request whose head is complete."""
        super().on_headers_complete()  # raises for a target that is no path
        self._head_since = None
        self._body_active_at = self.loop.time()
        self._discarded_bytes = 0

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body, or drop it where the answer is already out."""
        if not self.cycle.response_complete:
            super().on_body(body)
            return
        self._discarded_bytes += len(body)
        if self._discarded_bytes > self._limits.max_discarded_bytes:
            self._deaf = True
            self.transport.close()

    def on_message_complete(self) -> None:
        """End the reception of a request."""
        self._body_active_at = None
        if self.cycle.response_complete:  # its body was dropped: now the next request is awaited
            self._head_since = self.loop.time()
            if not self.cycle.keep_alive:
                self.transport.close()
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        async def serve(scope: Any, receive: Any, send: Any) -> None:
            await app.serve(scope, receive, send, send_whole)

        async def send_whole(status: int, fields: Fields, body: bytes) -> None:
            await _send_whole(cycle, status, fields, body)

        task = self.loop.create_task(cycle.run_asgi(serve))
        self._running = (task, cycle)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def on_response_complete(self) -> None:
        """Go on with the next request, or say the last words."""
        super().on_response_complete()
        if self._last_words is not None and not self._answering():
            self._say_last_words()

    def _answering(self) -> bool:
        return bool(self.pipeline) or (self._running is not None and not self._running[1].response_complete)

    def close_if_too_slow(self, now: float) -> None:
        """Close the connection of a caller that dawdles in a request, or does not read the answer."""
        if self._close_at is not None:
            if now >= self._close_at:
                self.transport.close()
            return
        if self.flow.write_paused:
            self._abort_if_unread(now)
        else:
            self._unread = None
        if self.flow.read_paused or (self._head_since is not None and self._answering()):
            # What is late is this side's doing: the caller's time starts afresh.
            self._head_since = now if self._head_since is not None else None
            self._body_active_at = now if self._body_active_at is not None else None
            return
        head_overdue = self._head_since is not None and now - self._head_since > self._limits.head_seconds
        body_overdue = (
            self._body_active_at is not None and now - self._body_active_at > self._limits.body_idle_seconds
        )
        if (head_overdue or body_overdue) and not self.transport.is_closing():
            logger.debug("slow request dropped", extra={"peer": self.client})
            self._deaf = True
            self.transport.close()

    def _abort_if_unread(self, now: float) -> None:
        """Drop a connection on which nothing has left for too long: it holds an answer in memory."""
        left = self.transport.get_write_buffer_size()
        if self._unread is None or self._unread[0] != left:
            self._unread = (left, now)
        elif now - self._unread[1] > self._limits.body_idle_seconds:
            logger.debug("answer that nobody reads dropped", extra={"peer": self.client})
            self.abort()

    def serves(self, application: HttpApplication) -> bool:
        """Answer whether this connection is one of that application's."""
        return self._application.is_of(application)

    def abort_if_not_admitted(self) -> bool:
        """Drop the connection at once if it may not be any more; answer whether that was so."""
        admitted = self._origin.admits(self._extensions["isthmus.peer"])
        if not admitted:
            self.abort()
        return not admitted

    def abort(self) -> None:
        """Drop the connection at once."""
        self._deaf = True
        self.transport.abort()

    def _end_with(self, failure: Failure) -> None:
        """Answer the failure as soon as every earlier request is answered, and close."""
        self._deaf = True
        self._head_since = None
        self._last_words = plain_answer(self._application.refuse(failure))
        cut_off = self.cycle
        if self._body_active_at is not None and not cut_off.response_complete:
            # The request that broke off in its body: nothing answers it but these last words.
            cut_off.disconnected = True
            cut_off.message_event.set()
            if self.pipeline and self.pipeline[0][0] is cut_off:
                self.pipeline.popleft()
            elif cut_off.response_started:
                self.transport.close()
            else:
                self._say_last_words()
            return
        if not self._answering():
            self._say_last_words()

    def _say_last_words(self) -> None:
        words = self._last_words
        if words is None or self.transport.is_closing():
            return
        # Closing now, with bytes of the caller unread, would reset the connection and lose the answer.
        self.transport.write(words)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._unset_keepalive_if_required()
        self.flow.resume_reading()
        self._close_at = self.loop.time() + _LINGER_SECONDS


async def _send_whole(cycle: RequestResponseCycle, status: int, fields: Fields, body: bytes) -> None:
    """Write a whole response and bring uvicorn's cycle into the state that its own ``send`` leaves.

    Raises :class:`ValueError`, before anything is written, for a line break in a header.
    """
    if cycle.flow.write_paused and not cycle.disconnected:
        await cycle.flow.drain()
    if cycle.disconnected:
        return
    lines = [STATUS_LINE[status]]
    for name, value in fields:
        if b"\n" in value or b"\r" in value:
            raise ValueError("line break in a header")
        lines += (name, b": ", value, b"\r\n")
        if name == b"connection" and value == b"close":
            cycle.keep_alive = False
    if not cycle.keep_alive and (b"connection", b"close") not in fields:
        lines.append(b"connection: close\r\n")
    lines.append(b"\r\n")
    cycle.response_started = True
    cycle.waiting_for_100_continue = False
    if cycle.scope["method"] != "HEAD":
        lines.append(body)
    cycle.transport.write(b"".join(lines))
    cycle.response_complete = True
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
