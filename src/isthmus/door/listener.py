"""The door itself: accepts, peeks at the hello, and does what :func:`decide` says."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from isthmus.control.addresses import Address, parse_address_or_none
from isthmus.control.traffic_filter_rules import PortKind
from isthmus.door.filtering import BLOCKED, Admission, filtered
from isthmus.door.handover import HandoverError, hand_over
from isthmus.door.hello import MAXIMUM_HELLO_BYTES, Hello, HelloOutcome, read_hello
from isthmus.door.proxy_protocol import MAXIMUM_HEADER_BYTES, HeaderOutcome, ProxyHeader, read_proxy_header
from isthmus.door.routing import (
    Alert,
    Decision,
    DoorPort,
    EndTlsHere,
    HandOver,
    Nodes,
    Refuse,
    UseHttps,
    decide,
)
from isthmus.door.throttled_log import ThrottledLog

logger = logging.getLogger(__name__)

_USE_HTTPS_BODY: Final = b'{"ok":false,"message":"This port speaks HTTPS. Use https:// in the address."}'
_USE_HTTPS: Final = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(_USE_HTTPS_BODY), _USE_HTTPS_BODY)
)
#: a peer that goes on sending after a refusal is heard out for this long, so that it reads the alert
_LINGER_SECONDS: Final = 0.5
_ACCEPT_RETRY_SECONDS: Final = 0.1

ReadT = TypeVar("ReadT", Hello, ProxyHeader)


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """What one door bears.

    ``hello_timeout_seconds`` is for the whole hello, so that a byte now and then gains nothing.
    Beyond ``maximum_waiting`` connections without a complete hello the oldest is closed: honest
    clients send theirs at once. ``refusal_after_seconds`` is when every refusal on 9443 is
    answered, counted from the accept, so that its timing tells nothing either.
    """

    hello_timeout_seconds: float = 5.0
    maximum_waiting: int = 1000
    refusal_after_seconds: float = 0.1


class _BadProxyHeaderError(Exception):
    """A load balancer that has to tell the client's address does not."""


class Door:
    """Serves three listening sockets until cancelled; the sockets are the door's from then on."""

    def __init__(
        self,
        *,
        domain: str,
        listeners: Mapping[DoorPort, socket.socket],
        nodes: Nodes,
        end_tls: Callable[[socket.socket, Address | None, str | None], Awaitable[None]],
        admission: Admission | None = None,
        limits: DoorLimits | None = None,
    ) -> None:
        self._domain = domain
        self._listeners = listeners
        self._nodes = nodes
        self._end_tls = end_tls
        self._admission = admission or Admission()
        self._limits = limits or DoorLimits()
        self._connections: set[asyncio.Task[None]] = set()
        #: connections whose hello is not complete, the oldest first (a dict keeps the order)
        self._waiting: dict[asyncio.Task[None], None] = {}
        self._throttled = ThrottledLog(logger)

    async def run(self) -> None:
        """Accept on all ports; once cancelled, close the listeners and what is not handed over yet."""
        try:
            async with asyncio.TaskGroup() as group:
                for port, listener in self._listeners.items():
                    listener.settimeout(0)
                    group.create_task(self._accept(port, listener))
        finally:
            for listener in self._listeners.values():
                listener.close()
            for task in self._connections:
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, port: DoorPort, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(listener)
            except OSError as error:
                # Out of descriptors, most likely: free one and let others finish.
                self._log("accept failed", port, error=error.strerror)
                self._close_oldest_waiting()
                await asyncio.sleep(_ACCEPT_RETRY_SECONDS)
                continue
            if len(self._waiting) >= self._limits.maximum_waiting:
                self._close_oldest_waiting()
            task = loop.create_task(self._serve(port, connection, str(address[0])))
            self._connections.add(task)
            self._waiting[task] = None
            task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._connections.discard(task)
        self._waiting.pop(task, None)

    def _close_oldest_waiting(self) -> None:
        oldest = next(iter(self._waiting), None)
        if oldest is not None:
            del self._waiting[oldest]
            oldest.cancel()

    async def _serve(self, port: DoorPort, connection: socket.socket, peer: str) -> None:
        """Serve one connection; whatever goes wrong with it ends here."""
        accepted_seconds = asyncio.get_running_loop().time()
        try:
            connection.settimeout(0)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(self._limits.hello_timeout_seconds):
                client = await self._client_of(port, connection, parse_address_or_none(peer))
                hello, received = await _peek(connection, MAXIMUM_HELLO_BYTES, read_hello, _is_whole_hello)
            task = asyncio.current_task()
            if task is not None:
                self._waiting.pop(task, None)
            decision = decide(port, hello, received, self._domain, self._nodes.running_or_none)
            decision = filtered(decision, port, client, self._admission)
            await self._carry_out(decision, port, connection, client, accepted_seconds)
        except TimeoutError:
            self._log("no complete hello in time", port, peer=peer)
        except _BadProxyHeaderError:
            self._log("no PROXY protocol header from a listed load balancer", port, peer=peer)
        except (OSError, EOFError):
            pass  # the peer has gone: nobody is there to be told, and scanners would fill the log
        except Exception:
            logger.exception("connection failed at the door", extra={"port": port.value})
        finally:
            connection.close()

    async def _client_of(
        self, port: DoorPort, connection: socket.socket, peer: Address | None
    ) -> Address | None:
        """Answer whose connection it is; the header of a listed load balancer is taken off it."""
        # Clients of the certificate model must reach 9400 through balancers that add nothing.
        if port is DoorPort.TRANSPORT or not self._admission.balancers.must_send_proxy_header(peer):
            return peer
        header, _ = await _peek(connection, MAXIMUM_HEADER_BYTES, read_proxy_header, _is_decided_header)
        if header.outcome is HeaderOutcome.MALFORMED:
            raise _BadProxyHeaderError
        connection.recv(header.length)  # peeked whole: it is there
        return peer if header.client is None else parse_address_or_none(header.client)

    async def _carry_out(
        self,
        decision: Decision,
        port: DoorPort,
        connection: socket.socket,
        client: Address | None,
        accepted_seconds: float,
    ) -> None:
        if isinstance(decision, HandOver):
            try:
                hand_over(decision.node.handover_socket_path, port, connection, client)
            except HandoverError as error:
                self._log(
                    "node does not take connections", port, cluster=decision.cluster_id, error=str(error)
                )
                decision = EndTlsHere() if port is DoorPort.DATA else Refuse("the node is not reachable")
        if isinstance(decision, EndTlsHere):
            if decision.only_cluster_id is not None:
                self._tell_blocked(port, client, decision.only_cluster_id)
            await self._end_tls(connection.dup(), client, decision.only_cluster_id)
        elif isinstance(decision, UseHttps):
            await _say_and_close(connection, _USE_HTTPS)
        elif isinstance(decision, Refuse):
            if decision.cluster_id is not None:
                self._tell_blocked(port, client, decision.cluster_id)
            else:
                self._log("connection refused", port, reason=decision.reason, client_ip=str(client))
            if port is not DoorPort.DATA:
                answer_at_seconds = accepted_seconds + self._limits.refusal_after_seconds
                await asyncio.sleep(max(0.0, answer_at_seconds - asyncio.get_running_loop().time()))
            await _say_and_close(connection, _alert_bytes(decision.alert))

    def _tell_blocked(self, port: DoorPort, client: Address | None, cluster_id: str) -> None:
        self._admission.record.blocked(PortKind(port.value), cluster_id, client, was_open=False)
        self._log("connection refused", port, reason=BLOCKED, client_ip=str(client), cluster=cluster_id)

    def _log(self, event: str, port: DoorPort, **values: str | None) -> None:
        """Log a repeating warning at most once in a while for each event and port."""
        key = (port.value, values.get("reason") or "")
        self._throttled.warning(event, key, port=port.value, **values)


def _alert_bytes(alert: Alert | None) -> bytes:
    return alert.record() if alert is not None else b""


def _is_whole_hello(hello: Hello) -> bool:
    return hello.outcome is not HelloOutcome.INCOMPLETE


def _is_decided_header(header: ProxyHeader) -> bool:
    return header.outcome is not HeaderOutcome.INCOMPLETE


async def _peek(
    connection: socket.socket,
    maximum_bytes: int,
    read: Callable[[bytes], ReadT],
    is_enough: Callable[[ReadT], bool],
) -> tuple[ReadT, bytes]:
    """Answer what was read and its bytes, all of them still unread; raises EOFError at an early end."""
    seen = 0
    try:
        while True:
            await _readable(connection)
            received = connection.recv(maximum_bytes, socket.MSG_PEEK)
            if len(received) <= seen:
                raise EOFError
            found = read(received)
            if is_enough(found):
                return found, received
            seen = len(received)
            # Peeked bytes stay in the buffer and would wake us at once: wait for one more than those.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, seen + 1)
    finally:
        if seen:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(connection.fileno(), wake)
    try:
        await ready
    finally:
        loop.remove_reader(connection.fileno())


async def _say_and_close(connection: socket.socket, answer: bytes) -> None:
    """Send the last words so that they arrive: closing with unread bytes would reset the connection."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_LINGER_SECONDS):
            await loop.sock_sendall(connection, answer)
            connection.shutdown(socket.SHUT_WR)
            while await loop.sock_recv(connection, MAXIMUM_HELLO_BYTES):
                pass
