"""What a search tells of its clusters, how they are named, and what is told of those that fail."""

from __future__ import annotations

import uuid

import pytest
from environments_corpus import Corpus
from environments_support import Side, attempt


def test_the_clusters_section(corpus: Corpus) -> None:
    """Counts add up, and every cluster tells its expression, status, time and shards."""
    answer = corpus.search(corpus.split, {"size": 1})
    clusters = answer["_clusters"]
    counted = ("successful", "skipped", "running", "partial", "failed")
    assert {name: clusters[name] for name in ("total", *counted)} == {
        "total": 2,
        "successful": 2,
        "skipped": 0,
        "running": 0,
        "partial": 0,
        "failed": 0,
    }
    assert list(clusters["details"]) == ["(local)", corpus.alias]
    for detail in clusters["details"].values():
        assert detail["status"] == "successful"
        assert detail["indices"] == corpus.name
        assert detail["timed_out"] is False
        assert 0 <= detail["took"] <= answer["took"]
        assert detail["_shards"] == {"total": 1, "successful": 1, "skipped": 0, "failed": 0}
    assert answer["_shards"] == {"total": 2, "successful": 2, "skipped": 0, "failed": 0}
    assert answer["num_reduce_phases"] == 3


def test_a_local_search_has_no_clusters_section(corpus: Corpus) -> None:
    """Nothing is told of clusters where none took part."""
    assert "_clusters" not in corpus.search(corpus.whole, {"size": 0})


@pytest.mark.parametrize(
    ("expression", "clusters", "total"),
    [
        ("{alias}:{name}", ["{alias}"], 400),
        ("*:{name}", ["{alias}"], 400),
        ("{name},*:{name}", ["(local)", "{alias}"], 600),
        ("{alias_start}*:{name_start}*", ["{alias}"], 400),
        ("{name},{alias}:{name},-{alias}:*", None, 200),
        ("{name},*:{name},-{alias_start}*:*", None, 200),
        ("{name},{alias}:other-*", ["(local)", "{alias}"], 200),
        ("{name},nowhere*:{name}", None, 200),
        ("{name},{alias}:{name_start}*,{alias}:-{name}", ["(local)", "{alias}"], 200),
    ],
)
def test_expressions(corpus: Corpus, expression: str, clusters: list[str] | None, total: int) -> None:
    """Wildcards of aliases stand for remotes only; what is excluded is not asked."""
    words = {
        "alias": corpus.alias,
        "alias_start": corpus.alias[:3],
        "name": corpus.name,
        "name_start": corpus.name[:-2],
    }
    answer = corpus.client.call("POST", f"/{expression.format(**words)}/_search?size=0")
    assert answer["hits"]["total"]["value"] == total
    if clusters is None:
        assert "_clusters" not in answer
    else:
        assert list(answer["_clusters"]["details"]) == [name.format(**words) for name in clusters]
        assert answer["_clusters"]["successful"] == len(clusters)


@pytest.mark.parametrize(
    ("expression", "status", "error_type", "reason"),
    [
        ("nowhere:x", 404, "no_such_remote_cluster_exception", "no such remote cluster: [nowhere]"),
        (
            "-enterprise:logs*",
            400,
            "illegal_argument_exception",
            "To exclude a cluster you must specify the '*'",
        ),
        ("*:x,-*:*", 400, "illegal_argument_exception", "excludes all indexes. Nothing to search."),
        ("x,-enterprise:*", 400, "illegal_argument_exception", "failed as it is not included in the list"),
        (":x", 400, None, "remote part is empty"),
    ],
)
def test_expressions_that_are_refused(
    corpus: Corpus, expression: str, status: int, error_type: str | None, reason: str
) -> None:
    """In Elasticsearch's words."""
    answered, answer = attempt(corpus.client, "POST", f"/{expression}/_search")
    assert (answered, answer["status"]) == (status, status)
    assert reason in answer["error"]["reason"]
    if error_type is not None:
        assert answer["error"]["type"] == error_type


def test_an_index_that_is_missing_over_there(corpus: Corpus) -> None:
    """It is skipped with the reason; where the remote may not be skipped, it is the error."""
    path = f"/{corpus.name},{corpus.alias}:missing/_search"
    settings = f"cluster.remote.{corpus.alias}.skip_unavailable"
    detail = corpus.client.call("POST", path)["_clusters"]["details"][corpus.alias]
    assert detail["status"] == "skipped"
    assert detail["failures"][0]["reason"]["type"] == "index_not_found_exception"
    assert detail["failures"][0]["reason"]["reason"] == "no such index [missing]"
    corpus.client.call("PUT", "/_cluster/settings", {"persistent": {settings: False}})
    try:
        status, answer = attempt(corpus.client, "POST", path)
        assert status == 404
        assert answer["error"]["caused_by"]["type"] == "index_not_found_exception"
        assert attempt(corpus.client, "POST", f"{path}?ignore_unavailable=true")[0] == 200
    finally:
        corpus.client.call("PUT", "/_cluster/settings", {"persistent": {settings: None}})


def test_a_query_that_fails_over_there(corpus: Corpus, remote: Side) -> None:
    """A type that only the other side has wrong is told as that side's failure."""
    name = f"types-{uuid.uuid4().hex[:8]}"
    for client, kind in ((corpus.client, "keyword"), (remote.client, "integer")):
        client.call("PUT", f"/{name}", {"mappings": {"properties": {"value": {"type": kind}}}})
    body = {"query": {"term": {"value": "not a number"}}}
    answer = corpus.client.call("POST", f"/{name},{corpus.alias}:{name}/_search", body)
    assert answer["_clusters"]["details"]["(local)"]["status"] == "successful"
    detail = answer["_clusters"]["details"][corpus.alias]
    assert detail["status"] == "skipped"
    assert "not a number" in str(detail["failures"])
    for client in (corpus.client, remote.client):
        client.call("DELETE", f"/{name}")


def test_clusters_are_resolved(corpus: Corpus, remote: Side) -> None:
    """``_resolve/cluster`` tells who is there, which version, and whether indices match."""
    answer = corpus.client.call("GET", f"/_resolve/cluster/{corpus.name},{corpus.alias}:{corpus.name}")
    assert list(answer) == ["(local)", corpus.alias]
    assert answer["(local)"]["skip_unavailable"] is False
    assert answer[corpus.alias]["skip_unavailable"] is True
    for cluster in answer.values():
        assert cluster["connected"] is True
        assert cluster["matching_indices"] is True
        assert cluster["version"]["number"] == remote.client.call("GET", "/")["version"]["number"]
        assert cluster["version"]["build_flavor"] == "default"
    nothing = corpus.client.call("GET", f"/_resolve/cluster/{corpus.alias}:other-*")[corpus.alias]
    assert nothing["matching_indices"] is False
    every = corpus.client.call("GET", "/_resolve/cluster")
    assert every[corpus.alias]["connected"] is True
    assert "matching_indices" not in every[corpus.alias]


def test_remote_info(corpus: Corpus, remote: Side) -> None:
    """Elasticsearch's fields, and how the link stands."""
    information = corpus.client.call("GET", "/_remote/info")[corpus.alias]
    shown = {name: value for name, value in information.items() if name != "isthmus"}
    assert shown.pop("num_proxy_sockets_connected") >= 1
    assert shown == {
        "connected": True,
        "mode": "proxy",
        "proxy_address": remote.deployment.proxy_address,
        "server_name": remote.deployment.server_name,
        "max_proxy_socket_connections": 18,
        "initial_connect_timeout": "30s",
        "skip_unavailable": True,
        "cluster_credentials": "::es_redacted::",
    }
    assert information["isthmus"]["state"] == "connected"
    assert information["isthmus"]["remote"]["cluster_uuid"] == remote.deployment.cluster_id
    phases = ["resolve", "connect", "tls", "authenticate", "handshake"]
    assert list(information["isthmus"]["phases"]) == phases
