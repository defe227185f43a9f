"""Why a handshake failed over a certificate is known to whoever serves the connection, and to nobody else."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest
import trustme

from isthmus.app.handshake_failures import HandshakeFailure, noted_failures
from isthmus.errors import Failure
from isthmus.rest.http import Request, Response
from isthmus.rest.serving import HttpServer

_AUTHORITY, _STRANGER = trustme.CA(), trustme.CA()
_HOST = "node.test"


class Nothing:
    """Answers nothing of interest."""

    async def handle(self, request: Request) -> Response:
        return Response(body=request.body)

    async def admit(self, head: Request) -> Response | None:
        return Response(body=head.body)

    def refuse(self, failure: Failure) -> Response:
        return Response(400, failure.reason.encode())

    def may_be_abandoned(self, method: str, path: str) -> bool:
        return bool(method and path)


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _AUTHORITY.issue_cert(_HOST).configure_cert(context)
    _AUTHORITY.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def _connect(address: tuple[str, int], shown: trustme.CA | None, *, speaks_tls: bool = True) -> None:
    """Connect with a certificate of this authority (None: none), and stay until the server has decided."""
    context = ssl.create_default_context()
    _AUTHORITY.configure_trust(context)
    if shown is not None:
        shown.issue_cert("caller.test").configure_cert(context)
    with socket.create_connection(address, 5) as plain:
        try:
            if not speaks_tls:
                plain.sendall(b"SSH-2.0-caller\r\n")
                plain.recv(1)
                return
            with context.wrap_socket(plain, server_hostname=_HOST) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                connection.recv(1)
        except OSError:  # that is how it is refused
            return


@pytest.mark.parametrize("is_link", [False, True])
@pytest.mark.parametrize(
    ("shown", "speaks_tls", "expected"),
    [
        (_AUTHORITY, True, []),
        (None, False, []),
        (None, True, [HandshakeFailure("no certificate was presented", missing=True)]),
        (_STRANGER, True, [HandshakeFailure("unable to get local issuer certificate")]),
    ],
)
async def test_what_was_wrong_with_the_certificate_is_noted(
    shown: trustme.CA | None, expected: list[HandshakeFailure], *, speaks_tls: bool, is_link: bool
) -> None:
    """Nothing where there was none to be shown, or nothing wrong with it; on both ways to run a handshake."""
    server, context = HttpServer(), _server_context()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        calling = asyncio.create_task(asyncio.to_thread(_connect, address, shown, speaks_tls=speaks_tls))
        connection, _ = await asyncio.to_thread(listener.accept)
        with noted_failures(context) as noted:
            await server.serve_connection(connection, context, Nothing(), is_link=is_link)
        await calling
    await server.stop(1.0)
    assert noted == expected
