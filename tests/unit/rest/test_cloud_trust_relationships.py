"""Trust relationships of the platform, and its account."""

from __future__ import annotations

from typing import Any

import pytest
from cloud_api_client import Client, create, info_of

from isthmus.control.layout import EnvironmentLayout

PATH = "/platform/configuration/trust-relationships"


def authority(client: Client) -> str:
    """Answer an authority's certificate."""
    return EnvironmentLayout(client.made.settings.directory).authority("proxy").certificate.read_text()


async def test_another_environment_is_known_changed_and_forgotten(client: Client) -> None:
    """With the codes of the official API; the certificate is told on demand."""
    body = {"name": "other", "public_ca_cert": authority(client), "account_ids": ["1234567890"]}
    made = await client.call("POST", PATH, body)
    assert made.status == 201
    assert made.body == {
        "id": made.body["id"],
        "name": "other",
        "trust_by_default": False,
        "local": False,
        "account_ids": ["1234567890"],
    }
    path = f"{PATH}/{made.body['id']}"
    shown = (await client.call("GET", path)).body
    assert "public_ca_cert" not in shown
    shown = (await client.call("GET", path, parameters={"include_certificate": "true"})).body
    assert shown["public_ca_cert"] == authority(client)
    changed = await client.call("PUT", path, {"name": "renamed", "trust_by_default": True})
    assert (changed.status, changed.body["name"], changed.body["trust_by_default"]) == (200, "renamed", True)
    deployment = await create(client)
    trust = (await info_of(client, deployment["id"]))["settings"]["trust"]
    assert [each["trust_relationship_id"] for each in trust["external"]] == [made.body["id"]]
    assert (await client.call("DELETE", path, parameters={"version": "x"})).status == 400
    deleted = await client.call("DELETE", path)
    assert (deleted.status, deleted.body) == (200, {})
    assert (await client.call("GET", path)).code == "trust_relationships.not_found"


@pytest.mark.parametrize(
    ("wanted", "names"), [("all", ["local", "other"]), ("local", ["local"]), ("non-local", ["other"])]
)
async def test_the_list_is_filtered(client: Client, wanted: str, names: list[str]) -> None:
    """The environment itself is in it, with its id as account."""
    await client.call("POST", PATH, {"name": "other", "public_ca_cert": authority(client)})
    answer = await client.call(
        "GET", f"/regions/ece-region{PATH}", parameters={"filter": wanted, "include_certificate": "true"}
    )
    listed: list[Any] = answer.body["trust_relationships"]
    assert ["local" if each["local"] else each["name"] for each in listed] == names
    for each in listed:
        assert each["last_modified"] > "2020"
        if each["local"]:
            assert each["account_ids"] == [client.made.settings.scope_id]
            assert "BEGIN CERTIFICATE" in each["public_ca_cert"]


async def test_the_account_says_what_new_deployments_trust(client: Client) -> None:
    """Those that are there already stay as they are."""
    scope_id = client.made.settings.scope_id
    before = await create(client)
    assert (await client.call("GET", "/account")).body == {"id": scope_id, "trust": {"trust_all": True}}
    changed = await client.call("PATCH", "/regions/ece-region/account", {"trust": {"trust_all": False}})
    assert changed.body == {"id": scope_id, "trust": {"trust_all": False}}
    after = await create(client)
    accounts = [
        (await info_of(client, each["id"]))["settings"]["trust"]["accounts"] for each in (before, after)
    ]
    assert [entry["account_id"] for entry in accounts[0]] == [scope_id]
    assert accounts[1] is None
    assert (await client.call("PUT", "/account", {})).body["trust"] == {"trust_all": False}
    for body in ([], {"typo": 1}, {"trust": {}}, {"trust": {"trust_all": "yes"}}, {"trust": []}):
        assert (await client.call("PUT", "/account", body)).status == 400
