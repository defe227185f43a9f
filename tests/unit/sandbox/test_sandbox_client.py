"""The sandbox's client against a server that ends connections."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator

import pytest

from isthmus.sandbox.client import JsonClient

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"ok":true}'


@pytest.fixture
def port() -> Iterator[int]:
    """Answer the port of a server that closes each connection after one answer, without saying so."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65_536)
                connection.sendall(ANSWER)

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_an_idle_connection_that_was_closed_is_opened_anew(port: int) -> None:
    """The second call finds its connection gone and is sent over a new one."""
    client = JsonClient(http.client.HTTPConnection("127.0.0.1", port, timeout=5))
    assert client.call("GET", "/") == {"ok": True}
    assert client.call("GET", "/") == {"ok": True}
    client.close()


def test_a_server_that_is_not_there_is_an_error_and_no_riddle(port: int) -> None:
    """After a failed call the next one fails for its own reason, not for what the first left behind."""
    client = JsonClient(http.client.HTTPConnection("127.0.0.1", port + 1 if port < 65_535 else 1, timeout=5))
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            client.call("GET", "/")
    client.close()
