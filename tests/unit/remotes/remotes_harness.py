"""Two clusters on loopback: a far one with a real TLS port, and the near one's remote clusters."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import trustme

from isthmus.errors import Failure, FailureKind
from isthmus.exchange import (
    Hit,
    IndexDescription,
    IndexSelection,
    Json,
    SearchRequest,
    SearchResult,
    ShardCounts,
    TotalHits,
)
from isthmus.names import ClusterAlias, IndexName
from isthmus.remotes.address import HostAndPort
from isthmus.remotes.connection_modes import DEFAULT_PROXY_SOCKET_CONNECTIONS, ProxyMode
from isthmus.remotes.protocol import GatewayNode
from isthmus.remotes.records import NodeIdentity
from isthmus.remotes.registry import Remotes
from isthmus.remotes.settings import RemoteSettings, credentials_name
from isthmus.remotes.trace import NO_TRACE, current_trace
from isthmus.rest.remote.gates import KeyGate
from isthmus.rest.remote.interface import RemoteInterface
from isthmus.rest.serving import HttpServer
from isthmus.security.principal import IndexPrivileges, Principal, RemoteIndexPrivileges, RoleDescriptor
from isthmus.security.remote_caller import CrossClusterKey
from isthmus.security.secret import Secret
from isthmus.security.signing import SignatureVerifier

SERVER_NAME = "far.example.org"
ALIAS = ClusterAlias("eu")
READ = ("read", "read_cross_cluster", "view_index_metadata")


def identity(name: str) -> NodeIdentity:
    """Answer the identity of a cluster of this name."""
    return NodeIdentity(
        node_id=f"{name}-node-id",
        node_name=f"{name}-node",
        cluster_id=f"{name}-cluster-id",
        cluster_name=name,
        software_version="0.1.0",
    )


def reader(*names: str, clusters: tuple[str, ...] = ("*",)) -> Principal:
    """Answer a user who may read these indices of the remote clusters of these aliases."""
    role = RoleDescriptor(
        name="remote-reader",
        remote_indices=(RemoteIndexPrivileges(clusters=clusters, names=names, privileges=READ),),
    )
    return Principal(
        username="ann",
        role_names=("remote-reader",),
        role_sets=((role,),),
        realm_name="default_native",
        realm_type="native",
    )


class FakeKeys:
    """The far cluster's keys: encoded key -> indices that it gives access to."""

    def __init__(self, **access: tuple[str, ...]) -> None:
        self.access: dict[str, tuple[str, ...]] = dict(access)
        self.used: list[str] = []
        self.expires_milliseconds: int | None = None

    async def authenticate_cross_cluster(
        self,
        credentials: str,
        action: str = "",
        certificate_subject: str | None = None,  # noqa: ARG002 - these keys are bound to none
    ) -> CrossClusterKey:
        """Answer the key; unknown ones are refused in Elasticsearch's words."""
        encoded = credentials.removeprefix("ApiKey ")
        self.used.append(encoded)
        if encoded not in self.access:
            raise Failure(
                FailureKind.UNAUTHENTICATED,
                "security_exception",
                f"unable to authenticate user [{encoded[:3]}] for action [{action}]",
            )
        role = RoleDescriptor(
            name="cross_cluster",
            cluster=("cross_cluster_search",),
            indices=(IndexPrivileges(names=self.access[encoded], privileges=READ),),
        )
        return CrossClusterKey(
            id=f"id-of-{encoded}",
            name=encoded,
            owner_username="owner",
            owner_realm="native",
            role=role,
            expires_milliseconds=self.expires_milliseconds,
        )


class FakeEngine:
    """Indices whose documents are just their ids; everything matches every query."""

    def __init__(self, **documents: Sequence[str]) -> None:
        self.documents = {IndexName(name): list(ids) for name, ids in documents.items()}
        self.searches = 0
        self.trace = NO_TRACE
        self.cancelled = 0
        self.hold: asyncio.Event | None = None
        self.searching = asyncio.Event()

    def indices(self) -> dict[IndexName, IndexDescription]:
        """Answer every index."""
        return {
            name: IndexDescription(name=name, uuid=name, created_milliseconds=0) for name in self.documents
        }

    async def search(self, selections: Sequence[IndexSelection], request: SearchRequest) -> SearchResult:
        """Answer every document of the selected indices, after `hold` where there is one."""
        self.searches += 1
        self.trace = current_trace()
        self.searching.set()
        if self.hold is not None:
            try:
                await self.hold.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        hits = tuple(
            Hit(index=selection.index, id=document, score=1.0, source=b'{"pad":"%s"}' % (b"x" * 100))
            for selection in selections
            for document in self.documents[selection.index]
        )
        return SearchResult(
            shards=ShardCounts(total=len(selections), successful=len(selections)),
            total=TotalHits(value=len(hits)),
            hits=hits[: request.size],
        )

    async def count(self, selections: Sequence[IndexSelection], query: Json) -> int:
        """Count every document of the selected indices."""
        del query
        return sum(len(self.documents[selection.index]) for selection in selections)


@dataclass
class FarCluster:
    """A cluster with a remote cluster server on a loopback port that stays the same over restarts."""

    certificate: trustme.LeafCert
    keys: FakeKeys
    engine: FakeEngine
    name: str = "far"
    port: int = 0
    server: HttpServer | None = None
    signatures: SignatureVerifier | None = None
    node_id: str = ""
    nodes: tuple[GatewayNode, ...] = ()
    interface_type: Callable[..., RemoteInterface] = RemoteInterface

    @property
    def address(self) -> HostAndPort:
        """Where it listens."""
        return HostAndPort("127.0.0.1", self.port)

    async def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.certificate.configure_cert(context)
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        self.server = HttpServer()
        identified = identity(self.name)
        interface = self.interface_type(
            KeyGate(self.keys, self.signatures),
            self.engine,
            replace(identified, node_id=self.node_id or identified.node_id),
            nodes=self.nodes,
        )
        self.server.listen(listener, context, interface)

    async def kill(self) -> None:
        """Drop everything at once."""
        if self.server is not None:
            await self.stop_listening()
            for connection in list(self.server._state.connections):
                connection.transport.abort()
            await self.server.stop(0)
            self.server = None

    async def stop_listening(self) -> None:
        """Accept nothing more; what is open stays open."""
        assert self.server is not None
        while self.server._listeners:
            listener, accepting = self.server._listeners.pop()
            # First nobody gets in, then nobody accepts: a connection accepted in the very turn of the
            # cancellation would have no owner.
            listener.shutdown(socket.SHUT_RDWR)
            await asyncio.sleep(0.01)
            accepting.cancel()
            await asyncio.gather(accepting, return_exceptions=True)
            listener.close()

    @property
    def open_connections(self) -> int:
        """How many connections are open on the far side."""
        return 0 if self.server is None else self.server.open_connections


@dataclass
class FakeKeystore:
    """Secure settings in memory."""

    entries: dict[str, Secret] = field(default_factory=dict)

    def get(self, name: str) -> Secret | None:
        """Answer an entry."""
        return self.entries.get(name)

    def put_key(self, encoded: str | None, alias: str = ALIAS) -> None:
        """Set or remove an alias's key."""
        if encoded is None:
            self.entries.pop(credentials_name(alias), None)
        else:
            self.entries[credentials_name(alias)] = Secret(encoded)


@dataclass
class Near:
    """The near cluster's side: its remote clusters, its keystore, its trusted authorities."""

    remotes: Remotes
    keystore: FakeKeystore
    folder: Path

    def connect(self, address: HostAndPort, **settings: Any) -> None:
        """Configure the one alias."""
        server_name = settings.pop("server_name", SERVER_NAME)
        sockets = settings.pop("proxy_socket_connections", DEFAULT_PROXY_SOCKET_CONNECTIONS)
        mode = ProxyMode(address, server_name, sockets)
        self.remotes.apply({ALIAS: RemoteSettings(alias=ALIAS, mode=mode, **settings)})

    @property
    def state(self) -> dict[str, Any]:
        """What `_remote/info` tells of the alias."""
        return self.remotes.get(ALIAS).info()


async def until(condition: Callable[[], bool], seconds: float = 8.0) -> None:
    """Return as soon as the condition holds; fail the test after this time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not condition():
        assert loop.time() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


NearFactory = Callable[..., AbstractAsyncContextManager[Near]]
