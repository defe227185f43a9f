"""What somebody may see over there: what the key allows and what their own roles allow, both."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from environments_support import Side, attempt, key_client

from isthmus.sandbox.client import JsonClient

_PASSWORD = "a-long-password"
_SEARCH = "indices:data/read/search"
_READ = ["read", "read_cross_cluster", "view_index_metadata"]


@dataclass
class Bench:
    """The local side with remotes, users and roles that are removed after the test."""

    local: Side
    remote: Side
    add_remote: Callable[..., str]
    made: list[str] = field(default_factory=list)
    clients: list[JsonClient] = field(default_factory=list)

    def key(self, search: list[dict[str, Any]], name: str = "bench") -> dict[str, Any]:
        """Make a cross-cluster key on the remote side."""
        body = {"name": name, "access": {"search": search}}
        key: dict[str, Any] = self.remote.client.call("POST", "/_security/cross_cluster/api_key", body)
        return key

    def connect(self, search: list[dict[str, Any]], **settings: Any) -> str:
        """Add a remote with a new key of this access; answer its alias."""
        return self.add_remote(key=self.key(search)["encoded"], **settings)

    def user(self, role: dict[str, Any]) -> tuple[str, JsonClient]:
        """Make a user with one role, both of one name; answer the name and a client."""
        name = f"user-{uuid.uuid4().hex[:8]}"
        self.local.client.call("PUT", f"/_security/role/{name}", role)
        body = {"password": _PASSWORD, "roles": [name]}
        self.local.client.call("PUT", f"/_security/user/{name}", body)
        self.made.append(name)
        return name, self.keep(self.local.client_of(name, _PASSWORD))

    def keep(self, client: JsonClient) -> JsonClient:
        """Close this client after the test."""
        self.clients.append(client)
        return client


@pytest.fixture
def bench(local: Side, remote: Side, logs: str, add_remote: Callable[..., str]) -> Iterator[Bench]:
    """Answer the workbench of one test."""
    del logs  # its indices are what is searched
    bench = Bench(local, remote, add_remote)
    yield bench
    for name in bench.made:
        local.client.call("DELETE", f"/_security/user/{name}")
        local.client.call("DELETE", f"/_security/role/{name}")
    for client in bench.clients:
        client.close()


def _remote_indices(*names: str, clusters: str = "*", **more: Any) -> dict[str, Any]:
    return {"remote_indices": [{"clusters": [clusters], "names": list(names), "privileges": _READ, **more}]}


def _found(client: JsonClient, expression: str, body: Any = None) -> dict[str, set[str]]:
    """Search and answer the ids found in each index (without the alias)."""
    answer = client.call("POST", f"/{expression}/_search", {"size": 100, **(body or {})})
    found: dict[str, set[str]] = {}
    for hit in answer["hits"]["hits"]:
        found.setdefault(hit["_index"].partition(":")[2], set()).add(hit["_id"])
    return found


_EVERY = {"a1", "a2", "a3"}


@pytest.mark.parametrize(
    ("key_names", "role_names", "seen"),
    [
        (["logs-*"], ["logs-app-*"], ["logs-app-1"]),
        (["logs-app-*"], ["logs-*"], ["logs-app-1"]),
        (["logs-*"], ["*"], ["logs-app-1", "logs-web-1"]),
        (["*"], ["logs-*", "metrics-*"], ["logs-app-1", "logs-web-1", "metrics-1"]),
        (["logs-*"], ["metrics-*"], []),
        (["/logs-(app|web)-[0-9]+/"], ["*web*"], ["logs-web-1"]),
    ],
)
def test_a_user_sees_what_key_and_role_both_allow(
    bench: Bench, key_names: list[str], role_names: list[str], seen: list[str]
) -> None:
    """Wildcards narrow to the intersection; ``_count`` and aggregations count only that."""
    alias = bench.connect([{"names": key_names}])
    _, client = bench.user(_remote_indices(*role_names))
    assert _found(client, f"{alias}:*-1") == dict.fromkeys(seen, _EVERY)
    assert client.call("GET", f"/{alias}:*-1/_count")["count"] == 3 * len(seen)
    body = {"size": 0, "aggs": {"sum": {"sum": {"field": "level"}}}}
    answer = client.call("POST", f"/{alias}:*-1/_search", body)
    assert answer["hits"]["total"]["value"] == 3 * len(seen)
    if seen:
        assert answer["aggregations"]["sum"]["value"] == 6 * len(seen)


def test_an_index_outside_is_refused_by_name(bench: Bench) -> None:
    """The denial names the user, their role, the key and its owner, and says what would allow it."""
    key = bench.key([{"names": ["logs-*"]}])
    alias = bench.add_remote(key=key["encoded"], skip_unavailable=False)
    name, client = bench.user(_remote_indices("logs-app-*"))
    for index in ("logs-web-1", "metrics-1", "does-not-exist"):
        status, answer = attempt(client, "POST", f"/{alias}:{index}/_search")
        assert status == 403
        assert answer["error"]["caused_by"] == {
            "type": "security_exception",
            "reason": f"action [{_SEARCH}] towards remote cluster is unauthorized for user [{name}] with"
            f" assigned roles [{name}] authenticated by API key id [{key['id']}] of user [elastic] on"
            f" indices [{index}], this action is granted by the index privileges [read,all]",
        }


def test_a_denial_over_there_is_skipped_where_that_is_configured(bench: Bench) -> None:
    """With ``skip_unavailable`` the cluster is skipped and its reason is told."""
    alias = bench.connect([{"names": ["logs-*"]}])
    _, client = bench.user(_remote_indices("logs-app-*"))
    answer = client.call("POST", f"/{alias}:metrics-1/_search")
    assert answer["hits"]["total"]["value"] == 0
    failure = answer["_clusters"]["details"][alias]["failures"][0]
    assert failure["reason"]["type"] == "security_exception"
    assert "on indices [metrics-1]" in failure["reason"]["reason"]


@pytest.mark.parametrize(
    "role",
    [
        {"indices": [{"names": ["*"], "privileges": ["all"]}], "cluster": ["all"]},
        _remote_indices("*", clusters="another-*"),
    ],
)
def test_roles_that_say_nothing_about_the_remote(bench: Bench, role: dict[str, Any]) -> None:
    """Nothing is sent; local privileges, however great, are of no use there."""
    alias = bench.connect([{"names": ["*"]}], skip_unavailable=False)
    name, client = bench.user(role)
    status, answer = attempt(client, "POST", f"/{alias}:logs-app-1/_search")
    assert status == 403
    error = answer["error"]
    reason = (
        f"action [{_SEARCH}] towards remote cluster [{alias}] is unauthorized for user [{name}] with"
        f" effective roles [{name}] because no remote indices privileges apply for the target cluster"
    )
    assert reason in (error["reason"], error.get("caused_by", {}).get("reason"))


def test_even_the_superuser_is_bound_by_the_key(bench: Bench) -> None:
    """What the key does not allow, nobody over here may see."""
    alias = bench.connect([{"names": ["logs-app-*"]}])
    assert _found(bench.local.client, f"{alias}:*") == {"logs-app-1": _EVERY}
    answer = bench.local.client.call("POST", f"/{alias}:metrics-1/_search")
    reason = answer["_clusters"]["details"][alias]["failures"][0]["reason"]["reason"]
    assert "is unauthorized for user [elastic] with assigned roles [superuser]" in reason


def test_documents_and_fields_that_the_key_hides(bench: Bench) -> None:
    """``query`` and ``field_security`` of the key hold for the superuser of the other side."""
    alias = bench.connect(
        [
            {
                "names": ["logs-*"],
                "query": {"term": {"team": "red"}},
                "field_security": {"grant": ["*"], "except": ["secret"]},
            }
        ]
    )
    client = bench.local.client
    assert _found(client, f"{alias}:logs-app-1") == {"logs-app-1": {"a1", "a2"}}
    hits = client.call("POST", f"/{alias}:logs-app-1/_search")["hits"]["hits"]
    assert all("secret" not in hit["_source"] for hit in hits)
    assert _found(client, f"{alias}:logs-app-1", {"query": {"term": {"secret": "s1"}}}) == {}
    body = {"size": 0, "aggs": {"a": {"terms": {"field": "secret"}}, "b": {"sum": {"field": "level"}}}}
    aggregations = client.call("POST", f"/{alias}:logs-app-1/_search", body)["aggregations"]
    assert aggregations["a"]["buckets"] == []
    assert aggregations["b"]["value"] == 3


def test_documents_and_fields_are_hidden_by_key_and_role_together(bench: Bench) -> None:
    """A document and a field must pass both sides' restrictions."""
    alias = bench.connect(
        [
            {
                "names": ["logs-*"],
                "query": {"term": {"team": "red"}},
                "field_security": {"grant": ["team", "message", "level"]},
            }
        ]
    )
    role = _remote_indices(
        "logs-*", query={"range": {"level": {"gte": 2}}}, field_security={"grant": ["message", "secret"]}
    )
    _, client = bench.user(role)
    hits = client.call("POST", f"/{alias}:logs-app-1/_search")["hits"]["hits"]
    assert [(hit["_id"], hit["_source"]) for hit in hits] == [("a2", {"message": "two"})]
    assert client.call("GET", f"/{alias}:logs-app-1/_count")["count"] == 1
    for query in ({"term": {"secret": "s2"}}, {"term": {"team": "red"}}):
        assert _found(client, f"{alias}:logs-app-1", {"query": query}) == {}
    assert _found(client, f"{alias}:logs-app-1", {"query": {"match": {"message": "two"}}})


def test_changing_the_key_acts_at_once(bench: Bench) -> None:
    """The next search sees what the key's new access says, with nothing done over here."""
    key = bench.key([{"names": ["logs-app-*"]}])
    alias = bench.add_remote(key=key["encoded"])
    client = bench.local.client
    assert set(_found(client, f"{alias}:*-1")) == {"logs-app-1"}
    path = f"/_security/cross_cluster/api_key/{key['id']}"
    wider = {"access": {"search": [{"names": ["logs-web-*", "metrics-*"]}]}}
    assert bench.remote.client.call("PUT", path, wider) == {"updated": True}
    assert set(_found(client, f"{alias}:*-1")) == {"logs-web-1", "metrics-1"}
    narrower = {"access": {"search": [{"names": ["metrics-*"], "query": {"term": {"team": "blue"}}}]}}
    bench.remote.client.call("PUT", path, narrower)
    assert _found(client, f"{alias}:*-1") == {"metrics-1": {"a3"}}


def test_changing_a_role_acts_at_once(bench: Bench) -> None:
    """The next search sees what the caller's role says now."""
    alias = bench.connect([{"names": ["*"]}])
    name, client = bench.user(_remote_indices("logs-app-*"))
    assert set(_found(client, f"{alias}:*-1")) == {"logs-app-1"}
    bench.local.client.call("PUT", f"/_security/role/{name}", _remote_indices("metrics-*"))
    assert set(_found(client, f"{alias}:*-1")) == {"metrics-1"}


def test_a_key_with_replication_only_does_not_search(bench: Bench) -> None:
    """Access for replication is none for searching."""
    body = {"name": "replication", "access": {"replication": [{"names": ["*"]}]}}
    key = bench.remote.client.call("POST", "/_security/cross_cluster/api_key", body)
    alias = bench.add_remote(key=key["encoded"])
    answer = bench.local.client.call("POST", f"/{alias}:logs-app-1/_search")
    assert answer["_clusters"]["details"][alias]["status"] == "skipped"
    assert answer["hits"]["total"]["value"] == 0


def test_a_rest_key_narrows_its_owner(bench: Bench) -> None:
    """A key's own roles narrow what its owner may see over there; without any it is the owner's."""
    alias = bench.connect([{"names": ["logs-*"]}])
    descriptors = {"narrow": _remote_indices("logs-app-*")}
    made = [
        bench.local.client.call("POST", "/_security/api_key", {"name": "k", **body})
        for body in (
            {"role_descriptors": descriptors},
            {},
            {"role_descriptors": {"none": {"cluster": ["all"]}}},
        )
    ]
    narrow, plain, none = (bench.keep(key_client(bench.local.deployment, key["encoded"])) for key in made)
    assert set(_found(narrow, f"{alias}:*-1")) == {"logs-app-1"}
    assert set(_found(plain, f"{alias}:*-1")) == {"logs-app-1", "logs-web-1"}
    skipped = none.call("POST", f"/{alias}:*-1/_search")["_clusters"]["details"][alias]
    assert skipped["status"] == "skipped"
    assert "no remote indices privileges apply" in skipped["failures"][0]["reason"]["reason"]
