"""Rule sets over the platform API: requests in, exact statuses and shapes out, effects in book and files."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.app.node_traffic_filter import NodeTrafficFilter
from isthmus.app.traffic_filters import TrafficFiltering, build_traffic_filtering
from isthmus.clock import SystemClock
from isthmus.control.addresses import parse_address_or_none
from isthmus.control.layout import EnvironmentLayout
from isthmus.control.records import Deployment
from isthmus.control.traffic_filter_rules import PortKind
from isthmus.errors import Failure
from isthmus.rest.cloud import traffic_filters
from isthmus.rest.cloud.errors import cloud_failure_response
from isthmus.rest.cloud.routes import CloudCall, CloudRouter, refuse_other_parameters
from isthmus.rest.cloud.traffic_filters_bodies import parse_rule_set
from isthmus.rest.cloud.traffic_filters_egress import EgressPublisher
from isthmus.rest.http import Peer, Request, Response
from isthmus.settings import DoorSettings, EnvironmentKind, EnvironmentSettings
from isthmus.store.database import Database, Line, sqlite_url
from isthmus.store.environment_records import SqlDeploymentRecords

SCOPE = "1234567890"
LOGS, METRICS = "a" * 32, "b" * 32
CLUSTER_OF = {LOGS: "c" * 32, METRICS: "d" * 32}
RULE_SETS = "/deployments/traffic-filter/rulesets"
OFFICE, HOME = "192.0.2.7", "198.51.100.1"


@dataclass
class Answer:
    """A response, parsed."""

    status: int
    body: Any

    @property
    def code(self) -> str:
        """The code of the one error."""
        (error,) = self.body["errors"]
        assert error["message"]
        return str(error["code"])

    @property
    def message(self) -> str:
        """The text of the one error."""
        return str(self.body["errors"][0]["message"])


class Client:
    """Calls the handlers of an environment with two deployments, none of which runs."""

    def __init__(
        self, directory: Path, router: CloudRouter, filtering: TrafficFiltering, records: SqlDeploymentRecords
    ) -> None:
        self.layout = EnvironmentLayout(directory)
        self.filtering = filtering
        self.records = records
        self._router = router

    async def call(
        self, method: str, path: str, body: Any = None, *, peer: str | None = None, **parameters: str
    ) -> Answer:
        """Call as somebody at this address; without one as the local command line does."""
        content = b"" if body is None else json.dumps(body).encode()
        request = Request(method, path, parameters, body=content, peer=Peer(address=peer))
        found = self._router.find(method, path)
        assert not isinstance(found, frozenset), f"no route {method} {path}"
        try:
            refuse_other_parameters(request, found.parameters or frozenset())
            response = await found.handler(CloudCall(request, found.path_parameters))
        except Failure as failure:
            response = cloud_failure_response(failure)
        assert isinstance(response.body, bytes)
        return Answer(response.status, json.loads(response.body))

    async def create(self, *sources: str, **members: Any) -> str:
        """Make a rule set of these addresses and answer its id."""
        made = await self.call("POST", RULE_SETS, rule_set(*sources, **members))
        assert made.status == 201, made.body
        return str(made.body["id"])

    async def associate(self, rule_set_id: str, deployment_id: str = LOGS, **options: str) -> Answer:
        """Associate the rule set with the deployment."""
        body = {"entity_type": "deployment", "id": deployment_id}
        return await self.call("POST", f"{RULE_SETS}/{rule_set_id}/associations", body, **options)

    def lets_in(self, address: str, deployment_id: str = LOGS) -> bool:
        """Answer whether door and node let this address in; they must agree."""
        client = parse_address_or_none(address)
        guard = self.filtering.book.guard_of(CLUSTER_OF[deployment_id])
        at_door = not guard.verdict(PortKind.DATA, client).is_denied
        node = NodeTrafficFilter(self.layout.deployment(deployment_id).traffic_filter)
        assert node.may_come_in(PortKind.DATA, client) is at_door
        return at_door


def rule_set(*sources: str, **members: Any) -> dict[str, Any]:
    """Answer a body as clients send it."""
    rules = [{"source": source} for source in sources]
    whole = {"name": "office", "type": "ip", "region": "ece-region", "include_by_default": False}
    return {**whole, "rules": rules, **members}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    """Answer a client of a new enterprise environment."""
    made = EnvironmentSettings(
        directory=tmp_path, kind=EnvironmentKind.ENTERPRISE, domain="enterprise.localhost", scope_id=SCOPE
    )
    database = Database.open(sqlite_url(tmp_path / "environment.sqlite3"), Line.ENVIRONMENT)
    records = SqlDeploymentRecords(database)
    filtering = build_traffic_filtering(made, database, records, SystemClock())
    router = CloudRouter()
    traffic_filters.register(router, made, filtering.use_cases)
    for number, (deployment_id, cluster_id) in enumerate(CLUSTER_OF.items()):
        await records.add(deployment(deployment_id, cluster_id, number))
        EnvironmentLayout(tmp_path).deployment(deployment_id).directory.mkdir(parents=True)
    yield Client(tmp_path, router, filtering, records)
    database.close()


def deployment(deployment_id: str, cluster_id: str, number: int = 0) -> Deployment:
    """Answer a record."""
    return Deployment(
        id=deployment_id,
        name=f"deployment {number}",
        cluster_id=cluster_id,
        node_id="abcdefg",
        region="ece-region",
        version="9.2.0",
        created_milliseconds=number,
        modified_milliseconds=number,
    )


async def test_a_rule_set_from_birth_to_death(client: Client) -> None:
    """Each step with the status and the body that the clients of Elastic Cloud rely on."""
    body = rule_set("192.0.2.0/24", description="all of it")
    body["rules"][0]["description"] = "first floor"
    made = await client.call("POST", RULE_SETS, body)
    assert (made.status, set(made.body)) == (201, {"id"})
    rule_set_id = made.body["id"]
    assert len(rule_set_id) == 32
    path = f"{RULE_SETS}/{rule_set_id}"

    told = await client.call("GET", path)
    assert told.status == 200
    rule_id = told.body["rules"][0].pop("id")
    assert told.body == {**body, "id": rule_set_id}
    listed = await client.call("GET", RULE_SETS, include_associations="true", region="ece-region")
    assert listed.status == 200
    assert [each["associations"] for each in listed.body["rulesets"]] == [[]]

    assert await answer(client.associate(rule_set_id)) == (201, {})
    assert await answer(client.associate(rule_set_id)) == (200, {})
    told = await client.call("GET", path, include_associations="true")
    associations = [{"entity_type": "deployment", "id": LOGS}]
    assert told.body["associations"] == associations
    assert told.body["total_associations"] == 1
    assert told.body["rules"][0]["id"] == rule_id
    assert "associations" not in (await client.call("GET", path)).body
    of_set = await answer(client.call("GET", f"{path}/associations"))
    assert of_set == (200, {"associations": associations, "total_associations": 1})
    of_deployment = f"/deployments/traffic-filter/associations/deployment/{LOGS}/rulesets"
    assert await answer(client.call("GET", of_deployment)) == (200, {"rulesets": [rule_set_id]})

    changed = await client.call("PUT", path, {**told.body, "name": "office 2"})
    assert (changed.status, changed.body) == (200, {"id": rule_set_id})
    assert (await client.call("GET", path)).body["name"] == "office 2"

    refused = await client.call("DELETE", path)
    assert (refused.status, refused.code) == (400, "traffic_filter.has_associations")
    assert LOGS in refused.message
    assert await answer(client.call("DELETE", f"{path}/associations/deployment/{LOGS}")) == (200, {})
    assert await answer(client.call("DELETE", path)) == (200, {})
    assert (await client.call("GET", path)).code == "traffic_filter.not_found"


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
    client: Client, method: str, below: str, body: Any
) -> None:
    """With the code that clients know."""
    found = await client.call(method, f"{RULE_SETS}/{'f' * 32}{below}", body)
    assert (found.status, found.code) == (404, "traffic_filter.not_found")


async def test_what_is_not_associated_cannot_be_taken_apart(client: Client) -> None:
    """404 for an association that is not there, and for a deployment that does not exist."""
    rule_set_id = await client.create("192.0.2.7")
    gone = await client.call("DELETE", f"{RULE_SETS}/{rule_set_id}/associations/deployment/{LOGS}")
    assert (gone.status, gone.code) == (404, "traffic_filter.association_not_found")
    nowhere = await client.associate(rule_set_id, "e" * 32)
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
    client: Client, change: dict[str, Any], field: str, words: str
) -> None:
    """A 400 that says which member, and why; nothing is kept."""
    refused = await client.call("POST", RULE_SETS, {**rule_set("192.0.2.7"), **change})
    assert refused.status == 400, refused.body
    assert refused.body["errors"][0]["fields"] == [f"body.{field}"]
    assert words in refused.message
    assert (await client.call("GET", RULE_SETS)).body == {"rulesets": []}


async def test_what_clients_send_empty_is_as_if_absent(client: Client) -> None:
    """Members of other types as null or empty text, and no description."""
    rule = {"source": "192.0.2.7", "description": "", "azure_endpoint_name": "", "egress_rule": None}
    rule_set_id = await client.create(rules=[rule], description="")
    told = (await client.call("GET", f"{RULE_SETS}/{rule_set_id}")).body
    assert "description" not in told
    assert set(told["rules"][0]) == {"id", "source"}


@pytest.mark.parametrize("entity", ["cluster", "everything"])
async def test_only_deployments_have_rule_sets(client: Client, entity: str) -> None:
    """Other types are refused by name."""
    rule_set_id = await client.create("192.0.2.7")
    path = f"{RULE_SETS}/{rule_set_id}/associations"
    for refused in (
        await client.call("POST", path, {"entity_type": entity, "id": LOGS}),
        await client.call("DELETE", f"{path}/{entity}/{LOGS}"),
        await client.call("GET", f"/deployments/traffic-filter/associations/{entity}/{LOGS}/rulesets"),
    ):
        assert refused.status == 400
        assert entity in refused.message


async def test_an_unknown_parameter_is_named(client: Client) -> None:
    """It would else be as if it had not been said."""
    refused = await client.call("GET", RULE_SETS, include_association="true")
    assert refused.status == 400
    assert "include_association" in refused.message


async def test_other_regions_have_no_rule_sets(client: Client) -> None:
    """The list can be asked for one region and organization."""
    await client.create("192.0.2.7")
    assert (await client.call("GET", RULE_SETS, region="us-east-1")).body == {"rulesets": []}
    assert (await client.call("GET", RULE_SETS, organization_id="x")).body == {"rulesets": []}
    assert len((await client.call("GET", RULE_SETS, organization_id=SCOPE)).body["rulesets"]) == 1


async def test_there_are_at_most_512_rule_sets(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused (shown with a smaller number)."""
    monkeypatch.setattr("isthmus.control.traffic_filters.MAXIMUM_RULE_SETS", 2)
    await client.create("192.0.2.7")
    await client.create("192.0.2.7")
    refused = await client.call("POST", RULE_SETS, rule_set("192.0.2.7"))
    assert (refused.status, refused.code) == (400, "traffic_filter.limit_exceeded")


async def test_changes_take_effect_at_door_and_node(client: Client) -> None:
    """Associating, changing, a second set, taking apart, deleting; the other deployment is not touched."""
    office, home = await client.create(OFFICE), await client.create(HOME)
    assert client.lets_in(OFFICE)
    assert client.lets_in(HOME)
    await client.associate(office)
    assert (client.lets_in(OFFICE), client.lets_in(HOME), client.lets_in(HOME, METRICS)) == (
        True,
        False,
        True,
    )
    await client.associate(home)
    assert client.lets_in(HOME)
    await client.call("PUT", f"{RULE_SETS}/{home}", rule_set("203.0.113.9"))
    assert (client.lets_in(HOME), client.lets_in("203.0.113.9")) == (False, True)
    await client.call("DELETE", f"{RULE_SETS}/{office}", ignore_associations="true")
    assert (client.lets_in(OFFICE), client.lets_in("203.0.113.9")) == (False, True)
    await client.call("DELETE", f"{RULE_SETS}/{home}/associations/deployment/{LOGS}")
    assert client.lets_in(OFFICE)


async def test_what_is_kept_holds_after_a_restart(client: Client) -> None:
    """The book reads the records anew; a lost file of a node is written again."""
    await client.associate(await client.create(OFFICE))
    path = client.layout.deployment(LOGS).traffic_filter
    path.unlink()
    await client.filtering.book.refresh()
    assert (client.lets_in(OFFICE), client.lets_in(HOME)) == (True, False)
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_file_that_cannot_be_written_is_told(client: Client) -> None:
    """The change is kept and the door follows it; repeating it mends the rest."""
    rule_set_id = await client.create(OFFICE)
    path = client.layout.deployment(LOGS).traffic_filter
    path.mkdir()
    refused = await client.associate(rule_set_id)
    assert (refused.status, refused.code) == (500, "traffic_filter.not_applied")
    guard = client.filtering.book.guard_of(CLUSTER_OF[LOGS])
    assert guard.verdict(PortKind.DATA, parse_address_or_none(HOME)).is_denied
    path.rmdir()
    assert (await client.associate(rule_set_id)).status == 200
    assert (client.lets_in(OFFICE), client.lets_in(HOME)) == (True, False)


async def test_the_door_believes_the_load_balancers_of_the_settings(client: Client) -> None:
    """And asks the book about everybody."""
    door = DoorSettings(proxy_protocol_from=("10.0.0.0/8",), forwarded_for_from=("172.16.0.1",))
    made = EnvironmentSettings(
        directory=client.layout.directory,
        kind=EnvironmentKind.ENTERPRISE,
        domain="enterprise.localhost",
        scope_id=SCOPE,
        door=door,
    )
    admission = client.filtering.admission(made)
    told = [parse_address_or_none(text) for text in ("10.1.2.3", "172.16.0.1")]
    assert [admission.balancers.must_send_proxy_header(each) for each in told] == [True, False]
    assert [admission.balancers.may_tell_clients(each) for each in told] == [False, True]
    await client.associate(await client.create(OFFICE))
    asked = [admission.is_denied(CLUSTER_OF[LOGS], parse_address_or_none(each)) for each in (OFFICE, HOME)]
    assert asked == [False, True]


async def test_a_deleted_deployment_takes_its_associations_along(client: Client) -> None:
    """The rule set stays and can then be deleted."""
    rule_set_id = await client.create(OFFICE)
    await client.associate(rule_set_id)
    await client.records.remove(LOGS)
    told = await client.call("GET", f"{RULE_SETS}/{rule_set_id}/associations")
    assert told.body == {"associations": [], "total_associations": 0}
    assert (await client.call("DELETE", f"{RULE_SETS}/{rule_set_id}")).status == 200


async def test_new_deployments_get_default_rule_sets_and_those_they_ask_for(client: Client) -> None:
    """Deployments that were there before do not."""
    default = await client.create(OFFICE, include_by_default=True)
    asked, other = await client.create(HOME), await client.create("203.0.113.9")
    assert client.lets_in("203.0.113.9")
    await client.filtering.use_cases.associate_new(METRICS, [asked])
    assert set(await client.filtering.use_cases.rule_sets_of(METRICS)) == {default, asked}
    assert other not in await client.filtering.use_cases.rule_sets_of(METRICS)
    answers = [client.lets_in(address, METRICS) for address in (OFFICE, HOME, "203.0.113.9")]
    assert answers == [True, True, False]


async def test_nobody_locks_themselves_out_by_mistake(client: Client) -> None:
    """Each change after which the caller's own address could no longer come in needs force."""
    office, home = await client.create(OFFICE), await client.create(HOME)
    await client.associate(office)
    path = f"{RULE_SETS}/{office}"
    changes: list[tuple[str, str, Any, dict[str, str]]] = [
        ("PUT", path, rule_set(HOME), {}),
        ("PUT", path, rule_set(), {}),
        ("PUT", path, rule_set(type="remote_cluster", rules=[{"remote_cluster_org_id": SCOPE}]), {}),
    ]
    await client.associate(home)
    changes.append(("DELETE", path, None, {"ignore_associations": "true"}))
    changes.append(("DELETE", f"{path}/associations/deployment/{LOGS}", None, {}))
    for method, target, body, parameters in changes:
        refused = await client.call(method, target, body, peer=OFFICE, **parameters)
        assert (refused.status, refused.code) == (400, "traffic_filter.locks_out_caller"), (method, body)
        assert OFFICE in refused.message
        assert "force=true" in refused.message
        assert client.lets_in(OFFICE)
    forced = await client.call("PUT", path, rule_set("203.0.113.9"), peer=OFFICE, force="true")
    assert forced.status == 200
    assert not client.lets_in(OFFICE)


async def test_the_first_rule_set_can_lock_out_too(client: Client) -> None:
    """A deployment that let everybody in would no longer let the caller in."""
    rule_set_id = await client.create(HOME)
    assert (await client.associate(rule_set_id, peer=OFFICE)).code == "traffic_filter.locks_out_caller"
    assert (await client.associate(rule_set_id, peer=f"::ffff:{HOME}")).status == 201


@pytest.mark.parametrize("peer", [None, HOME])
async def test_whoever_is_not_let_in_now_or_has_no_address_is_not_asked(
    client: Client, peer: str | None
) -> None:
    """The local command line can undo what it did; who is outside already loses nothing."""
    rule_set_id = await client.create(OFFICE)
    await client.associate(rule_set_id)
    changed = await client.call("PUT", f"{RULE_SETS}/{rule_set_id}", rule_set("203.0.113.9"), peer=peer)
    assert changed.status == 200


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


class _Api:
    async def handle(self, request: Request) -> Response:
        return Response(401, request.path.encode())

    async def admit(self, head: Request) -> Response | None:  # noqa: ARG002 - as the protocol has it
        return Response(401)

    def refuse(self, failure: Failure) -> Response:
        return cloud_failure_response(failure)

    def may_be_abandoned(self, method: str, path: str) -> bool:  # noqa: ARG002 - as the protocol has it
        return method == "GET"


async def test_egress_addresses_are_published_to_everybody() -> None:
    """In the shape that Elastic publishes; every other path is the platform API's as before."""
    publisher = EgressPublisher(_Api(), "local-region", ("203.0.113.7", "2001:db8::/64"))
    found = await publisher.handle(Request("GET", "/egress.json"))
    assert found.status == 200
    assert found.content_type == "application/json"
    assert isinstance(found.body, bytes)
    assert json.loads(found.body) == {"regions": {"local-region": ["203.0.113.7", "2001:db8::/64"]}}
    assert (await publisher.handle(Request("POST", "/egress.json"))).status == 405
    assert (await publisher.handle(Request("GET", "/api/v1/deployments"))).status == 401
    assert (await publisher.handle(Request("GET", "/egress.json/x"))).status == 401
