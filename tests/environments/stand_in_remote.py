"""Remote cluster servers of Isthmus' own parts in the test's process: of another time, version or temper."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Collection, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from isthmus.clock import SystemClock
from isthmus.control.certificates import Credentials, issue_server_certificate, make_authority
from isthmus.errors import Failure
from isthmus.exchange import (
    IndexDescription,
    IndexSelection,
    Json,
    SearchRequest,
    SearchResult,
    ShardCounts,
    TotalHits,
)
from isthmus.names import IndexName
from isthmus.remotes.protocol import MINIMUM_VERSION, PATH_PREFIX, VERSION, Action
from isthmus.remotes.records import NodeIdentity
from isthmus.rest.http import Request, Response
from isthmus.rest.remote.gates import CertificateGate, KeyGate
from isthmus.rest.remote.interface import RemoteInterface
from isthmus.rest.serving import HttpServer
from isthmus.security.certificate_trust import TrustedPeer
from isthmus.security.principal import IndexPrivileges, RoleDescriptor
from isthmus.security.remote_caller import CrossClusterKey
from isthmus.settings import COMPATIBLE_VERSION

_PING = f"{PATH_PREFIX}{Action.PING.value}"
_INDEX = IndexName("logs")


class SkewedClock(SystemClock):
    """The clock of a machine that has lost its time."""

    def __init__(self, ahead: timedelta) -> None:
        self._ahead_milliseconds = int(ahead.total_seconds() * 1000)

    def now_milliseconds(self) -> int:
        """Answer the wrong time."""
        return super().now_milliseconds() + self._ahead_milliseconds


class _EveryKey:
    """Takes every key for one that reads everything."""

    async def authenticate_cross_cluster(
        self,
        credentials: str,  # noqa: ARG002 - one answer for all
        action: str = "",  # noqa: ARG002
        certificate_subject: str | None = None,  # noqa: ARG002
    ) -> CrossClusterKey:
        """Answer the key."""
        access = IndexPrivileges(names=("*",), privileges=("read", "read_cross_cluster"))
        role = RoleDescriptor(name="cross_cluster", cluster=("cross_cluster_search",), indices=(access,))
        return CrossClusterKey(
            id="every-key", name="every key", owner_username="owner", owner_realm="native", role=role
        )


class _EveryCertificate:
    """Trusts whoever calls, as a transport port that anybody gets through to."""

    def decide(self, chain: Sequence[bytes]) -> TrustedPeer:
        """Answer a peer."""
        del chain
        return TrustedPeer(subject="CN=somebody", name="somebody", label="everybody")

    async def find_roles(self, names: Collection[str]) -> Sequence[RoleDescriptor]:
        """Answer that there is no role."""
        del names
        return ()


@dataclass
class _OneDocument:
    """An engine with one index of one document, which may fail to be searched."""

    search_failure: Failure | None = None

    def indices(self) -> dict[IndexName, IndexDescription]:
        """Answer the index."""
        return {_INDEX: IndexDescription(name=_INDEX, uuid="uuid-of-logs", created_milliseconds=0)}

    async def search(self, selections: Sequence[IndexSelection], request: SearchRequest) -> SearchResult:
        """Answer that one document was found, or the failure."""
        del request
        if self.search_failure is not None:
            raise self.search_failure
        shards = ShardCounts(total=len(selections), successful=len(selections))
        return SearchResult(shards=shards, total=TotalHits(value=1))

    async def count(self, selections: Sequence[IndexSelection], query: Json) -> int:
        """Count the one document."""
        del query
        return len(selections)


@dataclass(frozen=True)
class StandIn:
    """What is special about a stand-in; it is a working remote cluster server in everything else."""

    clock_ahead: timedelta = timedelta()
    versions: tuple[int, int] = (MINIMUM_VERSION, VERSION)
    compatible_version: str = COMPATIBLE_VERSION
    ping_delay_seconds: float = 0.0
    breaks_at_ping: bool = False
    search_failure: Failure | None = None
    is_transport_port: bool = False
    name: str = "stand-in"


class Authority:
    """A proxy CA made at some time, whose servers' certificates are made at another."""

    def __init__(self, folder: Path, made: timedelta = timedelta()) -> None:
        self._folder = folder
        self._credentials = make_authority("stand-in CA", "tests", datetime.now(UTC) + made)

    @property
    def pem(self) -> str:
        """Answer the certificate that those who trust it are given."""
        return self._credentials.certificate.decode()

    def server_context(self, server_name: str, made: timedelta = timedelta()) -> ssl.SSLContext:
        """Answer how a server of this name speaks TLS, with a certificate that was made that long ago."""
        issued = issue_server_certificate(self._credentials, [server_name], datetime.now(UTC) + made)
        return _context_of(issued, self._folder)


def _context_of(credentials: Credentials, folder: Path) -> ssl.SSLContext:
    certificate, key = folder / "stand-in.crt", folder / "stand-in.key"
    certificate.write_bytes(credentials.certificate)
    key.write_bytes(credentials.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@dataclass
class _Temper:
    """A remote cluster server that is slow or breaks connections."""

    server: HttpServer
    stand_in: StandIn
    inner: RemoteInterface = field(init=False)

    def __post_init__(self) -> None:
        stand_in = self.stand_in
        identity = NodeIdentity(
            node_id="stand-in-node",
            node_name="stand-in-node",
            cluster_id=f"id-of-{stand_in.name}",
            cluster_name=stand_in.name,
            software_version="9.9.9",
            compatible_version=stand_in.compatible_version,
        )
        everybody = _EveryCertificate()
        self.inner = RemoteInterface(
            CertificateGate(everybody, everybody)
            if stand_in.is_transport_port
            else KeyGate(_EveryKey(), None),
            _OneDocument(stand_in.search_failure),  # type: ignore[arg-type] - nothing else is asked of it
            identity,
            SkewedClock(stand_in.clock_ahead),
            stand_in.versions,
        )

    async def handle(self, request: Request) -> Response:
        """Answer as the real one does, later or not at all."""
        if request.path == _PING:
            if self.stand_in.breaks_at_ping:
                for connection in list(self.server._state.connections):
                    connection.transport.abort()
            await asyncio.sleep(self.stand_in.ping_delay_seconds)
        return await self.inner.handle(request)

    async def admit(self, head: Request) -> Response | None:
        """Do as the real one does."""
        return await self.inner.admit(head)

    def refuse(self, failure: Failure) -> Response:
        """Do as the real one does."""
        return self.inner.refuse(failure)

    def may_be_abandoned(self, method: str, path: str) -> bool:
        """Do as the real one does."""
        return self.inner.may_be_abandoned(method, path)


class StandIns:
    """Stand-ins on an event loop of their own."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._servers: list[HttpServer] = []

    def listen(self, stand_in: StandIn, context: ssl.SSLContext) -> int:
        """Listen on a free loopback port and answer its number."""
        listener = socket.create_server(("127.0.0.1", 0))
        self._run(self._listen(stand_in, context, listener))
        return int(listener.getsockname()[1])

    def stop(self) -> None:
        """Drop every connection and listen no more."""
        self._run(self._stop())

    async def _listen(self, stand_in: StandIn, context: ssl.SSLContext, listener: socket.socket) -> None:
        server = HttpServer()
        self._servers.append(server)
        server.listen(listener, context, _Temper(server, stand_in))

    async def _stop(self) -> None:
        for server in self._servers:
            await server.stop(0)

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)


@contextmanager
def stand_ins() -> Iterator[StandIns]:
    """Answer where stand-ins can be had; all of them end with the context."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    servers = StandIns(loop)
    try:
        yield servers
    finally:
        servers.stop()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
