"""From an ASGI request to :class:`isthmus.rest.http.Request`, and from its response back.

The body is read as a whole, within the limits; what is refused before it is read is dropped by the
connection while it arrives, so that the caller gets to see the answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, TypeAlias
from uuid import uuid4

from isthmus.errors import Failure, FailureKind
from isthmus.rest.http import HttpApplication, Peer, Request, Response, parse_query_string
from isthmus.rest.http_encoding import accepts_gzip, decoded_body, gzipped
from isthmus.rest.limits import BufferedBytes, HttpLimits, content_too_large

logger = logging.getLogger(__name__)

Scope: TypeAlias = Mapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Any]]
Send: TypeAlias = Callable[[Any], Awaitable[None]]
Fields: TypeAlias = list[tuple[bytes, bytes]]
#: writes status, header fields and body at once: one packet and half the work of two ASGI messages
SendWhole: TypeAlias = Callable[[int, Fields, bytes], Awaitable[None]]

#: from these sizes on, packing and unpacking happens in a thread (about 5 ms of work)
_THREAD_FROM_BYTES: Final = 256 * 1024
_UNPACK_IN_THREAD_FROM_BYTES: Final = 16 * 1024
_NO_PEER: Final = Peer()
_CONNECTION_CLOSE: Final = (b"connection", b"close")


class _CallerGoneError(Exception):
    """The caller closed the connection before the request was complete."""


class AsgiApplication:
    """One :class:`HttpApplication` as an ASGI application for the HTTP server of a node."""

    def __init__(self, application: HttpApplication, limits: HttpLimits, buffered: BufferedBytes) -> None:
        self._application = application
        self._limits = limits
        self._buffered = buffered

    def is_of(self, application: HttpApplication) -> bool:
        """Answer whether this is that application."""
        return self._application is application

    def refuse(self, failure: Failure) -> Response:
        """Answer, in the application's dialect, for bytes that never became a request."""
        return self._application.refuse(failure)

    def may_be_abandoned(self, scope: Mapping[str, Any]) -> bool:
        """Tell whether work for this request may stop when its caller goes away."""
        return self._application.may_be_abandoned(scope["method"], scope["raw_path"].decode("ascii"))

    async def serve(self, scope: Scope, receive: Receive, send: Send, send_whole: SendWhole) -> None:
        """Serve one request: an ASGI application that may also answer in one go."""
        reserved = _Reservation(self._buffered)
        headers = _headers_of(scope)
        try:
            response = await self._respond(scope, headers, receive, reserved)
            await self._send(scope, headers, response, send, send_whole)
        except _CallerGoneError:
            return
        except asyncio.CancelledError:
            # The caller went away, or the node stops and its patience with this request is over.
            refusal = self._application.refuse(
                Failure(FailureKind.UNAVAILABLE, "node_closed_exception", "the node is shutting down")
            )
            await self._send(scope, headers, refusal, send, send_whole)
        finally:
            reserved.release()

    async def _respond(
        self, scope: Scope, headers: dict[str, str], receive: Receive, reserved: _Reservation
    ) -> Response:
        try:
            request = await self._receive(scope, headers, receive, reserved)
            if isinstance(request, Response):
                return request
            return await self._application.handle(request)
        except Failure as failure:
            return self._application.refuse(failure)
        except _CallerGoneError:
            raise
        except Exception:
            reference = uuid4().hex
            logger.exception("request failed inside the server", extra={"reference": reference})
            return self._application.refuse(
                Failure(FailureKind.INTERNAL, "exception", f"internal error, reference [{reference}]")
            )

    async def _receive(
        self, scope: Scope, headers: dict[str, str], receive: Receive, reserved: _Reservation
    ) -> Request | Response:
        query: bytes = scope["query_string"]
        head = Request(
            method=scope["method"],
            path=scope["raw_path"].decode("ascii"),
            parameters=parse_query_string(query.decode("latin-1")) if query else {},
            headers=headers,
            peer=scope.get("extensions", {}).get("isthmus.peer", _NO_PEER),
        )
        announced = int(headers.get("content-length", "0"))
        if announced > self._limits.max_content_bytes:
            raise content_too_large(self._limits)
        if announced >= self._limits.admission_bytes:
            refusal = await self._application.admit(head)
            if refusal is not None:
                return refusal
        message = await receive()
        if message["type"] == "http.request" and not message["more_body"]:
            body: bytes = message["body"]  # the common case: one piece
            reserved.add(len(body))
        else:
            rest = await self._read_rest(message, head, receive, reserved)
            if isinstance(rest, Response):
                return rest
            body = rest
        encoding = headers.get("content-encoding")
        if encoding is not None and body:
            # A small body may unpack to a large one: that, too, is done for known callers only.
            refusal = await self._application.admit(head)
            if refusal is not None:
                return refusal
            body = await self._decoded(body, encoding, reserved)
        if not body:
            return head
        return Request(head.method, head.path, head.parameters, headers, body, head.peer)

    async def _read_rest(
        self, message: Any, head: Request, receive: Receive, reserved: _Reservation
    ) -> bytes | Response:
        admitted = "content-length" in head.headers
        parts: list[bytes] = []
        while message["type"] != "http.disconnect":
            part: bytes = message["body"]
            reserved.add(len(part))
            if reserved.size > self._limits.max_content_bytes:
                raise content_too_large(self._limits)
            if not admitted and reserved.size >= self._limits.admission_bytes:
                admitted = True
                refusal = await self._application.admit(head)
                if refusal is not None:
                    return refusal
            parts.append(part)
            if not message["more_body"]:
                return b"".join(parts)
            message = await receive()
        raise _CallerGoneError

    async def _decoded(self, body: bytes, encoding: str, reserved: _Reservation) -> bytes:
        if len(body) < _UNPACK_IN_THREAD_FROM_BYTES:
            decoded = decoded_body(body, encoding, self._limits)
        else:
            decoded = await asyncio.to_thread(decoded_body, body, encoding, self._limits)
        reserved.add(len(decoded))
        return decoded

    async def _send(
        self, scope: Scope, headers: dict[str, str], response: Response, send: Send, send_whole: SendWhole
    ) -> None:
        body = response.body
        fields = [(b"content-type", response.content_type.encode("latin-1", "replace"))]
        fields.extend(
            (name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace"))
            for name, value in response.headers
        )
        if headers.get("expect") is not None and response.status >= HTTPStatus.BAD_REQUEST:
            # A caller that waits for "100 Continue" may or may not send the body now: start afresh.
            fields.append(_CONNECTION_CLOSE)
        if not isinstance(body, bytes):
            await send({"type": "http.response.start", "status": response.status, "headers": fields})
            async for part in body:
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        if len(body) > self._limits.compress_from_bytes and self._compresses(scope, headers):
            body = gzipped(body) if len(body) < _THREAD_FROM_BYTES else await asyncio.to_thread(gzipped, body)
            fields.append((b"content-encoding", b"gzip"))
        fields.append((b"content-length", b"%d" % len(body)))
        await send_whole(response.status, fields, body)

    def _compresses(self, scope: Scope, headers: dict[str, str]) -> bool:
        accepted = headers.get("accept-encoding")
        if accepted is None or (scope["scheme"] == "https" and not self._limits.compress_encrypted):
            return False
        return accepts_gzip(accepted)


class _Reservation:
    """What one request holds of the buffered bytes."""

    __slots__ = ("_buffered", "size")

    def __init__(self, buffered: BufferedBytes) -> None:
        self._buffered = buffered
        self.size = 0

    def add(self, size: int) -> None:
        self._buffered.reserve(size)
        self.size += size

    def release(self) -> None:
        self._buffered.release(self.size)
        self.size = 0


def _headers_of(scope: Scope) -> dict[str, str]:
    """Answer the headers by lower-case name; a repeated one is joined as RFC 9110 §5.3 says."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name = raw_name.decode("latin-1")
        value = raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def plain_answer(response: Response) -> bytes:
    """Answer a whole HTTP/1.1 response that ends its connection. The body must not be a stream."""
    if not isinstance(response.body, bytes):
        raise TypeError("a refusal is not streamed")
    lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
    lines.append(f"content-type: {response.content_type}")
    lines.extend(f"{name.lower()}: {value}" for name, value in response.headers)
    lines.append(f"content-length: {len(response.body)}")
    lines.append("connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + response.body
