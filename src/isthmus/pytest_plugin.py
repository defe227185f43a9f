"""The pytest plugin: ``isthmus_fabric`` gives a test suite connected environments.

::

    def test_search(isthmus_fabric):
        hosted, enterprise = isthmus_fabric.environments
        deployment = hosted.deployments[0]     # .url, .username, .password, .ca, .remotes

Both fixtures last for the session. What to start is set in the configuration file::

    isthmus_environments = 3
    isthmus_model = none
    isthmus_insecure_http = true
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from isthmus.sandbox import Fabric, Sandbox


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the settings of the configuration file."""
    parser.addini("isthmus_environments", "how many environments isthmus_fabric starts", default="2")
    parser.addini("isthmus_model", "how they trust each other: api_key or none", default="api_key")
    parser.addini("isthmus_insecure_http", "deployments answer plain HTTP", type="bool", default=False)


@pytest.fixture(scope="session")
def isthmus_sandbox(pytestconfig: pytest.Config) -> Iterator[Sandbox]:
    """Run connected environments for the whole session; answers the sandbox with clients for them."""
    from isthmus.sandbox import Sandbox, SandboxOptions, SecurityModel  # only suites that use it pay for it

    options = SandboxOptions(
        environments=int(pytestconfig.getini("isthmus_environments")),
        model=SecurityModel(pytestconfig.getini("isthmus_model")),
        insecure_http=bool(pytestconfig.getini("isthmus_insecure_http")),
    )
    with Sandbox(options) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def isthmus_fabric(isthmus_sandbox: Sandbox) -> Fabric:
    """Answer the environments that run: their deployments, addresses, passwords and authorities."""
    return isthmus_sandbox.fabric
