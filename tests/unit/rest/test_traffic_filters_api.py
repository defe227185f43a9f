"""Rule sets over the platform API: requests in, exact statuses and shapes out."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from traffic_filters_client import (
    LOGS,
    RULE_SETS,
    SCOPE,
    FiltersClient,
    rule_set,
)

from isthmus.errors import Failure
from isthmus.rest.cloud.traffic_filters_bodies import parse_rule_set


async def test_a_rule_set_from_birth_to_death(filters: FiltersClient) -> None:
    """Each step with the status and the body that the clients of Elastic Cloud rely on."""
    body = rule_set("192.0.2.0/24", description="all of it")
    body["rules"][0]["description"] = "first floor"
    made = await filters.call("POST", RULE_SETS, body)
    assert (made.status, set(made.body)) == (201, {"id"})
    rule_set_id = made.body["id"]
    assert len(rule_set_id) == 32
    path = f"{RULE_SETS}/{rule_set_id}"

    told = await filters.call("GET", path)
    assert told.status == 200
    rule_id = told.body["rules"][0].pop("id")
    assert told.body == {**body, "id": rule_set_id}
    listed = await filters.call("GET", RULE_SETS, include_associations="true", region="ece-region")
    assert listed.status == 200
    assert [each["associations"] for each in listed.body["rulesets"]] == [[]]

    assert await answer(filters.associate(rule_set_id)) == (201, {})
    assert await answer(filters.associate(rule_set_id)) == (200, {})
    told = await filters.call("GET", path, include_associations="true")
    associations = [{"entity_type": "deployment", "id": LOGS}]
    assert told.body["associations"] == associations
    assert told.body["total_associations"] == 1
    assert told.body["rules"][0]["id"] == rule_id
    assert "associations" not in (await filters.call("GET", path)).body
    of_set = await answer(filters.call("GET", f"{path}/associations"))
    assert of_set == (200, {"associations": associations, "total_associations": 1})
    of_deployment = f"/deployments/traffic-filter/associations/deployment/{LOGS}/rulesets"
    assert await answer(filters.call("GET", of_deployment)) == (200, {"rulesets": [rule_set_id]})

    changed = await filters.call("PUT", path, {**told.body, "name": "office 2"})
    assert (changed.status, changed.body) == (200, {"id": rule_set_id})
    assert (await filters.call("GET", path)).body["name"] == "office 2"

    refused = await filters.call("DELETE", path)
    assert (refused.status, refused.code) == (400, "traffic_filter.has_associations")
    assert LOGS in refused.message
    assert await answer(filters.call("DELETE", f"{path}/associations/deployment/{LOGS}")) == (200, {})
    assert await answer(filters.call("DELETE", path)) == (200, {})
    assert (await filters.call("GET", path)).code == "traffic_filter.not_found"


async def answer(call: Any) -> tuple[int, Any]:
    """Answer status and body."""
    found = await call
    return found.status, found.body


@pytest.mark.parametrize(
    ("method", "below", "body"),
    [
        ("GET", "", None),
        ("PUT", "", rule_set("192.0.2.7")),
        ("DELETE", "", None),
        ("GET", "/associations", None),
        ("POST", "/associations", {"entity_type": "deployment", "id": LOGS}),
        ("DELETE", f"/associations/deployment/{LOGS}", None),
    ],
)
async def test_a_rule_set_that_is_not_there_is_a_404(
    filters: FiltersClient, method: str, below: str, body: Any
) -> None:
    """With the code that clients know."""
    found = await filters.call(method, f"{RULE_SETS}/{'f' * 32}{below}", body)
    assert (found.status, found.code) == (404, "traffic_filter.not_found")


async def test_what_is_not_associated_cannot_be_taken_apart(filters: FiltersClient) -> None:
    """404 for an association that is not there, and for a deployment that does not exist."""
    rule_set_id = await filters.create("192.0.2.7")
    gone = await filters.call("DELETE", f"{RULE_SETS}/{rule_set_id}/associations/deployment/{LOGS}")
    assert (gone.status, gone.code) == (404, "traffic_filter.association_not_found")
    nowhere = await filters.associate(rule_set_id, "e" * 32)
    assert (nowhere.status, nowhere.code) == (404, "deployments.deployment_not_found")


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"name": ""}, "name", "is required"),
        ({"name": None}, "name", "is required"),
        ({"name": "x" * 256}, "name", "255"),
        ({"name": "a\nb"}, "name", "printable"),
        ({"type": None}, "type", "is required"),
        ({"type": "vpce"}, "type", "private links"),
        ({"type": "egress_firewall"}, "type", "only incoming"),
        ({"type": "azure_private_endpoint"}, "type", "private links"),
        ({"type": "gcp_private_service_connect_endpoint"}, "type", "private links"),
        ({"type": "dns"}, "type", "unknown type; use [ip] or [remote_cluster]"),
        ({"type": 5}, "type", "must be a text"),
        ({"region": "us-east-1"}, "region", "must be [ece-region]"),
        ({"include_by_default": "yes"}, "include_by_default", "true or false"),
        ({"rules": None}, "rules", "is required"),
        ({"rules": {}}, "rules", "list"),
        ({"rules": [{"source": "192.0.2.7"}] * 129}, "rules", "at most 128"),
        ({"rules": [{"source": "1.1.1.1", "id": "x"}] * 2}, "rules", "same id"),
        ({"rules": [5]}, "rules[0]", "must be an object"),
        ({"rules": [{}]}, "rules[0].source", "is required"),
        ({"rules": [{"source": "example.com"}]}, "rules[0].source", "DNS names are not supported"),
        ({"rules": [{"source": "10.0.0.1/8"}]}, "rules[0].source", "did you mean [10.0.0.0/8]?"),
        ({"rules": [{"source": 5}]}, "rules[0].source", "text"),
        ({"rules": [{"source": "1.1.1.1", "id": "a b"}]}, "rules[0].id", "letters"),
        ({"rules": [{"source": "1.1.1.1", "colour": 1}]}, "rules[0].colour", "unknown member"),
        (
            {"rules": [{"source": "1.1.1.1", "egress_rule": {"target": "x"}}]},
            "rules[0].egress_rule",
            "not supported",
        ),
        (
            {"rules": [{"source": "1.1.1.1", "remote_cluster_id": "c" * 32}]},
            "rules[0].remote_cluster_id",
            "[remote_cluster]",
        ),
        ({"type": "remote_cluster", "rules": [{}]}, "rules[0]", "needs a remote_cluster_id"),
        (
            {"type": "remote_cluster", "rules": [{"source": "1.1.1.1"}]},
            "rules[0].source",
            "only rules of type [ip]",
        ),
        (
            {"type": "remote_cluster", "rules": [{"remote_cluster_id": "x"}]},
            "rules[0].remote_cluster_id",
            "32 hexadecimal",
        ),
        (
            {"type": "remote_cluster", "rules": [{"remote_cluster_org_id": "9999999999"}]},
            "rules[0].remote_cluster_org_id",
            "only deployments of this environment can prove who they are",
        ),
        ({"colour": "red"}, "colour", "unknown member"),
    ],
)
async def test_what_is_not_understood_is_named(
    filters: FiltersClient, change: dict[str, Any], field: str, words: str
) -> None:
    """A 400 that says which member, and why; nothing is kept."""
    refused = await filters.call("POST", RULE_SETS, {**rule_set("192.0.2.7"), **change})
    assert refused.status == 400, refused.body
    assert refused.body["errors"][0]["fields"] == [f"body.{field}"]
    assert words in refused.message
    assert (await filters.call("GET", RULE_SETS)).body == {"rulesets": []}


async def test_what_clients_send_empty_is_as_if_absent(filters: FiltersClient) -> None:
    """Members of other types as null or empty text, and no description."""
    rule = {"source": "192.0.2.7", "description": "", "azure_endpoint_name": "", "egress_rule": None}
    rule_set_id = await filters.create(rules=[rule], description="")
    told = (await filters.call("GET", f"{RULE_SETS}/{rule_set_id}")).body
    assert "description" not in told
    assert set(told["rules"][0]) == {"id", "source"}


@pytest.mark.parametrize("entity", ["cluster", "everything"])
async def test_only_deployments_have_rule_sets(filters: FiltersClient, entity: str) -> None:
    """Other types are refused by name."""
    rule_set_id = await filters.create("192.0.2.7")
    path = f"{RULE_SETS}/{rule_set_id}/associations"
    for refused in (
        await filters.call("POST", path, {"entity_type": entity, "id": LOGS}),
        await filters.call("DELETE", f"{path}/{entity}/{LOGS}"),
        await filters.call("GET", f"/deployments/traffic-filter/associations/{entity}/{LOGS}/rulesets"),
    ):
        assert refused.status == 400
        assert entity in refused.message


async def test_an_unknown_parameter_is_named(filters: FiltersClient) -> None:
    """It would else be as if it had not been said."""
    refused = await filters.call("GET", RULE_SETS, include_association="true")
    assert refused.status == 400
    assert "include_association" in refused.message


async def test_other_regions_have_no_rule_sets(filters: FiltersClient) -> None:
    """The list can be asked for one region and organization."""
    await filters.create("192.0.2.7")
    assert (await filters.call("GET", RULE_SETS, region="us-east-1")).body == {"rulesets": []}
    assert (await filters.call("GET", RULE_SETS, organization_id="x")).body == {"rulesets": []}
    assert len((await filters.call("GET", RULE_SETS, organization_id=SCOPE)).body["rulesets"]) == 1


async def test_there_are_at_most_512_rule_sets(
    filters: FiltersClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more is refused (shown with a smaller number)."""
    monkeypatch.setattr("isthmus.control.traffic_filters.MAXIMUM_RULE_SETS", 2)
    await filters.create("192.0.2.7")
    await filters.create("192.0.2.7")
    refused = await filters.call("POST", RULE_SETS, rule_set("192.0.2.7"))
    assert (refused.status, refused.code) == (400, "traffic_filter.limit_exceeded")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    ["name", "type", "region", "rules", "include_by_default", "description", "source", "id", "egress_rule"]
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    change=st.dictionaries(MEMBERS, JSON, max_size=4),
    rule=st.dictionaries(MEMBERS, JSON, max_size=4),
    kind=st.sampled_from(["ip", "remote_cluster"]),
)
def test_no_body_breaks_the_parser(change: dict[str, Any], rule: dict[str, Any], kind: str) -> None:
    """Every body is a rule set or a 400."""
    body = {**rule_set(rules=[rule], type=kind), **change}
    with contextlib.suppress(Failure):
        assert len(parse_rule_set(body, "ece-region", SCOPE).rules) <= 128
