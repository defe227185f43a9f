"""The HTTP/1.1 server of a node: connections that were handed over, and listeners of its own."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.server import ServerState

from isthmus.remotes.tls_stream import start_tls
from isthmus.rest.asgi import AsgiApplication
from isthmus.rest.http import HttpApplication
from isthmus.rest.limits import BufferedBytes, HttpLimits
from isthmus.rest.link_protocol import LinkHttpProtocol, LinkServer
from isthmus.rest.serving_protocol import NodeHttpProtocol, Origin

logger = logging.getLogger(__name__)

#: how often connections are looked over for callers that dawdle
_SWEEP_SECONDS: Final = 1.0
#: how long an accept loop rests when the process has run out of file descriptors
_ACCEPT_RETRY_SECONDS: Final = 0.1
_TLS_SHUTDOWN_SECONDS: Final = 2.0


class HttpServer:
    """Serves any number of applications, each on the connections or listeners it was given for.

    The limits hold for all of them together. To be used on one running event loop.
    """

    def __init__(self, limits: HttpLimits = HttpLimits()) -> None:  # noqa: B008 - frozen
        self._limits = limits
        self._buffered = BufferedBytes(limits)
        self._state = ServerState()
        self._links = LinkServer(limits, self._buffered, self._state.connections, self._state.tasks)
        self._config = _quiet_configuration()
        self._asgi_applications: dict[int, AsgiApplication] = {}
        self._listeners: list[tuple[socket.socket, asyncio.Task[None]]] = []
        self._handshakes: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def open_connections(self) -> int:
        """How many connections are open now."""
        return len(self._state.connections)

    async def serve_connection(
        self,
        connection: socket.socket,
        tls_context: ssl.SSLContext | None,
        application: HttpApplication,
        origin: Origin = Origin(),  # noqa: B008 - frozen
        *,
        is_link: bool = False,
    ) -> None:
        """Take over an accepted connection; return when its TLS handshake is done or has failed.

        ``is_link``: another cluster's node is expected at the other end. Raises nothing: a connection that
        cannot be served is closed. Used for what the door hands over.
        """
        if self._stopping:
            connection.close()
            return
        self._start_sweeping()
        connection.settimeout(0)
        loop = asyncio.get_running_loop()
        kind = self._link_protocol if is_link else self._general_protocol
        make_protocol: Callable[[], asyncio.Protocol] = partial(kind, application, origin)
        deadlines: dict[str, Any] = {}
        if tls_context is not None:
            deadlines = {
                "ssl_handshake_timeout": self._limits.handshake_seconds,
                "ssl_shutdown_timeout": _TLS_SHUTDOWN_SECONDS,
            }
        try:
            if is_link and tls_context is not None:
                seconds = self._limits.handshake_seconds
                await start_tls(
                    connection, tls_context, make_protocol, server_side=True, handshake_seconds=seconds
                )
            else:
                await loop.connect_accepted_socket(make_protocol, connection, ssl=tls_context, **deadlines)
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            logger.debug("connection not established", extra={"reason": type(error).__name__})
            connection.close()

    def recheck_connections(self) -> int:
        """Drop the connections that their origin does not admit any longer; answer how many those were."""
        return sum(connection.abort_if_not_admitted() for connection in self._connections())

    def retire_connections(self, application: HttpApplication) -> None:
        """Close this application's connections, each as soon as it has answered what it is being asked."""
        for connection in self._connections():
            if connection.serves(application):
                connection.shutdown()

    def listen(
        self,
        listener: socket.socket,
        tls_context: ssl.SSLContext | None,
        application: HttpApplication,
        *,
        is_link: bool = False,
    ) -> None:
        """Accept on a socket that is bound and listening (TCP or Unix); it is closed by :meth:`stop`."""
        listener.settimeout(0)
        self._start_sweeping()
        accepting = asyncio.get_running_loop().create_task(
            self._accept(listener, tls_context, application, is_link=is_link), name="http accept"
        )
        self._listeners.append((listener, accepting))

    async def stop(self, timeout_seconds: float) -> None:
        """Accept nothing more, let requests in flight finish for that long, then drop what is left.

        No request is cut short before the time is over; idle connections are closed at once.
        """
        self._stopping = True
        for listener, accepting in self._listeners:
            accepting.cancel()
            await asyncio.gather(accepting, return_exceptions=True)
            listener.close()
        self._listeners.clear()
        for connection in self._connections():
            connection.shutdown()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        while (self._state.tasks or self._handshakes) and loop.time() < deadline:
            waiting = [*self._state.tasks, *self._handshakes]
            await asyncio.wait(waiting, timeout=max(0.0, deadline - loop.time()))
        unfinished = [*self._state.tasks, *self._handshakes]
        for task in unfinished:
            task.cancel()
        if unfinished:
            logger.warning("requests cut short by the stop", extra={"requests": len(unfinished)})
            await asyncio.wait(unfinished, timeout=1.0)
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        await self._until_closed()

    async def _until_closed(self) -> None:
        """Give answers already written a moment to leave, then abort what is still open."""
        for connection in self._connections():
            connection.transport.close()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _TLS_SHUTDOWN_SECONDS
        while self._state.connections and loop.time() < deadline:  # noqa: ASYNC110 - uvicorn keeps a plain set
            await asyncio.sleep(0.01)
        for connection in self._connections():
            connection.transport.abort()

    def _connections(self) -> list[NodeHttpProtocol | LinkHttpProtocol]:
        """Answer the open connections: uvicorn's set of them may hold kinds of its own."""
        kinds = (NodeHttpProtocol, LinkHttpProtocol)
        return [each for each in self._state.connections if isinstance(each, kinds)]

    def _general_protocol(self, application: HttpApplication, origin: Origin) -> NodeHttpProtocol:
        asgi_application = self._asgi_application(application)
        return NodeHttpProtocol(self._config, self._state, asgi_application, self._limits, origin)

    def _link_protocol(self, application: HttpApplication, origin: Origin) -> LinkHttpProtocol:
        general = partial(self._general_protocol, application, origin)
        return LinkHttpProtocol(application, origin, self._links, general)

    def _asgi_application(self, application: HttpApplication) -> AsgiApplication:
        known = self._asgi_applications.get(id(application))
        if known is None:
            known = AsgiApplication(application, self._limits, self._buffered)
            self._asgi_applications[id(application)] = known
        return known

    async def _accept(
        self,
        listener: socket.socket,
        tls_context: ssl.SSLContext | None,
        application: HttpApplication,
        *,
        is_link: bool,
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError as error:
                logger.warning("accept failed", extra={"reason": str(error)})
                await asyncio.sleep(_ACCEPT_RETRY_SECONDS)
                continue
            if len(self._handshakes) >= self._limits.max_connections:
                connection.close()
                continue
            establishing = loop.create_task(
                self.serve_connection(connection, tls_context, application, is_link=is_link)
            )
            self._handshakes.add(establishing)
            establishing.add_done_callback(self._handshakes.discard)

    def _start_sweeping(self) -> None:
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().create_task(self._sweep(), name="http sweep")

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            now = loop.time()
            for connection in self._connections():
                connection.close_if_too_slow(now)


def _quiet_configuration() -> Config:
    """Answer uvicorn's configuration for its protocol class alone: no logs, headers or web sockets."""

    # Three parameters as ASGI has them: uvicorn tries to call anything else as a factory.
    async def never_called(_scope: Any, _receive: Any, _send: Any) -> None:
        raise AssertionError("each connection has its own application")

    configuration = Config(
        never_called,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
    )
    configuration.load()
    return configuration
