"""What a caller may do on another cluster, by their roles here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from isthmus.security.denial import remote_action_denied
from isthmus.security.patterns import matcher_of_any
from isthmus.security.principal import (
    IndexPrivileges,
    Principal,
    RemoteClusterPrivileges,
    RemoteIndexPrivileges,
    RoleDescriptor,
)
from isthmus.security.privileges import is_cluster_action

#: the name of the role that a caller's privileges for another cluster travel as
REMOTE_USER_ROLE_NAME: Final = "_remote_user"


def remote_role_descriptors(
    principal: Principal, alias: str, action: str = "indices:data/read/search"
) -> tuple[tuple[RoleDescriptor, ...], ...]:
    """Answer what the caller may do on the cluster of this alias, as plain privileges for over there.

    One element for each of the caller's role sets; the far side must require **every** one of them.
    Raises a 403 ``security_exception``, worded for ``action``, when a set gives nothing there.
    """
    sets = []
    for roles in principal.role_sets:
        descriptor = _remote_descriptor(roles, alias)
        relevant = descriptor.cluster if is_cluster_action(action) else descriptor.indices
        if not relevant:
            raise remote_action_denied(principal, action, alias)
        sets.append((descriptor,))
    if not sets:
        raise remote_action_denied(principal, action, alias)
    return tuple(sets)


def remote_descriptors(principal: Principal, alias: str) -> tuple[RoleDescriptor, ...]:
    """Answer the same, one role for each role set, empty where it gives nothing there; raises nothing."""
    return tuple(_remote_descriptor(roles, alias) for roles in principal.role_sets)


def _remote_descriptor(roles: Iterable[RoleDescriptor], alias: str) -> RoleDescriptor:
    cluster: dict[str, None] = {}
    indices: dict[bytes, IndexPrivileges] = {}
    for role in roles:
        for remote in role.remote_cluster:
            if _applies_to(remote, alias):
                cluster.update(dict.fromkeys(remote.privileges))
        for remote_indices in role.remote_indices:
            if _applies_to(remote_indices, alias):
                entry = _as_plain(remote_indices)
                indices[msgspec.msgpack.encode(entry)] = entry
    return RoleDescriptor(name=REMOTE_USER_ROLE_NAME, cluster=tuple(cluster), indices=tuple(indices.values()))


def _applies_to(entry: RemoteIndexPrivileges | RemoteClusterPrivileges, alias: str) -> bool:
    return matcher_of_any(entry.clusters)(alias)


def _as_plain(entry: RemoteIndexPrivileges) -> IndexPrivileges:
    return IndexPrivileges(
        names=entry.names,
        privileges=entry.privileges,
        field_security=entry.field_security,
        query=entry.query,
        allow_restricted_indices=entry.allow_restricted_indices,
    )
