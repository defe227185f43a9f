"""Measure a search direct on one node, direct on the other, and over both, in one run.

Also bulk indexing and memory. Figures are for comparing within a run: these are ratios, not promises.

    .venv/bin/python benchmarks/run.py [--documents 200000] [--seconds 2] [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

import corpus
from isthmus.sandbox import Deployment, Sandbox, SandboxOptions
from isthmus.sandbox.client import JsonClient

CONNECTIONS: Final = (1, 8, 32)
INDEX: Final = "bench"

QUERIES: Final[dict[str, dict[str, Any]]] = {
    "cheap (one medium word, 10 hits)": {"query": {"match": {"message": "w900"}}, "track_total_hits": False},
    "costly (any of 3 frequent words, two aggregations)": {
        "query": {"match": {"message": "w1 w2 w3"}},
        "aggs": {
            "tags": {"terms": {"field": "tag"}, "aggs": {"bytes": {"avg": {"field": "bytes"}}}},
            "hours": {"date_histogram": {"field": "timestamp", "fixed_interval": "1h"}},
        },
    },
}


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked where."""

    deployment: Deployment
    path: str


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run of the load generator saw."""

    requests_per_second: float
    p50_milliseconds: float
    p99_milliseconds: float


def load(deployment: Deployment, path: str, body: Path, connections: int, seconds: float) -> Measured:
    """Run the load generator against one deployment; raises where any answer was not a 200."""
    command = [
        sys.executable,
        str(Path(__file__).with_name("load.py")),
        "--url",
        deployment.url + path,
        "--body",
        str(body),
        "--connections",
        str(connections),
        "--seconds",
        str(seconds),
        "--authority",
        deployment.ca,
    ]
    environment = {**os.environ, "LOAD_PASSWORD": deployment.password}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)  # noqa: S603
    seen = json.loads(done.stdout)
    if seen["failures"]:
        raise RuntimeError(f"{seen['failures']} requests failed")
    return Measured(seen["requests_per_second"], seen["p50_milliseconds"], seen["p99_milliseconds"])


def resident_megabytes(process_id: int) -> float:
    """Answer the resident memory of a process."""
    for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS")


def client_of(deployment: Deployment) -> JsonClient:
    """Answer a client of the data API of a deployment."""
    return JsonClient.for_url(deployment.url, deployment.username, deployment.password, deployment.ca)


def fill(deployment: Deployment, documents: int, seed: int) -> float:
    """Index the corpus and answer documents a second, refresh included; bodies are made beforehand."""
    client = client_of(deployment)
    client.call(
        "PUT", f"/{INDEX}", {"mappings": corpus.MAPPINGS, "settings": {"index": {"refresh_interval": "30s"}}}
    )
    elapsed = 0.0
    for body in corpus.bulk_bodies(documents, 2000, seed):
        started = time.perf_counter()
        answer = client.call("POST", f"/{INDEX}/_bulk", content=body)
        elapsed += time.perf_counter() - started
        if answer["errors"]:
            raise RuntimeError("a document was refused")
    started = time.perf_counter()
    client.call("POST", f"/{INDEX}/_refresh")
    elapsed += time.perf_counter() - started
    client.close()
    return documents / elapsed


def node_process(deployment: Deployment) -> int:
    """Answer the process id of a deployment's node."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                command = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"node" in command and any(deployment.id.encode() in part for part in command):
                return int(process.name)
    raise RuntimeError(f"the node of {deployment.name} is not running")


def at_once(body: Path, connections: int, seconds: float, targets: Sequence[Target]) -> Measured:
    """Ask all targets at the same time; answer what the slowest of them did."""
    with ThreadPoolExecutor(len(targets)) as executor:
        asked = [
            executor.submit(load, each.deployment, each.path, body, connections, seconds) for each in targets
        ]
        figures = [each.result() for each in asked]
    return Measured(
        min(each.requests_per_second for each in figures),
        max(each.p50_milliseconds for each in figures),
        max(each.p99_milliseconds for each in figures),
    )


def best_of_rounds(
    targets: Mapping[str, Sequence[Target]], run: Callable[[Sequence[Target]], Measured], rounds: int
) -> dict[str, Measured]:
    """Answer the best that each target did in any round; the rounds of all targets alternate.

    Whatever else the machine does only ever makes a search slower: the best is what is being measured.
    """
    seen: dict[str, Measured] = {}
    for _ in range(rounds):
        for name, together in targets.items():
            figures = run(together)
            before = seen.get(name, figures)
            seen[name] = Measured(
                max(before.requests_per_second, figures.requests_per_second),
                min(before.p50_milliseconds, figures.p50_milliseconds),
                min(before.p99_milliseconds, figures.p99_milliseconds),
            )
    return seen


def measure(console: Console, fabric: Any, seconds: float, rounds: int) -> None:
    """Print the table of each query: three targets at each number of connections."""
    near, far = (environment.deployments[0] for environment in fabric.environments)
    here, there = (Target(deployment, f"/{INDEX}/_search") for deployment in (near, far))
    targets = {
        "here": (here,),
        "there": (there,),
        "both": (Target(near, f"/{INDEX},{near.remotes[0]}:{INDEX}/_search"),),
        # What a search over both has to do at least: where few processors carry everything, the bound.
        "each at once": (here, there),
    }
    for title, query in QUERIES.items():
        table = Table(title=title)
        for column in ("connections", "target", "requests/s", "p50 ms", "p99 ms", "p50 ratio", "rate ratio"):
            table.add_column(column, justify="right")
        with tempfile.NamedTemporaryFile(suffix=".json") as body:
            body.write(json.dumps(query).encode())
            body.flush()
            for connections in CONNECTIONS:
                run = partial(at_once, Path(body.name), connections, seconds)
                seen = best_of_rounds(targets, run, rounds)
                slower = max(seen["here"].p50_milliseconds, seen["there"].p50_milliseconds)
                fewer = min(seen["here"].requests_per_second, seen["there"].requests_per_second)
                for name, figures in seen.items():
                    table.add_row(
                        str(connections),
                        name,
                        f"{figures.requests_per_second:,.0f}",
                        f"{figures.p50_milliseconds:.2f}",
                        f"{figures.p99_milliseconds:.2f}",
                        f"{figures.p50_milliseconds / slower:.2f}",
                        f"{figures.requests_per_second / fewer:.2f}",
                    )
        console.print(table)


def main() -> None:
    """Run everything and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=200_000, help="in each of the two clusters")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each measurement")
    parser.add_argument("--rounds", type=int, default=5, help="of which the best counts")
    options = parser.parse_args()
    console = Console(width=120)
    with Sandbox(SandboxOptions()) as sandbox:
        deployments = [environment.deployments[0] for environment in sandbox.fabric.environments]
        processes = [node_process(deployment) for deployment in deployments]
        idle = [resident_megabytes(process) for process in processes]
        console.print(f"idle node: {max(idle):.0f} MB resident")
        alone = fill(deployments[0], options.documents, 1)
        console.print(f"bulk, one node alone: {alone:,.0f} documents/s")
        with ThreadPoolExecutor(1) as executor:
            rate = executor.submit(fill, deployments[1], options.documents, 2).result()
        console.print(f"bulk, the other: {rate:,.0f} documents/s")
        full = [resident_megabytes(process) for process in processes]
        console.print(f"node with {options.documents:,} documents: {max(full):.0f} MB resident")
        measure(console, sandbox.fabric, options.seconds, options.rounds)


if __name__ == "__main__":
    main()
