"""9243 for callers whose hello names no deployment: TLS ends at the door, headers choose the node.

The address of the port itself, an IP address or ``localhost`` serves every deployment of the
environment: ``X-Found-Cluster: <cluster id>`` or ``Host: <cluster id>.<domain>`` says which.
Requests go on to the node's local Unix socket in plain HTTP; bodies are streamed both ways.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from isthmus.door.routing import Nodes, cluster_id_or_none

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


class Forwarder:
    """Ends TLS on connections that it is given and forwards each request to its node."""

    def __init__(
        self,
        *,
        domain: str,
        nodes: Nodes,
        context: ssl.SSLContext,
        first_request_timeout_seconds: float = _FIRST_REQUEST_TIMEOUT_SECONDS,
    ) -> None:
        self._domain = domain
        self._nodes = nodes
        self._context = context
        self._first_request_timeout_seconds = first_request_timeout_seconds
        self._sessions: dict[Path, aiohttp.ClientSession] = {}
        #: connections that have not brought a request yet
        self._silent: set[asyncio.BaseProtocol] = set()
        self._server = web.Server(
            self._handle,
            access_log=None,
            handler_cancellation=True,
            lingering_time=1,
            auto_decompress=False,
            max_line_size=_MAXIMUM_LINE_BYTES,
            max_field_size=_MAXIMUM_HEADER_BYTES,
        )

    async def serve(self, connection: socket.socket) -> None:
        """Take over the connection (nothing of it read yet); raises OSError where the handshake fails."""
        loop = asyncio.get_running_loop()
        protocol = self._server()
        # Before the handshake: the first request may be there as soon as that is over.
        self._silent.add(protocol)
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=_HANDSHAKE_TIMEOUT_SECONDS,
            )
        except BaseException:
            self._silent.discard(protocol)
            connection.close()
            raise
        loop.call_later(self._first_request_timeout_seconds, self._close_if_silent, transport, protocol)

    def _close_if_silent(self, transport: asyncio.BaseTransport, protocol: asyncio.BaseProtocol) -> None:
        if protocol in self._silent:
            self._silent.discard(protocol)
            transport.close()

    async def close(self) -> None:
        """Let requests under way end, for a while; then close everything."""
        await self._server.shutdown(_STOP_TIMEOUT_SECONDS)
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._silent.discard(request.protocol)
        if request.method == "GET" and request.path == "/_health":
            return web.json_response({"ok": True, "status": 200}, headers={"Server": "isthmus"})
        if not request.raw_path.startswith("/"):
            return _refusal(400, "The request target must be a path.")
        cluster_id = request.headers.get("X-Found-Cluster", "").strip().lower()
        if not cluster_id:
            host = request.headers.get("Host", "").rpartition(":")[0] or request.headers.get("Host", "")
            cluster_id = cluster_id_or_none(host, self._domain) or ""
        node = self._nodes.running_or_none(cluster_id)
        if node is None:
            if self._nodes.exists(cluster_id):
                return _refusal(503, "The requested deployment is currently unavailable.")
            return _refusal(404, "Unknown resource.")
        return await self._forward(request, node.local_socket_path)

    async def _forward(self, request: web.BaseRequest, socket_path: Path) -> web.StreamResponse:
        headers = passed_on(request.headers.items(), _REPLACED)
        headers += [("X-Forwarded-For", request.remote or ""), ("X-Forwarded-Proto", "https")]
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


def _refusal(status: int, message: str) -> web.Response:
    """Answer in the shape of the proxies of Elastic's platforms."""
    return web.json_response({"ok": False, "message": message}, status=status, headers={"Server": "isthmus"})
