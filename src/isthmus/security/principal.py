"""Who is asking, and what the roles behind them allow: plain values, no decision."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from isthmus.exchange import JsonObject, Record


class IndexPrivileges(Record, frozen=True, kw_only=True):
    """One entry of a role's ``indices``.

    ``names`` are exact names, ``*``/``?`` wildcards or ``/regular expressions/``. ``query`` is a
    query in JSON form (documents), ``field_security`` has ``grant`` and ``except`` (fields).
    """

    names: tuple[str, ...]
    privileges: tuple[str, ...]
    field_security: JsonObject | None = None
    query: Any = None
    allow_restricted_indices: bool = False


class RemoteIndexPrivileges(Record, frozen=True, kw_only=True):
    """One entry of a role's ``remote_indices``: the same, for the clusters of these aliases."""

    clusters: tuple[str, ...]
    names: tuple[str, ...]
    privileges: tuple[str, ...]
    field_security: JsonObject | None = None
    query: Any = None
    allow_restricted_indices: bool = False


class RemoteClusterPrivileges(Record, frozen=True, kw_only=True):
    """One entry of a role's ``remote_cluster``."""

    clusters: tuple[str, ...]
    privileges: tuple[str, ...]


class ApplicationPrivileges(Record, frozen=True, kw_only=True):
    """One entry of a role's ``applications``: kept and answered; Isthmus itself has no application."""

    application: str
    privileges: tuple[str, ...]
    resources: tuple[str, ...]


class RoleDescriptor(Record, frozen=True, kw_only=True):
    """A role as the role API takes and answers it."""

    name: str
    cluster: tuple[str, ...] = ()
    indices: tuple[IndexPrivileges, ...] = ()
    applications: tuple[ApplicationPrivileges, ...] = ()
    run_as: tuple[str, ...] = ()
    remote_indices: tuple[RemoteIndexPrivileges, ...] = ()
    remote_cluster: tuple[RemoteClusterPrivileges, ...] = ()
    metadata: JsonObject = {}
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller.

    ``role_sets`` is a conjunction of disjunctions: an action is allowed when **every** set has a
    role that allows it. A user has one set; a REST API key has its own roles and its owner's; a
    caller from another cluster has the cross-cluster key's access and the caller's roles there.
    ``api_key_owner`` and the owner's realm are set with ``api_key_id``. ``run_by`` is who really
    authenticated where ``run_as`` was used. ``subject`` is set for a caller
    from another cluster: who they are over there (no role sets: those are merged into this one's).
    """

    username: str
    role_names: tuple[str, ...]
    role_sets: tuple[tuple[RoleDescriptor, ...], ...]
    realm_name: str
    realm_type: str
    authentication_type: str = "realm"
    full_name: str | None = None
    email: str | None = None
    metadata: JsonObject = field(default_factory=dict)
    api_key_id: str | None = None
    api_key_name: str | None = None
    api_key_owner: str | None = None
    api_key_owner_realm: str | None = None
    api_key_owner_realm_type: str | None = None
    run_by: Principal | None = None
    subject: Principal | None = None
