"""What a link says when the other end is not what it should be."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trustme
from remotes_harness import ALIAS, SERVER_NAME, FarCluster, Near, NearFactory, reader, until

from isthmus.errors import Failure, FailureKind
from isthmus.exchange import SearchRequest
from isthmus.names import IndicesOptions
from isthmus.remotes.address import HostAndPort
from isthmus.remotes.trust import TrustedAuthorities

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Handler, certificate: trustme.LeafCert | None) -> AsyncIterator[HostAndPort]:
    """Serve connections with this handler, over TLS where there is a certificate."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
    tasks: set[asyncio.Task[None]] = set()

    async def guarded(reading: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)  # type: ignore[arg-type]
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await handler(reading, writing)
        writing.transport.abort()

    server = await asyncio.start_server(guarded, "127.0.0.1", 0, ssl=context)
    try:
        yield HostAndPort("127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answering(answer: bytes) -> Handler:
    """Answer every request's head with these bytes."""

    async def handle(reading: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
        await reading.readuntil(b"\r\n\r\n")
        writing.write(answer)
        await writing.drain()
        await asyncio.sleep(5)

    return handle


async def silent(reading: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
    """Accept and never answer."""
    del writing
    await reading.read()
    await asyncio.sleep(60)


async def closing(reading: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
    """Read a little and close."""
    await reading.read(10)
    writing.close()


async def error_of(near: Near, address: HostAndPort, **settings: object) -> dict[str, str]:
    """Configure this address and answer the link's error."""
    near.connect(address, **settings)
    await near.remotes.settle([ALIAS], 5)
    state = near.state
    assert state["connected"] is False
    error: dict[str, str] = state["isthmus"]["last_error"]
    return error


def http(status: str, body: bytes, *headers: str) -> bytes:
    """Write an HTTP answer."""
    head = "\r\n".join([f"HTTP/1.1 {status}", *headers, f"content-length: {len(body)}", "", ""])
    return head.encode() + body


STRANGERS = [
    (
        http("200 OK", b"<html>", "content-type: text/html"),
        "is not a remote cluster server: it answered HTTP status [200] with [text/html]",
    ),
    (
        http("401 Unauthorized", b'{"error":{},"status":401}', "content-type: application/json"),
        "is the REST API of a deployment",
    ),
    (
        http("403 Forbidden", b'{"ok":false,"message":"Forbidden"}', "content-type: application/json"),
        "forbids connections from this deployment's address",
    ),
    (b"220 mail.example.org ESMTP\r\n", "not an HTTP answer"),
    (b"HTTP/1.0 200 OK\r\n\r\n", "did not answer the handshake"),
    (http("200 OK", b"x", "content-type: application/vnd.isthmus.v1+msgpack"), "cannot be read"),
    (
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
        "did not answer the handshake",
    ),
    (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 5000 + b"\r\n", "headers are too large"),
    (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n20000\r\n" + b"x" * 0x20000,
        "larger than [65536] bytes",
    ),
    (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "did not answer"),
]


@pytest.mark.parametrize(("answer", "expected"), STRANGERS, ids=lambda value: str(value)[:40])
async def test_something_else_that_answers_is_named(
    near: Near, certificate: trustme.LeafCert, answer: bytes, expected: str
) -> None:
    """Whatever else listens on the port is told apart in the handshake phase."""
    async with serving(answering(answer), certificate) as address:
        error = await error_of(near, address)
    assert error["phase"] == "handshake"
    assert expected in error["reason"]


async def test_a_server_that_accepts_and_never_answers_is_given_up(
    near: Near, certificate: trustme.LeafCert
) -> None:
    """A handshake has a deadline; a search meanwhile fails with the reason instead of hanging."""
    async with serving(silent, certificate) as address:
        near.connect(address)
        target = near.remotes.get(ALIAS).search_target(reader("*"))
        with pytest.raises(Failure) as caught:
            await asyncio.wait_for(target.search(("x",), IndicesOptions(), SearchRequest()), 5)
        assert caught.value.kind is FailureKind.UNAVAILABLE
        assert caught.value.error_type == "no_seed_node_left_exception"
        assert near.state["isthmus"]["last_error"]["reason"].endswith(
            "did not answer the handshake (it took too long)"
        )


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (silent, "did not answer the TLS hello in time"),
        (closing, "closed the connection during the TLS handshake"),
        (answering(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "does not speak TLS"),
    ],
)
async def test_a_server_without_tls_is_named(near: Near, handler: Handler, expected: str) -> None:
    """Plain servers are told apart from broken ones, in the TLS phase."""

    async def blurting(reading: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
        writing.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await handler(reading, writing)

    chosen = blurting if "speak" in expected else handler
    async with serving(chosen, None) as address:
        error = await error_of(near, address)
    assert (error["phase"], expected in error["reason"]) == ("tls", True), error


async def test_an_unknown_authority_shows_what_was_seen(near_of: NearFactory, far: FarCluster) -> None:
    """A certificate of an unknown CA: subject, issuer, fingerprint, and where to get the CA."""
    trust = TrustedAuthorities(None, system_trust=False)
    async with near_of(trust=trust) as near:
        error = await error_of(near, far.address)
    assert error["phase"] == "tls"
    assert error["reason"].startswith(f"failed to establish trust with server at [{far.address}]")
    for part in (
        "subject name [",
        "SHA-256 fingerprint [",
        "was issued by [",
        "none of which is that issuer",
    ):
        assert part in error["reason"]
    assert "Show certificate chain" in error["remedy"]


async def test_a_name_not_in_the_certificate_shows_the_names_that_are(near: Near, far: FarCluster) -> None:
    """A wrong server name: the message lists the names that the certificate holds."""
    error = await error_of(near, far.address, server_name="other.example.org")
    assert error["phase"] == "tls"
    assert f"it is valid for [{SERVER_NAME}] and not for [other.example.org]" in error["reason"]
    assert "cluster.remote.eu.server_name" in error["remedy"]


async def test_an_expired_certificate_is_named(near: Near, authority: trustme.CA) -> None:
    """An expired certificate is told apart from an unknown CA."""
    from datetime import UTC, datetime

    expired = authority.issue_cert(SERVER_NAME, not_after=datetime(2001, 1, 1, tzinfo=UTC))
    async with serving(silent, expired) as address:
        error = await error_of(near, address)
    assert "has expired" in error["reason"]


async def test_a_refused_connection_and_an_unknown_host_are_told_apart(near: Near) -> None:
    """Nobody listening fails in the connect phase, a name without an address in the resolve phase."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    refused = await error_of(near, HostAndPort("127.0.0.1", port))
    assert (refused["phase"], refused["reason"]) == (
        "connect",
        f"[127.0.0.1:{port}] refused the connection",
    )
    unknown = await error_of(near, HostAndPort("no-such-host.invalid", 9443))
    assert unknown["phase"] == "resolve"
    assert unknown["reason"].startswith("unknown host [no-such-host.invalid]")


async def test_a_wrong_key_names_the_keystore_entry(near_of: NearFactory, far: FarCluster) -> None:
    """A key that the remote does not know fails in the authenticate phase, and a search says so too."""
    async with near_of(key="bad") as near:
        error = await error_of(near, far.address)
        assert error["phase"] == "authenticate"
        assert "for action [cluster:internal/remote_cluster/handshake]" in error["reason"]
        assert "[cluster.remote.eu.credentials]" in error["remedy"]
        with pytest.raises(Failure) as caught:
            await near.remotes.get(ALIAS).resolve(reader("*"), None, IndicesOptions())
        assert caught.value.caused_by is not None
        assert caught.value.caused_by.error_type == "security_exception"


async def test_a_second_cluster_behind_one_address_is_refused(near: Near, far: FarCluster) -> None:
    """While connections to one cluster are open, an answer of another is not mixed in."""
    near.connect(far.address)
    await near.remotes.settle([ALIAS], 5)
    await until(lambda: near.state["num_proxy_sockets_connected"] == 2)
    assert far.server is not None
    kept = list(far.server._state.connections)[:1]
    other = FarCluster(far.certificate, far.keys, far.engine, name="other", port=far.port)
    await far.stop_listening()
    await other.start()
    try:
        for connection in list(far.server._state.connections):
            if connection not in kept:
                connection.transport.abort()
        await until(
            lambda: (
                near.state["isthmus"].get("last_error", {}).get("reason", "")
                == "handshake failed. unexpected remote cluster name [other]"
            )
        )
        assert near.state["num_proxy_sockets_connected"] == 1
    finally:
        await other.kill()


async def test_a_remote_that_stops_answering_is_noticed_by_pings(near: Near, far: FarCluster) -> None:
    """A connected remote that freezes fails the searches under way, long before any deadline of theirs."""
    near.connect(far.address, ping_interval_seconds=0.1)
    await near.remotes.settle([ALIAS], 5)
    stuck = asyncio.Event()

    async def never(credentials: str, action: str = "") -> None:
        del credentials, action
        await stuck.wait()

    far.keys.authenticate_cross_cluster = never  # type: ignore[method-assign,assignment]
    await until(lambda: near.state["isthmus"].get("last_error", {}).get("phase") is not None, 8)
    stuck.set()


async def test_a_door_that_does_not_know_the_name_is_named(near: Near) -> None:
    """A TLS alert for the server name: the name may be wrong, or its deployment may be down."""

    async def alerting(reading: asyncio.StreamReader, writing: asyncio.StreamWriter) -> None:
        await reading.read(100)
        writing.write(bytes.fromhex("15 0303 0002 02 70"))  # RFC 8446 §6.2: fatal, unrecognized_name
        await writing.drain()
        await asyncio.sleep(5)

    async with serving(alerting, None) as address:
        error = await error_of(near, address)
    assert error["phase"] == "tls"
    assert f"does not know the name [{SERVER_NAME}]" in error["reason"]
    assert "check that the remote deployment runs" in error["remedy"]
