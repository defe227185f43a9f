"""What else than a search can be asked of several clusters, and what only of one."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from environments_support import Side, attempt, put_documents

LOCAL_ONLY = "Cross-cluster calls are not supported in this context but remote indices were requested: [{}]"


@pytest.fixture(scope="module")
def name(local: Side, remote: Side) -> Iterator[str]:
    """Answer the name of an index on each side whose mappings differ."""
    name = f"apis-{uuid.uuid4().hex[:8]}"
    for side, word, kind in ((local, "l", "long"), (remote, "r", "keyword")):
        properties = {"both": {"type": "keyword"}, "kind": {"type": kind}, f"only_{word}": {"type": "date"}}
        body = {"mappings": {"properties": properties}, "aliases": {f"{name}-alias": {}}}
        side.client.call("PUT", f"/{name}", body)
        documents = {f"{word}{n}": {"both": f"{word}-value-{n}", "kind": n} for n in range(3)}
        put_documents(side.client, name, documents)
    yield name
    for side in (local, remote):
        side.client.call("DELETE", f"/{name}")


@pytest.fixture
def down(add_remote: Callable[..., str]) -> str:
    """Answer the alias of a remote that nobody listens for."""
    return add_remote(proxy_address="127.0.0.1:1", skip_unavailable=True)


def test_fields_are_merged(local: Side, remote: Side, name: str) -> None:
    """Types of both sides, with the indices that differ; unmapped ones where asked for."""
    both = f"{name},{remote.alias}:{name}"
    answer = local.client.call("GET", f"/{both}/_field_caps?fields=both,kind,only_*&include_unmapped=true")
    far = f"{remote.alias}:{name}"
    assert answer["indices"] == sorted([name, far])
    assert answer["fields"]["both"] == {
        "keyword": {"type": "keyword", "metadata_field": False, "searchable": True, "aggregatable": True}
    }
    assert {kind: each["indices"] for kind, each in answer["fields"]["kind"].items()} == {
        "keyword": [far],
        "long": [name],
    }
    assert answer["fields"]["only_l"]["unmapped"]["indices"] == [far]
    only_dates = local.client.call("GET", f"/{both}/_field_caps?fields=*&types=date")
    assert list(only_dates["fields"]) == ["only_l", "only_r"]


def test_a_remote_that_is_down_is_told(local: Side, name: str, down: str) -> None:
    """The others' fields come with the failure; names come with a warning; nothing at all is the failure."""
    answer = local.client.call("GET", f"/{name},{down}:logs-*/_field_caps?fields=both")
    assert answer["indices"] == [name]
    assert answer["failed_indices"] == 1
    (failed,) = answer["failures"]
    assert failed["indices"] == [f"{down}:logs-*"]
    assert failed["failure"]["error"]["type"] == "no_seed_node_left_exception"
    status, refused = attempt(local.client, "GET", f"/{down}:logs-*/_field_caps?fields=both")
    assert (status, refused["error"]["type"]) == (503, "remote_transport_exception")
    shown = local.request("GET", f"/_resolve/index/{name},{down}:*")
    assert shown.status == 200
    assert f"remote cluster [{down}] was skipped" in shown.headers["warning"]


def test_names_are_resolved(local: Side, remote: Side, name: str) -> None:
    """Indices with their aliases, and aliases with what they are of."""
    answer = local.client.call("GET", f"/_resolve/index/{name}*,{remote.alias}:{name}*")
    far = f"{remote.alias}:{name}"
    assert [each["name"] for each in answer["indices"]] == [name, far]
    assert answer["indices"][1]["aliases"] == [f"{name}-alias"]
    assert answer["aliases"] == [
        {"name": f"{name}-alias", "indices": [name]},
        {"name": f"{far}-alias", "indices": [name]},
    ]
    assert answer["data_streams"] == []
    status, missing = attempt(local.client, "GET", f"/_resolve/index/{remote.alias}:none")
    assert (status, missing["indices"]) == (200, [])  # the alias may be skipped, and is told as skipped


def test_values_are_listed(local: Side, remote: Side, name: str) -> None:
    """Those that begin so, of both sides, in their order and from a place on."""
    both = f"/{name},{remote.alias}:{name}/_terms_enum"
    answer = local.client.call("POST", both, {"field": "both", "string": "R-", "case_insensitive": True})
    assert (answer["terms"], answer["complete"]) == (["r-value-0", "r-value-1", "r-value-2"], True)
    page = {"field": "both", "size": 2, "search_after": "l-value-1"}
    assert local.client.call("POST", both, page)["terms"] == ["l-value-2", "r-value-0"]
    status, refused = attempt(local.client, "POST", both, {"string": "x", "timeout": "2m"})
    assert status == 400
    assert "1: field cannot be null;2: Timeout cannot be > 1 minute;" in refused["error"]["reason"]


def test_templates_are_rendered_here_and_searched_everywhere(local: Side, remote: Side, name: str) -> None:
    """Stored or sent along; one that cannot be rendered is that search's error only."""
    template = {"query": {"prefix": {"both": "{{from}}"}}, "size": "{{size}}{{^size}}10{{/size}}"}
    stored = f"{name}-template"
    local.client.call("PUT", f"/_scripts/{stored}", {"script": {"lang": "mustache", "source": template}})
    both = f"{name},{remote.alias}:{name}"
    try:
        shown = local.client.call("POST", f"/_render/template/{stored}", {"params": {"from": 'l"'}})
        rendered = {"query": {"prefix": {"both": 'l"'}}, "size": "10"}
        assert shown == {"template_output": rendered}
        found = local.client.call(
            "POST", f"/{both}/_search/template", {"id": stored, "params": {"from": "r", "size": 2}}
        )
        assert [hit["_id"] for hit in found["hits"]["hits"]] == ["r0", "r1"]
        assert found["_clusters"]["successful"] == 2
        lines: list[Any] = [
            {"index": both},
            {"id": stored, "params": {"from": "l"}},
            {},
            {"source": "{{#a}}"},
        ]
        content = "".join(json.dumps(line) + "\n" for line in lines).encode()
        answers = local.client.call("POST", "/_msearch/template", content=content)["responses"]
        assert [answer["status"] for answer in answers] == [200, 400]
        assert len(answers[0]["hits"]["hits"]) == 3
        assert answers[1]["error"]["type"] == "script_exception"
    finally:
        local.client.call("DELETE", f"/_scripts/{stored}")
    assert attempt(local.client, "POST", f"/{both}/_search/template", {"id": stored})[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/{far}/_doc/1", None),
        ("GET", "/{far}/_source/1", None),
        ("GET", "/{far}/_explain/1", {"query": {"match_all": {}}}),
        ("GET", "/{far}/_validate/query", None),
        ("GET", "/{far}/_mapping", None),
        ("GET", "/{far}/_settings", None),
        ("GET", "/{far}/_stats", None),
        ("POST", "/{far}/_refresh", None),
        ("DELETE", "/{far}", None),
    ],
)
def test_what_is_of_one_cluster_only_says_so(
    local: Side, remote: Side, name: str, method: str, path: str, body: Any
) -> None:
    """In Elasticsearch's words, before anybody is asked."""
    far = f"{remote.alias}:{name}"
    status, refused = attempt(local.client, method, path.format(far=far), body)
    assert (status, refused["error"]["reason"]) == (400, LOCAL_ONLY.format(far))


def test_documents_of_others_are_not_got(local: Side, remote: Side, name: str) -> None:
    """A multi get has the refusal in its document's place."""
    far = f"{remote.alias}:{name}"
    body = {"docs": [{"_index": name, "_id": "l1"}, {"_index": far, "_id": "r1"}]}
    here, there = local.client.call("POST", "/_mget", body)["docs"]
    assert here["found"]
    assert there["error"]["reason"] == LOCAL_ONLY.format(far)


@pytest.mark.parametrize(
    ("method", "path", "named"),
    [
        ("POST", "/_query", "_query"),
        ("POST", "/_query/async", "_query"),
        ("POST", "/_sql", "_sql"),
        ("POST", "/_esql/query", "_esql"),
        ("GET", "/any/_eql/search", "_eql"),
    ],
)
def test_other_languages_are_refused_by_name(local: Side, method: str, path: str, named: str) -> None:
    """A client that tries learns what it is that is not there."""
    status, refused = attempt(local.client, method, path, {"query": "x"})
    assert (status, refused["error"]["reason"]) == (400, f"[{named}] is not supported by this deployment")


def test_clusters_are_resolved_each_for_itself(local: Side, remote: Side, name: str, down: str) -> None:
    """One that is down, one that has no such index, one that takes too long: each has its own entry."""
    answer = local.client.call("GET", f"/_resolve/cluster/{name},{remote.alias}:none,{down}:{name}")
    assert answer["(local)"]["matching_indices"] is True
    assert answer[remote.alias]["connected"] is True
    assert answer[remote.alias]["error"] == "no such index [none]"
    assert "matching_indices" not in answer[remote.alias]
    assert (answer[down]["connected"], answer[down]["skip_unavailable"]) == (False, True)
    late = local.client.call("GET", f"/_resolve/cluster/{remote.alias}:{name}?timeout=0")[remote.alias]
    assert late["error"] == "Request timed out before receiving a response from the remote cluster"
    without = local.client.call("GET", f"/_resolve/cluster/{name},*:{name},-{down}:*?ignore_throttled=false")
    assert down not in without
    assert remote.alias in without
    status, refused = attempt(local.client, "GET", "/_resolve/cluster?ignore_throttled=true")
    assert (status, refused["error"]["type"]) == (400, "illegal_argument_exception")


def test_nobody_else_reads_what_somebody_holds(local: Side, remote: Side, name: str) -> None:
    """Another user has neither the scroll nor the point in time; the one who opened them has."""
    both = f"{name},{remote.alias}:{name}"
    other = f"reader-{uuid.uuid4().hex[:8]}"
    local.client.call(
        "PUT", f"/_security/user/{other}", {"password": "another-password", "roles": ["superuser"]}
    )
    client = local.client_of(other, "another-password")
    try:
        scroll = local.client.call("POST", f"/{both}/_search?scroll=1m", {"size": 1})["_scroll_id"]
        point = local.client.call("POST", f"/{both}/_pit?keep_alive=1m")["id"]
        far_only = local.client.call("POST", f"/{remote.alias}:{name}/_pit?keep_alive=1m")["id"]
        for path, body in (
            ("/_search/scroll", {"scroll_id": scroll}),
            ("/_search", {"pit": {"id": point}}),
            ("/_search", {"pit": {"id": far_only}}),
        ):
            status, refused = attempt(client, "POST", path, body)
            assert status == 404
            assert refused["error"]["root_cause"][0]["type"] == "search_context_missing_exception"
            assert local.client.call("POST", path, body)["hits"]["hits"]
        assert attempt(client, "DELETE", "/_pit", {"id": point})[0] == 404
        assert attempt(client, "DELETE", "/_search/scroll", {"scroll_id": scroll})[0] == 404
        assert local.client.call("DELETE", "/_pit", {"id": point})["num_freed"] == 2
        assert local.client.call("DELETE", "/_pit", {"id": far_only})["num_freed"] == 1
        assert local.client.call("DELETE", "/_search/scroll", {"scroll_id": scroll})["num_freed"] == 2
    finally:
        client.close()
        local.client.call("DELETE", f"/_security/user/{other}")
