"""What a role may say, and what users and roles may be called."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from isthmus.errors import Failure
from isthmus.exchange import JsonObject
from isthmus.security.builtin_roles import BUILT_IN_ROLES
from isthmus.security.principal import RoleDescriptor
from isthmus.security.privileges import (
    REMOTE_CLUSTER_PRIVILEGE_NAMES,
    cluster_privilege,
    index_privilege,
)

_MAXIMUM_NAME_LENGTH: Final = 507
_MAXIMUM_DESCRIPTION_LENGTH: Final = 1_000
_NAME: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?\Z")
_RESERVED_PREFIX: Final = "_"
_APPLICATION_NAME: Final = re.compile(r"(?:[a-z][A-Za-z0-9]*(?:[-_][^\\/*?\"<>|,\s]*)?\*?|\*)\Z")


def role_problems(role: RoleDescriptor) -> list[str]:
    """Answer everything that is wrong with a role's privileges and metadata, in Elasticsearch's words."""
    problems = _privilege_problems(role)
    problems += [
        "remote index cluster alias cannot be an empty string"
        for entry in role.remote_indices
        if "" in entry.clusters
    ]
    unknown = sorted(
        {name for entry in role.remote_cluster for name in entry.privileges}
        - set(REMOTE_CLUSTER_PRIVILEGE_NAMES)
    )
    if unknown:
        problems.append(
            "Invalid remote_cluster permissions found. Please remove the following: "
            f"[{', '.join(unknown)}] Only [{', '.join(REMOTE_CLUSTER_PRIVILEGE_NAMES)}] are allowed"
        )
    problems += [
        f"Application names must match the pattern [a-z][A-Za-z0-9]*, but [{entry.application[:200]}] "
        "does not"
        for entry in role.applications
        if not _APPLICATION_NAME.match(entry.application)
    ]
    if has_reserved_metadata(role.metadata):
        problems.append(f"role descriptor metadata keys may not start with [{_RESERVED_PREFIX}]")
    if role.description is not None and len(role.description) > _MAXIMUM_DESCRIPTION_LENGTH:
        problems.append(f"Role description must be less than {_MAXIMUM_DESCRIPTION_LENGTH} characters.")
    return problems


def _privilege_problems(role: RoleDescriptor) -> list[str]:
    problems = []
    for name in role.cluster:
        try:
            cluster_privilege(name)
        except Failure as failure:
            problems.append(failure.reason)
    for privileges in (
        *(entry.privileges for entry in role.indices),
        *(entry.privileges for entry in role.remote_indices),
    ):
        problems += _unknown_index_privileges(privileges)
    return problems


def _unknown_index_privileges(names: Iterable[str]) -> list[str]:
    problems = []
    for name in names:
        try:
            index_privilege(name)
        except Failure as failure:
            problems.append(failure.reason)
    return problems


def name_problem(kind: str, name: str) -> str | None:
    """Answer why this cannot be the name of a ``User`` or a ``Role``; None when it can."""
    if _NAME.match(name) and len(name) <= _MAXIMUM_NAME_LENGTH:
        return None
    return (
        f"{kind} names must be at least 1 and no more than {_MAXIMUM_NAME_LENGTH} characters. They can "
        "contain alphanumeric characters (a-z, A-Z, 0-9), spaces, punctuation, and printable symbols in the "
        "Basic Latin (ASCII) block. Leading or trailing whitespace is not allowed."
    )


def role_name_problem(name: str) -> str | None:
    """Answer why a role of this name cannot be stored; None when it can."""
    if name in BUILT_IN_ROLES:
        return f"Role [{name}] is reserved and may not be used."
    return name_problem("Role", name)


def has_reserved_metadata(metadata: JsonObject) -> bool:
    """Tell whether a key is one of those that only built-in things have."""
    return any(key.startswith(_RESERVED_PREFIX) for key in metadata)
