"""Start connected environments in a temporary folder, and remove every trace of them afterwards."""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from isthmus.app.initialise import Initialised, initialise
from isthmus.app.offline_deployment import NewNode, create_deployment
from isthmus.control.layout import EnvironmentLayout
from isthmus.sandbox import trust
from isthmus.sandbox.client import JsonClient
from isthmus.sandbox.fabric import Administrator, Deployment, Environment, Fabric, SecurityModel
from isthmus.sandbox.process import ServingProcess
from isthmus.settings import EnvironmentKind, Ports

_KINDS: Final = (EnvironmentKind.HOSTED, EnvironmentKind.ENTERPRISE)
_START_TIMEOUT_SECONDS: Final = 60.0
_CONNECT_TIMEOUT_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.02
MAXIMUM_ENVIRONMENTS: Final = 16


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """What to start. Without ``kinds``, environments are hosted and enterprise in turn.

    Raises ``ValueError`` for what cannot be started.
    """

    environments: int = 2
    kinds: tuple[EnvironmentKind, ...] = ()
    model: SecurityModel = SecurityModel.API_KEY
    insecure_http: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.environments <= MAXIMUM_ENVIRONMENTS:
            raise ValueError(f"a sandbox has 1 to {MAXIMUM_ENVIRONMENTS} environments")

    def kind_of(self, number: int) -> EnvironmentKind:
        """Answer the kind of the environment of this number (from 0)."""
        kinds = self.kinds or _KINDS
        return kinds[number % len(kinds)]


@dataclass(frozen=True, slots=True)
class _Started:
    """An environment that runs, with its one deployment, before the connections are made."""

    environment: Environment
    platform: JsonClient
    local: JsonClient

    @property
    def deployment(self) -> Deployment:
        return self.environment.deployments[0]


class Sandbox:
    """Connected environments, as a context manager: they run inside the ``with`` block.

    Every environment has one deployment. With the model ``api_key`` each deployment has every
    other one as a remote cluster, in proxy mode, with a key of its own that may search everything.
    With ``certificate`` they trust each other's environment by its transport authority instead, and every
    deployment has the role ``remote-search``, with which users search everything on the others.
    ``on_step`` is told in words what is being done.
    """

    def __init__(
        self, options: SandboxOptions | None = None, on_step: Callable[[str], None] | None = None
    ) -> None:
        self.options = options or SandboxOptions()
        self._on_step = on_step or (lambda _step: None)
        self._directory: Path | None = None
        self._processes: list[ServingProcess] = []
        self._clients: list[JsonClient] = []
        self._fabric: Fabric | None = None

    @property
    def fabric(self) -> Fabric:
        """What runs now; raises ``RuntimeError`` outside of the ``with`` block."""
        if self._fabric is None:
            raise RuntimeError("the sandbox is not running")
        return self._fabric

    def platform_client(self, environment: Environment) -> JsonClient:
        """Answer a client of an environment's platform API that needs no password."""
        client = JsonClient.for_unix_socket(EnvironmentLayout(Path(environment.directory)).control_socket)
        self._clients.append(client)
        return client

    def client(self, deployment: Deployment) -> JsonClient:
        """Answer a client of a deployment's data API, signed in as its superuser."""
        client = JsonClient.for_url(deployment.url, deployment.username, deployment.password, deployment.ca)
        self._clients.append(client)
        return client

    def __enter__(self) -> Self:
        self._directory = Path(tempfile.mkdtemp(prefix="isthmus-"))
        try:
            self._fabric = self._start(self._directory)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop every process and remove the folder. Safe to call again."""
        self._fabric = None
        for client in self._clients:
            client.close()
        self._clients.clear()
        for process in self._processes:
            process.ask_to_stop()
        for process in self._processes:
            process.wait_until_stopped()
        self._processes.clear()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def _start(self, directory: Path) -> Fabric:
        self._on_step("making the environments and their certificate authorities")
        names = environment_names([self.options.kind_of(n) for n in range(self.options.environments)])
        initialised = [
            initialise(
                directory / name,
                self.options.kind_of(number),
                domain=f"{name}.localhost",
                ports=Ports(platform=0, data=0, transport=0, remote_cluster=0),
            )
            for number, name in enumerate(names)
        ]
        nodes = [
            create_deployment(made.settings, name, encrypted=not self.options.insecure_http)
            for made, name in zip(initialised, names, strict=True)
        ]
        self._on_step("starting the environments and a deployment in each")
        for made in initialised:
            self._processes.append(ServingProcess.start(made.settings.directory))
        with ThreadPoolExecutor(len(initialised)) as executor:
            started = list(executor.map(self._wait_until_started, initialised, nodes, names, self._processes))
        if self.options.model is not SecurityModel.NONE and len(started) > 1:
            self._on_step("connecting every deployment with every other one")
            with ThreadPoolExecutor(len(started)) as executor:
                list(executor.map(lambda local: self._connect_to_others(local, started), started))
            started = [_with_remotes(local, started) for local in started]
        return Fabric(tuple(each.environment for each in started))

    def _wait_until_started(
        self, made: Initialised, node: NewNode, name: str, process: ServingProcess
    ) -> _Started:
        layout = EnvironmentLayout(made.settings.directory)
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        platform, ports = _wait_for_platform(layout, process, deadline)
        self._clients.append(platform)
        information = _wait_for_node(platform, node.id, process, deadline)
        cluster_id = information["cluster_id"]
        proxy_ca = layout.authority("proxy").certificate
        transport_ca = layout.authority("transport").certificate
        deployment = Deployment(
            id=node.id,
            name=name,
            cluster_id=cluster_id,
            alias_for_others=name,
            url=str(_loopback_url_or_none(information)),
            username="elastic",
            password=node.password,
            ca=str(proxy_ca),
            ca_pem=proxy_ca.read_text(),
            proxy_address=f"127.0.0.1:{ports[self._port_for_others]}",
            server_name=f"{cluster_id}.{made.settings.domain}",
        )
        environment = Environment(
            kind=made.settings.kind.value,
            scope_id=made.settings.scope_id,
            directory=str(made.settings.directory),
            platform_url=f"https://127.0.0.1:{ports['platform']}",
            proxy_ca=str(proxy_ca),
            proxy_ca_pem=proxy_ca.read_text(),
            transport_ca=str(transport_ca),
            transport_ca_pem=transport_ca.read_text(),
            admin=Administrator("admin", made.admin_password),
            deployments=(deployment,),
        )
        return _Started(environment, platform, self.client(deployment))

    @property
    def _port_for_others(self) -> str:
        return "transport" if self.options.model is SecurityModel.CERTIFICATE else "remote_cluster"

    def _connect_to_others(self, local: _Started, started: Sequence[_Started]) -> None:
        others = [other for other in started if other is not local]
        if self.options.model is SecurityModel.CERTIFICATE:
            trust.trust_environments(
                local.platform, local.deployment.id, [other.environment for other in others]
            )
            trust.create_search_role(local.local)
        else:
            self._exchange_keys(local, others)
        for other in others:
            alias = other.deployment.alias_for_others
            trust.connect(local.local, alias, other.deployment.proxy_address, other.deployment.server_name)
        aliases = tuple(other.deployment.alias_for_others for other in others)
        trust.wait_until_connected(local.local, aliases, _CONNECT_TIMEOUT_SECONDS)

    def _exchange_keys(self, local: _Started, others: Sequence[_Started]) -> None:
        authorities = {other.deployment.name: other.environment.proxy_ca_pem for other in others}
        trust.trust_authorities(local.platform, local.deployment.id, authorities)
        for other in others:
            # A client serves one thread: each thread makes its own for the other side.
            remote = self.client(other.deployment)
            alias = other.deployment.alias_for_others
            key = trust.create_cross_cluster_key(remote, f"{local.deployment.name}-to-{alias}")
            trust.put_key(local.platform, local.deployment.id, alias, key)


def environment_names(kinds: Sequence[EnvironmentKind]) -> list[str]:
    """Answer a name for each environment: its kind, with a number from the second of its kind on."""
    counters = {kind: itertools.count(1) for kind in EnvironmentKind}
    names = []
    for kind in kinds:
        number = next(counters[kind])
        names.append(kind.value if number == 1 else f"{kind.value}-{number}")
    return names


def _with_remotes(local: _Started, started: Sequence[_Started]) -> _Started:
    aliases = tuple(other.deployment.alias_for_others for other in started if other is not local)
    deployment = replace(local.deployment, remotes=aliases)
    return replace(local, environment=replace(local.environment, deployments=(deployment,)))


def _wait_for_platform(
    layout: EnvironmentLayout, process: ServingProcess, deadline: float
) -> tuple[JsonClient, dict[str, int]]:
    while not layout.ports.exists():
        process.check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"the environment in {layout.directory} did not start: {process.last_words()}")
        time.sleep(_POLL_SECONDS)
    return JsonClient.for_unix_socket(layout.control_socket), json.loads(layout.ports.read_text())


def _wait_for_node(
    platform: JsonClient, deployment_id: str, process: ServingProcess, deadline: float
) -> dict[str, Any]:
    while True:
        deployment = platform.call("GET", f"/api/v1/deployments/{deployment_id}")
        information: dict[str, Any] = deployment["resources"]["elasticsearch"][0]["info"]
        if information["status"] == "started" and _loopback_url_or_none(information):
            return information
        process.check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"deployment {deployment_id} did not start: {process.last_words()}")
        time.sleep(_POLL_SECONDS)


def _loopback_url_or_none(information: dict[str, Any]) -> str | None:
    """Answer where a node listens on loopback; nowhere as long as it does not run."""
    services = information["metadata"].get("services_urls", ())
    return next((each["url"] for each in services if each["service"] == "loopback"), None)
