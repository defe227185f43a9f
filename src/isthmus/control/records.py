"""What the platform remembers, and what it needs of whoever keeps it."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

import msgspec

from isthmus.control.identity import REF_ID
from isthmus.control.trust_records import TrustSettings
from isthmus.exchange import JsonObject, Record


class WantedState(Enum):
    """What a deployment's node is meant to do."""

    STARTED = "started"
    STOPPED = "stopped"


class RemoteCluster(Record, frozen=True, kw_only=True):
    """Another deployment of this environment that a deployment has as a remote cluster."""

    deployment_id: str
    ref_id: str
    alias: str
    skip_unavailable: bool = False


class Deployment(Record, frozen=True, kw_only=True):
    """One deployment: one node. ``revision`` counts the changes to it, from 1.

    ``loopback_port`` None means no listener of the node's own, 0 any free port.
    ``request_id`` is the caller's token that makes a repeated creation harmless.
    """

    id: str
    name: str
    cluster_id: str
    node_id: str
    region: str
    version: str
    created_milliseconds: int
    modified_milliseconds: int
    revision: int = 1
    ref_id: str = REF_ID
    wanted: WantedState = WantedState.STARTED
    loopback_port: int | None = None
    loopback_encrypted: bool = True
    request_id: str | None = None
    plan: JsonObject = {}
    trust: TrustSettings = TrustSettings()
    tags: tuple[tuple[str, str], ...] = ()
    remote_clusters: tuple[RemoteCluster, ...] = ()

    def changed(self, now_milliseconds: int, **members: object) -> Deployment:
        """Answer the next revision, with these members replaced."""
        return msgspec.structs.replace(
            self, revision=self.revision + 1, modified_milliseconds=now_milliseconds, **members
        )


class DeploymentRecords(Protocol):
    """Where deployments are kept. Every write is durable once it returns."""

    async def all(self) -> tuple[Deployment, ...]:
        """Answer all deployments, the oldest first."""
        ...

    async def find_or_none(self, deployment_id: str) -> Deployment | None:
        """Answer the deployment of that id."""
        ...

    async def find_by_request_or_none(self, request_id: str) -> Deployment | None:
        """Answer the deployment that was created with that request id."""
        ...

    async def add(self, deployment: Deployment) -> None:
        """Keep a new deployment."""
        ...

    async def replace(self, deployment: Deployment) -> bool:
        """Keep the next revision; answer False, and change nothing, unless the one before is kept now."""
        ...

    async def remove(self, deployment_id: str) -> None:
        """Forget the deployment; one that is not there is no error."""
        ...
