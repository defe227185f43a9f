"""The platform API: requests in, responses in the shape of Elastic Cloud out."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cloud_api_client import PORTS, Client, basic, create, info_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.control.layout import EnvironmentLayout
from isthmus.rest.http import Request
from isthmus.settings import COMPATIBLE_VERSION

KEY = "cluster.remote.eu.credentials"


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic /w==",
        basic("admin", "wrong"),
        basic("elastic", "wrong"),
        "Bearer nothing",
        "ApiKey abc",
        "Digest x",
        "\x00",
    ],
)
async def test_strangers_learn_nothing(client: Client, authorization: str) -> None:
    """Every path answers 401, those that do not exist too."""
    for path in ("/api/v1/deployments", "/api/v1/nothing", "/", "/api/v1/users/auth/_logins"):
        answer = await client.as_user("POST", path, authorization)
        assert (answer.status, answer.code) == (401, "root.unauthenticated")
        assert answer.headers["WWW-Authenticate"].startswith("Basic")


async def test_the_administrator_signs_in(client: Client) -> None:
    """By password with every request, or once for a token that can be refreshed and given back."""
    assert (await client.as_user("GET", "/api/v1/platform", client.basic)).status == 200
    credentials = {"username": "admin", "password": client.made.admin_password}
    answer = await client.as_user("POST", "/api/v1/users/auth/_login", "", credentials)
    assert answer.status == 200
    assert answer.body["session_expiration_time"].endswith("Z")
    bearer = f"Bearer {answer.body['token']}"
    assert (await client.as_user("GET", "/api/v1/user", bearer)).body["user_name"] == "admin"
    refreshed = await client.as_user("POST", "/api/v1/users/auth/_refresh", bearer)
    assert (await client.as_user("GET", "/api/v1/user", bearer)).status == 401
    bearer = f"Bearer {refreshed.body['token']}"
    assert (await client.as_user("POST", "/api/v1/users/auth/_logout", bearer)).body == {}
    assert (await client.as_user("GET", "/api/v1/user", bearer)).status == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"username": "admin", "password": "wrong"}, 401),
        ({"username": "admin"}, 400),
        ({"username": 1, "password": []}, 400),
        ([], 400),
        ("x", 400),
        ({"username": "a", "password": "b", "typo": 1}, 400),
        ({"username": "a", "password": "b", "login_state": {"path": "/x"}}, 400),
    ],
)
async def test_a_login_that_fails(client: Client, body: Any, status: int) -> None:
    """Wrong is 401, not understood is 400."""
    answer = await client.as_user("POST", "/api/v1/users/auth/_login", "", body)
    assert answer.status == status
    assert answer.code.startswith("root.")


async def test_large_bodies_of_strangers_are_not_read(client: Client) -> None:
    """Those of the administrator are."""
    head = Request("POST", "/api/v1/deployments")
    refused = await client.api.admit(head)
    assert refused is not None
    assert refused.status == 401
    known = Request("POST", "/api/v1/deployments", headers={"authorization": client.basic})
    assert await client.api.admit(known) is None


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "root.resource_not_found"),
        ("GET", "/regions/ece-region/nothing", 404, "root.resource_not_found"),
        ("GET", "/regions/other/platform", 404, "root.region_not_found"),
        ("GET", "/regions/ece-region", 404, "root.resource_not_found"),
        ("PATCH", "/deployments", 405, "root.method_not_allowed"),
        ("GET", "/deployments/x", 404, "deployments.deployment_not_found"),
        ("PUT", "/deployments/x", 404, "deployments.deployment_not_found"),
        ("DELETE", "/deployments/x", 404, "deployments.deployment_not_found"),
        ("POST", "/deployments/x/_shutdown", 404, "deployments.deployment_not_found"),
        ("GET", "/deployments/x/elasticsearch/y/keystore", 404, "deployments.deployment_not_found"),
        ("GET", "/deployments/x/certificate-authority", 404, "deployments.deployment_not_found"),
        ("GET", "/deployments/%ff%00", 404, "deployments.deployment_not_found"),
        ("GET", "/platform/configuration/security/tls/internal", 404, "platform.tls_service_not_found"),
    ],
)
async def test_what_is_not_there(client: Client, method: str, path: str, status: int, code: str) -> None:
    """In the shape of this dialect, like everything."""
    answer = await client.call(method, path, {"prune_orphans": False})
    if answer.status == 400:  # a path that is no UTF-8 may be refused before it is looked up
        assert "%ff" in path
        return
    assert (answer.status, answer.code) == (status, code)
    if status == 405:
        assert answer.headers["Allow"] == "GET, POST"


async def test_both_forms_of_a_path_are_served(client: Client) -> None:
    """With the region and without, and with slashes to spare."""
    for path in ("/platform", "/regions/ece-region/platform", "//platform", "/platform/"):
        answer = await client.call("GET", path)
        assert (answer.status, answer.body["regions"]) == (200, [{"region_id": "ece-region"}])


async def test_a_deployment_is_created_and_told(client: Client) -> None:
    """201 with credentials once; then its state, its addresses and its ids."""
    made = await create(client)
    (resource,) = made["resources"]
    assert made["created"] is True
    assert (resource["ref_id"], resource["kind"], resource["region"]) == (
        "main-elasticsearch",
        "elasticsearch",
        "ece-region",
    )
    assert resource["credentials"]["username"] == "elastic"
    listed = (await client.call("GET", "/deployments")).body["deployments"]
    assert [each["id"] for each in listed] == [made["id"]]
    assert "credentials" not in listed[0]["resources"][0]
    client.nodes.starts(made["id"])
    await client.platform.plans.settle()
    details = await client.call("GET", f"/deployments/{made['id']}", parameters={"show_plans": "true"})
    assert details.headers["x-cloud-resource-version"] == "1"
    told = details.body["resources"]["elasticsearch"][0]
    info = told["info"]
    assert (info["status"], info["healthy"], info["cluster_id"]) == ("started", True, resource["id"])
    assert info["metadata"]["endpoint"] == f"{resource['id']}.enterprise.localhost"
    assert info["metadata"]["ports"]["https"] == PORTS.data
    assert info["plan_info"]["current"]["plan"]["elasticsearch"]["version"] == COMPATIBLE_VERSION
    assert base64.b64decode(resource["cloud_id"].partition(":")[2]).decode() == (
        f"enterprise.localhost:2${resource['id']}$"
    )
    assert "settings" not in info
    assert details.body["resources"]["kibana"] == []
    path = f"/deployments/{made['id']}/elasticsearch/_main"
    assert (await client.call("GET", path)).body["info"]["cluster_id"] == resource["id"]
    hidden = await client.call("GET", f"/deployments/{made['id']}", parameters={"show_plans": "false"})
    assert "current" not in hidden.body["resources"]["elasticsearch"][0]["info"]["plan_info"]


async def test_a_payload_of_the_official_clients_is_taken(client: Client) -> None:
    """With the plan that they send, told back unchanged, trust and keystore included."""
    pem = EnvironmentLayout(client.made.settings.directory).authority("proxy").certificate.read_text()
    plan = {
        "cluster_topology": [{"id": "hot_content", "zone_count": 1}],
        "elasticsearch": {"version": COMPATIBLE_VERSION},
        "deployment_template": {"id": "default"},
    }
    trust = {
        "accounts": None,
        "external": None,
        "direct": [{"name": "ech", "type": "proxy", "trust_all": False, "certificates": [{"pem": pem}]}],
    }
    resource = {
        "ref_id": "main-elasticsearch",
        "region": "ece-region",
        "plan": plan,
        "settings": {"trust": trust, "keystore_contents": {"secrets": {KEY: {"value": "abc"}}}},
    }
    resources = {"elasticsearch": [resource], "kibana": None, "apm": [], "integrations_server": None}
    made = await create(client, resources=resources, settings={}, metadata=None)
    info = await info_of(client, made["id"])
    assert info["plan_info"]["pending"]["plan"] == plan
    assert info["settings"]["trust"]["direct"][0]["name"] == "ech"
    assert "abc" not in json.dumps(info)
    keystore = await client.call("GET", f"/deployments/{made['id']}/elasticsearch/_main/keystore")
    assert keystore.body == {"secrets": {KEY: {"as_file": False}}}
    folder = EnvironmentLayout(client.made.settings.directory).deployment(made["id"]).trusted
    assert {path.read_text() for path in folder.iterdir()} == {pem}  # its own environment's, and this one


async def test_a_repeated_request_is_answered_with_202(client: Client) -> None:
    """And without credentials."""
    parameters = {"request_id": "r" * 40}
    first = await client.call("POST", "/deployments", {"name": "logs"}, parameters=parameters)
    second = await client.call("POST", "/deployments", {"name": "logs"}, parameters=parameters)
    assert (first.status, second.status) == (201, 202)
    assert first.body["id"] == second.body["id"]
    assert "credentials" not in second.body["resources"][0]


async def test_a_request_is_only_validated_on_demand(client: Client) -> None:
    """Nothing is made, and what is wrong is told."""
    parameters = {"validate_only": "true"}
    assert (await client.call("POST", "/deployments", {"name": "x"}, parameters=parameters)).status == 200
    assert (await client.call("POST", "/deployments", {"nmae": "x"}, parameters=parameters)).status == 400
    assert (await client.call("GET", "/deployments")).body == {"deployments": []}


def elasticsearch(**members: Any) -> dict[str, Any]:
    """Answer a body with this Elasticsearch resource."""
    return {"name": "x", "resources": {"elasticsearch": [members]}}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "(whole)"),
        ("text", "(whole)"),
        ({"name": ""}, "name"),
        ({"name": ["x"]}, "name"),
        ({"name": "x", "nmae": "y"}, "nmae"),
        ({"name": "x", "alias": "y"}, "alias"),
        ({"name": "x", "region": "us-east-1"}, "region"),
        ({"name": "x", "version": "8.0.0"}, "version"),
        ({"name": "x", "settings": {"observability": {"logging": {}}}}, "settings.observability"),
        ({"name": "x", "settings": {"autoscaling_enabled": True}}, "settings.autoscaling_enabled"),
        ({"name": "x", "settings": {"typo": 1}}, "settings.typo"),
        ({"name": "x", "settings": []}, "settings"),
        ({"name": "x", "metadata": {"hidden": True}}, "metadata.hidden"),
        ({"name": "x", "metadata": {"tags": [{"key": "", "value": "y"}]}}, "metadata.tags[0].key"),
        (
            {"name": "x", "settings": {"traffic_filter_settings": {"rulesets": ["none"]}}},
            "settings.traffic_filter_settings.rulesets[0]",
        ),
        ({"name": "x", "resources": []}, "resources"),
        ({"name": "x", "resources": {"kibana": [{}]}}, "resources.kibana"),
        ({"name": "x", "resources": {"logstash": []}}, "resources.logstash"),
        ({"name": "x", "resources": {"elasticsearch": {"a": 1}}}, "resources.elasticsearch"),
        ({"name": "x", "resources": {"elasticsearch": [{}, {}]}}, "resources.elasticsearch"),
        ({"name": "x", "resources": {"elasticsearch": ["y"]}}, "resources.elasticsearch[0]"),
        (elasticsearch(ref_id="other"), "resources.elasticsearch[0].ref_id"),
        (elasticsearch(region="x"), "resources.elasticsearch[0].region"),
        (elasticsearch(plan="x"), "resources.elasticsearch[0].plan"),
        (elasticsearch(plan={"elasticsearch": "x"}), "resources.elasticsearch[0].plan.elasticsearch"),
        (elasticsearch(plan={"typo": 1}), "resources.elasticsearch[0].plan.typo"),
        (
            elasticsearch(plan={"autoscaling_enabled": True}),
            "resources.elasticsearch[0].plan.autoscaling_enabled",
        ),
        (elasticsearch(plan={"cluster_topology": {}}), "resources.elasticsearch[0].plan.cluster_topology"),
        (
            elasticsearch(plan={"cluster_topology": [{"size": json.loads('{"a":' * 500 + "1" + "}" * 500)}]}),
            "resources.elasticsearch[0].plan",
        ),
        (
            elasticsearch(plan={"cluster_topology": [{"size": 1, "tpyo": 2}]}),
            "resources.elasticsearch[0].plan.cluster_topology[0].tpyo",
        ),
        (
            elasticsearch(plan={"cluster_topology": [{"elasticsearch": {"user_settings_yaml": "a: b"}}]}),
            "resources.elasticsearch[0].plan.cluster_topology[0].elasticsearch.user_settings_yaml",
        ),
        (
            elasticsearch(plan={"elasticsearch": {"user_settings_json": {"a": 1}}}),
            "resources.elasticsearch[0].plan.elasticsearch.user_settings_json",
        ),
        (
            elasticsearch(plan={"transient": {"restore_snapshot": {"snapshot_name": "x"}}}),
            "resources.elasticsearch[0].plan.transient.restore_snapshot",
        ),
        (
            elasticsearch(plan={"deployment_template": {"id": 5}}),
            "resources.elasticsearch[0].plan.deployment_template.id",
        ),
        (
            elasticsearch(plan={"deployment_template": {"id": "x" * 200_000}}),
            "resources.elasticsearch[0].plan",
        ),
        (
            elasticsearch(
                plan={"transient": {"remote_clusters": {"resources": [{"deployment_id": "f" * 32}]}}}
            ),
            "resources.elasticsearch[0].plan.transient.remote_clusters.resources[0].alias",
        ),
        (
            elasticsearch(plan={"elasticsearch": {"version": "7.17.0"}}),
            "resources.elasticsearch[0].plan.elasticsearch.version",
        ),
        (elasticsearch(settings={"snapshot": {"a": 1}}), "resources.elasticsearch[0].settings.snapshot"),
        (elasticsearch(settings={"typo": 1}), "resources.elasticsearch[0].settings.typo"),
        (
            elasticsearch(settings={"trust": {"accounts": [{}]}}),
            "resources.elasticsearch[0].settings.trust.accounts[0].account_id",
        ),
        (
            elasticsearch(settings={"keystore_contents": {}}),
            "resources.elasticsearch[0].settings.keystore_contents.secrets",
        ),
        ({"name": "x", "isthmus": {"loopback_port": -1}}, "isthmus.loopback_port"),
        ({"name": "x", "isthmus": {"loopback_port": True}}, "isthmus.loopback_port"),
        ({"name": "x", "isthmus": {"insecure_http": True}}, "isthmus.insecure_http"),
        ({"name": "x", "isthmus": {"insecure_http": 1, "loopback_port": 0}}, "isthmus.insecure_http"),
    ],
)
async def test_a_creation_that_is_not_understood(client: Client, body: Any, field: str) -> None:
    """A 400 that names the member; nothing is made."""
    answer = await client.call("POST", "/deployments", body)
    assert (answer.status, answer.code) == (400, "root.invalid_data")
    assert answer.body["errors"][0]["fields"] == [f"body.{field}"]
    assert (await client.call("GET", "/deployments")).body == {"deployments": []}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000, b'{"name": "\\ud800"}'])
async def test_a_body_that_is_no_json(client: Client, content: bytes) -> None:
    """A 400, whatever it is."""
    answer = await client.call("POST", "/deployments", content=content)
    assert (answer.status, answer.code) == (400, "root.invalid_data")


@pytest.mark.parametrize(
    ("method", "path", "parameters"),
    [
        ("GET", "/deployments", {"q": "x"}),
        ("GET", "/platform", {"show": "x"}),
        ("POST", "/deployments", {"template": "x"}),
        ("POST", "/deployments", {"request_id": "short"}),
        ("GET", "/deployments/{id}", {"show_plan": "true"}),
        ("GET", "/deployments/{id}", {"show_plans": "maybe"}),
        ("PUT", "/deployments/{id}", {"version": "7"}),
        ("POST", "/deployments/{id}/_restore", {"restore_snapshot": "true"}),
    ],
)
async def test_a_parameter_that_is_not_understood(
    client: Client, method: str, path: str, parameters: dict[str, str]
) -> None:
    """A 400 rather than an answer to another question."""
    made = await create(client)
    body = {"name": "x"} if method in ("POST", "PUT") else None
    answer = await client.call(method, path.format(id=made["id"]), body, parameters=parameters)
    assert answer.status == 400
    assert answer.code == "root.invalid_data"


async def test_a_deployment_is_updated(client: Client) -> None:
    """What is not said stays; trust is replaced as a whole."""
    made = await create(client)
    path = f"/deployments/{made['id']}"
    pem = EnvironmentLayout(client.made.settings.directory).authority("proxy").certificate.read_text()
    trust = {"direct": [{"name": "ech", "type": "proxy", "certificates": [{"pem": pem}]}]}
    body = {"prune_orphans": False, "resources": {"elasticsearch": [{"settings": {"trust": trust}}]}}
    answer = await client.call("PUT", path, body)
    assert (answer.status, answer.headers["x-cloud-resource-version"]) == (200, "2")
    renamed = await client.call("PUT", path, {"prune_orphans": False, "name": "metrics"})
    assert renamed.body["name"] == "metrics"
    info = await info_of(client, made["id"])
    assert [entry["name"] for entry in info["settings"]["trust"]["direct"]] == ["ech"]
    body["resources"] = {"elasticsearch": [{"settings": {"trust": {"direct": None}}}]}
    assert (await client.call("PUT", path, body, parameters={"version": "3"})).status == 200
    assert (await info_of(client, made["id"]))["settings"]["trust"]["direct"] is None
    assert (await client.call("PUT", path, {"prune_orphans": True})).status == 400
    assert (await client.call("PUT", path, {"prune_orphans": "no"})).status == 400


async def test_a_deployment_is_shut_down_restored_and_deleted(client: Client) -> None:
    """With the codes of the official clients; deleting one that was not shut down is a 400."""
    made = await create(client)
    path = f"/deployments/{made['id']}"
    refused = await client.call("DELETE", path)
    assert (refused.status, refused.code) == (400, "deployments.deployment_resource_not_stopped")
    stopped = await client.call("POST", f"{path}/_shutdown", parameters={"skip_snapshot": "true"})
    assert (stopped.status, stopped.body) == (200, {"id": made["id"], "name": "logs"})
    assert (await info_of(client, made["id"]))["healthy"] is True
    assert (await client.call("POST", f"{path}/_restore")).body == {"id": made["id"]}
    await client.call("POST", f"{path}/_shutdown")
    assert (await client.call("DELETE", path)).status == 200
    assert (await client.call("GET", path)).code == "deployments.deployment_not_found"


async def test_a_password_is_reset(client: Client) -> None:
    """Both ways to name the resource; another one does not exist."""
    made = await create(client)
    path = f"/deployments/{made['id']}/elasticsearch"
    answers = [
        await client.call("POST", f"{path}/{ref}/_reset-password") for ref in ("main-elasticsearch", "_main")
    ]
    assert len({answer.body["password"] for answer in answers}) == 2
    missing = await client.call("POST", f"{path}/other/_reset-password")
    assert (missing.status, missing.code) == (404, "deployments.deployment_resource_not_found")


@pytest.mark.parametrize(
    "removal", [None, {}, {"value": None}, {"value": ""}, {"as_file": False, "value": ""}]
)
async def test_a_secure_setting_is_set_and_removed(client: Client, removal: Any) -> None:
    """In each of the ways that clients remove one; the value never comes back."""
    made = await create(client)
    path = f"/deployments/{made['id']}/elasticsearch/main-elasticsearch/keystore"
    answer = await client.call("PATCH", path, {"secrets": {KEY: {"value": "s3cr3t", "as_file": False}}})
    assert (answer.status, answer.body) == (200, {"secrets": {KEY: {"as_file": False}}})
    assert (await client.call("GET", path)).body == answer.body
    answer = await client.call("PATCH", path, {"secrets": {KEY: removal}})
    assert answer.body == {"secrets": {}}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"secrets": []},
        {"secrets": {KEY: "s3cr3t"}},
        {"secrets": {KEY: {"value": 5}}},
        {"secrets": {KEY: {"value": {"a": "s3cr3t"}}}},
        {"secrets": {KEY: {"value": "s3cr3t", "as_file": True}}},
        {"secrets": {KEY: {"value": "s3cr3t s3cr3t"}}},
        {"secrets": {"typo": {"value": "s3cr3t"}}},
        {"secrets": {"\x00": {"value": "s3cr3t"}}},
    ],
)
async def test_a_secure_setting_that_cannot_be(client: Client, body: Any) -> None:
    """A 400 that does not repeat the value."""
    made = await create(client)
    path = f"/deployments/{made['id']}/elasticsearch/_main/keystore"
    answer = await client.call("PATCH", path, body)
    assert answer.status == 400
    assert answer.code == "root.invalid_data"
    assert "s3cr3t" not in answer.body["errors"][0]["message"]
    assert (await client.call("GET", path)).body == {"secrets": {}}


async def test_certificates_to_trust_are_told(client: Client) -> None:
    """The chain of the servers with its root last; the authority of the nodes with a pattern."""
    layout = EnvironmentLayout(client.made.settings.directory)
    for service in ("proxy", "ui"):
        answer = await client.call("GET", f"/platform/configuration/security/tls/{service}")
        assert answer.body["chain"][-1] == layout.authority("proxy").certificate.read_text()
        assert len(answer.body["chain"]) == 2
        assert answer.body["user_supplied"] is False
    made = await create(client)
    answer = await client.call("GET", f"/deployments/{made['id']}/certificate-authority")
    (certificate,) = answer.body["public_certificates"]
    assert certificate["pem"] == layout.authority("transport").certificate.read_text()
    assert certificate["active"] is True
    assert len(certificate["metadata"]["fingerprint"]) == 64
    scope_id, cluster_id = client.made.settings.scope_id, made["resources"][0]["id"]
    pattern = f"*.node.{cluster_id}.cluster.{scope_id}.account"
    assert answer.body["recommended_trust_restriction"] == pattern


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    ["name", "resources", "elasticsearch", "settings", "trust", "secrets", "direct", "plan"]
)
SHAPED = st.recursive(
    JSON, lambda inner: st.dictionaries(MEMBERS, inner | st.lists(inner, max_size=2), max_size=4)
)


@given(body=SHAPED, path=st.sampled_from(["", "/{id}", "/{id}/elasticsearch/_main/keystore"]))
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_body_makes_a_500(client: Client, body: Any, path: str) -> None:
    """Whatever is sent, it is taken or refused as the caller's mistake."""
    listed = (await client.call("GET", "/deployments")).body["deployments"]
    deployment_id = listed[0]["id"] if listed else (await create(client))["id"]
    method = {"": "POST", "/{id}": "PUT"}.get(path, "PATCH")
    answer = await client.call(method, "/deployments" + path.format(id=deployment_id), body)
    assert answer.status in (200, 201, 400), (answer.body, body)
