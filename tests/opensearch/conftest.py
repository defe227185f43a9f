"""Real OpenSearch clusters, each started when the first test asks for it (``make test-opensearch``)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from opensearch_cluster import OpenSearchCluster, missing, start_cluster

HERE = Path(__file__).resolve().parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave this folder out unless it is asked for by name: it takes Java, and minutes."""
    named = any("opensearch" in str(argument) for argument in config.invocation_params.args)
    return None if named or HERE not in collection_path.parents else True


def _cluster(factory: pytest.TempPathFactory, name: str, nodes: int = 1) -> Iterator[OpenSearchCluster]:
    lacking = missing()
    if lacking is not None:
        pytest.skip(lacking)
    cluster = start_cluster(name, factory.mktemp(name), nodes)
    try:
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSearchCluster]:
    """Answer a cluster of one node."""
    yield from _cluster(tmp_path_factory, "one")


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSearchCluster]:
    """Answer another cluster of one node."""
    yield from _cluster(tmp_path_factory, "other")


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSearchCluster]:
    """Answer a cluster of two nodes."""
    yield from _cluster(tmp_path_factory, "pair", nodes=2)
