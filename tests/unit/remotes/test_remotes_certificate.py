"""Links by certificate over real TLS: who gets in, who does not, and what changes do to open connections."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import pytest
from remotes_harness import ALIAS, FakeEngine, FakeKeystore, identity, until

sys.path.append(str(Path(__file__).parent.parent / "security"))

from certificate_makers import CLIENT, SERVER, Made, authority, leaf, node, utf8

from isthmus.app.node_transport import TransportPort
from isthmus.errors import Failure, FailureKind
from isthmus.exchange import SearchRequest
from isthmus.names import IndicesOptions
from isthmus.remotes.address import HostAndPort
from isthmus.remotes.connection import DialTimeouts
from isthmus.remotes.connection_modes import ProxyMode
from isthmus.remotes.dialling import LinkContext
from isthmus.remotes.registry import Remotes
from isthmus.remotes.settings import RemoteSettings
from isthmus.remotes.transport_security import TransportFiles, TransportSecurity
from isthmus.remotes.trust import TrustedAuthorities
from isthmus.rest.remote.gates import CertificateGate
from isthmus.rest.remote.interface import RemoteInterface
from isthmus.rest.serving import HttpServer
from isthmus.security.certificate_trust import TransportTrust, TrustEntry
from isthmus.security.principal import IndexPrivileges, Principal, RoleDescriptor
from isthmus.security.records import StoredUser

NEAR_NAME = f"near.node.{'a' * 32}.cluster.1111111111.account"
FAR_NAME = f"far.node.{'b' * 32}.cluster.2222222222.account"
NEAR_SCOPE = "*.node.*.cluster.1111111111.account"
FAR_SCOPE = "*.node.*.cluster.2222222222.account"
NEAR_CA, FAR_CA = authority("near transport CA"), authority("far transport CA")
OPTIONS = IndicesOptions()


class Records:
    """The far cluster's roles and users."""

    def __init__(self) -> None:
        self.roles = {"reader": ("logs-*",), "nothing": ()}

    async def find_roles(self, names: Collection[str]) -> Sequence[RoleDescriptor]:
        """Answer those that exist."""
        return [
            RoleDescriptor(
                name=name, indices=(IndexPrivileges(names=self.roles[name] or ("x",), privileges=("read",)),)
            )
            for name in sorted(names)
            if name in self.roles
        ]

    async def find_user(self, username: str) -> StoredUser | None:
        """Answer the one user that there is."""
        return StoredUser(username=username, password_hash="") if username == "ann" else None


@dataclass
class Side:
    """A node's files and what was made of them."""

    folder: Path
    files: TransportFiles = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.files = TransportFiles(
            self.folder / "node.crt", self.folder / "node.key", self.folder / "transport-trust.json"
        )

    def show(self, made: Made, *above: Made) -> None:
        """Use this certificate."""
        self.files.key.unlink(missing_ok=True)
        self.files.certificate.unlink(missing_ok=True)
        self.files.key.write_bytes(made.key_pem)
        self.files.certificate.write_text(made.pem + "".join(each.pem for each in above))

    def trust(self, ca: Made | None, *patterns: str) -> None:
        """Trust these names of this authority, or nobody."""
        entries = () if ca is None else (TrustEntry(label="other", authorities=(ca.pem,), patterns=patterns),)
        temporary = self.files.trust.with_suffix(".new")
        temporary.write_bytes(msgspec.json.encode(TransportTrust(entries=entries)))
        temporary.replace(self.files.trust)


@dataclass
class Pair:
    """A near node with a link, and a far node with a transport port."""

    near: Side
    far: Side
    records: Records
    engine: FakeEngine
    keystore: FakeKeystore
    remotes: Remotes
    server: HttpServer
    port: int

    def connect(self) -> None:
        """Configure the alias."""
        self.remotes.apply(
            {ALIAS: RemoteSettings(alias=ALIAS, mode=ProxyMode(HostAndPort("127.0.0.1", self.port), "x.y"))}
        )

    async def connected(self) -> None:
        """Configure the alias and wait for the link."""
        self.connect()
        await until(lambda: bool(self.info["connected"]))

    @property
    def info(self) -> dict[str, object]:
        """What `_remote/info` tells."""
        return self.remotes.get(ALIAS).info()

    async def error(self) -> dict[str, str]:
        """Answer why it does not connect."""
        await until(lambda: "last_error" in self.info["isthmus"])  # type: ignore[operator]
        assert self.info["connected"] is False
        return self.info["isthmus"]["last_error"]  # type: ignore[index,no-any-return]

    async def search(self, principal: Principal, *expressions: str) -> list[str]:
        """Answer the ids that a caller finds."""
        target = self.remotes.get(ALIAS).search_target(principal)
        result = await target.search(expressions or ("logs-*",), OPTIONS, SearchRequest(size=10))
        return [hit.id for hit in result.hits]


def user(*roles: str, **more: object) -> Principal:
    """Answer a user of the near cluster with roles of these names."""
    return Principal(
        username="ann",
        role_names=roles,
        role_sets=((),),
        realm_name="default_native",
        realm_type="native",
        **more,  # type: ignore[arg-type]
    )


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    """Run two nodes that trust each other."""
    near, far = Side(tmp_path / "near"), Side(tmp_path / "far")
    near.show(node(NEAR_CA, NEAR_NAME))
    far.show(node(FAR_CA, FAR_NAME))
    near.trust(FAR_CA, FAR_SCOPE)
    far.trust(NEAR_CA, NEAR_SCOPE)
    engine, records, keystore = (
        FakeEngine(**{"logs-a": ["1", "2"], "secret": ["3"]}),
        Records(),
        FakeKeystore(),
    )
    far_security, near_security = TransportSecurity(far.files), TransportSecurity(near.files)
    server, near_server = HttpServer(), HttpServer()
    interface = RemoteInterface(CertificateGate(far_security, records), engine, identity("far"))  # type: ignore[arg-type]
    context = LinkContext(
        identity=identity("near"),
        trust=TrustedAuthorities(None, system_trust=False),
        timeouts=DialTimeouts(connect_seconds=1, tls_seconds=1, handshake_seconds=1),
        transport=near_security,
    )
    remotes = Remotes(keystore, context)
    far_port = TransportPort(far_security, server, interface, Remotes(FakeKeystore(), context))
    near_port = TransportPort(near_security, near_server, interface, remotes)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0)

    async def accept() -> None:
        while True:
            connection, _ = await asyncio.get_running_loop().sock_accept(listener)
            serving.add(asyncio.create_task(far_port.serve(connection, None)))

    serving: set[asyncio.Task[None]] = set()
    tasks = [asyncio.create_task(each) for each in (accept(), remotes.run(), far_port.run(), near_port.run())]
    yield Pair(near, far, records, engine, keystore, remotes, server, listener.getsockname()[1])
    for task in tasks[1:]:
        task.cancel()
    await asyncio.gather(*tasks[1:], return_exceptions=True)
    tasks[0].cancel()
    await asyncio.gather(*tasks, *serving, return_exceptions=True)
    listener.close()
    await server.stop(0)


async def test_a_caller_has_the_roles_of_the_same_names(pair: Pair) -> None:
    """Names travel; what they grant is the far side's, and a name that it lacks grants nothing."""
    await pair.connected()
    assert await pair.search(user("reader")) == ["1", "2"]
    assert "cluster_credentials" not in pair.info
    assert pair.info["isthmus"]["security_model"] == "certificate"  # type: ignore[index]
    with pytest.raises(Failure) as refused:
        await pair.search(user("unknown", "nothing"), "logs-a")
    assert refused.value.kind is FailureKind.FORBIDDEN
    assert refused.value.reason == (
        "action [indices:data/read/search] is unauthorized for user [ann] with effective roles [nothing]"
        " (assigned roles [unknown] were not found) on indices [logs-a], this action is granted by the index"
        " privileges [read,all]"
    )
    with pytest.raises(Failure, match="secret"):
        await pair.search(user("reader"), "secret")


async def test_the_far_sides_superuser_is_named_superuser(pair: Pair) -> None:
    """A superuser here reads everything there; nothing can be written over a link."""
    await pair.connected()
    assert await pair.search(user("superuser"), "*") == ["1", "2", "3"]


async def test_a_caller_with_an_api_key_takes_its_index_privileges_along(pair: Pair) -> None:
    """A key has no roles: its privileges, and its owner's, bound what it sees there."""
    await pair.connected()
    reads = RoleDescriptor(
        name="r", cluster=("all",), indices=(IndexPrivileges(names=("logs-*",), privileges=("read",)),)
    )
    everything = RoleDescriptor(name="s", indices=(IndexPrivileges(names=("*",), privileges=("all",)),))
    key = {"username": "ann", "role_names": (), "realm_name": "_es_api_key", "realm_type": "_es_api_key"}
    caller = Principal(role_sets=((reads,), (everything,)), api_key_id="k", **key)  # type: ignore[arg-type]
    assert await pair.search(caller, "*") == ["1", "2"]


async def test_whoever_one_runs_as_must_exist_there(pair: Pair) -> None:
    """A user that the far cluster does not know is refused, whatever their roles."""
    await pair.connected()
    boss = user("superuser")
    assert await pair.search(user("reader", run_by=boss)) == ["1", "2"]
    with pytest.raises(Failure, match=r"does not exist on this cluster"):
        await pair.search(replace(user("reader", run_by=boss), username="bob"))


HOSTILE = {
    "name in the subject only": leaf(NEAR_CA, subject=NEAR_NAME[:64]),
    "name as DNS name only": leaf(NEAR_CA, dns=(NEAR_NAME,)),
    "another scope": node(NEAR_CA, NEAR_NAME.replace("1111111111", "3333333333")),
    "no account": node(NEAR_CA, NEAR_NAME.removesuffix(".account")),
    "upper case": node(NEAR_CA, NEAR_NAME.upper()),
    "NUL": leaf(NEAR_CA, utf8(NEAR_NAME + "\0")),
    "wildcard": leaf(NEAR_CA, utf8(NEAR_SCOPE)),
    "another authority": node(authority("near transport CA"), NEAR_NAME),
    "expired": node(NEAR_CA, NEAR_NAME, valid=(-2, -1)),
    "not yet valid": node(NEAR_CA, NEAR_NAME, valid=(1, 2)),
    "for servers only": node(NEAR_CA, NEAR_NAME, usages=(SERVER,)),
    "signed by itself": node(node(NEAR_CA, NEAR_NAME), NEAR_NAME),
}


@pytest.mark.parametrize("case", HOSTILE)
async def test_who_is_not_trusted_does_not_get_in(pair: Pair, case: str) -> None:
    """No request of theirs is answered, and their administrator is told where to look."""
    pair.near.show(HOSTILE[case])
    pair.connect()
    error = await pair.error()
    assert error["phase"] == "tls"
    assert "on the remote side" in error["remedy"]
    assert "does not trust this one" in error["reason"]
    assert pair.engine.searches == 0


SERVERS = {
    "another scope": node(FAR_CA, FAR_NAME.replace("2222222222", "3333333333")),
    "name as DNS name only": leaf(FAR_CA, dns=(FAR_NAME, "x.y")),
    "another authority": node(NEAR_CA, FAR_NAME),
    "for clients only": node(FAR_CA, FAR_NAME, usages=(CLIENT,)),
    "expired": node(FAR_CA, FAR_NAME, valid=(-2, -1)),
}


@pytest.mark.parametrize("case", SERVERS)
async def test_a_server_that_is_not_trusted_is_not_talked_to(pair: Pair, case: str) -> None:
    """The same decision on this side: nothing is sent to it, and the failure names model and remedy."""
    pair.far.show(SERVERS[case])
    pair.connect()
    error = await pair.error()
    assert error["phase"] == "tls"
    assert "failed to establish trust with server at" in error["reason"]
    assert "certificate model" in error["reason"]


async def test_the_chain_may_have_an_authority_in_between(pair: Pair) -> None:
    """A node may show the intermediate authority that signed it."""
    intermediate = authority("between", NEAR_CA)
    pair.near.show(node(intermediate, NEAR_NAME), intermediate)
    await pair.connected()


@pytest.mark.parametrize("side", ["far", "near"])
async def test_trust_that_is_removed_ends_open_connections_within_a_second(pair: Pair, side: str) -> None:
    """Whichever side trusts no longer; busy connections too. Trust that comes back mends the link."""
    pair.engine.hold = asyncio.Event()
    await pair.connected()
    searching = asyncio.create_task(pair.search(user("reader")))
    await pair.engine.searching.wait()
    started = asyncio.get_running_loop().time()
    changed = pair.far if side == "far" else pair.near
    changed.trust(None)
    with pytest.raises(Failure) as broken:
        await searching
    assert asyncio.get_running_loop().time() - started < 1.0
    assert broken.value.kind is FailureKind.UNAVAILABLE
    await until(lambda: pair.server.open_connections == 0)
    pair.engine.hold.set()
    changed.trust(NEAR_CA if side == "far" else FAR_CA, NEAR_SCOPE if side == "far" else FAR_SCOPE)
    await until(lambda: bool(pair.info["connected"]))
    assert await pair.search(user("reader")) == ["1", "2"]


async def test_a_change_that_concerns_others_cuts_nobody(pair: Pair) -> None:
    """A request under way goes on when trust is narrowed to the very cluster that asks."""
    pair.engine.hold = asyncio.Event()
    await pair.connected()
    searching = asyncio.create_task(pair.search(user("reader")))
    await pair.engine.searching.wait()
    pair.far.trust(NEAR_CA, f"*.node.{'a' * 32}.cluster.1111111111.account")
    await asyncio.sleep(0.6)
    pair.engine.hold.set()
    assert await searching == ["1", "2"]


async def test_certificates_are_renewed_without_a_lost_request(pair: Pair) -> None:
    """Searches go on while both sides get new certificates, of new authorities that both trust by then."""
    await pair.connected()
    new_near, new_far = authority("near transport CA"), authority("far transport CA")
    done, stop = 0, asyncio.Event()

    async def search_on() -> None:
        nonlocal done
        while not stop.is_set():
            assert await pair.search(user("reader")) == ["1", "2"]
            done += 1

    workers = [asyncio.create_task(search_on()) for _ in range(4)]
    for side, old, new, scope in (
        (pair.far, NEAR_CA, new_near, NEAR_SCOPE),
        (pair.near, FAR_CA, new_far, FAR_SCOPE),
    ):
        both = tuple(TrustEntry(label="x", authorities=(ca.pem,), patterns=(scope,)) for ca in (old, new))
        side.files.trust.write_bytes(msgspec.json.encode(TransportTrust(entries=both)))
    await asyncio.sleep(0.5)
    pair.near.show(node(new_near, NEAR_NAME))
    pair.far.show(node(new_far, FAR_NAME))
    await asyncio.sleep(1.0)
    pair.far.trust(new_near, NEAR_SCOPE)
    pair.near.trust(new_far, FAR_SCOPE)
    await asyncio.sleep(1.0)
    before = done
    await until(lambda: done > before + 20)
    stop.set()
    await asyncio.gather(*workers)


async def test_a_key_that_appears_changes_the_model(pair: Pair) -> None:
    """With a key the link uses the other model, for which this port is the wrong one; and back."""
    await pair.connected()
    pair.keystore.put_key("key1")
    await until(lambda: pair.info["isthmus"]["security_model"] == "api_key")  # type: ignore[index]
    error = await pair.error()
    assert "transport port" in error["remedy"]
    assert "9443" in error["remedy"]
    pair.keystore.put_key(None)
    await until(lambda: bool(pair.info["connected"]))
    assert await pair.search(user("reader")) == ["1", "2"]


async def raw(pair: Pair, context: ssl.SSLContext, request: bytes) -> bytes:
    """Send bytes to the transport port and answer all that comes back."""
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", pair.port, ssl=context, server_hostname="x.y")
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.read(), 5)
    except (OSError, ssl.SSLError):
        return b""
    finally:
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()


def client_context(pair: Pair) -> ssl.SSLContext:
    """Answer a context that shows the near node's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(pair.near.files.certificate, pair.near.files.key)
    return context


PING = b"POST /_isthmus/v1/ping HTTP/1.1\r\nhost: x\r\nconnection: close\r\n%scontent-length: 1\r\n\r\n\x80"


async def test_nothing_is_answered_without_a_certificate(pair: Pair) -> None:
    """Neither in TLS 1.3 nor in 1.2, with or without a key."""
    for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.maximum_version = version
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            assert await raw(pair, context, PING % b"authorization: ApiKey key1\r\n") == b""
    assert await raw(pair, client_context(pair), PING % b"") != b""


async def test_a_key_counts_for_nothing_on_this_port(pair: Pair) -> None:
    """Whoever shows one is told what a transport port tells, and learns of no REST API."""
    answer = await raw(pair, client_context(pair), PING % b"authorization: ApiKey key1\r\n")
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert (
        b"missing authentication credentials for action [cluster:internal/remote_cluster/handshake]" in answer
    )
    answer = await raw(
        pair, client_context(pair), b"GET /_search HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"this is the transport port" in answer


async def test_files_that_are_no_trust_trust_nobody(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    """A tampered file ends every connection instead of keeping what was trusted before."""
    await pair.connected()
    pair.far.files.trust.write_text('{"entries": [{"label": 5')
    await until(lambda: pair.server.open_connections == 0)
    assert "trust settings cannot be read" in caplog.text


def test_a_node_without_a_certificate_of_its_own_has_no_contexts(tmp_path: Path) -> None:
    """And trusts nobody; a key that does not match its certificate is waited for."""
    side = Side(tmp_path / "side")
    security = TransportSecurity(side.files)
    assert security.server_context is None
    assert not security.trusts((FAR_CA.der,))
    side.show(node(NEAR_CA, NEAR_NAME))
    side.files.key.write_bytes(node(NEAR_CA, NEAR_NAME).key_pem)
    security.reload_if_changed()
    assert security.server_context is None
    side.show(node(NEAR_CA, NEAR_NAME))
    security.reload_if_changed()
    assert security.server_context is not None
    assert security.server_context.verify_mode is ssl.CERT_REQUIRED
