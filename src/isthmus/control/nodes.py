"""What the platform needs of whoever runs the nodes, and what a node is told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

import msgspec

from isthmus.control.failures import node_unavailable
from isthmus.control.layout import EnvironmentLayout
from isthmus.control.records import Deployment
from isthmus.settings import EnvironmentSettings, NodeSettings


class NodeStatus(Enum):
    """The state of a node's process; the values are the platform API's ``status``."""

    INITIALIZING = "initializing"
    STARTED = "started"
    REBOOTING = "rebooting"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class NodeState:
    """A status; the port of the node's own listener once it has started, if it has one.

    ``failures`` counts the starts in a row that the node did not survive.
    """

    status: NodeStatus
    loopback_port: int | None = None
    failures: int = 0


class Nodes(Protocol):
    """Runs the nodes of the deployments; looks at the records whenever the bell rings."""

    def state(self, deployment_id: str) -> NodeState:
        """Answer the state now; STOPPED for one never heard of."""
        ...

    def ring(self) -> None:
        """Tell that a record has changed."""
        ...

    async def reconciled(self) -> None:
        """Return once the records as they are now have been acted on: the door knows what they say."""
        ...

    async def restart(self, deployment_id: str) -> None:
        """Stop and start the node in order if it runs; return once it has stopped."""
        ...

    async def stopped(self, deployment_id: str) -> None:
        """Return once no process of that deployment runs (which its record must want)."""
        ...

    async def call(self, deployment_id: str, method: str, path: str, body: Any = None) -> Any:
        """Ask the deployment's data API something in the platform's own name; answer the parsed body.

        Raises a failure of kind UNAVAILABLE where no node answers, NOT_FOUND for a 404, and INTERNAL
        for what else the node refuses.
        """
        ...


class NoNodes:
    """The nodes of an environment that is not being served: none runs."""

    def state(self, deployment_id: str) -> NodeState:  # noqa: ARG002 - one answer for all
        """Answer that it does not run."""
        return NodeState(NodeStatus.STOPPED)

    def ring(self) -> None:
        """Do nothing: whoever serves the environment next reads the records."""

    async def reconciled(self) -> None:
        """Do nothing."""

    async def restart(self, deployment_id: str) -> None:
        """Do nothing."""

    async def stopped(self, deployment_id: str) -> None:
        """Do nothing."""

    async def call(self, deployment_id: str, method: str, path: str, body: Any = None) -> Any:  # noqa: ARG002 - nobody is there to ask
        """Raise that no node answers."""
        raise node_unavailable(deployment_id)


def node_settings(settings: EnvironmentSettings, deployment: Deployment, socket_folder: Path) -> NodeSettings:
    """Answer what the node of this deployment is told."""
    environment = EnvironmentLayout(settings.directory)
    layout = environment.deployment(deployment.id)
    proxy = environment.server("proxy")
    # Twelve of the 32 digits: a Unix socket's whole path may have 107 characters.
    short_id = deployment.id[:12]
    return NodeSettings(
        directory=layout.directory,
        deployment_id=deployment.id,
        deployment_name=deployment.name,
        cluster_id=deployment.cluster_id,
        node_id=deployment.node_id,
        scope_id=settings.scope_id,
        domain=settings.domain,
        proxy_certificate_path=proxy.certificate,
        proxy_key_path=proxy.key,
        transport_certificate_path=layout.node_certificate.certificate,
        transport_key_path=layout.node_certificate.key,
        transport_authority_path=environment.transport_authorities,
        trusted_authorities_path=layout.trusted,
        keystore_path=layout.keystore,
        keystore_key_path=layout.keystore_key,
        handover_socket_path=socket_folder / f"{short_id}.door",
        local_socket_path=socket_folder / f"{short_id}.http",
        control_socket_path=socket_folder / f"{short_id}.ctl",
        audit_log_path=environment.audit_log(deployment.id),
        data_port=settings.ports.data,
        transport_port=settings.ports.transport,
        remote_cluster_port=settings.ports.remote_cluster,
        kind=settings.kind,
        loopback_port=deployment.loopback_port,
        loopback_encrypted=deployment.loopback_encrypted,
    )


def encode_node_settings(settings: NodeSettings) -> bytes:
    """Answer the content of ``node.json``."""
    return msgspec.json.format(msgspec.json.encode(settings, enc_hook=str)) + b"\n"


def decode_node_settings(content: bytes) -> NodeSettings:
    """Answer what ``node.json`` says; raises :class:`msgspec.ValidationError` where it is not valid."""
    return msgspec.json.decode(content, type=NodeSettings, dec_hook=_decode_path)


def _decode_path(expected: type, value: Any) -> Path:
    if expected is not Path or not isinstance(value, str):
        raise TypeError(
            f"Expected `{expected.__name__}`"
        )  # msgspec makes it a ValidationError that says where
    return Path(value)
