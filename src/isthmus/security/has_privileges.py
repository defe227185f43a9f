"""What a caller may do, asked for rather than tried out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from isthmus.security.patterns import covers
from isthmus.security.principal import (
    ApplicationPrivileges,
    IndexPrivileges,
    Principal,
    RoleDescriptor,
)
from isthmus.security.privileges import implied_by_cluster_privileges, implied_by_index_privileges
from isthmus.security.restricted import is_restricted


@dataclass(frozen=True, slots=True)
class PrivilegesHeld:
    """The answers: a cluster privilege, an index pattern and privilege, an application's likewise."""

    cluster: dict[str, bool]
    index: dict[str, dict[str, bool]]
    application: dict[str, dict[str, dict[str, bool]]]

    @property
    def has_all_requested(self) -> bool:
        """Whether every answer is yes."""
        return (
            all(self.cluster.values())
            and all(held for privileges in self.index.values() for held in privileges.values())
            and all(
                held
                for resources in self.application.values()
                for privileges in resources.values()
                for held in privileges.values()
            )
        )


def check_privileges(
    principal: Principal,
    cluster: Sequence[str],
    indices: Sequence[IndexPrivileges],
    applications: Sequence[ApplicationPrivileges],
) -> PrivilegesHeld:
    """Answer which of these privileges the caller holds.

    A pattern is held when every name that it could match is. Raises an ``illegal_argument_exception``
    failure for a privilege that does not exist.
    """
    index_answers: dict[str, dict[str, bool]] = {}
    for entry in indices:
        for name in entry.names:
            answers = index_answers.setdefault(name, {})
            for privilege in entry.privileges:
                answers[privilege] = _every_set(principal) and all(
                    _holds_on_index(roles, name, privilege, restricted=entry.allow_restricted_indices)
                    for roles in principal.role_sets
                )
    application_answers: dict[str, dict[str, dict[str, bool]]] = {}
    for wanted in applications:
        resources = application_answers.setdefault(wanted.application, {})
        for resource in wanted.resources:
            answers = resources.setdefault(resource, {})
            for privilege in wanted.privileges:
                answers[privilege] = _every_set(principal) and all(
                    _holds_in_application(roles, wanted.application, resource, privilege)
                    for roles in principal.role_sets
                )
    return PrivilegesHeld(
        cluster={name: holds_cluster_privilege(principal, name) for name in cluster},
        index=index_answers,
        application=application_answers,
    )


def holds_cluster_privilege(principal: Principal, privilege: str) -> bool:
    """Tell whether the caller may do everything that this cluster privilege allows."""
    return _every_set(principal) and all(
        implied_by_cluster_privileges(privilege, [name for role in roles for name in role.cluster])
        for roles in principal.role_sets
    )


def _every_set(principal: Principal) -> bool:
    return bool(principal.role_sets)


def _holds_on_index(roles: Sequence[RoleDescriptor], name: str, privilege: str, *, restricted: bool) -> bool:
    needs_restricted = restricted or is_restricted(name)
    granted = [
        granted_privilege
        for role in roles
        for entry in role.indices
        if (entry.allow_restricted_indices or not needs_restricted)
        and any(covers(pattern, name) for pattern in entry.names)
        for granted_privilege in entry.privileges
    ]
    return implied_by_index_privileges(privilege, granted)


def _holds_in_application(
    roles: Sequence[RoleDescriptor], application: str, resource: str, privilege: str
) -> bool:
    return any(
        covers(entry.application, application)
        and any(covers(pattern, resource) for pattern in entry.resources)
        and any(covers(pattern, privilege) for pattern in entry.privileges)
        for role in roles
        for entry in role.applications
    )
