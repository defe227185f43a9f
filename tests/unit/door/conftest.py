"""Certificates, nodes that behave, and a running door."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from door_harness import DOMAIN, KnownNodes

from isthmus.control.certificates import Credentials, issue_server_certificate, make_authority


@pytest.fixture
def nodes() -> KnownNodes:
    """Answer a table of nodes, empty yet."""
    return KnownNodes()


@pytest.fixture(scope="session")
def authority() -> Credentials:
    """Answer an authority for the session."""
    return make_authority("test CA", "test", datetime.now(UTC))


@pytest.fixture(scope="session")
def server_context(authority: Credentials, tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """Answer the context of a server of the domain."""
    folder = tmp_path_factory.mktemp("certificates")
    names = (f"*.{DOMAIN}", DOMAIN, "localhost", "127.0.0.1")
    server = issue_server_certificate(authority, names, datetime.now(UTC))
    (folder / "server.crt").write_bytes(server.certificate)
    (folder / "server.key").write_bytes(server.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    return context


@pytest.fixture
def client_context(authority: Credentials) -> ssl.SSLContext:
    """Answer the context of a client that trusts the authority."""
    return ssl.create_default_context(cadata=authority.certificate.decode())


@pytest.fixture
def socket_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Answer a folder whose path is short enough for Unix sockets."""
    return tmp_path_factory.mktemp("s")
