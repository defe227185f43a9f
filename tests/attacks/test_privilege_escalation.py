"""A low-privileged user of a deployment who wants more: keys, run_as, names, disguised requests."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from attacks_support import answers_to, request_bytes, tls_connection
from environments_support import Side, attempt

from isthmus.sandbox.client import JsonClient

MakeUser = Callable[..., JsonClient]
AsKey = Callable[[str], JsonClient]


@pytest.fixture(scope="module")
def plain(make_user: MakeUser, vault: str) -> JsonClient:
    """Answer a client of a user who reads one index and may manage their own keys."""
    return make_user(
        cluster=["manage_own_api_key"], indices=[{"names": [f"vault-{vault}"], "privileges": ["read"]}]
    )


def test_a_key_is_never_more_than_its_owner(as_key: AsKey, plain: JsonClient, vault: str) -> None:
    """A key that asks for everything gets what its owner has, also after it has been updated."""
    everything = {
        "a": {"cluster": ["all"], "indices": [{"names": ["*"], "privileges": ["all"]}], "run_as": ["*"]}
    }
    key = plain.call("POST", "/_security/api_key", {"name": "big", "role_descriptors": everything})
    client = as_key(key["encoded"])
    assert attempt(client, "GET", f"/hoard-{vault}/_search")[0] == 403
    assert attempt(client, "GET", "/_security/user")[0] == 403
    assert client.call("GET", f"/vault-{vault}/_count")["count"] == 2
    plain.call("PUT", f"/_security/api_key/{key['id']}", {"role_descriptors": everything})
    assert attempt(client, "GET", f"/hoard-{vault}/_search")[0] == 403


def test_keys_do_not_breed(as_key: AsKey, plain: JsonClient) -> None:
    """A key makes only keys without privileges, no cross-cluster ones, and changes none."""
    key = plain.call("POST", "/_security/api_key", {"name": "parent"})
    client = as_key(key["encoded"])
    for body in (
        {"name": "child"},
        {"name": "child", "role_descriptors": {}},
        {"name": "child", "role_descriptors": {"a": {"cluster": ["all"]}}},
    ):
        status, answer = attempt(client, "POST", "/_security/api_key", body)
        assert (status, answer["error"]["type"]) == (400, "illegal_argument_exception")
    access = {"name": "x", "access": {"search": [{"names": ["*"]}]}}
    assert attempt(client, "POST", "/_security/cross_cluster/api_key", access)[0] in (400, 403)
    status, _ = attempt(client, "PUT", f"/_security/api_key/{key['id']}", {"metadata": {"a": 1}})
    assert status in (400, 403)


def test_keys_of_others_are_out_of_reach(remote: Side, as_key: AsKey, plain: JsonClient) -> None:
    """Not seen, not changed, not ended: neither by id nor by name, owner or wildcard."""
    other = remote.client.call("POST", "/_security/api_key", {"name": "precious"})
    path = f"/_security/api_key/{other['id']}"
    assert attempt(plain, "PUT", path, {"metadata": {"a": 1}})[0] == 404
    assert attempt(plain, "GET", f"/_security/api_key?id={other['id']}")[0] == 403
    assert attempt(plain, "GET", "/_security/api_key?username=elastic&realm_name=reserved")[0] == 403
    assert attempt(plain, "GET", "/_security/api_key?name=*")[0] == 403
    assert attempt(plain, "DELETE", "/_security/api_key", {"ids": [other["id"]]})[0] == 403
    assert attempt(plain, "DELETE", "/_security/api_key", {"name": "precious"})[0] == 403
    own = plain.call("GET", "/_security/api_key?owner=true")
    assert other["id"] not in json.dumps(own)
    answer = plain.call("DELETE", "/_security/api_key", {"ids": [other["id"]], "owner": True})
    assert answer["invalidated_api_keys"] == []
    client = as_key(other["encoded"])
    assert client.call("GET", "/_security/_authenticate")["username"] == "elastic"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/_security/user/mallory", {"password": "correct horse", "roles": ["superuser"]}),
        ("PUT", "/_security/role/mine", {"cluster": ["all"]}),
        ("POST", "/_security/user/elastic/_password", {"password": "correct horse"}),
        ("POST", "/_security/cross_cluster/api_key", {"name": "x", "access": {"search": [{"names": ["*"]}]}}),
        (
            "POST",
            "/_security/api_key/grant",
            {"grant_type": "password", "username": "elastic", "password": "x", "api_key": {"name": "x"}},
        ),
        ("GET", "/_security/user", None),
        ("GET", "/_security/role", None),
        ("PUT", "/_cluster/settings", {"persistent": {"cluster.remote.x.proxy_address": "127.0.0.1:1"}}),
        ("POST", "/_aliases", {"actions": [{"add": {"index": "hoard-{x}", "alias": "vault-{x}-2"}}]}),
        ("PUT", "/hoard-{x}/_alias/mine", None),
        ("PUT", "/vault-{x}/_doc/1", {"a": 1}),
        ("PUT", "/vault-{x}-2", {"aliases": {"hoard-{x}": {}}}),
        ("DELETE", "/vault-{x}", None),
        ("POST", "/_nodes/reload_secure_settings", {}),
    ],
)
def test_administration_is_denied(plain: JsonClient, vault: str, method: str, path: str, body: Any) -> None:
    """Everything that would give more is a 403, also where the target does not exist."""
    text = json.dumps(body).replace("{x}", vault)
    status, answer = attempt(plain, method, path.replace("{x}", vault), json.loads(text))
    assert (status, answer["error"]["type"]) == (403, "security_exception")


@pytest.mark.parametrize("target", ["elastic", "nobody", "*", "", "elastic, attacker", "elastic\u00a0"])
def test_acting_as_somebody_else_is_denied(plain: JsonClient, remote: Side, target: str) -> None:
    """run_as without the privilege: 403, whether or not there is such a user."""
    headers = {"es-security-runas-user": target, "Authorization": plain._authorization or ""}
    answer = remote.request("GET", "/_security/_authenticate", headers=headers)
    assert answer.status == 403


def test_run_as_does_not_chain(make_user: MakeUser, remote: Side) -> None:
    """Who may act as one user is not that user's own run_as away from another."""
    middle = make_user(run_as=["elastic"])
    name = middle.call("GET", "/_security/_authenticate")["username"]
    first = make_user(run_as=[name])
    headers = {"Authorization": first._authorization or "", "es-security-runas-user": f"{name},elastic"}
    assert remote.request("GET", "/_security/_authenticate", headers=headers).status == 403
    headers["es-security-runas-user"] = "elastic"
    assert remote.request("GET", "/_security/_authenticate", headers=headers).status == 403
    headers["es-security-runas-user"] = name
    assert (
        json.loads(remote.request("GET", "/_security/_authenticate", headers=headers).body)["username"]
        == name
    )


@pytest.mark.parametrize("name", ["elastic", " x", "x ", "a\u0000b", "é" * 600, "x" * 508])
def test_users_cannot_have_misleading_names(remote: Side, name: str) -> None:
    """Reserved names, blanks at the ends, control characters, endless names: refused."""
    body = {"password": "correct horse", "roles": []}
    status, _ = attempt(remote.client, "PUT", f"/_security/user/{quote(name, safe='')}", body)
    assert status == 400


@pytest.mark.parametrize("name", ["superuser", " x", "x ", "a\u0000b", "x" * 508])
def test_roles_cannot_have_misleading_names(remote: Side, name: str) -> None:
    """A built-in role is not replaced, and no role looks like another."""
    status, _ = attempt(remote.client, "PUT", f"/_security/role/{quote(name, safe='')}", {"cluster": []})
    assert status == 400


@pytest.mark.parametrize(
    "path",
    [
        "/hoard-{x}/_search",
        "//hoard-{x}//_search",
        "/hoard%2d{x}/_search",
        "/vault-{x},hoard-{x}/_search",
        "/vault-{x}%2choard-{x}/_search",
        "/vault-{x}%2f..%2fhoard-{x}/_search",
        "/vault-{x}%00/_search",
        "/%3choard-{x}%3e/_search",
        "/hoard-{x}::data/_search",
        "/-vault-{x},*/_search",
        "/.security/_search",
        "/hoard-{x}/_count",
        "/hoard-{x}/_field_caps?fields=*",
        "/hoard-{x}/_validate/query",
        "/_cat/count/hoard-{x}",
    ],
)
def test_disguised_names_are_denied(plain: JsonClient, vault: str, path: str) -> None:
    """Decoded once, then judged as one name: no encoding, list or selector slips another index in."""
    status, answer = attempt(plain, "GET", path.replace("{x}", vault))
    assert (status, answer["error"]["type"]) == (403, "security_exception")


@pytest.mark.parametrize("path", ["/vault-{x}/../hoard-{x}/_search", "/vault-{x}/%2e%2e/hoard-{x}/_search"])
def test_dots_are_not_walked(plain: JsonClient, vault: str, path: str) -> None:
    """A path is taken as it stands: with dots in it, it is none that is served."""
    assert attempt(plain, "GET", path.replace("{x}", vault))[0] == 400


@pytest.mark.parametrize(
    "path", ["/*/_search", "/_all/_search", "/_search", "/%2a/_search", "/*,-vault-{x}/_search"]
)
def test_wildcards_show_nothing_of_others(plain: JsonClient, vault: str, path: str) -> None:
    """They narrow to what the caller may see."""
    assert "hoard" not in json.dumps(plain.call("GET", path.replace("{x}", vault)))


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic",
        "Basic !!!",
        "Basic ZWxhc3RpYw==",
        "Basic ZWxhc3RpYzo=",
        "Basic ZWxhc3RpYzpjaGFuZ2VtZQ==",
        "Bearer x",
        "ApiKey x",
        "ApiKey eDp5",
        "Digest username=elastic",
        "Negotiate x",
    ],
)
@pytest.mark.parametrize(
    "path", ["/", "/_search", "/_security/_authenticate", "/_cluster/health", "/nonsense/x/y"]
)
def test_nothing_is_told_without_credentials(remote: Side, authorization: str, path: str) -> None:
    """Each path is the same 401 for strangers, whether it is served or not."""
    content = request_bytes("GET", path, [("authorization", authorization)])
    answers = answers_to(tls_connection(remote, "data"), content)
    assert [answer.status for answer in answers] == [401]
    assert answers[0].json["error"]["type"] == "security_exception"


def test_a_key_for_clusters_is_none_for_people(as_key: AsKey, narrow_key: str) -> None:
    """It opens nothing on the REST API, and its holder is told why."""
    status, answer = attempt(as_key(narrow_key), "GET", "/")
    assert status == 401
    assert "has type [cross_cluster]" in answer["error"]["reason"]
