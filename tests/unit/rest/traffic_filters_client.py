"""Calls the handlers of rule sets, without a server: what door and node make of it can be asked, too."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

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
from isthmus.rest.http import Peer, Request
from isthmus.settings import EnvironmentKind, EnvironmentSettings
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


class FiltersClient:
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


@pytest.fixture(name="filters")
async def filters_(tmp_path: Path) -> AsyncIterator[FiltersClient]:
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
    yield FiltersClient(tmp_path, router, filtering, records)
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
