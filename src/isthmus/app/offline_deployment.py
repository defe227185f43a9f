"""Putting a deployment into an environment that does not run yet, so that both start at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import orjson

from isthmus.app.platform import offline_platform
from isthmus.rest.http import Request, Response
from isthmus.settings import EnvironmentSettings


@dataclass(frozen=True, slots=True)
class NewNode:
    """What is known of a deployment before it runs."""

    id: str
    password: str = field(repr=False)


def create_deployment(settings: EnvironmentSettings, name: str, *, encrypted: bool) -> NewNode:
    """Make a deployment with a loopback listener on a free port; it starts with its environment.

    Raises ``RuntimeError`` with the platform's own words where it cannot be made.
    """
    body = {"name": name, "isthmus": {"loopback_port": 0, "insecure_http": not encrypted}}
    response = asyncio.run(_post(settings, "/api/v1/deployments", orjson.dumps(body)))
    answer = orjson.loads(response.body) if isinstance(response.body, bytes) else {}
    if response.status != 201:  # noqa: PLR2004 - created
        raise RuntimeError(f"the deployment cannot be made: {answer}")
    return NewNode(answer["id"], answer["resources"][0]["credentials"]["password"])


async def _post(settings: EnvironmentSettings, path: str, body: bytes) -> Response:
    async with offline_platform(settings) as platform:
        return await platform.handle(Request("POST", path, body=body))
