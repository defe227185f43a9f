"""Remote clusters of the same environment, with nodes that only keep what they are told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from cloud_api_client import Client, SteeredNodes, create

from isthmus.control.failures import node_unavailable
from isthmus.control.nodes import NodeStatus
from isthmus.errors import Failure, FailureKind


@dataclass
class KeptNode:
    """What a node was told."""

    remotes: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)


class KeepingNodes:
    """Answers the calls that the platform makes, as a node would; those that are stopped do not."""

    def __init__(self, nodes: SteeredNodes) -> None:
        self._nodes = nodes
        self.kept: dict[str, KeptNode] = {}
        #: the next call with this method and path fails
        self.failing: tuple[str, str] | None = None

    async def call(self, deployment_id: str, method: str, path: str, body: Any = None) -> Any:
        if self._nodes.state(deployment_id).status is not NodeStatus.STARTED:
            raise node_unavailable(deployment_id)
        if self.failing == (method, path):
            self.failing = None
            raise Failure(FailureKind.INTERNAL, "deployments.node_refused", "for once")
        node = self.kept.setdefault(deployment_id, KeptNode())
        match method, path:
            case "POST", "/_security/cross_cluster/api_key":
                key_id = f"key-{len(node.keys)}"
                node.keys[body["name"]] = key_id
                return {"id": key_id, "encoded": f"encoded-{key_id}"}
            case "DELETE", "/_security/api_key":
                node.keys.pop(body["name"], None)
                return {}
            case "PUT", "/_cluster/settings":
                for alias, settings in body["persistent"]["cluster"]["remote"].items():
                    node.remotes.pop(alias, None)
                    if settings is not None:
                        node.remotes[alias] = settings
                return {}
            case "GET", "/_remote/info":
                return {alias: {"connected": True} for alias in node.remotes}
        raise AssertionError((method, path))


@pytest.fixture
def kept(client: Client, monkeypatch: pytest.MonkeyPatch) -> KeepingNodes:
    """Answer what the nodes keep."""
    nodes = KeepingNodes(client.nodes)
    monkeypatch.setattr(client.nodes, "call", nodes.call)
    return nodes


async def two_deployments(client: Client) -> tuple[str, str]:
    """Make two deployments that have started."""
    ids = [(await create(client))["id"] for _ in range(2)]
    for each in ids:
        client.nodes.starts(each)
    return ids[0], ids[1]


def path_of(deployment_id: str) -> str:
    """Answer where the remote clusters of a deployment are."""
    return f"/deployments/{deployment_id}/elasticsearch/main-elasticsearch/remote-clusters"


def body_of(*remotes: str, **members: Any) -> dict[str, Any]:
    """Answer a body with these deployments, each under the alias ``other-<n>``."""
    return {
        "resources": [
            {
                "deployment_id": each,
                "elasticsearch_ref_id": "main-elasticsearch",
                "alias": f"other-{number}",
                **members,
            }
            for number, each in enumerate(remotes)
        ]
    }


async def test_two_deployments_are_connected_and_separated(client: Client, kept: KeepingNodes) -> None:
    """A key over there, its secret and the settings here; all of it goes again."""
    local, other = await two_deployments(client)
    answer = await client.call("PUT", path_of(local), body_of(other))
    assert (answer.status, answer.body) == (202, {})
    (told,) = (await client.call("GET", path_of(local))).body["resources"]
    assert told == {
        **body_of(other)["resources"][0],
        "skip_unavailable": False,
        "info": {
            "healthy": False,
            "connected": False,
            "compatible": True,
            "trusted": False,
            "trusted_back": False,
        },
    }
    assert await client.platform.remotes.work() is True
    (told,) = (await client.call("GET", path_of(local))).body["resources"]
    assert set(told["info"].values()) == {True}
    settings = kept.kept[local].remotes["other-0"]
    assert settings["mode"] == "proxy"
    assert settings["proxy_address"] == "127.0.0.1:4"
    assert settings["server_name"].endswith(".enterprise.localhost")
    keystore = f"/deployments/{local}/elasticsearch/_main/keystore"
    assert list((await client.call("GET", keystore)).body["secrets"]) == [
        "cluster.remote.other-0.credentials"
    ]
    assert len(kept.kept[other].keys) == 1

    await client.call("PUT", path_of(local), body_of(other, skip_unavailable=True))
    keys = dict(kept.kept[other].keys)
    assert await client.platform.remotes.work() is True
    assert kept.kept[local].remotes["other-0"]["skip_unavailable"] is True
    assert kept.kept[other].keys == keys

    await client.call("PUT", path_of(local), {"resources": []})
    assert await client.platform.remotes.work() is True
    assert (kept.kept[local].remotes, kept.kept[other].keys) == ({}, {})
    assert (await client.call("GET", keystore)).body["secrets"] == {}
    assert (await client.call("GET", path_of(local))).body == {"resources": []}


@pytest.mark.parametrize(
    "failing",
    [
        ("POST", "/_security/cross_cluster/api_key"),
        ("DELETE", "/_security/api_key"),
        ("PUT", "/_cluster/settings"),
    ],
)
async def test_what_fails_is_tried_again(
    client: Client, kept: KeepingNodes, failing: tuple[str, str]
) -> None:
    """From the start, leaving one key and one remote cluster."""
    local, other = await two_deployments(client)
    await client.call("PUT", path_of(local), body_of(other))
    kept.failing = failing
    assert await client.platform.remotes.work() is False
    assert await client.platform.remotes.work() is True
    assert (len(kept.kept[other].keys), list(kept.kept[local].remotes)) == (1, ["other-0"])
    await client.call("PUT", path_of(local), {"resources": []})
    kept.failing = failing
    await client.platform.remotes.work()
    assert await client.platform.remotes.work() is True
    assert (kept.kept[other].keys, kept.kept[local].remotes) == ({}, {})


async def test_a_stopped_deployment_is_waited_for(client: Client, kept: KeepingNodes) -> None:
    """Access ends over there at once, even while the local side is down."""
    local, other = await two_deployments(client)
    client.nodes.states.pop(other)
    await client.call("PUT", path_of(local), body_of(other))
    assert await client.platform.remotes.work() is False
    client.nodes.starts(other)
    assert await client.platform.remotes.work() is True
    client.nodes.states.pop(local)
    await client.call("PUT", path_of(local), {"resources": []})
    assert await client.platform.remotes.work() is False
    assert kept.kept[other].keys == {}
    client.nodes.starts(local)
    assert await client.platform.remotes.work() is True
    assert kept.kept[local].remotes == {}


async def test_a_deleted_deployment_leaves_nothing_behind(client: Client, kept: KeepingNodes) -> None:
    """Neither its key in others, nor a remote cluster that leads nowhere."""
    local, other = await two_deployments(client)
    for here, there in ((local, other), (other, local)):
        await client.call("PUT", path_of(here), body_of(there))
    assert await client.platform.remotes.work() is True
    await client.call("POST", f"/deployments/{other}/_shutdown")
    assert (await client.call("DELETE", f"/deployments/{other}")).status == 200
    assert await client.platform.remotes.work() is True
    assert (kept.kept[local].keys, kept.kept[local].remotes) == ({}, {})


async def test_what_somebody_took_apart_is_made_anew(client: Client, kept: KeepingNodes) -> None:
    """When the same list is sent again."""
    local, other = await two_deployments(client)
    await client.call("PUT", path_of(local), body_of(other))
    await client.platform.remotes.work()
    kept.kept[local].remotes.clear()
    kept.kept[other].keys.clear()
    assert await client.platform.remotes.work() is True
    assert kept.kept[local].remotes == {}
    await client.call("PUT", path_of(local), body_of(other))
    assert await client.platform.remotes.work() is True
    assert (list(kept.kept[local].remotes), len(kept.kept[other].keys)) == (["other-0"], 1)


@pytest.mark.usefixtures("kept")
async def test_what_was_configured_by_hand_is_not_touched(client: Client) -> None:
    """Such an alias is refused; an empty list, which Terraform always sends, takes nothing of it."""
    local, other = await two_deployments(client)
    keystore = f"/deployments/{local}/elasticsearch/_main/keystore"
    await client.call("PATCH", keystore, {"secrets": {"cluster.remote.other-0.credentials": {"value": "x"}}})
    refused = await client.call("PUT", path_of(local), body_of(other))
    assert (refused.status, refused.body["errors"][0]["fields"]) == (400, ["body.resources[0].alias"])
    await client.call("PUT", path_of(local), {"resources": []})
    await client.platform.remotes.work()
    assert list((await client.call("GET", keystore)).body["secrets"]) == [
        "cluster.remote.other-0.credentials"
    ]


async def test_a_plan_brings_remote_clusters_too(client: Client, kept: KeepingNodes) -> None:
    """In the transient part of a creation and of an update."""
    first = (await create(client))["id"]

    def resources(*remotes: str) -> dict[str, Any]:
        plan = {"cluster_topology": [], "transient": {"remote_clusters": body_of(*remotes)}}
        return {"elasticsearch": [{"plan": plan}]}

    second = (await create(client, resources=resources(first)))["id"]
    for each in (first, second):
        client.nodes.starts(each)
    await client.platform.remotes.work()
    assert list(kept.kept[second].remotes) == ["other-0"]
    update = {"prune_orphans": False, "resources": resources()}
    assert (await client.call("PUT", f"/deployments/{second}", update)).status == 200
    await client.platform.remotes.work()
    assert kept.kept[second].remotes == {}


async def test_a_remote_cluster_that_cannot_be(client: Client) -> None:
    """Itself, or one that does not exist."""
    local = (await create(client))["id"]
    for other in (local, "f" * 32):
        refused = await client.call("PUT", path_of(local), body_of(other))
        assert (refused.status, refused.body["errors"][0]["fields"]) == (
            400,
            ["body.resources[0].deployment_id"],
        )
    for method in ("GET", "PUT"):
        missing = await client.call(method, path_of("x"), body_of())
        assert (missing.status, missing.code) == (404, "deployments.deployment_not_found")
