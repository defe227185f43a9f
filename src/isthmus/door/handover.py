"""Handing an accepted connection from the door to a node: both sides of the Unix socket.

The node listens on a ``SOCK_SEQPACKET`` Unix socket. For each connection the door connects,
sends one packet that holds the connection's descriptor and this text, and closes::

    isthmus-handover/1 <port> <client>      port: data | transport | remote_cluster

``<client>`` is the client's address, which a load balancer may have told; ``-`` where it is not known.
Nothing of the connection itself has been read (the door only peeked), so TLS starts in the
node, which sees the client's certificate. A connection a packet, rather than
one kept open, costs some 30 microseconds and leaves no state: a node that is down refuses at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

from isthmus.control.addresses import Address, parse_address_or_none
from isthmus.door.routing import DoorPort

logger = logging.getLogger(__name__)

_GREETING: Final = "isthmus-handover/1"
_MAXIMUM_MESSAGE_BYTES: Final = 128
_UNKNOWN_CLIENT: Final = "-"
#: connections that wait for a busy node; the kernel caps it at net.core.somaxconn
_BACKLOG: Final = 512
#: the door sends right after it has connected: a second without a packet is not the door
_PACKET_TIMEOUT_SECONDS: Final = 1.0


class HandoverError(Exception):
    """The node does not take the connection: it is not running, or too busy."""


def hand_over(
    handover_socket_path: Path, port: DoorPort, connection: socket.socket, client: Address | None
) -> None:
    """Give ``connection`` to the node; the caller still closes its own copy.

    Never waits. Raises :class:`HandoverError` where the node does not listen or its queue is full.
    """
    message = f"{_GREETING} {port.value} {client or _UNKNOWN_CLIENT}".encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as channel:
        channel.settimeout(0)
        try:
            channel.connect(str(handover_socket_path))
            socket.send_fds(channel, [message], [connection.fileno()])
        except OSError as error:
            raise HandoverError(error.strerror or type(error).__name__) from error


class HandoverListener:
    """The node's side: calls ``on_connection`` on the event loop for each connection handed over.

    The callback owns the (non-blocking) socket. It must not block, and anything that it
    raises is logged and closes that one connection.
    """

    def __init__(
        self, path: Path, on_connection: Callable[[DoorPort, socket.socket, Address | None], None]
    ) -> None:
        self._path = path
        self._on_connection = on_connection
        self._listener: socket.socket | None = None
        self._inode: int | None = None
        self._waiting: dict[socket.socket, asyncio.TimerHandle] = {}

    def start(self) -> None:
        """Listen (mode 0600), in place of whatever a killed process left at the path."""
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            listener.bind(str(self._path))
            self._path.chmod(0o600)
            listener.listen(_BACKLOG)
            self._inode = self._path.stat().st_ino
            listener.settimeout(0)
        except OSError:
            listener.close()
            raise
        self._listener = listener
        asyncio.get_running_loop().add_reader(listener.fileno(), self._accept, listener)

    def close(self) -> None:
        """Stop listening; connections already handed over are not touched."""
        if self._listener is None:
            return
        asyncio.get_running_loop().remove_reader(self._listener.fileno())
        self._listener.close()
        self._listener = None
        for channel in list(self._waiting):
            self._forget(channel)
        # A successor may already listen at the same path: only what is ours goes.
        with contextlib.suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()

    def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                channel, _ = listener.accept()
            except OSError:  # no more for now, or the peer has gone already
                return
            channel.settimeout(0)
            self._waiting[channel] = loop.call_later(_PACKET_TIMEOUT_SECONDS, self._forget, channel)
            loop.add_reader(channel.fileno(), self._receive, channel)

    def _receive(self, channel: socket.socket) -> None:
        try:
            message, descriptors, _, _ = socket.recv_fds(
                channel, _MAXIMUM_MESSAGE_BYTES, 1, socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return
        except OSError:
            message, descriptors = b"", []
        self._forget(channel)
        read = _read_message_or_none(message)
        if read is None or len(descriptors) != 1:
            for descriptor in descriptors:
                os.close(descriptor)
            logger.warning("handover packet not understood", extra={"bytes": len(message)})
            return
        port, client = read
        connection = socket.socket(fileno=descriptors[0])
        try:
            connection.settimeout(0)
            self._on_connection(port, connection, client)
        except Exception:
            logger.exception("handover failed", extra={"port": port.value})
            connection.close()

    def _forget(self, channel: socket.socket) -> None:
        timer = self._waiting.pop(channel, None)
        if timer is not None:
            timer.cancel()
            asyncio.get_running_loop().remove_reader(channel.fileno())
            channel.close()


def _read_message_or_none(message: bytes) -> tuple[DoorPort, Address | None] | None:
    greeting, _, rest = message.decode("ascii", "replace").partition(" ")
    port, _, client = rest.partition(" ")
    address = parse_address_or_none(client)
    if greeting != _GREETING or (address is None and client != _UNKNOWN_CLIENT):
        return None
    with contextlib.suppress(ValueError):
        return DoorPort(port), address
    return None
