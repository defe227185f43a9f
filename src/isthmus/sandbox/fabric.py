"""What a sandbox holds, as plain values: environments, their deployments, how to reach them.

Certificate authorities are given twice: as the path of a PEM file (what ``curl --cacert`` and
most clients take) and as PEM text, in the ``*_pem`` member beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class SecurityModel(Enum):
    """How the environments of a sandbox trust each other."""

    API_KEY = "api_key"
    CERTIFICATE = "certificate"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Administrator:
    """Who may use the platform API of an environment."""

    user: str
    password: str = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """Answer the form that ``isthmus sandbox --json`` prints."""
        return {"user": self.user, "password": self.password}


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment. ``url`` is on loopback and needs no name server.

    ``alias_for_others`` is what deployments of the other environments call it; ``remotes`` are the
    aliases that this one has for others. ``proxy_address`` and ``server_name`` are what a remote
    cluster in proxy mode is configured with.
    """

    id: str
    name: str
    cluster_id: str
    alias_for_others: str
    url: str
    username: str
    password: str = field(repr=False)
    ca: str
    ca_pem: str = field(repr=False)
    proxy_address: str
    server_name: str
    remotes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Answer the form that ``isthmus sandbox --json`` prints."""
        return {
            "id": self.id,
            "name": self.name,
            "cluster_id": self.cluster_id,
            "alias_for_others": self.alias_for_others,
            "url": self.url,
            "username": self.username,
            "password": self.password,
            "ca": self.ca,
            "ca_pem": self.ca_pem,
            "proxy_address": self.proxy_address,
            "server_name": self.server_name,
            "remotes": list(self.remotes),
        }


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment and its deployments. ``directory`` is what ``isthmus serve`` runs on."""

    kind: str
    scope_id: str
    directory: str
    platform_url: str
    proxy_ca: str
    proxy_ca_pem: str = field(repr=False)
    transport_ca: str
    transport_ca_pem: str = field(repr=False)
    admin: Administrator
    deployments: tuple[Deployment, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Answer the form that ``isthmus sandbox --json`` prints."""
        return {
            "kind": self.kind,
            "scope_id": self.scope_id,
            "directory": self.directory,
            "platform_url": self.platform_url,
            "proxy_ca": self.proxy_ca,
            "proxy_ca_pem": self.proxy_ca_pem,
            "transport_ca": self.transport_ca,
            "transport_ca_pem": self.transport_ca_pem,
            "admin": self.admin.as_json(),
            "deployments": [deployment.as_json() for deployment in self.deployments],
        }


@dataclass(frozen=True, slots=True)
class Fabric:
    """Every environment of a sandbox."""

    environments: tuple[Environment, ...]

    def as_json(self) -> dict[str, Any]:
        """Answer the form that ``isthmus sandbox --json`` prints."""
        return {"environments": [environment.as_json() for environment in self.environments]}
