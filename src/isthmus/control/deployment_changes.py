"""What callers want of deployments, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from isthmus.control.failures import invalid_field
from isthmus.control.records import Deployment, RemoteCluster
from isthmus.control.trust_records import TrustSettings
from isthmus.exchange import JsonObject
from isthmus.security.secret import Secret

_MAXIMUM_NAME_CHARACTERS: Final = 255


@dataclass(frozen=True, slots=True)
class NewDeployment:
    """What a caller wants; ``secrets`` go into the keystore.

    A ``name`` of None is the id that the deployment gets, a ``trust`` of None the default one.
    """

    name: str | None = None
    loopback_port: int | None = None
    loopback_encrypted: bool = True
    request_id: str | None = None
    plan: JsonObject = field(default_factory=dict)
    trust: TrustSettings | None = None
    tags: tuple[tuple[str, str], ...] = ()
    rule_sets: tuple[str, ...] = ()
    remote_clusters: tuple[RemoteCluster, ...] = ()
    secrets: Mapping[str, Secret | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeploymentChanges:
    """What of a deployment is to be replaced; None leaves it as it is."""

    name: str | None = None
    plan: JsonObject | None = None
    tags: tuple[tuple[str, str], ...] | None = None
    trust: TrustSettings | None = None
    #: back to what new deployments trust
    default_trust: bool = False
    remote_clusters: tuple[RemoteCluster, ...] | None = None


@dataclass(frozen=True, slots=True)
class Created:
    """A deployment and the password of its user ``elastic``: None where it was there already."""

    deployment: Deployment
    elastic_password: Secret | None


def check_name(name: object, path: str = "name") -> str:
    """Answer the name of a deployment if it can be one; raises a 400 failure."""
    if not isinstance(name, str) or not name.strip() or len(name) > _MAXIMUM_NAME_CHARACTERS:
        raise invalid_field(path, f"must be a text of 1 to {_MAXIMUM_NAME_CHARACTERS} characters")
    if not name.isprintable():
        raise invalid_field(path, "must not hold control characters")
    return name.strip()
