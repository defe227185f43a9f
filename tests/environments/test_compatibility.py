"""What a deployment took over from Elasticsearch, over real connections and two environments."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest
from environments_support import Side

ADDRESSES = {"local": ["9.0.0.1", "fe80::1"], "remote": ["::1", "10.0.0.1"]}
IN_ORDER = ["::1", "9.0.0.1", "10.0.0.1", "fe80::1"]


@pytest.fixture
def clients(local: Side, remote: Side) -> Iterator[str]:
    """Answer the name of an index of addresses that both sides have."""
    name = f"clients-{uuid.uuid4().hex[:8]}"
    mappings = {"properties": {"client": {"type": "ip"}}}
    for side, word in ((local, "local"), (remote, "remote")):
        side.client.call("PUT", f"/{name}", {"mappings": mappings})
        for number, address in enumerate(ADDRESSES[word]):
            side.client.call("PUT", f"/{name}/_doc/{number}?refresh=true", {"client": address})
    yield name
    for side in (local, remote):
        side.client.call("DELETE", f"/{name}")


def test_addresses_of_two_clusters_are_sorted_as_addresses(local: Side, remote: Side, clients: str) -> None:
    """Hits and buckets alike: 9.0.0.1 comes before 10.0.0.1, whichever cluster has it."""
    body = {
        "sort": [{"client": "asc"}],
        "aggs": {"clients": {"terms": {"field": "client", "order": {"_key": "asc"}}}},
    }
    answer = local.client.call("POST", f"/{clients},{remote.alias}:{clients}/_search", body)
    assert [hit["sort"][0] for hit in answer["hits"]["hits"]] == IN_ORDER
    assert [bucket["key"] for bucket in answer["aggregations"]["clients"]["buckets"]] == IN_ORDER


def test_a_closed_index_is_closed_to_every_cluster(local: Side, remote: Side, clients: str) -> None:
    """It answers no search until it is opened: by name an error, by wildcard nothing at all."""
    assert remote.client.call("POST", f"/{clients}/_close")["indices"] == {clients: {"closed": True}}
    refused = remote.request("GET", f"/{clients}/_search")
    assert (refused.status, refused.error()["type"]) == (400, "index_closed_exception")
    everywhere = f"/{clients},{remote.alias}:{clients}*/_search"
    assert local.client.call("GET", everywhere)["hits"]["total"]["value"] == 2
    assert clients in json.dumps(remote.client.call("GET", "/_cat/indices?format=json&h=status,index"))
    remote.client.call("POST", f"/{clients}/_open")
    assert local.client.call("GET", everywhere)["hits"]["total"]["value"] == 4


def test_a_deployment_may_let_wildcards_delete(remote: Side) -> None:
    """``action.destructive_requires_name`` is obeyed from the moment it is set."""
    names = [f"gone-{uuid.uuid4().hex[:8]}" for _ in range(2)]
    for name in names:
        remote.client.call("PUT", f"/{name}")
    assert remote.request("DELETE", "/gone-*").status == 400
    setting = "action.destructive_requires_name"
    remote.client.call("PUT", "/_cluster/settings", {"transient": {setting: False}})
    try:
        assert remote.client.call("DELETE", "/gone-*")["acknowledged"] is True
    finally:
        remote.client.call("PUT", "/_cluster/settings", {"transient": {setting: None}})
    assert remote.client.call("GET", "/gone-*") == {}


def test_a_query_in_the_url_is_asked_of_other_clusters_too(local: Side, remote: Side, clients: str) -> None:
    """``q`` is a query like any other."""
    asked = f"/{clients},{remote.alias}:{clients}"
    assert local.client.call("GET", f"{asked}/_count?q=client:10.0.0.1")["count"] == 1
    assert local.client.call("GET", f"{asked}/_search?q=client:*&size=0")["hits"]["total"]["value"] == 4
