"""The small client of sandbox and demonstration, against a real server."""

from __future__ import annotations

import http.client
import select
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from isthmus.sandbox.client import JsonClient, RequestRefusedError


class _Server(BaseHTTPRequestHandler):
    """Answers the number of requests so far; closes connections when told to, as after a long silence."""

    protocol_version = "HTTP/1.1"
    answered: ClassVar[int]
    connections: ClassVar[int]

    def setup(self) -> None:
        super().setup()
        type(self).connections += 1

    def do_GET(self) -> None:
        type(self).answered += 1
        if self.path == "/break" or (self.path == "/break-once" and self.answered == 2):
            self.close_connection = True
            return
        body = f'{{"answered":{self.answered},"error":{{"reason":"so it is"}}}}'.encode()
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.path == "/then-close"

    do_POST = do_GET  # noqa: N815 - the name that the library calls

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def client() -> Iterator[JsonClient]:
    """Answer a client of a new server."""
    _Server.answered = _Server.connections = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), _Server) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        client = JsonClient.for_url(f"http://127.0.0.1:{server.server_port}", "u", "p", None)
        yield client
        client.close()
        server.shutdown()
        thread.join()


def test_one_connection_serves_many_calls(client: JsonClient) -> None:
    """As long as the server keeps it, and also after an error status."""
    assert client.call("GET", "/")["answered"] == 1
    with pytest.raises(RequestRefusedError, match="GET /missing answered 404: so it is"):
        client.call("GET", "/missing")
    assert client.call("GET", "/")["answered"] == 3
    assert _Server.connections == 1


def test_a_connection_that_the_server_closed_is_opened_anew(client: JsonClient) -> None:
    """Whoever was idle for long gets an answer and not an error."""
    for number in range(1, 6):
        assert client.call("GET", "/then-close")["answered"] == number
        _wait_until_closed(client)
    assert _Server.connections == 5


def test_a_call_that_broke_does_not_break_the_next(client: JsonClient) -> None:
    """The error is told once; nothing is sent twice."""
    with pytest.raises(http.client.RemoteDisconnected):
        client.call("GET", "/break")
    assert client.call("GET", "/")["answered"] == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_only_what_changes_nothing_is_sent_again(client: JsonClient, method: str) -> None:
    """A broken connection is no error for a GET; what a POST may have done is left to the caller."""
    assert client.call("GET", "/")["answered"] == 1
    if method == "GET":
        assert client.call("GET", "/break-once")["answered"] == 3
    else:
        with pytest.raises(http.client.RemoteDisconnected):
            client.call("POST", "/break-once")
        assert _Server.answered == 2


def test_a_server_that_is_not_there_is_the_same_error_each_time() -> None:
    """After a failed call the next one fails for its own reason, not for what the first left behind."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = JsonClient.for_url(f"http://127.0.0.1:{port}", "u", "p", None)
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            client.call("GET", "/")
    client.close()


def _wait_until_closed(client: JsonClient) -> None:
    sock = client._connection.sock
    if sock is not None:
        select.select([sock], [], [], 5)
