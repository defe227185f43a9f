"""The access of a cross-cluster API key, and the one role that it becomes."""

from __future__ import annotations

from typing import Any, Final

from isthmus.errors import illegal_argument
from isthmus.exchange import JsonObject
from isthmus.security.principal import IndexPrivileges, RoleDescriptor
from isthmus.security.role_format import parse_index_entry, render_index_entry
from isthmus.security.signatures_identity import check_identity_pattern
from isthmus.security.strict_json import strict_object, wrong_type

ROLE_NAME: Final = "cross_cluster"
_PARSER: Final = "cross_cluster_api_key_request_access"
_SEARCH_CLUSTER: Final = ("cross_cluster_search", "monitor_enrich")
_REPLICATION_CLUSTER: Final = ("cross_cluster_replication",)
_SEARCH_INDICES: Final = ("read", "read_cross_cluster", "view_index_metadata")
_REPLICATION_INDICES: Final = ("cross_cluster_replication", "cross_cluster_replication_internal")
_MAXIMUM_IDENTITY_LENGTH: Final = 1_000


def parse_access(value: Any) -> RoleDescriptor:
    """Answer the role that an ``access`` object gives to the other cluster.

    Raises a 400 failure, in Elasticsearch's words, for access to nothing, for document or field level
    security where replication could go around it, and for whatever is not of the form.
    """
    access = strict_object(_PARSER, value, ("search", "replication"))
    search = _entries(access, "search", _SEARCH_INDICES)
    replication = _entries(access, "replication", _REPLICATION_INDICES)
    if not search and not replication:
        raise illegal_argument("must specify non-empty access for either [search] or [replication]")
    if any(_is_narrowed(entry) for entry in replication):
        raise illegal_argument("replication does not support document or field level security")
    if replication and any(_is_narrowed(entry) for entry in search):
        raise illegal_argument(
            "search does not support document or field level security if replication is assigned"
        )
    cluster = (*(_SEARCH_CLUSTER if search else ()), *(_REPLICATION_CLUSTER if replication else ()))
    return RoleDescriptor(name=ROLE_NAME, cluster=cluster, indices=(*search, *replication))


def render_access(role: RoleDescriptor) -> JsonObject:
    """Answer the ``access`` object that a cross-cluster key's role came from."""
    access: JsonObject = {}
    for kind, privileges in (("search", _SEARCH_INDICES), ("replication", _REPLICATION_INDICES)):
        entries = [
            {name: value for name, value in render_index_entry(entry).items() if name != "privileges"}
            for entry in role.indices
            if entry.privileges == privileges
        ]
        if entries:
            access[kind] = entries
    return access


def check_certificate_identity(pattern: str) -> None:
    """Return if this can be matched against a certificate's name; raises a 400 failure otherwise."""
    if not pattern or len(pattern) > _MAXIMUM_IDENTITY_LENGTH:
        raise illegal_argument(
            f"certificate identity must be a pattern of 1 to {_MAXIMUM_IDENTITY_LENGTH} characters"
        )
    check_identity_pattern(pattern)


def _entries(access: JsonObject, kind: str, privileges: tuple[str, ...]) -> tuple[IndexPrivileges, ...]:
    entries = access.get(kind)
    if entries is None:
        return ()
    if not isinstance(entries, list):
        raise wrong_type(_PARSER, kind, "an array", entries)
    return tuple(parse_index_entry(ROLE_NAME, entry, privileges=privileges) for entry in entries)


def _is_narrowed(entry: IndexPrivileges) -> bool:
    return entry.query is not None or entry.field_security is not None
