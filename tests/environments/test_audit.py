"""Whose query is this? What audit logs of two environments tell of requests, refusals and changes."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from audit_reading import event, node_audit, platform_audit
from click.testing import CliRunner
from environments_support import Side, attempt, key_client, until

from isthmus.cli.main import main
from isthmus.sandbox import trust

PASSWORD = "correct horse battery"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


def unique(prefix: str) -> str:
    """Answer a name that no other test has."""
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


@contextmanager
def user(side: Side, role: dict[str, Any]) -> Iterator[str]:
    """Make a user with one role of their own; answer the name of both."""
    name = unique("user")
    side.client.call("PUT", f"/_security/role/{name}", role)
    side.client.call("PUT", f"/_security/user/{name}", {"password": PASSWORD, "roles": [name]})
    yield name
    side.client.call("DELETE", f"/_security/user/{name}")
    side.client.call("DELETE", f"/_security/role/{name}")


def test_one_search_can_be_followed_to_the_other_cluster(local: Side, remote: Side, index: str) -> None:
    """The same request id, opaque id and trace id stand on both sides, with who asked and by which key."""
    job = unique("job")
    headers = {
        "X-Opaque-Id": job,
        "traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01",
        "Content-Type": "application/json",
    }
    answer = local.request("POST", f"/{remote.alias}:{index}/_search", b"{}", headers)
    assert answer.status == 200
    sent = event(local, "cross_cluster_request_sent", opaque_id=job)
    received = event(remote, "cross_cluster_request_received", opaque_id=job)
    assert sent["request.id"] == received["request.id"]
    assert sent["trace.id"] == received["trace.id"] == TRACE_ID
    assert (sent["user.name"], sent["remote.alias"]) == ("elastic", remote.alias)
    assert sent["remote.cluster"] == remote.deployment.cluster_id
    assert sent["origin.address"] == "127.0.0.1"
    assert received["origin.cluster"] == local.deployment.cluster_id
    assert received["cluster.uuid"] == remote.deployment.cluster_id
    assert received["cross_cluster_access"]["user.name"] == "elastic"
    assert (received["action"], received["indices"]) == ("indices:data/read/search", [index])
    assert received["outcome"] == sent["outcome"] == "success"
    key = remote.client.call("GET", f"/_security/api_key?id={received['apikey.id']}")["api_keys"][0]
    assert key["name"] == received["apikey.name"]


def test_a_denial_over_there_stands_in_its_audit_log(
    local: Side, remote: Side, index: str, add_remote: Callable[..., str]
) -> None:
    """The remote logs whom it denied what, which Elasticsearch leaves to be guessed."""
    narrow = trust.create_cross_cluster_key(
        remote.client, unique("key"), {"search": [{"names": ["other-*"]}]}
    )
    alias = add_remote(key=narrow)
    job = unique("job")
    local.request("POST", f"/{alias}:{index}/_search", None, {"X-Opaque-Id": job})
    denied = event(remote, "access_denied", opaque_id=job)
    assert (denied["action"], denied["indices"]) == ("indices:data/read/search", [index])
    assert denied["cross_cluster_access"]["user.name"] == "elastic"
    assert event(local, "cross_cluster_request_sent", opaque_id=job)["outcome"] == "failure"
    assert event(remote, "cross_cluster_request_received", opaque_id=job)["outcome"] == "failure"


def test_a_denial_here_names_the_alias(local: Side, remote: Side) -> None:
    """Without privileges for a remote nothing is sent, and the line says for which one."""
    with user(local, {"indices": [{"names": ["*"], "privileges": ["read"]}]}) as name:
        client = local.client_of(name, PASSWORD)
        attempt(client, "POST", f"/{remote.alias}:x/_search")
        client.close()
        denied = event(local, "access_denied", user__name=name)
    assert denied["remote.alias"] == remote.alias
    assert denied["user.roles"] == [name]


def test_refusals_and_acting_as_another_are_written(local: Side, remote: Side) -> None:
    """Wrong passwords, no credentials, acting as somebody without and with the right."""
    with user(local, {"cluster": ["monitor"], "run_as": ["elastic"]}) as name:
        wrong = local.client_of(name, "wrong password")
        assert attempt(wrong, "GET", "/")[0] == 401
        wrong.close()
        failed = event(local, "authentication_failed", user__name=name)
        assert failed["authentication.type"] == "REALM"
        no_one = local.request("GET", "/", None, {"Authorization": ""})
        assert no_one.status == 401
        assert event(local, "anonymous_access_denied")["url.path"] == "/"
        right = local.client_of(name, PASSWORD)
        token = right._authorization
        right.close()
        assert token is not None
        acting = {"Authorization": token, "es-security-runas-user": "elastic"}
        assert local.request("GET", "/", None, acting).status == 200
        granted = event(local, "run_as_granted", user__run_by__name=name)
        assert granted["user.name"] == "elastic"
        acting["es-security-runas-user"] = "nobody"
        assert local.request("GET", "/", None, acting).status == 403
        denied = event(local, "run_as_denied", user__run_as__name="nobody")
        assert denied["user.name"] == name
    encoded = trust.create_cross_cluster_key(remote.client, unique("key"))
    by_key = key_client(remote.deployment, encoded)
    assert attempt(by_key, "GET", "/")[0] == 401
    by_key.close()
    assert "apikey.id" in event(remote, "authentication_failed", authentication__type="API_KEY")


def test_a_key_that_ended_is_told_apart_in_the_log(remote: Side) -> None:
    """The caller is told nothing; the audit log says which of the reasons it was."""
    made = remote.client.call("POST", "/_security/api_key", {"name": unique("key")})
    by_key = key_client(remote.deployment, made["encoded"])
    assert attempt(by_key, "GET", "/")[0] == 200
    remote.client.call("DELETE", "/_security/api_key", {"ids": [made["id"]]})
    status, answer = attempt(by_key, "GET", "/")
    by_key.close()
    assert status == 401
    assert "invalidated" not in json.dumps(answer)
    failed = event(remote, "authentication_failed", apikey__id=made["id"])
    assert failed["reason"] == "API key: invalidated"
    ended = event(remote, "invalidate_apikeys")
    assert ended["invalidate"]["apikeys"]["ids"] == [made["id"]]


def test_every_change_of_security_has_its_line(local: Side) -> None:
    """Users, roles, keys and settings, by Elasticsearch's names, with who did it and what it is now."""
    name = unique("thing")
    call = local.client.call
    call("PUT", f"/_security/role/{name}", {"cluster": ["monitor"]})
    call("PUT", f"/_security/user/{name}", {"password": PASSWORD, "roles": [name]})
    call("PUT", f"/_security/user/{name}/_password", {"password": f"{PASSWORD} again"})
    call("PUT", f"/_security/user/{name}/_disable")
    call("PUT", f"/_security/user/{name}/_enable")
    key = call("POST", "/_security/api_key", {"name": name, "expiration": "1d"})
    call("PUT", f"/_security/api_key/{key['id']}", {"metadata": {"a": 1}})
    call("DELETE", "/_security/api_key", {"ids": [key["id"]]})
    call("DELETE", f"/_security/user/{name}")
    call("DELETE", f"/_security/role/{name}")
    call("PUT", "/_cluster/settings", {"transient": {"cluster.metadata.note": name}})
    last = event(local, "update_cluster_settings", telling="cluster.metadata.note")
    assert last["change"]["settings"]["transient"] == {"cluster.metadata.note": "..."}
    changes = [line for line in node_audit(local) if line["event.type"] == "security_config_change"]
    mine = [
        line["event.action"] for line in changes if name in json.dumps(line) or key["id"] in json.dumps(line)
    ]
    assert mine == [
        "put_role",
        "put_user",
        "change_password",
        "change_disable_user",
        "change_enable_user",
        "create_apikey",
        "change_apikey",
        "invalidate_apikeys",
        "delete_user",
        "delete_role",
    ]
    put = next(line for line in changes if line.get("put", {}).get("user", {}).get("name") == name)
    assert put["put"]["user"] == {"name": name, "enabled": True, "roles": [name], "has_password": True}
    assert put["user.name"] == "elastic"


def test_the_platform_writes_who_changed_a_keystore(local: Side) -> None:
    """Changes of the environment stand in a file of its own, without what was put in."""
    alias = unique("alias")
    trust.put_key(local.platform, local.deployment.id, alias, "c29tZTp2YWx1ZQ==")
    trust.remove_key(local.platform, local.deployment.id, alias)
    path = f"/api/v1/deployments/{local.deployment.id}/elasticsearch/{trust.REF_ID}/keystore"

    def found() -> list[dict[str, Any]]:
        return [line for line in platform_audit(local) if line["url.path"] == path]

    lines = until(found, "the keystore's changes in the audit log")
    assert lines[-1]["event.action"] == "put_keystore"
    assert lines[-1]["environment.id"] == local.environment.scope_id
    assert lines[-1]["response.status"] == 200
    assert lines[-1]["user.name"] == "admin"
    assert "c29tZTp2YWx1ZQ==" not in json.dumps(lines)


@pytest.fixture
def other_events(local: Side) -> Iterator[None]:
    """Undo what a test sets."""
    yield
    local.client.call("PUT", "/_cluster/settings", {"persistent": {"xpack.security.audit": None}})


@pytest.mark.usefixtures("other_events")
def test_settings_say_which_events_are_written(local: Side) -> None:
    """Granted requests come with the setting and go with it, at once; the change itself is always there."""
    include = "xpack.security.audit.logfile.events.include"
    before, during, after = unique("a"), unique("b"), unique("c")
    local.request("GET", "/", None, {"X-Opaque-Id": before})
    local.client.call("PUT", "/_cluster/settings", {"persistent": {include: ["_all"]}})
    local.request("GET", "/", None, {"X-Opaque-Id": during})
    switch = "xpack.security.audit.enabled"
    local.client.call("PUT", "/_cluster/settings", {"persistent": {switch: False}})
    local.request("GET", "/", None, {"X-Opaque-Id": after})
    event(local, "access_granted", opaque_id=during)
    event(local, "authentication_success", opaque_id=during)
    changed = event(local, "update_cluster_settings", telling=switch)
    assert changed["change"]["settings"]["persistent"] == {switch: "false"}
    text = json.dumps(node_audit(local))
    assert before not in text
    assert after not in text
    status, answer = attempt(
        local.client, "PUT", "/_cluster/settings", {"persistent": {include: ["everything"]}}
    )
    assert status == 400
    assert "everything" in answer["error"]["reason"]


def test_an_operator_in_a_file_comes_in(local: Side) -> None:
    """`isthmus users` lets somebody in within a second, while the deployment runs, and out again."""
    name = unique("ops")
    place = [local.environment.directory, local.deployment.id]
    runner = CliRunner()
    arguments = ["users", "add", *place, name, "--role", "superuser", "--stdin"]
    added = runner.invoke(main, arguments, input=f"{PASSWORD}\n")
    assert added.exit_code == 0, added.output
    assert PASSWORD not in added.output
    client = local.client_of(name, PASSWORD)
    until(lambda: attempt(client, "GET", "/")[0] == 200, "the operator to come in", timeout_seconds=5)
    who = client.call("GET", "/_security/_authenticate")
    assert who["authentication_realm"] == {"name": "default_file", "type": "file"}
    assert who["roles"] == ["superuser"]
    listed = runner.invoke(main, ["users", "list", *place, "--json"])
    assert json.loads(listed.stdout)[name] == {"roles": ["superuser"]}
    again = runner.invoke(main, arguments, input=f"{PASSWORD}\n")
    assert again.exit_code == 1
    assert "already" in again.output
    assert runner.invoke(main, ["users", "remove", *place, name]).exit_code == 0
    until(lambda: attempt(client, "GET", "/")[0] == 401, "the operator to be out", timeout_seconds=5)
    client.close()
