"""Rule sets over the platform API: what they do at the door and in nodes, and to whoever changes them."""

from __future__ import annotations

from typing import Any

import pytest
from traffic_filters_client import (
    CLUSTER_OF,
    HOME,
    LOGS,
    METRICS,
    OFFICE,
    RULE_SETS,
    SCOPE,
    FiltersClient,
    rule_set,
)

from isthmus.control.addresses import parse_address_or_none
from isthmus.control.traffic_filter_rules import PortKind
from isthmus.settings import DoorSettings, EnvironmentKind, EnvironmentSettings


async def test_changes_take_effect_at_door_and_node(filters: FiltersClient) -> None:
    """Associating, changing, a second set, taking apart, deleting; the other deployment is not touched."""
    office, home = await filters.create(OFFICE), await filters.create(HOME)
    assert filters.lets_in(OFFICE)
    assert filters.lets_in(HOME)
    await filters.associate(office)
    assert (filters.lets_in(OFFICE), filters.lets_in(HOME), filters.lets_in(HOME, METRICS)) == (
        True,
        False,
        True,
    )
    await filters.associate(home)
    assert filters.lets_in(HOME)
    await filters.call("PUT", f"{RULE_SETS}/{home}", rule_set("203.0.113.9"))
    assert (filters.lets_in(HOME), filters.lets_in("203.0.113.9")) == (False, True)
    await filters.call("DELETE", f"{RULE_SETS}/{office}", ignore_associations="true")
    assert (filters.lets_in(OFFICE), filters.lets_in("203.0.113.9")) == (False, True)
    await filters.call("DELETE", f"{RULE_SETS}/{home}/associations/deployment/{LOGS}")
    assert filters.lets_in(OFFICE)


async def test_what_is_kept_holds_after_a_restart(filters: FiltersClient) -> None:
    """The book reads the records anew; a lost file of a node is written again."""
    await filters.associate(await filters.create(OFFICE))
    path = filters.layout.deployment(LOGS).traffic_filter
    path.unlink()
    await filters.filtering.book.refresh()
    assert (filters.lets_in(OFFICE), filters.lets_in(HOME)) == (True, False)
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_file_that_cannot_be_written_is_told(filters: FiltersClient) -> None:
    """The change is kept and the door follows it; repeating it mends the rest."""
    rule_set_id = await filters.create(OFFICE)
    path = filters.layout.deployment(LOGS).traffic_filter
    path.mkdir()
    refused = await filters.associate(rule_set_id)
    assert (refused.status, refused.code) == (500, "traffic_filter.not_applied")
    guard = filters.filtering.book.guard_of(CLUSTER_OF[LOGS])
    assert guard.verdict(PortKind.DATA, parse_address_or_none(HOME)).is_denied
    path.rmdir()
    assert (await filters.associate(rule_set_id)).status == 200
    assert (filters.lets_in(OFFICE), filters.lets_in(HOME)) == (True, False)


async def test_the_door_believes_the_load_balancers_of_the_settings(filters: FiltersClient) -> None:
    """And asks the book about everybody."""
    door = DoorSettings(proxy_protocol_from=("10.0.0.0/8",), forwarded_for_from=("172.16.0.1",))
    made = EnvironmentSettings(
        directory=filters.layout.directory,
        kind=EnvironmentKind.ENTERPRISE,
        domain="enterprise.localhost",
        scope_id=SCOPE,
        door=door,
    )
    admission = filters.filtering.admission(made)
    told = [parse_address_or_none(text) for text in ("10.1.2.3", "172.16.0.1")]
    assert [admission.balancers.must_send_proxy_header(each) for each in told] == [True, False]
    assert [admission.balancers.may_tell_clients(each) for each in told] == [False, True]
    await filters.associate(await filters.create(OFFICE))
    asked = [admission.is_denied(CLUSTER_OF[LOGS], parse_address_or_none(each)) for each in (OFFICE, HOME)]
    assert asked == [False, True]


async def test_a_deleted_deployment_takes_its_associations_along(filters: FiltersClient) -> None:
    """The rule set stays and can then be deleted."""
    rule_set_id = await filters.create(OFFICE)
    await filters.associate(rule_set_id)
    await filters.records.remove(LOGS)
    told = await filters.call("GET", f"{RULE_SETS}/{rule_set_id}/associations")
    assert told.body == {"associations": [], "total_associations": 0}
    assert (await filters.call("DELETE", f"{RULE_SETS}/{rule_set_id}")).status == 200


async def test_new_deployments_get_default_rule_sets_and_those_they_ask_for(filters: FiltersClient) -> None:
    """Deployments that were there before do not."""
    default = await filters.create(OFFICE, include_by_default=True)
    asked, other = await filters.create(HOME), await filters.create("203.0.113.9")
    assert filters.lets_in("203.0.113.9")
    await filters.filtering.use_cases.associate_new(METRICS, [asked])
    assert set(await filters.filtering.use_cases.rule_sets_of(METRICS)) == {default, asked}
    assert other not in await filters.filtering.use_cases.rule_sets_of(METRICS)
    answers = [filters.lets_in(address, METRICS) for address in (OFFICE, HOME, "203.0.113.9")]
    assert answers == [True, True, False]


async def test_nobody_locks_themselves_out_by_mistake(filters: FiltersClient) -> None:
    """Each change after which the caller's own address could no longer come in needs force."""
    office, home = await filters.create(OFFICE), await filters.create(HOME)
    await filters.associate(office)
    path = f"{RULE_SETS}/{office}"
    changes: list[tuple[str, str, Any, dict[str, str]]] = [
        ("PUT", path, rule_set(HOME), {}),
        ("PUT", path, rule_set(), {}),
        ("PUT", path, rule_set(type="remote_cluster", rules=[{"remote_cluster_org_id": SCOPE}]), {}),
    ]
    await filters.associate(home)
    changes.append(("DELETE", path, None, {"ignore_associations": "true"}))
    changes.append(("DELETE", f"{path}/associations/deployment/{LOGS}", None, {}))
    for method, target, body, parameters in changes:
        refused = await filters.call(method, target, body, peer=OFFICE, **parameters)
        assert (refused.status, refused.code) == (400, "traffic_filter.locks_out_caller"), (method, body)
        assert OFFICE in refused.message
        assert "force=true" in refused.message
        assert filters.lets_in(OFFICE)
    forced = await filters.call("PUT", path, rule_set("203.0.113.9"), peer=OFFICE, force="true")
    assert forced.status == 200
    assert not filters.lets_in(OFFICE)


async def test_the_first_rule_set_can_lock_out_too(filters: FiltersClient) -> None:
    """A deployment that let everybody in would no longer let the caller in."""
    rule_set_id = await filters.create(HOME)
    assert (await filters.associate(rule_set_id, peer=OFFICE)).code == "traffic_filter.locks_out_caller"
    assert (await filters.associate(rule_set_id, peer=f"::ffff:{HOME}")).status == 201


@pytest.mark.parametrize("peer", [None, HOME])
async def test_whoever_is_not_let_in_now_or_has_no_address_is_not_asked(
    filters: FiltersClient, peer: str | None
) -> None:
    """The local command line can undo what it did; who is outside already loses nothing."""
    rule_set_id = await filters.create(OFFICE)
    await filters.associate(rule_set_id)
    changed = await filters.call("PUT", f"{RULE_SETS}/{rule_set_id}", rule_set("203.0.113.9"), peer=peer)
    assert changed.status == 200
