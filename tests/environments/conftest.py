"""What the tests with real environments share: clients, and remotes that are wrong in one way."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from environments_corpus import Corpus, loaded_corpus
from environments_support import LOGS, Side, added_remote, put_documents, side_of

from isthmus.sandbox import Fabric, Sandbox


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder: it starts real processes."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.environments)


@pytest.fixture(scope="session")
def local(isthmus_sandbox: Sandbox, isthmus_fabric: Fabric) -> Side:
    """Answer the hosted side, from which searches start."""
    return side_of(isthmus_sandbox, isthmus_fabric.environments[0])


@pytest.fixture(scope="session")
def remote(isthmus_sandbox: Sandbox, isthmus_fabric: Fabric) -> Side:
    """Answer the enterprise side, which is searched."""
    return side_of(isthmus_sandbox, isthmus_fabric.environments[1])


@pytest.fixture(scope="session")
def corpus(local: Side, remote: Side) -> Iterator[Corpus]:
    """Answer 600 documents, split over both sides and whole in one index."""
    with loaded_corpus(local, remote) as corpus:
        yield corpus


@pytest.fixture
def index(local: Side, remote: Side) -> Iterator[str]:
    """Answer the name of an index that holds one document on each side: ``{"side": "local"|"remote"}``."""
    name = f"index-{uuid.uuid4().hex[:8]}"
    for side, word in ((local, "local"), (remote, "remote")):
        side.client.call("PUT", f"/{name}", {"mappings": {"properties": {"side": {"type": "keyword"}}}})
        side.client.call("PUT", f"/{name}/_doc/1?refresh=true", {"side": word})
    yield name
    for side in (local, remote):
        side.client.call("DELETE", f"/{name}")


@pytest.fixture(scope="session")
def logs(remote: Side) -> Iterator[str]:
    """Make ``logs-app-1``, ``logs-web-1`` and ``metrics-1`` on the remote side, three documents each."""
    names = ("logs-app-1", "logs-web-1", "metrics-1")
    properties = {
        "team": {"type": "keyword"},
        "message": {"type": "text"},
        "secret": {"type": "keyword"},
        "level": {"type": "integer"},
    }
    for name in names:
        remote.client.call("PUT", f"/{name}", {"mappings": {"properties": properties}})
        put_documents(remote.client, name, LOGS)
    yield "logs-*"
    for name in names:
        remote.client.call("DELETE", f"/{name}")


@pytest.fixture
def add_remote(local: Side, remote: Side) -> Iterator[Callable[..., str]]:
    """Answer a function that adds one more remote to the local side and answers its alias.

    It is the real one in everything that is not given otherwise. Removed after the test.
    """
    with ExitStack() as stack:

        def add(**options: Any) -> str:
            return stack.enter_context(added_remote(local, remote, **options))

        yield add
