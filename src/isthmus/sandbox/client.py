"""A small blocking JSON client for the sandbox and the demo, over TLS or a Unix socket.

Only the standard library: a sandbox is started by test suites that should not wait for imports.
"""

from __future__ import annotations

import base64
import http.client
import json
import select
import socket
import ssl
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

#: what a connection that the server has closed looks like to who writes to it or waits for an answer
_CONNECTION_WAS_CLOSED: Final = (
    BrokenPipeError,
    ConnectionResetError,
    http.client.RemoteDisconnected,
    ssl.SSLEOFError,
)


class RequestRefusedError(Exception):
    """A server answered with an error status. The message holds the status and the server's reason."""

    def __init__(self, method: str, path: str, status: int, answer: Any) -> None:
        super().__init__(f"{method} {path} answered {status}: {_reason_of(answer)}")
        self.status = status
        self.answer = answer


class JsonClient:
    """One keep-alive connection to one server, opened anew where the server has closed it.

    Not for several threads at once.
    """

    def __init__(self, connection: http.client.HTTPConnection, authorization: str | None = None) -> None:
        self._connection = connection
        self._authorization = authorization

    @classmethod
    def for_url(cls, url: str, username: str, password: str, authority_path: str | None) -> JsonClient:
        """Answer a client that signs in with a password; ``https`` is checked against the authority."""
        parts = urlsplit(url)
        host, port = parts.hostname or "127.0.0.1", parts.port or 443
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=authority_path)
            connection = http.client.HTTPSConnection(host, port, timeout=60, context=context)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=60)
        token = base64.b64encode(f"{username}:{password}".encode()).decode()
        return cls(connection, f"Basic {token}")

    @classmethod
    def for_unix_socket(cls, path: Path) -> JsonClient:
        """Answer a client of a local socket, whose file permissions are the only credential."""
        return cls(_UnixConnection(path))

    def call(self, method: str, path: str, body: Any = None, content: bytes | None = None) -> Any:
        """Send one request and answer the parsed JSON; raises :class:`RequestRefusedError` from 400 on."""
        headers = {"Content-Type": "application/x-ndjson" if content else "application/json"}
        if self._authorization is not None:
            headers["Authorization"] = self._authorization
        payload = content if content is not None else (None if body is None else json.dumps(body).encode())
        self._close_if_ended()
        may_repeat = method == "GET" and self._connection.sock is not None
        try:
            status, text = self._exchange(method, path, payload, headers)
        except _CONNECTION_WAS_CLOSED:
            if not may_repeat:
                raise
            # Closed as we wrote. Only what changes nothing is sent again: it may have been done already.
            status, text = self._exchange(method, path, payload, headers)
        answer = json.loads(text) if text else None
        if status >= http.HTTPStatus.BAD_REQUEST:
            raise RequestRefusedError(method, path, status, answer)
        return answer

    def _exchange(
        self, method: str, path: str, payload: bytes | None, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        try:
            self._connection.request(method, path, body=payload, headers=headers)
            response = self._connection.getresponse()
            return response.status, response.read()
        except BaseException:
            self._connection.close()  # half an exchange must not be mistaken for the next one's
            raise

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        self._connection.close()

    def _close_if_ended(self) -> None:
        """Close what the server has closed while it was idle: between answers nothing else comes."""
        if self._connection.sock is None:
            return
        waiting = select.poll()
        waiting.register(self._connection.sock, select.POLLIN)
        if waiting.poll(0):
            self.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path.resolve()))  # a link where the path itself is too long


def _reason_of(answer: Any) -> str:
    if isinstance(answer, dict):
        if isinstance(answer.get("error"), dict):
            return str(answer["error"].get("reason"))
        if isinstance(answer.get("errors"), list) and answer["errors"]:
            return str(answer["errors"][0].get("message"))
    return str(answer)[:500]
