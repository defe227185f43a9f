"""Plans: what clients poll until a change has ended."""

from __future__ import annotations

from typing import Any

import pytest
from cloud_api_client import Client, create

from isthmus.control.nodes import NodeState, NodeStatus
from isthmus.control.plans import FAILURES_THAT_END_AN_ATTEMPT

EVERYTHING = {"show_plan_logs": "true", "show_plan_history": "true"}


async def plan_info(client: Client, deployment_id: str, **parameters: str) -> Any:
    """Answer ``plan_info`` with what was asked for."""
    answer = await client.call(
        "GET", f"/deployments/{deployment_id}", parameters={**EVERYTHING, **parameters}
    )
    return answer.body["resources"]["elasticsearch"][0]["info"]["plan_info"]


async def test_a_creation_is_pending_until_its_node_has_started(client: Client) -> None:
    """Then its last step is the one that clients look for."""
    deployment_id = (await create(client))["id"]
    info = await plan_info(client, deployment_id)
    assert "current" not in info
    (step,) = info["pending"]["plan_attempt_log"]
    assert (step["step_id"], step["status"], step["stage"]) == ("plan-starting", "pending", "in_progress")
    assert await client.platform.plans.settle() is True
    client.nodes.starts(deployment_id)
    assert await client.platform.plans.settle() is False
    info = await plan_info(client, deployment_id)
    assert "pending" not in info
    last = info["current"]["plan_attempt_log"][-1]
    assert (last["step_id"], last["status"]) == ("plan-completed", "success")
    assert len(info["history"]) == 1
    attempt_id = info["current"]["plan_attempt_id"]
    activity = f"/deployments/{deployment_id}/elasticsearch/_main/activity"
    assert (await client.call("GET", f"{activity}/{attempt_id}")).body["plan_attempt_id"] == attempt_id
    assert (await client.call("GET", f"{activity}/x")).code == "deployments.plan_attempt_not_found"


async def test_logs_and_history_are_told_on_demand(client: Client) -> None:
    """A log that was not asked for is an empty list: with null clients would look elsewhere."""
    deployment_id = (await create(client))["id"]
    client.nodes.starts(deployment_id)
    await client.platform.plans.settle()
    shown = await client.call("GET", f"/deployments/{deployment_id}")
    info = shown.body["resources"]["elasticsearch"][0]["info"]["plan_info"]
    assert (info["current"]["plan_attempt_log"], info["history"]) == ([], [])
    hidden = await plan_info(client, deployment_id, show_plans="false")
    assert set(hidden) == {"healthy", "history"}


async def test_a_node_that_does_not_start_ends_its_plan_with_an_error(client: Client) -> None:
    """So nobody waits for ever; the message is in the last step, where clients read it."""
    deployment_id = (await create(client))["id"]
    client.nodes.states[deployment_id] = NodeState(
        NodeStatus.REBOOTING, failures=FAILURES_THAT_END_AN_ATTEMPT
    )
    assert await client.platform.plans.settle() is False
    info = await plan_info(client, deployment_id)
    last = info["current"]["plan_attempt_log"][-1]
    assert (last["step_id"], last["status"]) == ("plan-completed", "error")
    assert "its log says why" in last["info_log"][-1]["message"]
    assert info["current"]["error"]["message"] == last["info_log"][-1]["message"]
    assert info["current"]["healthy"] is False


async def test_an_update_is_a_plan_of_its_own(client: Client) -> None:
    """It has ended at once, as it disturbs no node, and shows the new plan."""
    deployment_id = (await create(client))["id"]
    client.nodes.starts(deployment_id)
    await client.platform.plans.settle()
    plan = {"cluster_topology": [{"id": "hot_content", "size": {"value": 2048, "resource": "memory"}}]}
    body = {"prune_orphans": True, "alias": "", "resources": {"elasticsearch": [{"plan": plan}], "apm": None}}
    answer = await client.call("PUT", f"/deployments/{deployment_id}", body)
    assert (answer.status, set(answer.body["shutdown_resources"])) == (
        200,
        {"elasticsearch", "kibana", "apm", "appsearch", "enterprise_search", "integrations_server"},
    )
    info = await plan_info(client, deployment_id)
    assert info["current"]["plan"]["cluster_topology"] == plan["cluster_topology"]
    assert [each["source"]["action"] for each in info["history"]] == [
        "deployments.create-deployment",
        "deployments.update-deployment",
    ]


async def test_a_stop_and_a_start_are_plans(client: Client) -> None:
    """A stop has ended when it is answered."""
    deployment_id = (await create(client))["id"]
    client.nodes.starts(deployment_id)
    await client.platform.plans.settle()
    path = f"/deployments/{deployment_id}"
    stopped = await client.call("POST", f"{path}/elasticsearch/_main/_shutdown")
    assert (stopped.status, stopped.body) == (200, {})
    info = await plan_info(client, deployment_id)
    assert info["current"]["source"]["action"] == "deployments.shutdown-deployment"
    restarted = await client.call("POST", f"{path}/elasticsearch/_main/_restart")
    assert (restarted.status, restarted.body) == (202, {})
    info = await plan_info(client, deployment_id)
    assert info["pending"]["source"]["action"] == "deployments.restore-deployment"
    client.nodes.starts(deployment_id)
    await client.platform.plans.settle()
    again = {"cancel_pending": "true", "group_attribute": "__zone__"}
    await client.call("POST", f"{path}/elasticsearch/_main/_restart", parameters=again)
    info = await plan_info(client, deployment_id)
    assert info["pending"]["source"]["action"] == "deployments.restart-deployment-es-resource"


async def test_a_pending_plan_is_cancelled(client: Client) -> None:
    """The node is not started after all; without a pending plan there is nothing to cancel."""
    deployment_id = (await create(client))["id"]
    path = f"/deployments/{deployment_id}/elasticsearch/main-elasticsearch/plan/pending"
    cancelled = await client.call("DELETE", path, parameters={"force_delete": "false"})
    assert cancelled.status == 200
    assert cancelled.body == {"id": deployment_id, "kind": "elasticsearch", "ref_id": "main-elasticsearch"}
    info = await plan_info(client, deployment_id)
    assert info["current"]["error"]["message"] == "the plan was cancelled"
    shown = await client.call("GET", f"/deployments/{deployment_id}")
    assert shown.body["healthy"] is True  # it is stopped, and is to be
    again = await client.call("DELETE", path)
    assert (again.status, again.code) == (400, "deployments.resource_does_not_have_a_pending_plan")
    assert (await client.call("DELETE", path, parameters={"ignore_missing": "true"})).status == 200


@pytest.mark.parametrize("kind", ["kibana", "apm", "integrations_server"])
async def test_other_kinds_of_resources_are_not_there(client: Client, kind: str) -> None:
    """A 404 that names the kind."""
    deployment_id = (await create(client))["id"]
    for method, path in (("GET", ""), ("POST", "/_shutdown"), ("POST", "/_restart")):
        answer = await client.call(method, f"/deployments/{deployment_id}/{kind}/_main{path}")
        assert (answer.status, answer.code) == (404, "deployments.deployment_resource_not_found")
        assert kind in answer.body["errors"][0]["message"]


async def test_a_long_life_keeps_a_bounded_history(client: Client) -> None:
    """The oldest attempts are forgotten, and all of them with the deployment."""
    deployment_id = (await create(client))["id"]
    client.nodes.starts(deployment_id)
    for number in range(60):
        name = f"name-{number}"
        await client.call("PUT", f"/deployments/{deployment_id}", {"name": name, "prune_orphans": False})
    assert len((await plan_info(client, deployment_id))["history"]) == 50
    await client.call("POST", f"/deployments/{deployment_id}/_shutdown")
    await client.call("DELETE", f"/deployments/{deployment_id}")
    assert await client.platform.plans.all() == {}
