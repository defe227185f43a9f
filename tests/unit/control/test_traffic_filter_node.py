"""A node follows the file that its environment writes: real connections with real certificates are cut."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from isthmus.app.node_traffic_filter import FilteredPorts, NodeTrafficFilter, asking_context
from isthmus.control.addresses import parse_address_or_none
from isthmus.control.certificates import (
    Credentials,
    issue_node_certificate,
    issue_server_certificate,
    make_authority,
)
from isthmus.control.traffic_filter_callers import proven_caller
from isthmus.control.traffic_filter_rules import CLOSED, OPEN, UNPROVEN, PortKind, RemoteCaller, TrafficFilter
from isthmus.errors import Failure
from isthmus.rest.http import Request, Response
from isthmus.rest.serving import HttpServer
from isthmus.security.private_files import write_private

CLUSTER, SCOPE = "c" * 32, "1234567890"
CLIENT, STRANGER = parse_address_or_none("192.0.2.7"), parse_address_or_none("198.51.100.1")
ONLY_CLIENT = TrafficFilter(is_open=False, sources=("192.0.2.7",))
ONLY_CLUSTER = TrafficFilter(is_open=False, callers=((CLUSTER, None),))


class _Hello:
    async def handle(self, request: Request) -> Response:
        return Response(body=str(request.peer.address).encode())

    async def admit(self, head: Request) -> Response | None:  # noqa: ARG002 - as the protocol has it
        return None

    def refuse(self, failure: Failure) -> Response:  # noqa: ARG002 - as the protocol has it
        return Response(400)

    def may_be_abandoned(self, method: str, path: str) -> bool:  # noqa: ARG002 - as the protocol has it
        return True


@dataclass
class Certificates:
    """A server of the proxy authority, a node of the transport authority, and a stranger's node."""

    server: ssl.SSLContext
    transport_authority: Path
    node: Path
    stranger: Path
    trusting: bytes

    def client(self, own: Path | None = None) -> ssl.SSLContext:
        """Answer the context of a client with that certificate."""
        context = ssl.create_default_context(cadata=self.trusting.decode())
        if own is not None:
            context.load_cert_chain(own)
        return context


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Answer certificates for the session."""
    folder, now = tmp_path_factory.mktemp("filter"), datetime.now(UTC)
    proxy, transport, foreign = (make_authority(name, "test", now) for name in ("proxy", "transport", "f"))
    server = issue_server_certificate(proxy, ("localhost",), now)
    node = issue_node_certificate(transport, "abcdefg", CLUSTER, SCOPE, now)
    stranger = issue_node_certificate(foreign, "abcdefg", CLUSTER, SCOPE, now)

    def kept(name: str, credentials: Credentials) -> Path:
        path: Path = folder / name
        path.write_bytes(credentials.certificate + credentials.key)
        return path

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(kept("server.pem", server))
    authority = folder / "transport-ca.crt"
    authority.write_bytes(transport.certificate)
    return Certificates(
        asking_context(context, authority),
        authority,
        kept("node.pem", node),
        kept("stranger.pem", stranger),
        proxy.certificate,
    )


class Node:
    """A server that judges connections by a file."""

    def __init__(self, path: Path, context: ssl.SSLContext) -> None:
        self.path = path
        self.filter = NodeTrafficFilter(path)
        self.server = HttpServer()
        self._context = context

    async def connect(self, port: PortKind, client: ssl.SSLContext, wanted: int = 1) -> bytes:
        """Connect as the client and ask; answer what is told, empty where the connection is cut."""
        reader, writer = await self.open(port, client)
        try:
            for _ in range(wanted):
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            return await asyncio.wait_for(reader.readuntil(b"192.0.2.7"), 5)
        except (OSError, asyncio.IncompleteReadError):
            return b""
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def open(
        self, port: PortKind, client: ssl.SSLContext
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Hand one end of a connection over, and answer the other."""
        mine, theirs = socket.socketpair()
        origin = self.filter.origin(port, CLIENT)
        serving = asyncio.create_task(self.server.serve_connection(theirs, self._context, _Hello(), origin))
        opened = await asyncio.open_connection(sock=mine, ssl=client, server_hostname="localhost")
        await serving
        return opened

    def write(self, traffic_filter: TrafficFilter) -> None:
        """Write the file as the environment does."""
        write_private(self.path, msgspec.json.encode(traffic_filter))


@pytest.fixture
async def node(tmp_path: Path, certificates: Certificates) -> AsyncIterator[Node]:
    """Answer a node that watches its file."""
    running = Node(tmp_path / "traffic-filter.json", certificates.server)
    watching = asyncio.create_task(running.filter.run(running.server.recheck_connections))
    yield running
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await running.server.stop(0)


async def test_an_open_connection_is_cut_within_a_second(node: Node, certificates: Certificates) -> None:
    """One that a rule still lets in stays; the others end, whatever they were doing."""
    opened = [await node.open(port, certificates.client()) for port in PortKind]
    data, remote, transport = opened
    assert node.server.open_connections == 3
    node.write(ONLY_CLIENT)
    await _until(lambda: not node.filter.may_come_in(PortKind.DATA, STRANGER))
    assert node.server.open_connections == 3
    node.write(CLOSED)
    for reader, _ in (data, remote):
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 1) == b""
    transport[1].write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert await asyncio.wait_for(transport[0].readuntil(b"192.0.2.7"), 5)
    for _, writer in opened:
        writer.close()


@pytest.mark.parametrize(("before", "now"), [(CLOSED, ONLY_CLIENT), (ONLY_CLIENT, CLOSED)])
async def test_what_is_handed_over_is_judged_by_the_file_of_that_moment(
    node: Node, certificates: Certificates, before: TrafficFilter, now: TrafficFilter
) -> None:
    """Not by what the node saw when it last looked: the door may have let it in since."""
    node.write(before)
    known = NodeTrafficFilter(node.path)
    assert known.may_come_in(PortKind.DATA, CLIENT) is not (before == CLOSED)
    ports = FilteredPorts(node.server, known, certificates.server, lambda: certificates.server)
    node.write(now)
    mine, theirs = socket.socketpair()
    serving = asyncio.create_task(ports.serve(PortKind.DATA, theirs, CLIENT, _Hello()))
    try:
        _, writer = await asyncio.open_connection(
            sock=mine, ssl=certificates.client(), server_hostname="localhost"
        )
        writer.close()
        connected = True
    except OSError:
        connected = False
    await serving
    assert connected is (now != CLOSED)


async def test_a_connection_that_arrives_late_is_cut_after_its_handshake(
    node: Node, certificates: Certificates
) -> None:
    """The filter may have changed between the door's decision and the end of the handshake."""
    node.write(CLOSED)
    late = NodeTrafficFilter(node.path)
    assert not late.may_come_in(PortKind.DATA, CLIENT)
    node.filter = late
    assert await node.connect(PortKind.DATA, certificates.client()) == b""


async def test_a_proven_caller_is_let_in_on_9443(node: Node, certificates: Certificates) -> None:
    """By the certificate of this environment, and by nothing else."""
    node.write(ONLY_CLUSTER)
    node.filter = NodeTrafficFilter(node.path)
    assert node.filter.asks_for_callers
    assert node.filter.may_come_in(PortKind.REMOTE_CLUSTER, CLIENT)
    assert b"192.0.2.7" in await node.connect(PortKind.REMOTE_CLUSTER, certificates.client(certificates.node))
    assert await node.connect(PortKind.REMOTE_CLUSTER, certificates.client()) == b""
    assert await node.connect(PortKind.DATA, certificates.client(certificates.node)) == b""
    with contextlib.suppress(OSError):  # a certificate that nobody here has signed ends the handshake
        stranger = certificates.client(certificates.stranger)
        assert await node.connect(PortKind.REMOTE_CLUSTER, stranger) == b""


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"is_open":false,"sources":["x"]}', b"\xff"])
async def test_a_file_that_is_not_understood_lets_nobody_in(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """And the log says so; where there is no file, everybody may."""
    path = tmp_path / "traffic-filter.json"
    assert NodeTrafficFilter(path).may_come_in(PortKind.DATA, CLIENT)
    path.write_bytes(content)
    assert not NodeTrafficFilter(path).may_come_in(PortKind.DATA, CLIENT)
    assert "traffic filter cannot be read" in caplog.text


async def test_a_bad_file_later_on_leaves_the_last_filter(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    """Until it is mended."""
    node.write(ONLY_CLIENT)
    await _until(lambda: not node.filter.may_come_in(PortKind.DATA, STRANGER))
    node.path.write_bytes(b"{")
    await _until(lambda: "traffic filter cannot be read" in caplog.text)
    assert node.filter.may_come_in(PortKind.DATA, CLIENT)
    assert not node.filter.may_come_in(PortKind.DATA, STRANGER)
    node.write(OPEN)
    await _until(lambda: node.filter.may_come_in(PortKind.DATA, STRANGER))


def test_who_a_certificate_proves(certificates: Certificates) -> None:
    """The one node that it names; nobody where there is none or none that can be read."""
    assert proven_caller(_leaf(certificates.node.read_text())) == RemoteCaller(CLUSTER, SCOPE)
    now = datetime.now(UTC)
    server = issue_server_certificate(make_authority("x", "test", now), ("localhost",), now)
    for nobody in (None, b"", b"junk", _leaf(server.certificate.decode())):
        assert proven_caller(nobody) == UNPROVEN


def _leaf(chain: str) -> bytes:
    """Answer the first certificate of a chain."""
    end = "-----END CERTIFICATE-----\n"
    return ssl.PEM_cert_to_DER_cert(chain.partition(end)[0] + end)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(1):
        while not condition():  # noqa: ASYNC110 - the file is looked at by the clock
            await asyncio.sleep(0.01)
