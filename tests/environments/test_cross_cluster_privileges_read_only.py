"""Nothing but reading crosses from one environment into another."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import pytest
from environments_support import Side, attempt, remote_port_client


@pytest.mark.usefixtures("logs")
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/{alias}:logs-app-1/_doc/x", {"a": 1}),
        ("POST", "/{alias}:logs-app-1/_doc", {"a": 1}),
        ("PUT", "/{alias}:logs-app-1/_create/x", {"a": 1}),
        ("POST", "/{alias}:logs-app-1/_update/a1", {"doc": {"a": 1}}),
        ("DELETE", "/{alias}:logs-app-1/_doc/a1", None),
        ("GET", "/{alias}:logs-app-1/_doc/a1", None),
        ("PUT", "/{alias}:new-index", None),
        ("DELETE", "/{alias}:logs-app-1", None),
        ("PUT", "/{alias}:logs-app-1/_mapping", {"properties": {"x": {"type": "keyword"}}}),
        ("PUT", "/{alias}:logs-app-1/_settings", {"index": {"refresh_interval": "5s"}}),
        ("POST", "/{alias}:logs-app-1/_refresh", None),
        ("POST", "/{alias}:logs-app-1/_delete_by_query", {"query": {"match_all": {}}}),
        ("POST", "/_aliases", {"actions": [{"add": {"index": "{alias}:logs-app-1", "alias": "x"}}]}),
    ],
)
def test_nothing_but_reading_crosses(local: Side, remote: Side, method: str, path: str, body: Any) -> None:
    """Even the superuser with a key for everything gets an error, and nothing changes over there."""
    alias = remote.alias
    wanted = json.loads(json.dumps(body).replace("{alias}", alias))
    status, answer = attempt(local.client, method, path.format(alias=alias), wanted)
    assert 400 <= status < 500, answer
    listed = remote.client.call("GET", "/_cat/indices?format=json&h=index,docs.count")
    counts = {each["index"]: each["docs.count"] for each in listed}
    assert counts["logs-app-1"] == "3"
    assert not [name for name in counts if ":" in name or name == "new-index"]
    mapping = remote.client.call("GET", "/logs-app-1/_mapping")["logs-app-1"]["mappings"]
    assert set(mapping["properties"]) == {"team", "message", "secret", "level"}
    here = local.client.call("GET", "/_cat/indices?format=json&h=index")
    assert not [each for each in here if ":" in each["index"]]


@pytest.mark.usefixtures("logs")
def test_bulk_does_not_cross(local: Side, remote: Side) -> None:
    """An item for a remote index is an error of its own; the others are written."""
    name = f"bulk-{uuid.uuid4().hex[:8]}"
    lines = (
        f'{{"index":{{"_index":"{remote.alias}:logs-app-1","_id":"x"}}}}\n{{"a":1}}\n'
        f'{{"index":{{"_index":"{name}","_id":"x"}}}}\n{{"a":1}}\n'
    )
    answer = local.client.call("POST", "/_bulk", content=lines.encode())
    assert [item["index"]["status"] for item in answer["items"]] == [400, 201]
    local.client.call("DELETE", f"/{name}")
    assert remote.client.call("GET", "/logs-app-1/_count")["count"] == 3


@pytest.mark.parametrize("scheme", ["Basic", "ApiKey"])
def test_the_remote_port_serves_no_rest_api(remote: Side, scheme: str) -> None:
    """With a password or a REST key, 9443 answers nothing of what 9243 does."""
    deployment = remote.deployment
    token = base64.b64encode(f"elastic:{deployment.password}".encode()).decode()
    if scheme == "ApiKey":
        token = remote.client.call("POST", "/_security/api_key", {"name": "rest"})["encoded"]
    client = remote_port_client(deployment, f"{scheme} {token}")
    for path in ("/", "/_search", "/_security/user", "/logs-app-1/_doc/a1", "/_isthmus/v1/search"):
        status, answer = attempt(client, "GET", path)
        assert (status, answer["status"]) == (404, 404)
    client.close()
