"""Submitted searches and tasks over two real environments, one of which freezes or ends meanwhile."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from elasticsearch_clients import LIBRARY, client_options
from environments_support import Side, attempt, put_documents, side_of, until

from isthmus.sandbox import Sandbox

_INDEX = "submitted"
_HERE, _THERE = 3, 4
_AGGREGATION = {"aggs": {"most": {"max": {"field": "n"}}}}


@dataclass
class Pair:
    """Two connected environments that a test may hurt."""

    local: Side
    remote: Side

    @property
    def path(self) -> str:
        """Where both sides are searched."""
        return f"/{_INDEX},{self.remote.alias}:{_INDEX}"

    def connected(self) -> bool:
        """Tell whether the link says that it is up."""
        return bool(self.local.client.call("GET", "/_remote/info")[self.remote.alias]["connected"])

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop the remote node: it accepts and never answers. It goes on afterwards, and the link is up."""
        node = self.remote.node_process_id()
        until(self.connected, "the link")
        os.kill(node, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(node, signal.SIGCONT)
            until(self.connected, "the link to heal")


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Start environments that nobody else uses, with documents on both sides."""
    with Sandbox() as sandbox:
        local, remote = (side_of(sandbox, each) for each in sandbox.fabric.environments)
        for side, first, count in ((local, 0, _HERE), (remote, _HERE, _THERE)):
            documents = {str(number): {"n": number} for number in range(first, first + count)}
            put_documents(side.client, _INDEX, documents)
        # so that the silence of a remote is noticed sooner
        pings = {f"cluster.remote.{remote.alias}.transport.ping_schedule": "500ms"}
        local.client.call("PUT", "/_cluster/settings", {"persistent": pings})
        yield Pair(local, remote)


def _submit(pair: Pair, query: str = "", body: Any = None) -> Any:
    return pair.local.client.call("POST", f"{pair.path}/_async_search?{query}", body or _AGGREGATION)


def test_a_search_that_ends_in_time_is_answered_whole(pair: Pair) -> None:
    """Without an id, as there is nothing left of it; with one where it is to be kept."""
    until(pair.connected, "the link")
    answer = _submit(pair, "wait_for_completion_timeout=30s")
    assert "id" not in answer
    assert (answer["is_running"], answer["is_partial"]) == (False, False)
    assert answer["response"]["hits"]["total"]["value"] == _HERE + _THERE
    assert answer["response"]["aggregations"] == {"most": {"value": 6.0}}
    assert answer["response"]["_clusters"]["successful"] == 2
    kept = _submit(pair, "wait_for_completion_timeout=30s&keep_on_completion=true")
    path = f"/_async_search/{kept['id']}"
    assert pair.local.client.call("GET", path) == kept
    typed = pair.local.client.call("GET", f"{path}?typed_keys=true")
    assert typed["response"]["aggregations"] == {"max#most": {"value": 6.0}}
    assert pair.local.client.call("GET", f"/_async_search/status/{kept['id']}")["completion_status"] == 200
    assert pair.local.client.call("DELETE", path) == {"acknowledged": True}
    assert attempt(pair.local.client, "GET", path)[0] == 404


def test_a_frozen_remote_does_not_hold_back_what_is_here(pair: Pair) -> None:
    """Its part is ``running``; once its silence is noticed it is skipped, and that is told."""
    with pair.frozen():
        first = _submit(pair, "wait_for_completion_timeout=100ms")
        assert (first["is_running"], first["is_partial"]) == (True, True)
        path = f"/_async_search/{first['id']}"
        response = pair.local.client.call("GET", path)["response"]
        assert response["hits"]["total"]["value"] == _HERE
        assert response["aggregations"] == {"most": {"value": 2.0}}
        assert response["_clusters"]["running"] == 1
        assert response["_clusters"]["details"][pair.remote.alias]["status"] == "running"
        (task,) = pair.local.client.call("GET", "/_tasks?actions=*async_search*&group_by=none&detailed")[
            "tasks"
        ]
        assert f"{pair.remote.alias}:{_INDEX}" in task["description"]
        ended = pair.local.request("GET", f"{path}?wait_for_completion_timeout=60s")
    assert ended.status == 200
    assert b'"is_running":false' in ended.body
    assert f"remote cluster [{pair.remote.alias}] was skipped" in ended.headers["warning"]
    status = pair.local.client.call("GET", f"/_async_search/status/{first['id']}")
    assert (status["is_partial"], status["_clusters"]["skipped"]) == (True, 1)


def test_deleting_ends_what_runs(pair: Pair) -> None:
    """The task is gone here; the far side is shown to stop in the tests of the links."""
    with pair.frozen():
        submitted = _submit(pair, "wait_for_completion_timeout=50ms")
        assert submitted["is_running"] is True
        listing = "/_tasks?actions=*async_search*&group_by=none"
        assert len(pair.local.client.call("GET", listing)["tasks"]) == 1
        pair.local.client.call("DELETE", f"/_async_search/{submitted['id']}")
        assert pair.local.client.call("GET", listing)["tasks"] == []


def test_cancelling_a_task_tells_whoever_waits_for_the_search(pair: Pair) -> None:
    """400 ``task_cancelled_exception``, beside what had come in by then."""
    with pair.frozen():
        submitted = _submit(pair, "wait_for_completion_timeout=50ms")
        client = pair.local.client
        cancelled = client.call("POST", "/_tasks/_cancel?actions=*async_search*&wait_for_completion=true")
        (node,) = cancelled["nodes"].values()
        assert [task["cancelled"] for task in node["tasks"].values()] == [True]
        status, answer = attempt(client, "GET", f"/_async_search/{submitted['id']}")
    assert status == 400
    assert answer["error"]["caused_by"]["type"] == "task_cancelled_exception"
    assert answer["response"]["hits"]["total"]["value"] == _HERE


def test_a_search_belongs_to_who_submitted_it(pair: Pair) -> None:
    """Another user finds nothing; one who may monitor sees the status, one who may cancel deletes."""
    client = pair.local.client
    kept = _submit(pair, "wait_for_completion_timeout=30s&keep_on_completion=true")
    word = uuid.uuid4().hex[:8]
    clients = {}
    for privilege in ("monitor", "cancel_task", "none"):
        name = f"{privilege}-{word}"
        role = {"cluster": [privilege], "indices": [{"names": ["*"], "privileges": ["read"]}]}
        client.call("PUT", f"/_security/role/{name}", role)
        client.call("PUT", f"/_security/user/{name}", {"password": "a-long-password", "roles": [name]})
        clients[privilege] = pair.local.client_of(name, "a-long-password")
    path, status = f"/_async_search/{kept['id']}", f"/_async_search/status/{kept['id']}"
    assert {name: attempt(each, "GET", path)[0] for name, each in clients.items()} == {
        "monitor": 404,
        "cancel_task": 404,
        "none": 404,
    }
    assert {name: attempt(each, "GET", status)[0] for name, each in clients.items()} == {
        "monitor": 200,
        "cancel_task": 404,
        "none": 404,
    }
    deleted = {name: attempt(clients[name], "DELETE", path)[0] for name in ("none", "monitor", "cancel_task")}
    assert deleted == {"none": 404, "monitor": 404, "cancel_task": 200}
    for each in clients.values():
        each.close()


def test_a_request_may_say_whether_a_cluster_may_be_missing(pair: Pair) -> None:
    """Over its settings, in one request; and it may see where the time went."""
    client = pair.local.client
    path = f"/{_INDEX},{pair.remote.alias}:missing"
    assert attempt(client, "POST", f"{path}/_search")[0] == 200
    for call in (f"{path}/_search", f"{path}/_count"):
        status, answer = attempt(client, "POST", f"{call}?skip_unavailable=false")
        assert (status, answer["error"]["type"]) == (404, "remote_transport_exception")
    lines = f'{{"index":"{path[1:]}","skip_unavailable":false}}\n{{}}\n{{"index":"{path[1:]}"}}\n{{}}\n'
    answer = client.call("POST", "/_msearch", content=lines.encode())
    assert [each["status"] for each in answer["responses"]] == [404, 200]
    details = client.call("POST", f"{pair.path}/_search?hops=true")["_clusters"]["details"]
    assert "hop" not in details["(local)"]
    hop = details[pair.remote.alias]["hop"]
    assert hop["total_time_in_nanos"] >= hop["remote_time_in_nanos"] > 0
    assert hop["network_time_in_nanos"] == hop["total_time_in_nanos"] - hop["remote_time_in_nanos"]


def test_the_cluster_may_want_whole_answers_only(pair: Pair) -> None:
    """A setting that a request may overrule; a cluster that may be skipped may be missing all the same."""
    client = pair.local.client
    name = f"broken-{uuid.uuid4().hex[:8]}"
    for index, kind in ((f"{name}-1", "integer"), (f"{name}-2", "keyword")):
        client.call("PUT", f"/{index}", {"mappings": {"properties": {"value": {"type": kind}}}})
    body = {"query": {"term": {"value": "not a number"}}}
    setting = "search.default_allow_partial_results"
    path = f"/{name}-*,{pair.remote.alias}:missing/_search"
    raw = pair.local.request("GET", f"/{name}-*/_search?q=value:x")
    assert raw.status == 200
    assert "partial results: [1] of [2] shards failed" in raw.headers["warning"]
    client.call("PUT", "/_cluster/settings", {"transient": {setting: False}})
    try:
        assert attempt(client, "POST", path, body)[0] == 400
        assert attempt(client, "POST", f"{path}?allow_partial_search_results=true", body)[0] == 200
    finally:
        client.call("PUT", "/_cluster/settings", {"transient": {setting: None}})
    answer = client.call("POST", path, body)
    assert (answer["_shards"]["failed"], answer["_clusters"]["skipped"]) == (1, 1)
    client.call("DELETE", f"/{name}-1,{name}-2")


@pytest.mark.filterwarnings("ignore:This API is in technical preview")  # so says the client of its tasks
def test_the_official_client_submits_looks_and_cancels(pair: Pair) -> None:
    """Its methods for submitted searches and tasks find what they expect."""
    with LIBRARY.Elasticsearch(**client_options(pair.local)) as client:
        submitted = client.async_search.submit(
            index=pair.path[1:], size=1, keep_on_completion=True, wait_for_completion_timeout="30s"
        )
        assert submitted["response"]["hits"]["total"]["value"] == _HERE + _THERE
        assert submitted.meta.headers["X-ElasticSearch-Async-Id"] == submitted["id"]
        status = client.async_search.status(id=submitted["id"], keep_alive="1h")
        assert status["expiration_time_in_millis"] < submitted["expiration_time_in_millis"]
        assert client.async_search.get(id=submitted["id"])["response"] == submitted["response"]
        assert client.async_search.delete(id=submitted["id"])["acknowledged"]
        with pytest.raises(LIBRARY.NotFoundError):
            client.async_search.get(id=submitted["id"])
        (node,) = client.tasks.list(detailed=True)["nodes"].values()
        assert [task["action"] for task in node["tasks"].values()] == ["cluster:monitor/tasks/lists"]
        assert client.tasks.cancel(actions="*search*")["nodes"] == {}
        with pytest.raises(LIBRARY.NotFoundError):
            client.tasks.get(task_id=f"{next(iter(client.tasks.list()['nodes']))}:1000000")


# The last one: the node is another afterwards.
def test_a_killed_node_keeps_what_had_ended_and_says_what_is_lost(pair: Pair) -> None:
    """Nothing that ran is passed off as an answer."""
    kept = _submit(pair, "wait_for_completion_timeout=30s&keep_on_completion=true")
    with pair.frozen():
        running = _submit(pair, "wait_for_completion_timeout=50ms")
        killed = pair.local.kill_node()
        pair.local.until_node_answers(killed)
    client = pair.local.client
    assert client.call("GET", f"/_async_search/{kept['id']}") == kept
    status, lost = attempt(client, "GET", f"/_async_search/{running['id']}")
    assert status == 503
    assert (lost["is_running"], lost["is_partial"]) == (False, True)
    assert lost["error"]["type"] == "node_closed_exception"
    assert "submit it again" in lost["error"]["reason"]
    shown = client.call("GET", f"/_async_search/status/{running['id']}")
    assert (shown["is_running"], shown["completion_status"]) == (False, 503)
