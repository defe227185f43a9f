"""API keys of the platform."""

from __future__ import annotations

from typing import Any

import pytest
from cloud_api_client import Client

from isthmus.control.layout import EnvironmentLayout


async def new_key(client: Client, **members: Any) -> Any:
    """Make a key over the network and answer the reply."""
    body = {"description": "for tests", **members}
    answer = await client.as_user("POST", "/api/v1/users/auth/keys", client.basic, body)
    assert answer.status == 201, answer.body
    return answer.body


async def test_a_key_opens_the_platform_until_it_is_deleted(client: Client) -> None:
    """It is told once, and only its hash is kept."""
    made = await new_key(client)
    header = f"ApiKey {made['key']}"
    assert (await client.as_user("GET", "/api/v1/deployments", header)).status == 200
    listed = (await client.as_user("GET", "/api/v1/users/auth/keys", header)).body["keys"]
    assert [each["id"] for each in listed] == [made["id"]]
    assert set(listed[0]) == {"id", "description", "creation_date", "user_id", "organization_id"}
    shown = await client.as_user("GET", f"/api/v1/users/auth/keys/{made['id']}", header)
    assert shown.body == listed[0]
    database = EnvironmentLayout(client.made.settings.directory).database
    kept = b"".join(path.read_bytes() for path in database.parent.glob(f"{database.name}*"))
    assert made["id"].encode() in kept
    assert made["key"].encode() not in kept
    assert (await client.as_user("DELETE", f"/api/v1/users/auth/keys/{made['id']}", header)).body == {}
    assert (await client.as_user("GET", "/api/v1/deployments", header)).status == 401


@pytest.mark.parametrize("change", ["", "x", "=", "AAAA", "\x00", "é"])
async def test_another_text_opens_nothing(client: Client, change: str) -> None:
    """The answer does not say what was wrong with it."""
    made = await new_key(client)
    answer = await client.as_user("GET", "/api/v1/deployments", f"ApiKey {made['key'][:-4]}{change}")
    assert (answer.status, answer.code) == (401, "root.unauthenticated")
    assert answer.body["errors"][0]["message"] == "the API key is invalid or has expired"


async def test_a_key_ends_by_itself(client: Client) -> None:
    """After the time that it was made for it opens nothing and is not told of."""
    lasting = await new_key(client, expiration="3h")
    assert lasting["expiration_date"] > lasting["creation_date"]
    short = await new_key(client, expiration="1ms")
    header = f"ApiKey {short['key']}"
    assert (await client.as_user("GET", "/api/v1/deployments", header)).status == 401
    assert (await client.call("GET", f"/users/auth/keys/{short['id']}")).code == "api_keys.key_not_found"
    listed = (await client.call("GET", "/users/auth/keys/_all")).body["keys"]
    assert [each["id"] for each in listed] == [lasting["id"]]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "description"),
        ({"description": ""}, "description"),
        ({"description": 5}, "description"),
        ({"description": "x" * 2000}, "description"),
        ({"description": "a\nb"}, "description"),
        ({"description": "x", "expiration": "tomorrow"}, "expiration"),
        ({"description": "x", "expiration": "-1d"}, "expiration"),
        ({"description": "x", "expiration": 5}, "expiration"),
        ({"description": "x", "role_assignments": {"platform": [{}]}}, "role_assignments"),
    ],
)
async def test_a_key_that_cannot_be(client: Client, body: Any, field: str) -> None:
    """A 400 with the code of the official API, naming the member."""
    answer = await client.call("POST", "/users/auth/keys", body)
    assert (answer.status, answer.code) == (400, "api_keys.invalid_input")
    assert answer.body["errors"][0]["fields"] == [f"body.{field}"]


async def test_keys_are_deleted_together(client: Client) -> None:
    """By their ids, by users and ids, or all of a user; unknown ones are no error."""
    ids = [(await new_key(client))["id"] for _ in range(4)]

    async def left() -> list[str]:
        listed = (await client.call("GET", "/users/admin/auth/keys")).body["keys"]
        return sorted(each["id"] for each in listed)

    assert await left() == sorted(ids)
    await client.call("DELETE", "/users/auth/keys", {"keys": [ids[0], "unknown"]})
    assert await left() == sorted(ids[1:])
    entry = {"user_id": "admin", "api_key_id": ids[1]}
    await client.call("DELETE", "/users/auth/keys/_all", {"user_api_keys": [entry]})
    assert await left() == sorted(ids[2:])
    assert (await client.call("DELETE", f"/users/admin/auth/keys/{ids[2]}")).body == {}
    assert (await client.call("DELETE", f"/users/admin/auth/keys/{ids[2]}")).status == 404
    assert (await client.call("DELETE", "/users/admin/auth/keys")).body == {}
    assert await left() == []
    assert (await client.call("GET", "/users/nobody/auth/keys")).code == "users.user_not_found"


async def test_the_user_is_the_administrator(client: Client) -> None:
    """The only one."""
    assert (await client.call("GET", "/user")).body["user_name"] == "admin"
    assert (await client.call("GET", "/users/admin")).body["builtin"] is True
    assert (await client.call("GET", "/users/nobody")).status == 404
    assert len((await client.call("GET", "/users")).body["users"]) == 1
    assert (await client.call("GET", "/users/auth")).body["has_elevated_permissions"] is True
