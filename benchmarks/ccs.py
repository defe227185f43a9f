"""Measure what searching several clusters costs: by clusters, by names, by searches that wait.

    .venv/bin/python benchmarks/ccs.py [--documents 20000] [--seconds 2] [--clusters 1,2,4,8]

``run.py`` has the comparison of one search over two clusters with the same search of each. Figures are for
comparing within a run.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import signal
import socket
import ssl
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from isthmus.exchange import SearchRequest
from isthmus.names import ClusterAlias
from isthmus.sandbox import Deployment, Sandbox, SandboxOptions
from isthmus.search.plan import SearchOrder, plan_search
from run import INDEX, QUERIES, Measured, fill, load, node_process, resident_megabytes

_MANY: Final = 10_000
_WAITING: Final = 1_000
_ROUNDS: Final = 7


def plans(console: Console) -> None:
    """Print how long planning takes where many clusters are configured and many indices named."""
    configured = {ClusterAlias(f"cluster-{number}"): True for number in range(_MANY)}
    names = [f"logs-{number}" for number in range(_MANY)]
    cases = {
        "10,000 names of this cluster": names,
        "one name of each of 10,000 clusters": [f"cluster-{n}:{name}" for n, name in enumerate(names)],
        "10,000 names of one cluster": [f"cluster-7:{name}" for name in names],
        "a wildcard for 10,000 clusters": ["*:logs-*"],
    }
    table = Table(title="planning, 10,000 remote clusters configured", min_width=60)
    table.add_column("expression")
    table.add_column("ms", justify="right")
    for title, expressions in cases.items():
        order = SearchOrder(expressions=expressions, request=SearchRequest())
        table.add_row(title, f"{best_of(partial(plan_search, order, configured)) * 1000:.1f}")
    console.print(table)


def best_of(work: Callable[[], object]) -> float:
    """Answer the shortest of several runs in seconds."""
    best = float("inf")
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return best


def clusters(console: Console, numbers: list[int], documents: int, seconds: float) -> None:
    """Print the time of one search over more and more clusters, each with documents of its own."""
    with Sandbox(SandboxOptions(environments=max(numbers))) as sandbox:
        deployments = [environment.deployments[0] for environment in sandbox.fabric.environments]
        for number, deployment in enumerate(deployments):
            fill(deployment, documents, number + 1)
        for title, query in QUERIES.items():
            heading = f"{title}, over clusters of {documents:,} documents, 1 connection"
            table = Table(title=heading, min_width=60)
            for column in ("clusters", "p50 ms", "p99 ms", "against one cluster", "if linear"):
                table.add_column(column, justify="right")
            first: float | None = None
            for number in numbers:
                seen = _over(deployments[0], number, query, seconds)
                first = first or seen.p50_milliseconds
                table.add_row(
                    str(number),
                    f"{seen.p50_milliseconds:.2f}",
                    f"{seen.p99_milliseconds:.2f}",
                    f"{seen.p50_milliseconds / first:.1f}",
                    f"{number / numbers[0]:.0f}",
                )
            console.print(table)


def _over(near: Deployment, number: int, query: dict[str, Any], seconds: float) -> Measured:
    """Search so many clusters, this one among them."""
    names = [INDEX, *(f"{alias}:{INDEX}" for alias in near.remotes[: number - 1])]
    with tempfile.NamedTemporaryFile(suffix=".json") as body:
        body.write(json.dumps(query).encode())
        body.flush()
        return load(near, f"/{','.join(names)}/_search", Path(body.name), 1, seconds)


def waiting(console: Console) -> None:
    """Print the memory of a node with a thousand searches that wait for a cluster that stands still."""
    with Sandbox(SandboxOptions()) as sandbox:
        near, far = (environment.deployments[0] for environment in sandbox.fabric.environments)
        fill(far, 1_000, 1)
        node, other = node_process(near), node_process(far)
        before = resident_megabytes(node)
        os.kill(other, signal.SIGSTOP)
        try:
            connections = [_ask(near, f"/{near.remotes[0]}:{INDEX}/_search") for _ in range(_WAITING)]
            time.sleep(3)
            during = resident_megabytes(node)
        finally:
            os.kill(other, signal.SIGCONT)
        answered = sum(connection.recv(15).startswith(b"HTTP/1.1 200") for connection in connections)
        for connection in connections:
            connection.close()
    console.print(
        f"{_WAITING:,} searches waiting for another cluster: {before:.0f} MB before, {during:.0f} meanwhile"
        f" ({(during - before) * 1024 / _WAITING:.0f} KiB each, its TLS connection included);"
        f" {answered:,} answered once it went on"
    )


def _ask(deployment: Deployment, path: str) -> ssl.SSLSocket:
    """Send a search over a connection of its own; answer the connection."""
    parts = urlsplit(deployment.url)
    context = ssl.create_default_context(cafile=deployment.ca)
    connection: Any = socket.create_connection((parts.hostname, parts.port), timeout=120)
    secured = context.wrap_socket(connection, server_hostname=parts.hostname)
    token = base64.b64encode(f"{deployment.username}:{deployment.password}".encode()).decode()
    secured.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {token}\r\n\r\n".encode())
    return secured


def main() -> None:
    """Run everything and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=20_000, help="in each cluster")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each measurement")
    parser.add_argument("--clusters", default="1,2,4,8")
    options = parser.parse_args()
    console = Console(width=120)
    plans(console)
    clusters(console, [int(each) for each in options.clusters.split(",")], options.documents, options.seconds)
    waiting(console)


if __name__ == "__main__":
    main()
