"""What may I do over there, and why? Asked of a real remote, and compared with what then happens."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from environments_support import Side, attempt, key_client

from isthmus.sandbox.client import JsonClient

PASSWORD = "correct horse battery"


def new_key(remote: Side, access: dict[str, Any]) -> str:
    """Make a cross-cluster key; answer its encoded form."""
    body = {"name": f"key-{uuid.uuid4().hex[:8]}", "access": access}
    return str(remote.client.call("POST", "/_security/cross_cluster/api_key", body)["encoded"])


@contextmanager
def user(local: Side, role: dict[str, Any]) -> Iterator[JsonClient]:
    """Make a user with one role; yields their client."""
    name = f"user-{uuid.uuid4().hex[:8]}"
    local.client.call("PUT", f"/_security/role/{name}", role)
    local.client.call("PUT", f"/_security/user/{name}", {"password": PASSWORD, "roles": [name]})
    client = local.client_of(name, PASSWORD)
    yield client
    client.close()
    local.client.call("DELETE", f"/_security/user/{name}")
    local.client.call("DELETE", f"/_security/role/{name}")


def remote_entry(alias: str, names: list[str], *privileges: str, **members: Any) -> dict[str, Any]:
    """Build an entry of ``remote_indices``."""
    return {"clusters": [alias], "names": names, "privileges": list(privileges), **members}


def finds(client: JsonClient, alias: str, index: str) -> bool:
    """Tell whether this caller finds the document over there."""
    status, answer = attempt(client, "POST", f"/{alias}:{index}/_search")
    return status == 200 and answer["hits"]["total"]["value"] == 1


def test_role_and_key_meet(local: Side, remote: Side, index: str, add_remote: Callable[..., str]) -> None:
    """What is left names both patterns, and who narrows documents and fields; searching then works so."""
    access = {"search": [{"names": ["*"], "field_security": {"grant": ["side"]}}]}
    alias = add_remote(key=new_key(remote, access))
    narrowed = remote_entry(alias, ["index-*"], "read", "read_cross_cluster", query={"match_all": {}})
    with user(local, {"remote_indices": [narrowed]}) as client:
        answer = client.call("GET", f"/_remote/privileges/{alias}")
        assert finds(client, alias, index)
    assert answer["security_model"] == "api_key"
    assert answer["effective"]["indices"] == [
        {
            "names": ["index-*"],
            "privileges": ["read", "read_cross_cluster"],
            "document_level_security": ["roles"],
            "field_level_security": ["key"],
            "allow_restricted_indices": False,
        }
    ]
    assert answer["search"] == {"allowed": True, "missing": []}
    assert answer["replication"]["allowed"] is False
    assert len(answer["replication"]["missing"]) == 3
    # They may not see the remotes, so they see no more of the key than their own part.
    assert answer["key"] == {"known": True}


def test_the_administrator_sees_the_keys_access(
    local: Side, remote: Side, index: str, add_remote: Callable[..., str]
) -> None:
    """Even a superuser has no more than the key gives, and sees what that is."""
    alias = add_remote(key=new_key(remote, {"search": [{"names": ["other-*"]}]}))
    answer = local.client.call("GET", f"/_remote/privileges/{alias}")
    assert answer["key"]["access"]["search"][0]["names"] == ["other-*"]
    assert [entry["names"] for entry in answer["effective"]["indices"]] == [["other-*"]]
    assert answer["search"]["allowed"] is True
    assert answer["replication"]["missing"][0].startswith("access to [replication]")
    assert not finds(local.client, alias, index)


def test_a_changed_key_counts_at_once(local: Side, remote: Side, add_remote: Callable[..., str]) -> None:
    """The answer is what the key gives now, not when the link was opened."""
    body = {"name": f"key-{uuid.uuid4().hex[:8]}", "access": {"search": [{"names": ["a-*"]}]}}
    key = remote.client.call("POST", "/_security/cross_cluster/api_key", body)
    alias = add_remote(key=key["encoded"])
    local.client.call("GET", f"/_remote/privileges/{alias}")
    wider = {"access": {"replication": [{"names": ["b-*"]}]}}
    remote.client.call("PUT", f"/_security/cross_cluster/api_key/{key['id']}", wider)
    answer = local.client.call("GET", f"/_remote/privileges/{alias}")
    assert answer["key"]["access"] == {"replication": [{"names": ["b-*"], "allow_restricted_indices": False}]}
    assert (answer["search"]["allowed"], answer["replication"]["allowed"]) == (False, True)


@pytest.mark.parametrize(
    ("role", "text"),
    [
        ({}, "an entry of [remote_indices] in a role of the caller"),
        ({"remote_indices": [remote_entry("*", ["index-*"], "monitor")]}, "an entry of [remote_indices]"),
        ({"remote_indices": [remote_entry("other", ["*"], "read")]}, "an entry of [remote_indices]"),
        ({"remote_indices": [remote_entry("*", ["elsewhere-*"], "read")]}, "a name that both sides allow"),
    ],
)
def test_what_is_missing_is_what_refuses(
    local: Side, remote: Side, index: str, add_remote: Callable[..., str], role: dict[str, Any], text: str
) -> None:
    """Whoever cannot search is told what is missing, and really cannot search."""
    alias = add_remote(key=new_key(remote, {"search": [{"names": ["index-*"]}]}))
    with user(local, role) as client:
        answer = client.call("GET", f"/_remote/privileges/{alias}")
        assert not finds(client, alias, index)
    assert answer["search"]["allowed"] is False
    assert text in answer["search"]["missing"][0]


def test_an_api_key_is_bound_by_its_owner(
    local: Side, remote: Side, index: str, add_remote: Callable[..., str]
) -> None:
    """A caller with a key has three bounds: the key's roles, the owner's, the cross-cluster key's."""
    alias = add_remote(key=new_key(remote, {"search": [{"names": ["*"]}]}))
    mine = {"cluster": ["manage_own_api_key"], "remote_indices": [remote_entry(alias, ["index-*"], "read")]}
    with user(local, mine) as owner:
        wider = {"wider": {"remote_indices": [remote_entry("*", ["*"], "all")]}}
        key = owner.call("POST", "/_security/api_key", {"name": "k", "role_descriptors": wider})
        client = key_client(local.deployment, key["encoded"])
        answer = client.call("GET", f"/_remote/privileges/{alias}")
        assert finds(client, alias, index)
        client.close()
    assert [part["of"] for part in answer["roles"]] == ["api_key", "owner"]
    assert [(entry["names"], entry["privileges"]) for entry in answer["effective"]["indices"]] == [
        (["index-*"], ["read"])
    ]


def test_a_remote_that_cannot_be_asked_leaves_it_open(local: Side, add_remote: Callable[..., str]) -> None:
    """Without an answer of the remote nothing is claimed about it, but what is missing here is told."""
    alias = add_remote(key="bm9ib2R5Onh4eHh4eHh4eHh4eHh4eHh4eA==", proxy_address="127.0.0.1:1")
    answer = local.client.call("GET", f"/_remote/privileges/{alias}")
    assert answer["key"]["known"] is False
    assert answer["key"]["error"]["type"]
    assert answer["effective"] is None
    assert answer["search"] == {"allowed": None, "missing": []}
    with user(local, {}) as client:
        answer = client.call("GET", f"/_remote/privileges/{alias}")
    assert answer["search"]["allowed"] is False


def test_the_certificate_model_is_explained(local: Side, add_remote: Callable[..., str]) -> None:
    """Without a key the remote's roles of the same names decide, and the answer says so."""
    alias = add_remote()
    with user(local, {"remote_indices": [remote_entry("*", ["*"], "read")]}) as client:
        answer = client.call("GET", f"/_remote/privileges/{alias}")
    assert answer["security_model"] == "certificate"
    assert answer["role_names"] == [answer["username"]]
    assert "roles of the same names" in answer["explanation"]


def test_an_unknown_alias_is_not_found(local: Side) -> None:
    """An alias that is not configured is the usual 404."""
    status, answer = attempt(local.client, "GET", "/_remote/privileges/nowhere")
    assert status == 404
    assert answer["error"]["type"] == "no_such_remote_cluster_exception"
