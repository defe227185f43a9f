"""The platform API without a server, for the tests of its handlers."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from isthmus.app.initialise import Initialised, initialise
from isthmus.app.platform import Platform, PlatformParts, build_platform, open_database
from isthmus.app.traffic_filters import build_traffic_filtering
from isthmus.clock import SystemClock
from isthmus.control.nodes import NodeState, NodeStatus, NoNodes
from isthmus.rest.http import Request
from isthmus.settings import EnvironmentKind, Ports
from isthmus.store.environment_records import SqlDeploymentRecords

PORTS = Ports(platform=1, data=2, transport=3, remote_cluster=4)


@dataclass
class Answer:
    """A response, parsed."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def code(self) -> str:
        """The code of the one error; checks the shape of errors on the way."""
        (error,) = self.body["errors"]
        assert set(error) <= {"code", "message", "fields"}
        assert error["message"]
        assert self.headers["x-cloud-error-codes"] == error["code"]
        return str(error["code"])


class SteeredNodes(NoNodes):
    """Nodes whose states a test sets; those of which it says nothing are stopped."""

    def __init__(self) -> None:
        self.states: dict[str, NodeState] = {}

    def state(self, deployment_id: str) -> NodeState:
        return self.states.get(deployment_id, NodeState(NodeStatus.STOPPED))

    def starts(self, deployment_id: str) -> None:
        """Let this node have started."""
        self.states[deployment_id] = NodeState(NodeStatus.STARTED)

    async def stopped(self, deployment_id: str) -> None:
        self.states.pop(deployment_id, None)

    async def restart(self, deployment_id: str) -> None:
        if deployment_id in self.states:
            self.states[deployment_id] = NodeState(NodeStatus.REBOOTING)


class Client:
    """Calls the API without a server."""

    def __init__(self, made: Initialised, platform: Platform, nodes: SteeredNodes) -> None:
        self.made = made
        self.platform = platform
        self.api = platform.api
        self.trusted = platform.trusted_api
        self.nodes = nodes

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content: bytes | None = None,
        parameters: dict[str, str] | None = None,
    ) -> Answer:
        """Call as the local command line does: without credentials."""
        if content is None:
            content = b"" if body is None else json.dumps(body).encode()
        request = Request(method, f"/api/v1{path}", parameters or {}, body=content)
        return _parsed(await self.trusted.handle(request))

    async def as_user(self, method: str, path: str, authorization: str, body: Any = None) -> Answer:
        """Call with that header, as over the network."""
        headers = {"authorization": authorization} if authorization else {}
        content = b"" if body is None else json.dumps(body).encode()
        return _parsed(await self.api.handle(Request(method, path, {}, headers, content)))

    @property
    def basic(self) -> str:
        """The administrator's header."""
        return basic("admin", self.made.admin_password)


def basic(username: str, password: str) -> str:
    """Answer the header for these."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def _parsed(response: Any) -> Answer:
    assert response.content_type == "application/json"
    return Answer(response.status, json.loads(response.body), dict(response.headers))


@pytest.fixture(scope="session", name="template")
def template_(tmp_path_factory: pytest.TempPathFactory) -> Initialised:
    """Answer a new environment, to be copied: making one takes a while."""
    return initialise(tmp_path_factory.mktemp("cloud") / "ece", EnvironmentKind.ENTERPRISE)


@pytest.fixture(name="client")
async def client_(template: Initialised, tmp_path: Path) -> AsyncIterator[Client]:
    """Answer a client of a new enterprise environment, no node of which runs."""
    directory = shutil.copytree(template.settings.directory, tmp_path / "ece")
    made = Initialised(
        msgspec.structs.replace(template.settings, directory=directory), template.admin_password
    )
    database = open_database(made.settings)
    records, nodes, clock = SqlDeploymentRecords(database), SteeredNodes(), SystemClock()
    filtering = build_traffic_filtering(made.settings, database, records, clock)
    parts = PlatformParts(made.settings, PORTS, database, records, nodes, filtering.use_cases, clock)
    platform = build_platform(parts)
    yield Client(made, platform, nodes)
    database.close()


async def create(client: Client, **members: Any) -> dict[str, Any]:
    """Make a deployment and answer the reply."""
    answer = await client.call("POST", "/deployments", {"name": "logs", **members})
    assert answer.status == 201, answer.body
    assert isinstance(answer.body, dict)
    return answer.body


async def info_of(client: Client, deployment_id: str) -> Any:
    """Answer the info of the deployment's resource, with its settings."""
    answer = await client.call("GET", f"/deployments/{deployment_id}", parameters={"show_settings": "true"})
    return answer.body["resources"]["elasticsearch"][0]["info"]
