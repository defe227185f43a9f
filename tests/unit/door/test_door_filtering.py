"""What a filter makes of connections and requests, on real sockets with real TLS."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from door_harness import DOMAIN, KnownNodes

from isthmus.control.addresses import Address, AddressSet, parse_address_or_none
from isthmus.control.traffic_filter_rules import CLOSED, OPEN, TrafficFilter, TrafficGuard
from isthmus.door.client_address import LoadBalancers
from isthmus.door.filtering import BLOCKED, Admission, filtered
from isthmus.door.forwarding import Forwarder
from isthmus.door.handover import HandoverListener
from isthmus.door.listener import Door, DoorLimits
from isthmus.door.proxy_protocol import SIGNATURE
from isthmus.door.routing import Decision, DoorPort, EndTlsHere, HandOver, NodeAddress, Refuse

OPEN_ONE, CLOSED_ONE = "a" * 32, "b" * 32
FORBIDDEN = (
    b'{"ok":false,"message":"Forbidden due to traffic filtering. '
    b'Please see the Elastic documentation on Traffic Filtering for more information."}'
)


class Filters:
    """Rule sets that the test sets."""

    def __init__(self) -> None:
        self.of = {CLOSED_ONE: CLOSED}

    def guard_of(self, cluster_id: str) -> TrafficGuard:
        return TrafficGuard(self.of.get(cluster_id, OPEN))


class Running:
    """A door in front of two nodes, which tell who came."""

    def __init__(self) -> None:
        self.filters = Filters()
        self.ports: dict[DoorPort, int] = {}
        self.handed_over: list[tuple[DoorPort, Address | None, bytes]] = []
        self.forwarded: list[str | None] = []
        self.forwarder: Forwarder | None = None

    def take(self, port: DoorPort, connection: socket.socket, client: Address | None) -> None:
        with connection:
            self.handed_over.append((port, client, connection.recv(1)))

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.forwarded.append(request.headers.get("X-Forwarded-For"))
        if request.path == "/slow":
            await asyncio.sleep(30)
        return web.Response(text="from the node")


async def _door(
    running: Running, nodes: KnownNodes, context: ssl.SSLContext, folder: Path, balancers: LoadBalancers
) -> AsyncIterator[Running]:
    node = HandoverListener(folder / "door", running.take)
    node.start()
    upstream = web.Server(running.answer, access_log=None, handler_cancellation=True)
    local = await asyncio.get_running_loop().create_unix_server(upstream, str(folder / "http"))
    for cluster_id in (OPEN_ONE, CLOSED_ONE):
        nodes.running[cluster_id] = NodeAddress(folder / "door", folder / "http")
    admission = Admission(running.filters, balancers)
    running.forwarder = Forwarder(domain=DOMAIN, nodes=nodes, context=context, admission=admission)
    listeners = {port: socket.create_server(("127.0.0.1", 0)) for port in DoorPort}
    running.ports = {port: listener.getsockname()[1] for port, listener in listeners.items()}
    door = Door(
        domain=DOMAIN,
        listeners=listeners,
        nodes=nodes,
        end_tls=running.forwarder.serve,
        admission=admission,
        limits=DoorLimits(hello_timeout_seconds=1.0, refusal_after_seconds=0.01),
    )
    task = asyncio.create_task(door.run())
    yield running
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await running.forwarder.close()
    await upstream.shutdown(1)
    local.close()
    node.close()


@pytest.fixture
async def direct(
    nodes: KnownNodes, server_context: ssl.SSLContext, socket_folder: Path
) -> AsyncIterator[Running]:
    """Answer a door that clients reach directly."""
    async for running in _door(Running(), nodes, server_context, socket_folder, LoadBalancers()):
        yield running


@pytest.fixture
async def behind_proxy_protocol(
    nodes: KnownNodes, server_context: ssl.SSLContext, socket_folder: Path
) -> AsyncIterator[Running]:
    """Answer a door behind a balancer that sends headers: this machine."""
    balancers = LoadBalancers(proxy_protocol=AddressSet.parse(["127.0.0.1"]))
    async for running in _door(Running(), nodes, server_context, socket_folder, balancers):
        yield running


@pytest.fixture
async def behind_http_balancer(
    nodes: KnownNodes, server_context: ssl.SSLContext, socket_folder: Path
) -> AsyncIterator[Running]:
    """Answer a door behind a balancer that forwards requests: this machine."""
    balancers = LoadBalancers(forwarded_for=AddressSet.parse(["127.0.0.0/8"]))
    async for running in _door(Running(), nodes, server_context, socket_folder, balancers):
        yield running


def allow(running: Running, *sources: str) -> None:
    """Let only these addresses in to the one that is closed."""
    running.filters.of[CLOSED_ONE] = TrafficFilter(is_open=False, sources=sources)


def proxy_header(client: str) -> bytes:
    """Answer a header that tells this IPv4 client."""
    block = socket.inet_aton(client) + socket.inet_aton("10.0.0.1") + bytes(4)
    return SIGNATURE + b"\x21\x11" + len(block).to_bytes(2) + block


async def ask(
    running: Running,
    context: ssl.SSLContext,
    request: bytes,
    *,
    name: str | None = f"{CLOSED_ONE}.{DOMAIN}",
    before_tls: bytes = b"",
) -> tuple[int, bytes]:
    """Send one request and answer status and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.ports[DoorPort.DATA])
    try:
        writer.write(before_tls)
        await writer.start_tls(context, server_hostname=name or "127.0.0.1")
        writer.write(request)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        length = next(
            int(line.split(b":")[1]) for line in head.lower().splitlines() if b"content-length" in line
        )
        return int(head.split()[1]), await asyncio.wait_for(reader.readexactly(length), 5)
    finally:
        writer.close()


def get(target: str, cluster_id: str = CLOSED_ONE, **headers: str) -> bytes:
    """Answer a GET request."""
    lines = [f"GET {target} HTTP/1.1", f"Host: {cluster_id}.{DOMAIN}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize(
    "request_bytes",
    [
        get("/"),
        get("/_health"),
        get("/_search?q=x", Authorization="ApiKey abc"),
        get("/", OPEN_ONE, X_Found_Cluster=OPEN_ONE),
        get("http://evil/"),
        b"POST /_bulk HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd",
    ],
)
async def test_a_denied_client_gets_the_same_answer_to_everything(
    direct: Running, client_context: ssl.SSLContext, request_bytes: bytes
) -> None:
    """On 9243: TLS with the right certificate, then 403 with exactly that body; the node hears nothing."""
    assert await ask(direct, client_context, request_bytes) == (403, FORBIDDEN)
    assert (direct.handed_over, direct.forwarded) == ([], [])


async def test_a_denied_client_is_let_in_on_the_same_connection_after_the_change(
    direct: Running, client_context: ssl.SSLContext
) -> None:
    """Each request is judged by the rules of its moment."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", direct.ports[DoorPort.DATA], ssl=client_context, server_hostname=f"{CLOSED_ONE}.{DOMAIN}"
    )
    for sources, status in (((), b"403"), (("127.0.0.1",), b"200"), ((), b"403")):
        allow(direct, *sources)
        writer.write(get("/"))
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert head.split()[1] == status
        body = FORBIDDEN if status == b"403" else b"from the node"
        assert await reader.readexactly(len(body)) == body
    writer.close()


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.0/8", "::ffff:127.0.0.1", "0.0.0.0/0"])
async def test_a_client_that_a_rule_names_reaches_the_node(
    direct: Running, client_context: ssl.SSLContext, source: str
) -> None:
    """On both ports; the node is told who it is."""
    allow(direct, source)
    for port in (DoorPort.DATA, DoorPort.REMOTE_CLUSTER):
        with pytest.raises((OSError, EOFError)):
            await asyncio.open_connection(
                "127.0.0.1", direct.ports[port], ssl=client_context, server_hostname=f"{CLOSED_ONE}.{DOMAIN}"
            )
    client = parse_address_or_none("127.0.0.1")
    assert direct.handed_over == [
        (DoorPort.DATA, client, b"\x16"),
        (DoorPort.REMOTE_CLUSTER, client, b"\x16"),
    ]


async def test_a_denied_client_is_closed_on_9443(
    direct: Running, client_context: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    """Before TLS and without a byte; the log says whom and why."""
    reader, writer = await asyncio.open_connection("127.0.0.1", direct.ports[DoorPort.REMOTE_CLUSTER])
    writer.write(hello(client_context, f"{CLOSED_ONE}.{DOMAIN}"))
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    assert direct.handed_over == []
    record = next(record for record in caplog.records if record.message == "connection refused")
    assert (vars(record)["reason"], vars(record)["client_ip"]) == (BLOCKED, "127.0.0.1")


async def test_headers_are_judged_by_the_deployment_that_they_lead_to(
    direct: Running, client_context: ssl.SSLContext
) -> None:
    """Without a name in the hello, request by request."""
    assert await ask(direct, client_context, get("/", OPEN_ONE), name=None) == (200, b"from the node")
    assert await ask(direct, client_context, get("/"), name=None) == (403, FORBIDDEN)
    assert await ask(direct, client_context, get("/", OPEN_ONE, X_Found_Cluster=CLOSED_ONE), name=None) == (
        403,
        FORBIDDEN,
    )
    status, body = await ask(direct, client_context, get("/_health"), name=None)
    assert (status, json.loads(body)) == (200, {"ok": True, "status": 200})


async def test_a_request_under_way_is_cut(direct: Running, client_context: ssl.SSLContext) -> None:
    """As soon as its client may no longer: what was allowed to begin is not allowed to end."""
    allow(direct, "127.0.0.1")
    asking = asyncio.create_task(ask(direct, client_context, get("/slow"), name=None))
    async with asyncio.timeout(5):
        while not direct.forwarded:  # noqa: ASYNC110 - a server in this process is looked at
            await asyncio.sleep(0.01)
    assert direct.forwarder is not None
    direct.forwarder.cut_denied()
    await asyncio.sleep(0)
    assert not asking.done()
    allow(direct)
    direct.forwarder.cut_denied()
    with pytest.raises((OSError, EOFError)):
        await asyncio.wait_for(asking, 5)


async def test_a_header_of_a_listed_balancer_tells_the_client(
    behind_proxy_protocol: Running, client_context: ssl.SSLContext
) -> None:
    """It is taken off: what follows is the client's own TLS, and the node is told whose it is."""
    running = behind_proxy_protocol
    allow(running, "192.0.2.0/24")
    denied = await ask(running, client_context, get("/"), before_tls=proxy_header("198.51.100.1"))
    assert denied == (403, FORBIDDEN)
    for port in (DoorPort.DATA, DoorPort.REMOTE_CLUSTER):
        _, writer = await asyncio.open_connection("127.0.0.1", running.ports[port])
        whole = proxy_header("192.0.2.7") + hello(client_context, f"{CLOSED_ONE}.{DOMAIN}")
        writer.write(whole[:20])
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.write(whole[20:])
        async with asyncio.timeout(5):
            while not any(each[0] is port for each in running.handed_over):  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.01)
        writer.close()
    assert {each[1:] for each in running.handed_over} == {(parse_address_or_none("192.0.2.7"), b"\x16")}


@pytest.mark.parametrize("port", [DoorPort.DATA, DoorPort.REMOTE_CLUSTER])
@pytest.mark.parametrize(
    "prefix", [b"", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n", SIGNATURE + b"\x31\x11\x00\x00"]
)
async def test_a_listed_balancer_without_a_valid_header_is_closed(
    behind_proxy_protocol: Running, client_context: ssl.SSLContext, port: DoorPort, prefix: bytes
) -> None:
    """Nothing may be guessed: else clients behind it would choose who they are."""
    reader, writer = await asyncio.open_connection("127.0.0.1", behind_proxy_protocol.ports[port])
    writer.write(prefix + hello(client_context, f"{OPEN_ONE}.{DOMAIN}"))
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    assert behind_proxy_protocol.handed_over == []


async def test_nobody_else_may_send_a_header(direct: Running, client_context: ssl.SSLContext) -> None:
    """From an address that is not listed it is no TLS, and closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", direct.ports[DoorPort.DATA])
    writer.write(proxy_header("192.0.2.7") + hello(client_context, f"{OPEN_ONE}.{DOMAIN}"))
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    assert direct.handed_over == []


async def test_requests_of_a_listed_balancer_have_their_own_clients(
    behind_http_balancer: Running, client_context: ssl.SSLContext
) -> None:
    """Over one name in the hello too: TLS ends at the door, and each request tells its client."""
    running = behind_http_balancer
    allow(running, "192.0.2.0/24")
    for client, status in (("192.0.2.7", 200), ("198.51.100.1", 403), ("192.0.2.7, 198.51.100.1", 403)):
        assert (await ask(running, client_context, get("/", X_Forwarded_For=client)))[0] == status
    assert (await ask(running, client_context, get("/")))[0] == 403
    assert running.forwarded == ["192.0.2.7"]
    assert running.handed_over == []


NODE = NodeAddress(Path("door"), Path("http"))


@pytest.mark.parametrize(
    ("port", "cluster_id", "decision"),
    [
        (DoorPort.DATA, OPEN_ONE, HandOver(OPEN_ONE, NODE)),
        (DoorPort.REMOTE_CLUSTER, OPEN_ONE, HandOver(OPEN_ONE, NODE)),
        (DoorPort.DATA, CLOSED_ONE, EndTlsHere(CLOSED_ONE)),
        (DoorPort.REMOTE_CLUSTER, CLOSED_ONE, Refuse(BLOCKED, None, CLOSED_ONE)),
        (DoorPort.TRANSPORT, CLOSED_ONE, HandOver(CLOSED_ONE, NODE)),
    ],
)
def test_what_a_filter_makes_of_a_handover(port: DoorPort, cluster_id: str, decision: Decision) -> None:
    """9400 is exempt; other decisions than a handover stay as they are."""
    admission = Admission(Filters())
    client = parse_address_or_none("192.0.2.7")
    assert filtered(HandOver(cluster_id, NODE), port, client, admission) == decision
    assert filtered(Refuse("x"), port, client, admission) == Refuse("x")


def test_a_caller_who_may_prove_itself_is_handed_over() -> None:
    """On 9443 only: the node decides when it has seen the certificate."""
    filters = Filters()
    filters.of[CLOSED_ONE] = TrafficFilter(is_open=False, callers=(("c" * 32, None),))
    handover, client = HandOver(CLOSED_ONE, NODE), parse_address_or_none("192.0.2.7")
    admission = Admission(filters)
    assert filtered(handover, DoorPort.REMOTE_CLUSTER, client, admission) == handover
    assert filtered(handover, DoorPort.DATA, client, admission) == EndTlsHere(CLOSED_ONE)


def hello(context: ssl.SSLContext, name: str) -> bytes:
    """Answer the first bytes of a client."""
    outgoing = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()
