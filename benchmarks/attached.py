"""Measure OpenSearch asked directly and through a deployment in front of it, in one run.

The same search and the same bulk requests on one node; the same search over two nodes by OpenSearch's own
remote clusters and by two deployments. Takes Java 17 and what ``scripts/fetch-opensearch`` fetches.

    make bench-attached
    .venv/bin/python benchmarks/attached.py [--documents 50000] [--seconds 2] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

import corpus
from isthmus.sandbox import Deployment
from run import CONNECTIONS, INDEX, QUERIES, Measured, Target, at_once, best_of_rounds, client_of, fill

_TESTS: Final = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(_TESTS / "opensearch"), str(_TESTS / "environments")]

from attached_environments import AttachedTo, attached_environments  # noqa: E402 - found only now
from opensearch_cluster import missing, start_cluster  # noqa: E402 - likewise

_REMOTE: Final = "far"


@contextmanager
def running(folder: Path) -> Iterator[tuple[list[Any], list[Deployment]]]:
    """Run two OpenSearch nodes that know each other, and a deployment in front of each."""
    with ExitStack() as stack:
        clusters = []
        for name in ("one", "other"):
            cluster = start_cluster(name, folder, java_options=())
            stack.callback(cluster.stop)
            clusters.append(cluster)
        seeds = [f"127.0.0.1:{clusters[1].nodes[0].transport_port}"]
        remote = {"cluster": {"remote": {_REMOTE: {"seeds": seeds}}}}
        clusters[0].call("PUT", "/_cluster/settings", {"persistent": remote})
        engines = [AttachedTo(each.urls[0], "opensearch", "2.19.1") for each in clusters]
        sides = stack.enter_context(attached_environments(engines))
        yield clusters, [side.deployment for side in sides]


def directly(cluster: Any, deployment: Deployment) -> Deployment:
    """Answer a cluster as the load generator takes it: as a deployment at another address."""
    return replace(deployment, url=cluster.urls[0])


def bulk_rate(cluster: Any, documents: int, seed: int) -> float:
    """Index the corpus directly and answer documents a second, refresh included."""
    settings = {"number_of_replicas": 0, "refresh_interval": "30s"}
    cluster.call("PUT", f"/{INDEX}", {"mappings": corpus.MAPPINGS, "settings": settings})
    elapsed = 0.0
    for body in corpus.bulk_bodies(documents, 2000, seed):
        started = time.perf_counter()
        answer = cluster.call("POST", f"/{INDEX}/_bulk", body)
        elapsed += time.perf_counter() - started
        if answer["errors"]:
            raise RuntimeError("a document was refused")
    started = time.perf_counter()
    cluster.call("POST", f"/{INDEX}/_refresh")
    return documents / (elapsed + time.perf_counter() - started)


def bulk(console: Console, clusters: Sequence[Any], deployments: Sequence[Deployment], options: Any) -> None:
    """Print how many documents a second go in directly and through a deployment; the best of some rounds."""
    direct = through = 0.0
    for round_number in range(options.rounds):
        direct = max(direct, bulk_rate(clusters[0], options.documents, round_number))
        clusters[0].call("DELETE", f"/{INDEX}")
        until_known(deployments[0], known=False)
        through = max(through, fill(deployments[0], options.documents, round_number))
        if round_number + 1 < options.rounds:
            clusters[0].call("DELETE", f"/{INDEX}")
            until_known(deployments[0], known=False)
    fill(deployments[1], options.documents, 99)
    table = Table(title=f"bulk of {options.documents:,} documents, 2,000 a request, one connection")
    for column in ("directly", "through Isthmus", "ratio"):
        table.add_column(column, justify="right")
    table.add_row(f"{direct:,.0f}/s", f"{through:,.0f}/s", f"{through / direct:.2f}")
    console.print(table)


def until_known(deployment: Deployment, *, known: bool) -> None:
    """Return once a deployment knows that the index is there, or gone."""
    client = client_of(deployment)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        names = [each["index"] for each in client.call("GET", "/_cat/indices?format=json")]
        if (INDEX in names) is known:
            client.close()
            return
        time.sleep(0.1)
    raise RuntimeError("the deployment does not see its engine's indices")


def searches(
    console: Console, clusters: Sequence[Any], deployments: Sequence[Deployment], options: Any
) -> None:
    """Print the table of each query: over one node and over two, directly and through deployments."""
    near = deployments[0]
    own = directly(clusters[0], near)
    targets = {
        "OpenSearch": (Target(own, f"/{INDEX}/_search"),),
        "Isthmus": (Target(near, f"/{INDEX}/_search"),),
        "OpenSearch, two clusters": (Target(own, f"/{INDEX},{_REMOTE}:{INDEX}/_search"),),
        "Isthmus, two clusters": (Target(near, f"/{INDEX},{near.remotes[0]}:{INDEX}/_search"),),
    }
    for title, query in QUERIES.items():
        table = Table(title=title)
        for column in (
            "connections",
            "target",
            "requests/s",
            "p50 ms",
            "p99 ms",
            "p50 more by ms",
            "rate ratio",
        ):
            table.add_column(column, justify="right")
        with tempfile.NamedTemporaryFile(suffix=".json") as body:
            body.write(json.dumps(query).encode())
            body.flush()
            for together in targets.values():  # a Java machine gets quicker with what it has seen
                at_once(Path(body.name), 8, 2 * options.seconds, together)
            for connections in CONNECTIONS:
                run = partial(at_once, Path(body.name), connections, options.seconds)
                seen = best_of_rounds(targets, run, options.rounds)
                for name, figures in seen.items():
                    table.add_row(
                        str(connections), name, *_row(figures, seen[name.replace("Isthmus", "OpenSearch")])
                    )
        console.print(table)


def _row(figures: Measured, direct: Measured) -> list[str]:
    return [
        f"{figures.requests_per_second:,.0f}",
        f"{figures.p50_milliseconds:.2f}",
        f"{figures.p99_milliseconds:.2f}",
        f"{figures.p50_milliseconds - direct.p50_milliseconds:+.2f}",
        f"{figures.requests_per_second / direct.requests_per_second:.2f}",
    ]


def main() -> None:
    """Run everything and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=50_000, help="in each of the two clusters")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="of which the best counts")
    options = parser.parse_args()
    lacking = missing()
    if lacking is not None:
        sys.exit(lacking)
    console = Console(width=120)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as (clusters, deployments):
        bulk(console, clusters, deployments, options)
        searches(console, clusters, deployments, options)


if __name__ == "__main__":
    main()
