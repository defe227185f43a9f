"""9243 for callers whose hello names no deployment: TLS ends at the door, headers choose the node.

The address of the port itself, an IP address or ``localhost`` serves every deployment of the
environment: ``X-Found-Cluster: <cluster id>`` or ``Host: <cluster id>.<domain>`` says which.
Requests go on to the node's local Unix socket in plain HTTP; bodies are streamed both ways.
The traffic filter of the deployment that a request is for is asked at each request.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from isthmus.control.addresses import Address
from isthmus.control.traffic_filter_rules import PortKind
from isthmus.door.filtering import BLOCKED, Admission
from isthmus.door.routing import Nodes, cluster_id_or_none
from isthmus.door.throttled_log import ThrottledLog

logger = logging.getLogger(__name__)

#: RFC 9110 §7.6.1: these speak of one connection, and are never passed on
_HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
#: what a caller says about itself here is the door's to say; ``expect`` is answered by the door
_REPLACED: Final = frozenset({"x-forwarded-for", "x-forwarded-proto", "x-found-cluster", "expect"})
_HANDSHAKE_TIMEOUT_SECONDS: Final = 5.0
_CONNECT_TIMEOUT_SECONDS: Final = 5.0
#: from the handshake to the first whole request head; Elasticsearch's own default for reading is 30 s
_FIRST_REQUEST_TIMEOUT_SECONDS: Final = 30.0
#: ``http.max_initial_line_length`` and ``http.max_header_size`` of Elasticsearch
_MAXIMUM_LINE_BYTES: Final = 4 * 1024
_MAXIMUM_HEADER_BYTES: Final = 16 * 1024
_CHUNK_BYTES: Final = 64 * 1024
_STOP_TIMEOUT_SECONDS: Final = 5.0
_FORBIDDEN_MESSAGE: Final = (
    "Forbidden due to traffic filtering. "
    "Please see the Elastic documentation on Traffic Filtering for more information."
)


def passed_on(headers: Iterable[tuple[str, str]], dropped: frozenset[str]) -> list[tuple[str, str]]:
    """Answer the headers without those of this hop: the known ones and those ``Connection`` lists."""
    pairs = list(headers)
    listed = {
        token.strip().lower()
        for name, value in pairs
        if name.lower() == "connection"
        for token in value.split(",")
    }
    unwanted = _HOP_BY_HOP | dropped | listed
    return [(name, value) for name, value in pairs if name.lower() not in unwanted]


@dataclass(frozen=True, slots=True)
class _Arrival:
    """Whose connection it is; the cluster that all its requests are for, where one is set."""

    client: Address | None
    only_cluster_id: str | None


@dataclass(frozen=True, slots=True, eq=False)
class _UnderWay:
    """A request that a node is working on."""

    request: web.BaseRequest
    cluster_id: str
    client: Address | None


class _Server(web.Server):  # type: ignore[type-arg,unused-ignore]  # generic in later versions only
    """aiohttp's server, which also tells when a connection is gone."""

    def __init__(self, handler: Any, on_lost: Callable[[asyncio.BaseProtocol], None], **options: Any) -> None:
        super().__init__(handler, **options)
        self._on_lost = on_lost

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        """Pass it on."""
        super().connection_lost(handler, exc)
        self._on_lost(handler)


class Forwarder:
    """Ends TLS on connections that it is given and forwards each request to its node."""

    def __init__(
        self,
        *,
        domain: str,
        nodes: Nodes,
        context: ssl.SSLContext,
        admission: Admission | None = None,
        first_request_timeout_seconds: float = _FIRST_REQUEST_TIMEOUT_SECONDS,
    ) -> None:
        self._domain = domain
        self._nodes = nodes
        self._context = context
        self._admission = admission or Admission()
        self._first_request_timeout_seconds = first_request_timeout_seconds
        self._sessions: dict[Path, aiohttp.ClientSession] = {}
        #: connections that have not brought a request yet
        self._silent: set[asyncio.BaseProtocol] = set()
        self._arrivals: dict[asyncio.BaseProtocol, _Arrival] = {}
        self._under_way: set[_UnderWay] = set()
        self._throttled = ThrottledLog(logger)
        self._server = _Server(
            self._handle,
            self._forget,
            access_log=None,
            logger=_logger_without_messages(),
            handler_cancellation=True,
            lingering_time=1,
            auto_decompress=False,
            max_line_size=_MAXIMUM_LINE_BYTES,
            max_field_size=_MAXIMUM_HEADER_BYTES,
        )

    async def serve(
        self, connection: socket.socket, client: Address | None, only_cluster_id: str | None = None
    ) -> None:
        """Take over the connection of this client; raises OSError where the handshake fails.

        Nothing of it has been read yet but a load balancer's header. With ``only_cluster_id`` all its
        requests are for that cluster, whatever they say.
        """
        loop = asyncio.get_running_loop()
        protocol = self._server()
        # Before the handshake: the first request may be there as soon as that is over.
        self._silent.add(protocol)
        self._arrivals[protocol] = _Arrival(client, only_cluster_id)
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=_HANDSHAKE_TIMEOUT_SECONDS,
            )
        except BaseException:
            self._forget(protocol)
            connection.close()
            raise
        loop.call_later(self._first_request_timeout_seconds, self._close_if_silent, transport, protocol)

    def _close_if_silent(self, transport: asyncio.BaseTransport, protocol: asyncio.BaseProtocol) -> None:
        if protocol in self._silent:
            self._silent.discard(protocol)
            transport.close()

    def _forget(self, protocol: asyncio.BaseProtocol) -> None:
        self._silent.discard(protocol)
        self._arrivals.pop(protocol, None)

    def cut_denied(self) -> None:
        """Break off the requests under way of clients whom a filter does not let in any longer."""
        for each in tuple(self._under_way):
            if self._admission.is_denied(each.cluster_id, each.client) and each.request.transport is not None:
                each.request.transport.abort()
                self._admission.record.blocked(PortKind.DATA, each.cluster_id, each.client, was_open=True)

    async def close(self) -> None:
        """Let requests under way end, for a while; then close everything."""
        await self._server.shutdown(_STOP_TIMEOUT_SECONDS)
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._silent.discard(request.protocol)
        arrival = self._arrivals.get(request.protocol, _Arrival(None, None))
        forwarded_for = ",".join(request.headers.getall("X-Forwarded-For", ())) or None
        client = self._admission.balancers.client_of_request(arrival.client, forwarded_for)
        cluster_id = arrival.only_cluster_id
        if cluster_id is None:
            if request.method == "GET" and request.path == "/_health":
                return web.json_response({"ok": True, "status": 200}, headers={"Server": "isthmus"})
            cluster_id = self._wanted_cluster_id(request)
        if self._admission.is_denied(cluster_id, client):
            if arrival.only_cluster_id is None:  # else the connection was told of
                self._admission.record.blocked(PortKind.DATA, cluster_id, client, was_open=False)
            self._throttled.warning(
                "request refused", (), reason=BLOCKED, client_ip=str(client), cluster=cluster_id
            )
            return _refusal(403, _FORBIDDEN_MESSAGE)
        if not request.raw_path.startswith("/"):
            return _refusal(400, "The request target must be a path.")
        node = self._nodes.running_or_none(cluster_id)
        if node is None:
            if self._nodes.exists(cluster_id):
                return _refusal(503, "The requested deployment is currently unavailable.")
            return _refusal(404, "Unknown resource.")
        under_way = _UnderWay(request, cluster_id, client)
        self._under_way.add(under_way)
        try:
            return await self._forward(request, node.local_socket_path, client)
        finally:
            self._under_way.discard(under_way)

    def _wanted_cluster_id(self, request: web.BaseRequest) -> str:
        cluster_id = request.headers.get("X-Found-Cluster", "").strip().lower()
        if cluster_id:
            return cluster_id
        host = request.headers.get("Host", "").rpartition(":")[0] or request.headers.get("Host", "")
        return cluster_id_or_none(host, self._domain) or ""

    async def _forward(
        self, request: web.BaseRequest, socket_path: Path, client: Address | None
    ) -> web.StreamResponse:
        headers = passed_on(request.headers.items(), _REPLACED)
        headers += [("X-Forwarded-For", str(client or "")), ("X-Forwarded-Proto", "https")]
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        response: web.StreamResponse | None = None
        try:
            async with self._session(socket_path).request(
                request.method,
                URL(f"http://node{request.raw_path}", encoded=True),
                headers=CIMultiDict(headers),
                data=_chunks(request.content) if request.can_read_body else None,
                allow_redirects=False,
            ) as answer:
                response = web.StreamResponse(status=answer.status, reason=answer.reason)
                response.headers.extend(passed_on(answer.headers.items(), frozenset()))
                response.headers.setdefault("Server", "isthmus")
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
        except (aiohttp.ClientError, OSError) as error:
            if response is not None:
                # Half an answer must not look whole: break the connection instead of ending the body.
                if request.transport is not None:
                    request.transport.abort()
                return response
            logger.warning("request not forwarded", extra={"error": type(error).__name__})
            return _refusal(503, "The requested deployment is currently unavailable.")
        return response

    def _session(self, socket_path: Path) -> aiohttp.ClientSession:
        session = self._sessions.get(socket_path)
        if session is None:
            session = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(str(socket_path), limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT_SECONDS),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )
            self._sessions[socket_path] = session
        return session


async def _chunks(body: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    async for chunk in body.iter_chunked(_CHUNK_BYTES):
        yield chunk


def _logger_without_messages() -> logging.Logger:
    """Answer a logger for aiohttp, whose errors quote what a caller sent, credentials included."""
    quiet = logging.getLogger(f"{__name__}.http")
    quiet.addFilter(_without_quotation)
    return quiet


def _without_quotation(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    if isinstance(error, aiohttp.http_exceptions.BadHttpMessage):
        record.exc_info = None
        record.exc_text = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg, record.args = "malformed request refused", ()
        record.error = type(error).__name__
    return True


def _refusal(status: int, message: str) -> web.Response:
    """Answer in the shape of the proxies of Elastic's platforms."""
    body = json.dumps({"ok": False, "message": message}, separators=(",", ":")).encode()
    return web.Response(
        body=body, status=status, content_type="application/json", headers={"Server": "isthmus"}
    )
