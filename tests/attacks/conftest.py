"""Two environments under attack, with something in them that is worth having."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from environments_support import Side, key_client, put_documents, side_of

from isthmus.sandbox import Fabric, Sandbox
from isthmus.sandbox.client import JsonClient

#: stands in hidden fields and documents: no answer to an attacker may hold it
TREASURE = "treasure-0f1e2d3c"
_PROPERTIES = {
    "team": {"type": "keyword"},
    "message": {"type": "text", "fields": {"keyword": {"type": "keyword"}}},
    "secret": {"type": "keyword"},
    "salary": {"type": "integer"},
    "inner": {"properties": {"open": {"type": "keyword"}, "hidden": {"type": "keyword"}}},
}
_DOCUMENTS: dict[str, dict[str, Any]] = {
    "mine": {
        "team": "red",
        "message": "hello red",
        "secret": TREASURE,
        "salary": 31337,
        "inner": {"open": "yes", "hidden": TREASURE},
    },
    "theirs": {
        "team": "blue",
        "message": f"hello {TREASURE}",
        "secret": TREASURE,
        "salary": 4711,
        "inner": {"open": TREASURE, "hidden": TREASURE},
    },
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder: it starts real processes."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.environments)


@pytest.fixture(scope="session")
def local(isthmus_sandbox: Sandbox, isthmus_fabric: Fabric) -> Side:
    """Answer the hosted side."""
    return side_of(isthmus_sandbox, isthmus_fabric.environments[0])


@pytest.fixture(scope="session")
def remote(isthmus_sandbox: Sandbox, isthmus_fabric: Fabric) -> Side:
    """Answer the enterprise side: the one that is attacked, unless a test says otherwise."""
    return side_of(isthmus_sandbox, isthmus_fabric.environments[1])


@pytest.fixture(scope="session")
def vault(remote: Side) -> Iterator[str]:
    """Make ``vault-<x>`` (what a key or user gets) and ``hoard-<x>`` (what nobody gets); answer ``<x>``."""
    mark = uuid.uuid4().hex[:8]
    for prefix in ("vault", "hoard"):
        name = f"{prefix}-{mark}"
        remote.client.call("PUT", f"/{name}", {"mappings": {"properties": _PROPERTIES}})
        put_documents(remote.client, name, _DOCUMENTS)
    aliases = [
        {"add": {"index": f"hoard-{mark}", "alias": f"loot-{mark}"}},
        {"add": {"index": f"vault-{mark}", "alias": f"door-{mark}"}},
    ]
    remote.client.call("POST", "/_aliases", {"actions": aliases})
    yield mark
    for prefix in ("vault", "hoard"):
        remote.client.call("DELETE", f"/{prefix}-{mark}")


@pytest.fixture(scope="session")
def narrow_key(remote: Side, vault: str) -> str:
    """Answer a valid cross-cluster key (encoded) that reads ``vault-<x>`` alone."""
    access = {"search": [{"names": [f"vault-{vault}"]}]}
    body = {"name": f"narrow-{vault}", "access": access}
    return str(remote.client.call("POST", "/_security/cross_cluster/api_key", body)["encoded"])


@pytest.fixture
def as_key(remote: Side) -> Iterator[Callable[[str], JsonClient]]:
    """Answer a function from an encoded API key to a client of the remote side's REST API."""
    with ExitStack() as stack:
        yield lambda encoded: stack.enter_context(closing(key_client(remote.deployment, encoded)))


@pytest.fixture(scope="module")
def make_user(remote: Side) -> Iterator[Callable[..., JsonClient]]:
    """Answer a function that makes a user with one role (its body as arguments) and answers a client."""
    made: list[tuple[str, JsonClient]] = []

    def make(**role: Any) -> JsonClient:
        name = f"attacker-{uuid.uuid4().hex[:8]}"
        remote.client.call("PUT", f"/_security/role/{name}", role)
        remote.client.call("PUT", f"/_security/user/{name}", {"password": "correct horse", "roles": [name]})
        client = remote.client_of(name, "correct horse")
        made.append((name, client))
        return client

    yield make
    for name, client in made:
        client.close()
        remote.client.call("DELETE", f"/_security/user/{name}")
        remote.client.call("DELETE", f"/_security/role/{name}")
