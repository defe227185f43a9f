"""Servers that are not what a remote cluster's address should lead to."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stranger(context: ssl.SSLContext | None, answer: bytes | None, *, silent: bool = False) -> Iterator[int]:
    """Listen on a free loopback port and answer its number.

    With a context it speaks TLS. Whoever connects and sends something gets the answer; without an answer
    the connection is closed at once, unless silent: then it is held open and nothing ever comes.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if context is not None:
                connection = context.wrap_socket(connection, server_side=True)
            held.append(connection)
            if answer is not None:
                connection.recv(65536)
                connection.sendall(answer)
            if not silent:
                connection.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            held.append(connection)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)  # wakes accept, which closing does not
        listener.close()
        thread.join()
        for connection in held:
            connection.close()


def http_answer(status: str, content_type: str, body: bytes, *headers: str) -> bytes:
    """Answer the bytes of an HTTP answer."""
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def unused_port() -> int:
    """Answer a port on which nobody listens just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
