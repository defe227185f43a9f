"""Health, statistics, nodes and the root."""

from __future__ import annotations

import pytest
from data_api_client import DataApiClient, principal_of

from isthmus.errors import Failure
from isthmus.rest.elasticsearch.cluster import duration_seconds
from isthmus.rest.elasticsearch.cluster_health import Health, is_met
from isthmus.settings import COMPATIBLE_VERSION


@pytest.fixture
def api() -> DataApiClient:
    """Make a data API without indices."""
    return DataApiClient()


@pytest.mark.parametrize(
    ("health", "status", "percent"),
    [
        (Health(0, 0), "green", 100.0),
        (Health(2, 0), "green", 100.0),
        (Health(1, 1), "yellow", 50.0),
        (Health(0, 0, missing=True), "red", 100.0),
    ],
)
def test_status(health: Health, status: str, percent: float) -> None:
    """Replicas have no second node; a missing index is red."""
    assert (health.status, health.active_percent) == (status, percent)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, True),
        ({"wait_for_status": "yellow"}, True),
        ({"wait_for_status": "RED"}, True),
        ({"wait_for_status": "green"}, False),
        ({"wait_for_nodes": "1"}, True),
        ({"wait_for_nodes": ">=1"}, True),
        ({"wait_for_nodes": "ge(2)"}, False),
        ({"wait_for_nodes": "<2"}, True),
        ({"wait_for_nodes": "lt(1)"}, False),
        ({"wait_for_nodes": ">0"}, True),
        ({"wait_for_nodes": "<=0"}, False),
        ({"wait_for_active_shards": "1"}, True),
        ({"wait_for_active_shards": "2"}, False),
        ({"wait_for_active_shards": "all"}, False),
    ],
)
def test_conditions(parameters: dict[str, str], expected: bool) -> None:
    """What a caller can wait for, with one shard there and one replica missing."""
    assert is_met(Health(1, 1), parameters) is expected


@pytest.mark.parametrize(
    "parameters",
    [{"wait_for_status": "blue"}, {"wait_for_nodes": "many"}, {"wait_for_active_shards": "-1"}],
)
def test_conditions_that_are_none(parameters: dict[str, str]) -> None:
    """A bad value is refused at once, not waited for."""
    with pytest.raises(Failure):
        is_met(Health(1, 1), parameters)


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("2s", 2.0), ("1m", 60.0), ("0", 0.0), ("-1", -1.0), ("1h", 3600.0)]
)
def test_durations(text: str, seconds: float) -> None:
    """Time values as Elasticsearch writes them."""
    assert duration_seconds({"timeout": text}, "timeout", 30.0) == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "1.5s", "-2s", "1y", "99999999999999999999s", "²s"])
def test_durations_that_are_none(text: str) -> None:
    """The parameter is named."""
    with pytest.raises(Failure, match=r"\[timeout\]"):
        duration_seconds({"timeout": text}, "timeout", 30.0)


async def test_health(api: DataApiClient) -> None:
    """Counts at every level."""
    await api("PUT", "/logs")
    answer = (await api("GET", "/_cluster/health?level=shards")).json
    assert (answer["status"], answer["active_shards"], answer["unassigned_shards"]) == ("yellow", 1, 1)
    assert answer["indices"]["logs"]["shards"]["0"]["primary_active"] is True
    assert "shards" not in (await api("GET", "/_cluster/health/lo*?level=indices")).json["indices"]["logs"]
    assert (await api("GET", "/_cluster/health?level=odd")).status == 400


async def test_waiting_for_health_ends(api: DataApiClient) -> None:
    """What does not come is a 408 when the time is over, and no earlier."""
    await api("PUT", "/logs")
    began = api.clock.seconds
    for target in ("/_cluster/health?wait_for_status=green&timeout=2s", "/_cluster/health/none?timeout=2s"):
        answer = await api("GET", target)
        assert (answer.status, answer.json["timed_out"]) == (408, True)
    assert 4.0 <= api.clock.seconds - began < 4.2
    assert (await api("GET", "/_cluster/health?wait_for_status=yellow")).json["timed_out"] is False


async def test_root_and_what_clients_ask(api: DataApiClient) -> None:
    """The version is the one that is spoken; every answer says whose API it is."""
    root = await api("GET", "/")
    assert root.json["version"]["number"] == COMPATIBLE_VERSION
    assert root.json["tagline"] == "You Know, for Search"
    assert root.headers["X-elastic-product"] == "Elasticsearch"
    assert (await api("HEAD", "/")).status == 200
    assert (await api("GET", "/_license")).json["license"]["type"] == "basic"
    assert (await api("GET", "/_xpack")).json["features"]["security"] == {"available": True, "enabled": True}


@pytest.mark.parametrize(
    ("target", "nodes"),
    [
        ("/_nodes", 1),
        ("/_nodes/_all/http", 1),
        ("/_nodes/http", 1),
        ("/_nodes/node-0", 1),
        ("/_nodes/other/http", 0),
    ],
)
async def test_nodes(api: DataApiClient, target: str, nodes: int) -> None:
    """Clients find the address of the data API."""
    answer = (await api("GET", target)).json
    assert answer["_nodes"]["total"] == nodes == len(answer["nodes"])
    if nodes:
        assert answer["nodes"]["node-id"]["http"]["publish_address"] == "127.0.0.1:9243"


async def test_cluster_stats(api: DataApiClient) -> None:
    """Counts of everything."""
    await api("PUT", "/logs/_doc/1?refresh", {})
    answer = (await api("GET", "/_cluster/stats")).json
    assert (answer["indices"]["count"], answer["indices"]["docs"]["count"]) == (1, 1)


async def test_cluster_questions_need_permission(api: DataApiClient) -> None:
    """A caller without any role learns nothing."""
    api.authenticator.principals["nobody"] = principal_of("nobody")
    for target in (
        "/",
        "/_cluster/health",
        "/_cluster/stats",
        "/_nodes",
        "/_cat/health",
        "/_license",
        "/_xpack",
    ):
        answer = await api("GET", target, headers={"authorization": "nobody"})
        assert (answer.status, answer.error_type) == (403, "security_exception")
