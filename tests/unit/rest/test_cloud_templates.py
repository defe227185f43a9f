"""Templates and versions: what clients build their requests from."""

from __future__ import annotations

from typing import Any

import pytest
from cloud_api_client import Client, create

from isthmus.settings import COMPATIBLE_VERSION


async def test_the_template_makes_a_deployment(client: Client) -> None:
    """What it holds can be sent back as it is."""
    parameters = {"region": "ece-region", "show_instance_configurations": "true", "show_max_zones": "true"}
    shown = (await client.call("GET", "/deployments/templates/default", parameters=parameters)).body
    listed = (await client.call("GET", "/deployments/templates", parameters={"region": "ece-region"})).body
    assert [each["id"] for each in listed] == ["default"]
    plan = shown["deployment_template"]["resources"]["elasticsearch"][0]["plan"]
    used = {element["id"]: element["size"]["value"] for element in plan["cluster_topology"]}
    assert used.pop("hot_content") > 0
    assert set(used.values()) == {0}
    known = {each["id"] for each in shown["instance_configurations"]}
    assert {element["instance_configuration_id"] for element in plan["cluster_topology"]} <= known
    assert all(each["max_zones"] == 3 for each in shown["instance_configurations"])
    body = {"name": "x", **shown["deployment_template"]}
    answer = await client.call("POST", "/deployments", body, parameters={"template_id": "default"})
    assert answer.status == 201


async def test_other_templates_are_not_there(client: Client) -> None:
    """A 404, wherever one is named; another region is a 400."""
    for path in ("/deployments/templates/hot-warm", "/deployments/templates/x?"):
        assert (await client.call("GET", path)).code == "templates.template_not_found"
    made = await create(client)
    migrate = f"/deployments/{made['id']}/migrate_template"
    answer = await client.call("GET", migrate, parameters={"template_id": "x"})
    assert (answer.status, answer.code) == (404, "templates.template_not_found")
    answer = await client.call("GET", "/deployments/templates", parameters={"region": "us-east-1"})
    assert (answer.status, answer.code) == (400, "templates.region_not_found")
    filtered = await client.call("GET", "/deployments/templates", parameters={"metadata": "a:b"})
    assert filtered.body == []


@pytest.mark.parametrize("plan", [None, {"cluster_topology": [{"id": "hot_content"}], "elasticsearch": {}}])
async def test_a_deployment_can_be_moved_to_the_template(client: Client, plan: Any) -> None:
    """The answer is an update that changes nothing else."""
    resources = {} if plan is None else {"resources": {"elasticsearch": [{"plan": plan}]}}
    made = await create(client, **resources)
    path = f"/deployments/{made['id']}"
    answer = await client.call("GET", f"{path}/migrate_template", parameters={"template_id": "default"})
    (resource,) = answer.body["resources"]["elasticsearch"]
    assert resource["plan"]["deployment_template"] == {"id": "default"}
    assert resource["plan"]["elasticsearch"]["version"] == COMPATIBLE_VERSION
    assert (await client.call("PUT", path, answer.body)).status == 200


async def test_there_is_one_version(client: Client) -> None:
    """In both forms of the path."""
    for prefix in ("", "/regions/ece-region"):
        path = f"{prefix}/stack/versions"
        stacks = (await client.call("GET", path, parameters={"show_deleted": "false"})).body["stacks"]
        assert [each["version"] for each in stacks] == [COMPATIBLE_VERSION]
        assert (await client.call("GET", f"{path}/{COMPATIBLE_VERSION}")).body == stacks[0]
    assert (await client.call("GET", "/stack/versions/1.0.0")).status == 404


async def test_a_deployment_without_a_name_has_its_id_for_one(client: Client) -> None:
    """As in Elastic Cloud."""
    answer = await client.call("POST", "/deployments", {"resources": {"elasticsearch": []}})
    assert answer.body["name"] == answer.body["id"]
