"""One connection to a remote cluster: HTTP/1.1 over TLS, one request at a time.

Our own code on purpose: between two clusters the hop is the cost, not the search (see
``docs/protocol.md``), and a general client spends several times as much on each request.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, cast

from isthmus.remotes.address import Destination, HostAndPort
from isthmus.remotes.causes import Cause
from isthmus.remotes.certificate_facts import CertificateFacts, certificate_facts_or_none
from isthmus.remotes.http_messages import Answer, AnswerReader, BadAnswer
from isthmus.remotes.phases import Phase, PhaseFailure
from isthmus.remotes.records import Revealable
from isthmus.remotes.tls_failures import explain_tls_error
from isthmus.remotes.tls_stream import start_tls

#: notice a peer that vanished without a word: after 30 s of silence, three probes 10 s apart
_KEEPALIVE_IDLE_SECONDS: Final = 30
_KEEPALIVE_INTERVAL_SECONDS: Final = 10
_KEEPALIVE_PROBES: Final = 3
#: give up on bytes that nobody acknowledges
_UNACKNOWLEDGED_MILLISECONDS: Final = 20_000


@dataclass(frozen=True, slots=True)
class DialTimeouts:
    """How long each phase of opening a connection may take."""

    resolve_seconds: float = 5.0
    connect_seconds: float = 5.0
    tls_seconds: float = 5.0
    handshake_seconds: float = 10.0


class ServerTrust(Protocol):
    """Whom to believe that they are the server; `isthmus.remotes.trust.TrustedAuthorities` is one."""

    @property
    def context(self) -> ssl.SSLContext:
        """The context to connect with."""
        ...

    @property
    def description(self) -> str:
        """Where the authorities come from, for messages."""
        ...


#: error, destination, the certificate that was refused, where the authorities come from
ExplainsTlsErrors: TypeAlias = Callable[
    [BaseException, Destination, CertificateFacts | None, str], PhaseFailure
]


class ConnectionLost(Exception):  # noqa: N818 - reads as what it is
    """The connection ended before the answer was complete.

    ``answer_begun``: at least one byte of the answer had arrived.
    """

    def __init__(self, reason: str, *, answer_begun: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.answer_begun = answer_begun


class Connection(asyncio.Protocol):
    """An open connection. Made by :func:`open_connection`."""

    def __init__(self, maximum_answer_bytes: int, destination: Destination) -> None:
        #: where it goes
        self.destination = destination
        #: the node at its end, once that has introduced itself
        self.node_id = ""
        self._reader = AnswerReader(maximum_answer_bytes)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._answer_begun = False
        self._ended: str | None = None
        self._on_end: Callable[[Connection], None] | None = None
        self.used = False  # True once it has carried a request that was answered
        #: the key that the last request carried; None on links without one
        self.key: Revealable | None = None
        #: the verified chain of a node that was trusted by its certificate; empty on links with a key
        self.peer_chain: tuple[bytes, ...] = ()

    @property
    def tls(self) -> ssl.SSLSocket | None:
        """The TLS side of the connection."""
        return None if self._transport is None else self._transport.get_extra_info("ssl_object")

    @property
    def usable(self) -> bool:
        """Tell whether a request can be sent now."""
        transport = self._transport
        return (
            self._ended is None
            and self._waiter is None
            and transport is not None
            and not transport.is_closing()
        )

    def allow_answers_of(self, maximum_bytes: int) -> None:
        """Take answers up to this size from now on: before we know who is there, little is taken."""
        self._reader.maximum_body_bytes = maximum_bytes

    def on_end(self, callback: Callable[[Connection], None]) -> None:
        """Call this once when the connection ends, whoever ends it; at once if it has ended."""
        if self._ended is None:
            self._on_end = callback
        else:
            callback(self)

    async def request(self, data: bytes) -> Answer:
        """Send one whole request and wait for its answer.

        Raises :class:`ConnectionLost` or :class:`BadAnswer`, after either of which the connection is
        closed. Cancelling closes it too: the far side then knows that nobody waits any more.
        """
        transport = self._transport
        if not self.usable or transport is None:
            raise ConnectionLost(self._ended or "connection is closing", answer_begun=False)
        waiter: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiter = waiter
        self._answer_begun = False
        transport.write(data)
        try:
            answer = await waiter
        except BaseException:
            self.abort()
            raise
        finally:
            self._waiter = None
        self.used = True
        if not answer.reusable:
            self.close()
        return answer

    def close(self) -> None:
        """End the connection once what was written is sent; a request under way fails."""
        self._end("closed by this node")
        if self._transport is not None:
            self._transport.close()

    def abort(self, reason: str = "closed by this node") -> None:
        """End the connection at once, without waiting for the other side."""
        self._end(reason)
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read; bytes that nobody asked for end the connection."""
        waiter = self._waiter
        if waiter is None or waiter.done():
            self.abort("the server sent bytes that nobody asked for")
            return
        self._answer_begun = True
        try:
            answer = self._reader.feed(data)
        except BadAnswer as error:
            waiter.set_exception(error)
            self.abort()
            return
        if answer is not None:
            waiter.set_result(answer)

    def eof_received(self) -> bool:
        """Let the transport close; an answer without a length of its own is complete now."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            answer = self._reader.finish()
            if answer is not None:
                waiter.set_result(answer)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self._end(_describe_loss(exc))

    def _end(self, reason: str) -> None:
        if self._ended is not None:
            return
        self._ended = reason
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_exception(ConnectionLost(reason, answer_begun=self._answer_begun))
        callback, self._on_end = self._on_end, None
        if callback is not None:
            callback(self)


async def open_connection(
    destination: Destination,
    trust: ServerTrust,
    timeouts: DialTimeouts,
    maximum_answer_bytes: int,
    explain: ExplainsTlsErrors = explain_tls_error,
) -> Connection:
    """Resolve, connect, set up TLS and check the certificate as the context of ``trust`` does.

    Raises :class:`PhaseFailure` that names the phase and the remedy; anything else is a bug.
    """
    candidates = await _resolve(destination.address, timeouts)
    connected = await _connect(destination.address, candidates, timeouts)
    try:
        return await start_tls(
            connected,
            trust.context,
            lambda: Connection(maximum_answer_bytes, destination),
            server_hostname=destination.server_name,
            handshake_seconds=timeouts.tls_seconds,
        )
    except OSError as error:  # ssl.SSLError and TimeoutError are such errors
        seen = None
        if isinstance(error, ssl.SSLCertVerificationError):
            seen = await _shown_certificate_or_none(destination, candidates, timeouts)
        raise explain(error, destination, seen, trust.description) from error


async def _resolve(address: HostAndPort, timeouts: DialTimeouts) -> list[tuple[int, tuple[object, ...]]]:
    """Answer family and socket address of everything that the name stands for, in the resolver's order."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeouts.resolve_seconds):
            found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise PhaseFailure(
            Phase.RESOLVE,
            f"resolving [{address.host}] took too long",
            "check this node's name servers",
            cause=Cause.UNKNOWN_HOST,
        ) from None
    except (OSError, UnicodeError) as error:
        raise PhaseFailure(
            Phase.RESOLVE,
            f"unknown host [{address.host}] ({_error_text(error)})",
            "check the host in the proxy address, and this node's name servers",
            cause=Cause.UNKNOWN_HOST,
        ) from error
    return [(int(family), tuple(where)) for family, _, _, _, where in found]


async def _connect(
    address: HostAndPort, candidates: list[tuple[int, tuple[object, ...]]], timeouts: DialTimeouts
) -> socket.socket:
    """Answer a connected socket to the first address that accepts."""
    loop = asyncio.get_running_loop()
    last: OSError | None = None
    # Every address gets its share, so that one that swallows packets does not use up all the time.
    share_seconds = timeouts.connect_seconds / max(1, len(candidates))
    for family, where in candidates:
        attempt = socket.socket(family, socket.SOCK_STREAM)
        try:
            attempt.setblocking(False)  # noqa: FBT003 - the library's signature
            _tune(attempt)
            async with asyncio.timeout(share_seconds):
                await loop.sock_connect(attempt, where)
        except OSError as error:  # TimeoutError is one
            attempt.close()
            last = error
        except BaseException:
            attempt.close()
            raise
        else:
            return attempt
    raise _explain_connect_error(address, last) from last


def _explain_connect_error(address: HostAndPort, error: OSError | None) -> PhaseFailure:
    if isinstance(error, ConnectionRefusedError):
        return PhaseFailure(
            Phase.CONNECT,
            f"[{address}] refused the connection",
            "check host and port, and that the remote cluster server is enabled and running",
            cause=Cause.CONNECTION_REFUSED,
        )
    if isinstance(error, TimeoutError):
        return PhaseFailure(
            Phase.CONNECT,
            f"[{address}] did not answer in time",
            "check that firewalls and IP filters on the way admit this deployment's address to that port",
            cause=Cause.CONNECTION_UNANSWERED,
        )
    return PhaseFailure(
        Phase.CONNECT,
        f"[{address}] cannot be reached ({_error_text(error)})",
        "check the address and the network on the way",
        cause=Cause.UNREACHABLE,
    )


async def _shown_certificate_or_none(
    destination: Destination, candidates: list[tuple[int, tuple[object, ...]]], timeouts: DialTimeouts
) -> CertificateFacts | None:
    """Fetch the certificate that was refused, to tell what it says.

    A second connection, because the library keeps no certificate that it refused. Nothing is sent
    over it, and nothing but the certificate is taken from it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with contextlib.suppress(OSError, PhaseFailure):
        connection = await start_tls(
            await _connect(destination.address, candidates, timeouts),
            context,
            lambda: Connection(0, destination),
            server_hostname=destination.server_name,
            handshake_seconds=timeouts.tls_seconds,
        )
        der = None if connection.tls is None else connection.tls.getpeercert(binary_form=True)
        connection.abort()
        return certificate_facts_or_none(der) if der else None
    return None


def _tune(connecting: socket.socket) -> None:
    connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connecting.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # Linux's names; elsewhere the system's own defaults have to do.
    for option, value in (
        ("TCP_KEEPIDLE", _KEEPALIVE_IDLE_SECONDS),
        ("TCP_KEEPINTVL", _KEEPALIVE_INTERVAL_SECONDS),
        ("TCP_KEEPCNT", _KEEPALIVE_PROBES),
        ("TCP_USER_TIMEOUT", _UNACKNOWLEDGED_MILLISECONDS),
    ):
        number = getattr(socket, option, None)
        if number is not None:
            connecting.setsockopt(socket.IPPROTO_TCP, number, value)


def _describe_loss(error: Exception | None) -> str:
    if error is None:
        return "closed by the remote"
    return f"connection lost ({_error_text(error)})"


def _error_text(error: BaseException | None) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "TLS error"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
