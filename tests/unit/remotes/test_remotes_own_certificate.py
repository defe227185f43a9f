"""A node shows its certificate to servers of its own environment, and to nobody else."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from isthmus.control.certificates import (
    Credentials,
    issue_node_certificate,
    issue_server_certificate,
    make_authority,
)
from isthmus.remotes.trust import OwnCertificate, TrustedAuthorities

DOMAIN = "enterprise.localhost"
CLUSTER = "c" * 32


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Answer a folder with a trusted authority, a server's certificate, and a node's own."""
    made, now = tmp_path_factory.mktemp("own"), datetime.now(UTC)
    proxy, transport = make_authority("proxy", "test", now), make_authority("transport", "test", now)
    server = issue_server_certificate(proxy, (f"x.{DOMAIN}", "x.other.localhost"), now)
    (made / "proxy.crt").write_bytes(proxy.certificate)
    (made / "transport.pem").write_bytes(transport.certificate)
    (made / "server.pem").write_bytes(server.certificate + server.key)
    _write_node(made, issue_node_certificate(transport, "abcdefg", CLUSTER, "1234567890", now))
    return made


def _write_node(folder: Path, credentials: Credentials) -> None:
    (folder / "node.pem").write_bytes(credentials.certificate)
    (folder / "node.key").write_bytes(credentials.key)


def _trust(folder: Path) -> TrustedAuthorities:
    own = OwnCertificate(folder / "node.pem", folder / "node.key", DOMAIN)
    return TrustedAuthorities(folder, system_trust=False, own=own)


@pytest.mark.parametrize(
    ("name", "shown"), [(f"x.{DOMAIN}", True), (f"X.{DOMAIN.upper()}", True), ("x.other.localhost", False)]
)
async def test_only_the_own_environment_sees_it(folder: Path, name: str, shown: bool) -> None:
    """A server that asks for a certificate gets it below the own domain only; both get a connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(folder / "transport.pem")
    seen: asyncio.Queue[bool] = asyncio.Queue()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.put_nowait(writer.get_extra_info("ssl_object").getpeercert(binary_form=True) is not None)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        client = _trust(folder).for_server(name).context
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name)
        assert await asyncio.wait_for(seen.get(), 5) is shown
        writer.close()


def test_a_context_is_made_once_for_a_certificate(folder: Path) -> None:
    """And anew when the certificate was renewed; one that is lost is done without."""
    trust = _trust(folder)
    first = trust.for_server(f"x.{DOMAIN}").context
    assert trust.for_server(f"y.{DOMAIN}").context is first
    now = datetime.now(UTC)
    renewed = issue_node_certificate(make_authority("t", "test", now), "abcdefg", CLUSTER, "1234567890", now)
    kept = ((folder / "node.pem").read_bytes(), (folder / "node.key").read_bytes())
    _write_node(folder, renewed)
    assert trust.for_server(f"x.{DOMAIN}").context is not first
    (folder / "node.pem").unlink()
    assert trust.for_server(f"x.{DOMAIN}").context is trust.context
    (folder / "node.pem").write_bytes(kept[0])
    (folder / "node.key").write_bytes(kept[1])
