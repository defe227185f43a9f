"""The OpenAPI document says exactly what is served."""

from __future__ import annotations

import re

import pytest
from cloud_api_client import Client


async def test_every_route_is_in_the_document(client: Client) -> None:
    """With a summary, its parameters and the status of success; nothing else is in it."""
    document = (await client.call("GET", "/api-docs/swagger.json")).body
    told = {
        (method.upper(), path): operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    served = {(route.method, route.template): route for route in client.platform.routes}
    assert set(told) == set(served)
    for place, operation in told.items():
        assert operation["summary"], place
        in_path = [each["name"] for each in operation["parameters"] if each["in"] == "path"]
        assert in_path == re.findall(r"\{(\w+)\}", place[1])
        assert str(served[place].status) in operation["responses"]
    ids = [operation["operationId"] for operation in told.values()]
    assert len(set(ids)) == len(ids)


async def test_the_document_is_for_those_who_may_come_in(client: Client) -> None:
    """What needs no credentials is marked so."""
    path = "/api/v1/api-docs/swagger.json"
    assert (await client.as_user("GET", path, "")).status == 401
    document = (await client.as_user("GET", path, client.basic)).body
    free = [
        (method, path)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if operation.get("security") == []
    ]
    assert sorted(free) == [("get", "/users/auth/methods"), ("post", "/users/auth/_login")]


@pytest.mark.parametrize("path", ["/users/auth/methods", "/regions/ece-region/users/auth//methods/"])
async def test_how_to_sign_in_is_told_to_everybody(client: Client, path: str) -> None:
    """In both forms of the path."""
    answer = await client.as_user("GET", f"/api/v1{path}", "")
    assert (answer.status, answer.body["password"]) == (200, True)


async def test_nothing_is_answered_with_204_or_another_type(client: Client) -> None:
    """Every route answers something with JSON, also to nonsense."""
    for route in client.platform.routes:
        path = re.sub(r"\{\w+\}", "x", route.template)
        answer = await client.call(route.method, path, {"nonsense": 1})
        assert answer.status != 204
        assert answer.status < 500, (route, answer.body)
