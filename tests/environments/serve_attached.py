"""Serves an environment whose node has an engine that runs elsewhere.

Arguments: the environment's folder, the engine's URL, its vendor and its version.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from yarl import URL

from isthmus.app import environment, node
from isthmus.app.node_process import NodeProcessOptions
from isthmus.cli.main import main
from isthmus.clock import Clock
from isthmus.engines.attached.dialect import Vendor, dialect_of
from isthmus.engines.attached.engine import AttachedEngine
from isthmus.errors import Failure, FailureKind

_AS_NODE = "--as-node"


@dataclass(frozen=True)
class Answer:
    """A whole answer of the engine."""

    status: int
    body: bytes


class OneHost:
    """Sends requests to an engine of one host."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        if self._session is None:
            self._session = aiohttp.ClientSession(headers={"Accept-Encoding": "identity"})
        url = URL(self._url + path, encoded=True).update_query(dict(query or {}))
        try:
            async with self._session.request(method, url, headers=dict(headers or {}), data=body) as response:
                return Answer(response.status, await response.read())
        except aiohttp.ClientError as error:
            raise Failure(FailureKind.UNAVAILABLE, "engine_exception", "the engine is away") from error

    async def close(self) -> None:
        """Close its connections."""
        if self._session is not None:
            await self._session.close()


class RunningAttachedEngine(AttachedEngine):
    """An attached engine that keeps itself fresh from when it is made."""

    def __init__(self, url: str, vendor: str, number: str, clock: Clock) -> None:
        self._host = OneHost(url)
        super().__init__(self._host, dialect_of(Vendor(vendor), number), clock)
        self._running = asyncio.get_running_loop().create_task(self.run())

    async def close(self) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        await super().close()
        await self._host.close()


def serve(directory: str, engine: list[str]) -> None:
    """Serve until SIGTERM or the end of standard input."""
    options = NodeProcessOptions((sys.executable, __file__, _AS_NODE, *engine))
    environment.serve_environment = functools.partial(environment.serve_environment, options=options)
    main(["serve", directory, "--until-stdin-closes"])


def be_node(engine: list[str], directory: Path) -> int:
    """Be the node of a deployment's folder."""

    def attached(_directory: Path, clock: Clock) -> RunningAttachedEngine:
        return RunningAttachedEngine(*engine, clock)

    node.EmbeddedEngine = attached  # type: ignore[misc, assignment]
    return node.run_node(directory)


if __name__ == "__main__":
    if sys.argv[1] == _AS_NODE:
        sys.exit(be_node(sys.argv[2:5], Path(sys.argv[5])))
    serve(sys.argv[1], sys.argv[2:5])
