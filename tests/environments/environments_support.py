"""What the tests with real environments share besides fixtures."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from isthmus.sandbox import Deployment, Environment, Sandbox
from isthmus.sandbox.client import JsonClient


@dataclass(frozen=True)
class Side:
    """One environment with its deployment, and clients for both."""

    environment: Environment
    deployment: Deployment
    client: JsonClient
    platform: JsonClient


def side_of(sandbox: Sandbox, environment: Environment) -> Side:
    """Answer an environment with clients of its own."""
    deployment = environment.deployments[0]
    return Side(environment, deployment, sandbox.client(deployment), sandbox.platform_client(environment))


def key_client(deployment: Deployment, encoded_key: str) -> JsonClient:
    """Answer a client of a deployment's REST API that shows an API key."""
    parts = urlsplit(deployment.url)
    context = ssl.create_default_context(cafile=deployment.ca)
    connection = http.client.HTTPSConnection(str(parts.hostname), parts.port, timeout=60, context=context)
    return JsonClient(connection, f"ApiKey {encoded_key}")


def until(condition: Callable[[], Any], what: str, timeout_seconds: float = 15.0) -> Any:
    """Answer the condition's value as soon as it is true; fails the test when that takes too long."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout_seconds} s in vain for: {what}")
        time.sleep(0.05)


def last_error(side: Side, alias: str) -> dict[str, Any]:
    """Answer why this remote is not connected, once that is known."""

    def error() -> Any:
        information = side.client.call("GET", "/_remote/info")[alias]
        assert information["connected"] is False
        return information["isthmus"].get("last_error")

    found: dict[str, Any] = until(error, f"an error of {alias}")
    return found
