"""TLS straight on a socket: the transport of connections between nodes.

An event loop's own TLS goes through two buffers in memory and waits for a turn of the loop to send. On a
connection that carries one short request after the other that is most of the work, so here OpenSSL reads and
writes the socket itself, and what is written leaves at once: about a third of the time of a round trip
(``benchmarks/README.md``). For the protocol on top it is an :class:`asyncio.Transport` like any other.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

#: one record of TLS holds at most this much, and reading gives one record at a time
_RECORD_BYTES: Final = 16 * 1024
#: records read in one turn of the event loop, so that one connection does not keep the others waiting
_RECORDS_AT_ONCE: Final = 16
_HIGH_WATER_BYTES: Final = 64 * 1024
#: how long the other side has to say goodbye too
_GOODBYE_SECONDS: Final = 2.0
#: how long a connection that is to close waits for a side that reads nothing of what is left to send
_UNREAD_SECONDS: Final = 30.0

_P = TypeVar("_P", bound=asyncio.Protocol)


async def start_tls(
    connected: socket.socket,
    context: ssl.SSLContext,
    make_protocol: Callable[[], _P],
    *,
    server_side: bool = False,
    server_hostname: str | None = None,
    handshake_seconds: float,
) -> _P:
    """Shake hands on a connected socket and answer the protocol, whose ``connection_made`` was called.

    The socket is owned from now on: it is closed whatever happens. Raises :class:`ssl.SSLError`,
    :class:`ConnectionResetError` where the other side closes meanwhile, :class:`TimeoutError`, other
    :class:`OSError`.
    """
    try:
        connected.setblocking(False)  # noqa: FBT003 - the library's signature
        if connected.family in (socket.AF_INET, socket.AF_INET6):
            # The second record of an answer must not wait until the first one is acknowledged.
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        secured = context.wrap_socket(
            connected,
            server_side=server_side,
            server_hostname=server_hostname,
            do_handshake_on_connect=False,
        )
    except BaseException:
        connected.close()
        raise
    try:
        async with asyncio.timeout(handshake_seconds):
            await _shake_hands(secured)
        protocol = make_protocol()
        transport = TlsTransport(secured, protocol)
    except BaseException:
        secured.close()
        raise
    protocol.connection_made(transport)
    transport.start()
    return protocol


async def _shake_hands(secured: ssl.SSLSocket) -> None:
    while True:
        try:
            secured.do_handshake()
        except ssl.SSLWantReadError:
            await _until_ready(secured, writable=False)
        except ssl.SSLWantWriteError:
            await _until_ready(secured, writable=True)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
            raise ConnectionResetError("closed during the handshake") from error
        else:
            return


async def _until_ready(waited_for: socket.socket, *, writable: bool) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    descriptor = waited_for.fileno()

    def now() -> None:
        if not ready.done():
            ready.set_result(None)

    if writable:
        loop.add_writer(descriptor, now)
    else:
        loop.add_reader(descriptor, now)
    try:
        await ready
    finally:
        if writable:
            loop.remove_writer(descriptor)
        else:
            loop.remove_reader(descriptor)


class TlsTransport(asyncio.Transport):
    """A connection whose handshake is over. Made by :func:`start_tls`."""

    def __init__(self, secured: ssl.SSLSocket, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._socket = secured
        self._descriptor = secured.fileno()
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._unsent = bytearray()
        self._writing_paused = False
        self._reading = False
        #: no more is written, and what comes is dropped
        self._closing = False
        self._ended = False
        self._goodbye: asyncio.TimerHandle | None = None
        self._patience: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Read from now on."""
        if not self._ended:
            self.resume_reading()

    # asyncio.Transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Answer ``ssl_object``, ``sslcontext``, ``socket``, ``peername`` or ``sockname``."""
        if name in ("ssl_object", "socket"):
            return self._socket
        if name == "sslcontext":
            return self._socket.context
        with contextlib.suppress(OSError):
            if name == "peername":
                return self._socket.getpeername()
            if name == "sockname":
                return self._socket.getsockname()
        return default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Have another protocol told of what happens from now on."""
        self._protocol = cast("asyncio.Protocol", protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Answer whoever is told of what happens."""
        return self._protocol

    def is_closing(self) -> bool:
        """Tell whether nothing more can be written."""
        return self._closing

    def is_reading(self) -> bool:
        """Tell whether what arrives is read."""
        return self._reading

    def pause_reading(self) -> None:
        """Leave what arrives where it is."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._descriptor)

    def resume_reading(self) -> None:
        """Read what arrives."""
        if not self._reading and not self._ended:
            self._reading = True
            self._loop.add_reader(self._descriptor, self._readable)
            if self._socket.pending():  # OpenSSL has it already: the socket will not tell
                self._loop.call_soon(self._readable)

    def get_write_buffer_size(self) -> int:
        """Answer how many bytes wait to be sent."""
        return len(self._unsent)

    def can_write_eof(self) -> bool:
        """TLS ends both ways at once."""
        return False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send at once; what the socket does not take now follows when it does."""
        if self._closing or self._ended:
            return
        if self._unsent:
            self._unsent += data
        else:
            self._send(memoryview(data))
        if len(self._unsent) > _HIGH_WATER_BYTES and not self._writing_paused:
            self._writing_paused = True
            self._protocol.pause_writing()

    def close(self) -> None:
        """End the connection once what was written is sent."""
        if self._closing:
            return
        self._closing = True
        if self._unsent:
            self._give_up_later()
        else:
            self._say_goodbye()

    def abort(self) -> None:
        """End the connection at once."""
        self._end(None)

    # the socket

    def _send(self, data: memoryview) -> None:
        sent = 0
        try:
            while sent < len(data):
                sent += self._socket.send(data[sent:])
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            self._unsent += data[sent:]
            self._loop.add_writer(self._descriptor, self._writable)
        except (OSError, ValueError) as error:  # ValueError: closed underneath
            # As with any transport: the protocol hears of it in a turn of its own.
            self._loop.call_soon(self._end, error if isinstance(error, OSError) else None)

    def _writable(self) -> None:
        before = len(self._unsent)
        self._send_more()
        if self._ended:
            return
        if self._unsent:
            if self._closing and len(self._unsent) < before:
                self._give_up_later()
            return
        self._loop.remove_writer(self._descriptor)
        if self._writing_paused:
            self._writing_paused = False
            self._protocol.resume_writing()
        if self._closing:
            self._say_goodbye()

    def _send_more(self) -> None:
        """Send what waits, where it is: copying what is left each time would stop everything else."""
        sent = 0
        try:
            with memoryview(self._unsent) as waiting:
                while sent < len(waiting):
                    with waiting[sent:] as rest:
                        sent += self._socket.send(rest)
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        except (OSError, ValueError) as error:
            self._end(error if isinstance(error, OSError) else None)
            return
        del self._unsent[:sent]

    def _give_up_later(self) -> None:
        """End the connection after a while in which nothing more of what waits could be sent."""
        if self._patience is not None:
            self._patience.cancel()
        self._patience = self._loop.call_later(_UNREAD_SECONDS, self._end, None)

    def _readable(self) -> None:
        for _ in range(_RECORDS_AT_ONCE):
            if not self._reading or self._ended:
                return
            try:
                data = self._socket.recv(_RECORD_BYTES)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except (OSError, ValueError) as error:
                self._end(error if isinstance(error, OSError) else None)
                return
            if not data:
                self._end_of_stream()
                return
            if not self._closing:
                self._protocol.data_received(data)
            if len(data) < _RECORD_BYTES:
                return  # most likely the last: the event loop will tell if it was not

    def _end_of_stream(self) -> None:
        if not self._closing:
            self._protocol.eof_received()
        self._end(None)

    def _say_goodbye(self) -> None:
        """Tell the other side that this was all; its own goodbye says that it has read everything."""
        if self._goodbye is not None or self._ended:
            return
        if self._patience is not None:
            self._patience.cancel()
        try:
            self._socket.unwrap()
        except ssl.SSLWantReadError:
            self._goodbye = self._loop.call_later(_GOODBYE_SECONDS, self._end, None)
            self.resume_reading()
        except (OSError, ValueError):  # it has gone, or says something else than goodbye
            self._loop.call_soon(self._end, None)
        else:
            self._loop.call_soon(self._end, None)

    def _end(self, error: Exception | None) -> None:
        if self._ended:
            return
        self._ended = True
        self._closing = True
        self._unsent.clear()
        for timer in (self._goodbye, self._patience):
            if timer is not None:
                timer.cancel()
        self._loop.remove_writer(self._descriptor)
        self._reading = False
        self._loop.remove_reader(self._descriptor)
        self._loop.call_soon(self._lost, error)

    def _lost(self, error: Exception | None) -> None:
        try:
            self._protocol.connection_lost(error)
        finally:
            self._socket.close()
