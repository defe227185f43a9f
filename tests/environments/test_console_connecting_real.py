from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from environments_support import Side

from isthmus.console.connecting.plan import Connection, Request, StepRefusedError, plan
from isthmus.console.connecting.plan import Side as Api
from isthmus.console.connecting.run import run
from isthmus.sandbox import trust
from isthmus.sandbox.client import RequestRefusedError

_ALIAS = "in-one-go"
_KEY_NAME = "made-in-one-go"


class _RealApis:
    def __init__(self, local: Side, remote: Side) -> None:
        self._clients = {
            Api.LOCAL: local.client,
            Api.LOCAL_PLATFORM: local.platform,
            Api.REMOTE: remote.client,
            Api.REMOTE_PLATFORM: remote.platform,
        }

    async def call(self, request: Request) -> Any:
        try:
            return self._clients[request.side].call(request.method, request.path, request.body)
        except RequestRefusedError as refusal:
            raise StepRefusedError(str(refusal)) from None


@pytest.fixture
def connection(local: Side, remote: Side) -> Iterator[Connection]:
    """Answer what connects the two sides under one more alias; the local side forgets the authority first."""
    trusted = _state(local, remote)["trust"]["direct"]
    trust.replace_direct_trust(local.platform, local.deployment.id, [])
    yield Connection(
        alias=_ALIAS,
        local_deployment_id=local.deployment.id,
        proxy_address=remote.deployment.proxy_address,
        server_name=remote.deployment.server_name,
        key_name=_KEY_NAME,
        access={"search": [{"names": ["index-*"]}]},
    )
    local.client.call("PUT", "/_cluster/settings", {"persistent": {f"cluster.remote.{_ALIAS}.*": None}})
    trust.remove_key(local.platform, local.deployment.id, _ALIAS)
    remote.client.call("DELETE", "/_security/api_key", {"name": _KEY_NAME})
    trust.replace_direct_trust(local.platform, local.deployment.id, trusted)
    trust.wait_until_connected(local.client, (remote.alias,), 30)


async def test_two_environments_are_connected_and_searched(
    connection: Connection, local: Side, remote: Side, index: str
) -> None:
    """After the run a search over the new alias finds what the remote holds."""
    done = await run(plan(connection), _RealApis(local, remote))
    assert done.failed is None, done.reason
    found = local.client.call("GET", f"/{_ALIAS}:{index}/_search")
    assert [hit["_source"] for hit in found["hits"]["hits"]] == [{"side": "remote"}]
    assert "-----BEGIN CERTIFICATE-----" in json.dumps(_state(local, remote)["trust"]["direct"])


async def test_a_connection_that_cannot_work_leaves_nothing(
    connection: Connection, local: Side, remote: Side
) -> None:
    """A server name that nobody has: told in words, and both sides are as they were."""
    before = _state(local, remote)
    wrong = replace(connection, server_name="nobody.enterprise.localhost")
    done = await run(plan(wrong), _RealApis(local, remote), wait_seconds=2)
    assert done.failed == "Wait for the connection"
    assert done.left_behind == ()
    assert len(done.undone) == 4
    assert _state(local, remote) == before


def _state(local: Side, remote: Side) -> dict[str, Any]:
    deployment = f"/api/v1/deployments/{local.deployment.id}"
    shown = local.platform.call("GET", f"{deployment}?show_settings=true")["resources"]["elasticsearch"][0]
    keys = remote.client.call("GET", "/_security/api_key?active_only=true")["api_keys"]
    return {
        "trust": shown["info"]["settings"]["trust"],
        "keystore": local.platform.call("GET", f"{deployment}/elasticsearch/{trust.REF_ID}/keystore"),
        "settings": local.client.call("GET", "/_cluster/settings"),
        "keys": sorted(key["name"] for key in keys),
    }
