"""What one hop between clusters costs: the link's own client beside aiohttp, same server, same bytes.

Run: ``.venv/bin/python benchmarks/hop.py``. A server in a second process answers a search from memory, so
that the difference is the client and nothing else. Numbers are ratios within one run.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import multiprocessing.connection
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import aiohttp
import trustme
import uvloop

from isthmus.exchange import (
    Engine,
    Hit,
    IndexDescription,
    IndexSelection,
    SearchRequest,
    SearchResult,
    ShardCounts,
    TotalHits,
)
from isthmus.names import ClusterAlias, IndexName, IndicesOptions
from isthmus.remotes.address import HostAndPort
from isthmus.remotes.connection_modes import ProxyMode
from isthmus.remotes.dialling import LinkContext
from isthmus.remotes.protocol import CONTENT_TYPE, Action, Decoders, SearchCall, encode
from isthmus.remotes.records import NodeIdentity
from isthmus.remotes.registry import Remotes
from isthmus.remotes.settings import RemoteSettings
from isthmus.remotes.trust import TrustedAuthorities
from isthmus.rest.remote.gates import KeyGate
from isthmus.rest.remote.interface import RemoteInterface
from isthmus.rest.serving import HttpServer
from isthmus.security.principal import IndexPrivileges, Principal, RemoteIndexPrivileges, RoleDescriptor
from isthmus.security.remote_caller import CrossClusterKey, remote_subject
from isthmus.security.secret import Secret

NAME = "far.example.org"
ALIAS = ClusterAlias("eu")
INDEX = IndexName("logs")
SECONDS = 2.0
CONCURRENCY = (1, 8, 32)
IDENTITY = NodeIdentity("node", "node", "cluster", "cluster", "0.1.0")
SEARCHER = Principal(
    "ann",
    ("reader",),
    (
        (
            RoleDescriptor(
                name="reader",
                remote_indices=(RemoteIndexPrivileges(clusters=("*",), names=("*",), privileges=("read",)),),
            ),
        ),
    ),
    "native",
    "native",
)
RESULT = SearchResult(
    shards=ShardCounts(total=1, successful=1),
    total=TotalHits(value=10),
    hits=tuple(Hit(index=INDEX, id=str(n), score=1.0, source=b'{"title":"%d"}' % n) for n in range(10)),
)
REQUEST = SearchRequest(query={"match": {"title": "two words"}})


class MemoryEngine:
    """Answers every search with the same ten documents."""

    def indices(self) -> Mapping[IndexName, IndexDescription]:
        """Answer the one index."""
        return {INDEX: IndexDescription(name=INDEX, uuid="u", created_milliseconds=0)}

    async def search(self, _selections: Sequence[IndexSelection], _request: SearchRequest) -> SearchResult:
        """Answer at once."""
        return RESULT


class OneKey:
    """Takes every key for one that may read everything; also the near side's keystore."""

    async def authenticate_cross_cluster(
        self, credentials: str, action: str = "", certificate_subject: str | None = None
    ) -> CrossClusterKey:
        """Answer the key."""
        del credentials, action, certificate_subject
        role = RoleDescriptor(
            name="cross_cluster", indices=(IndexPrivileges(names=("*",), privileges=("read",)),)
        )
        return CrossClusterKey(id="k", name="k", owner_username="o", owner_realm="r", role=role)

    def get(self, _name: str) -> Secret:
        """Answer the key of any alias."""
        return Secret("a2V5OnNlY3JldA==")


def serve(ready: multiprocessing.connection.Connection, certificate: Path) -> None:
    """Serve until killed; tell the port."""

    async def run() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        listener = socket.create_server(("127.0.0.1", 0))
        server = HttpServer()
        engine = cast("Engine", MemoryEngine())
        server.listen(listener, context, RemoteInterface(KeyGate(OneKey()), engine, IDENTITY), is_link=True)
        ready.send(listener.getsockname()[1])
        await asyncio.Event().wait()

    uvloop.run(run())


async def rate(ask: Callable[[], Awaitable[object]], workers: int) -> tuple[float, float]:
    """Answer requests per second and the median in milliseconds."""
    times: list[float] = []
    deadline = time.perf_counter() + SECONDS

    async def work() -> None:
        while (started := time.perf_counter()) < deadline:
            await ask()
            times.append(time.perf_counter() - started)

    await asyncio.gather(*(work() for _ in range(workers)))
    return len(times) / SECONDS, sorted(times)[len(times) // 2] * 1000


async def measure(port: int, authorities: Path) -> None:
    """Print both clients side by side."""
    trust = TrustedAuthorities(authorities, system_trust=False)
    remotes = Remotes(OneKey(), LinkContext(identity=IDENTITY, trust=trust))
    running = asyncio.create_task(remotes.run())
    address = HostAndPort("127.0.0.1", port)
    remotes.apply({ALIAS: RemoteSettings(alias=ALIAS, mode=ProxyMode(address, NAME))})
    await remotes.settle([ALIAS], 5)
    cluster = remotes.get(ALIAS)
    decoders = Decoders()
    url = f"https://127.0.0.1:{port}{Action.SEARCH.path}"
    headers = {"content-type": CONTENT_TYPE, "authorization": "ApiKey a2V5OnNlY3JldA=="}

    async def over_the_link() -> object:
        return await cluster.search_target(SEARCHER).search((INDEX,), IndicesOptions(), REQUEST)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=18)) as session:

        async def over_aiohttp() -> object:
            caller = remote_subject(SEARCHER, ALIAS, "indices:data/read/search")
            body = encode(SearchCall(caller=caller, expressions=(INDEX,), request=REQUEST))
            async with session.post(
                url, data=body, headers=headers, ssl=trust.context, server_hostname=NAME
            ) as answer:
                return decoders.decode(SearchResult, await answer.read())

        print("connections   link/s   p50 ms   aiohttp/s   p50 ms   link/aiohttp")
        for workers in CONCURRENCY:
            link_rate, link_median = await rate(over_the_link, workers)
            other_rate, other_median = await rate(over_aiohttp, workers)
            print(
                f"{workers:11} {link_rate:8.0f} {link_median:8.2f} {other_rate:11.0f} {other_median:8.2f}"
                f" {link_rate / other_rate:14.2f}"
            )
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def main() -> int:
    """Start the server and measure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "far.crt")
        certificate = folder / "server.pem"
        authority.issue_cert(NAME).private_key_and_cert_chain_pem.write_to_path(certificate)
        here, there = multiprocessing.Pipe()
        server = multiprocessing.get_context("spawn").Process(
            target=serve, args=(there, certificate), daemon=True
        )
        server.start()
        try:
            uvloop.run(measure(here.recv(), folder))
        finally:
            server.terminate()
            server.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
