"""What is left of roles and key together, and what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.security.cross_cluster_access import parse_access
from isthmus.security.principal import (
    IndexPrivileges,
    Principal,
    RemoteIndexPrivileges,
    RoleDescriptor,
)
from isthmus.security.remote_effective import (
    EffectiveEntry,
    entries_of,
    intersection,
    intersection_of_cluster,
)
from isthmus.security.remote_effective_words import REPLICATION, SEARCH, Sides, missing_for
from isthmus.security.remote_privileges import remote_descriptors


def entries(*pairs: tuple[str, tuple[str, ...]], **members: Any) -> tuple[EffectiveEntry, ...]:
    """Build entries of (pattern, privileges)."""
    return tuple(EffectiveEntry((pattern,), privileges, **members) for pattern, privileges in pairs)


@pytest.mark.parametrize(
    ("roles", "key", "patterns", "privileges"),
    [
        (("logs-*", ("read",)), ("*", ("read",)), ("logs-*",), ("read",)),
        (
            ("*", ("all",)),
            ("logs-eu", ("read", "view_index_metadata")),
            ("logs-eu",),
            ("read", "view_index_metadata"),
        ),
        (("logs-*", ("read",)), ("*-eu", ("read",)), ("logs-*", "*-eu"), ("read",)),
        (("logs-*", ("read",)), ("metrics-*", ("read",)), None, None),
        (("a", ("read",)), ("a", ("monitor",)), None, None),
        (("a", ("none",)), ("a", ("all",)), None, None),
        (("a", ("indices:data/read/search",)), ("a", ("read",)), ("a",), ("indices:data/read/search",)),
        (("/log.*/", ("read",)), ("logs", ("read",)), ("logs",), ("read",)),
        (("a", ("all",)), ("a", ("manage", "monitor", "read")), ("a",), ("manage", "read")),
        (("a", ("write",)), ("a", ("write",)), ("a",), ("write",)),
        (("a", ("of_a_newer_version",)), ("a", ("of_a_newer_version",)), ("a",), ("of_a_newer_version",)),
    ],
)
def test_two_entries_meet(
    roles: tuple[str, tuple[str, ...]],
    key: tuple[str, tuple[str, ...]],
    patterns: tuple[str, ...] | None,
    privileges: tuple[str, ...] | None,
) -> None:
    """What is left is the narrower pattern, or both, and the privileges that each side implies."""
    for one, other in ((roles, key), (key, roles)):
        met = intersection(entries(one), entries(other))
        if patterns is None or privileges is None:
            assert met == ()
        else:
            [entry] = met
            assert set(entry.patterns) == set(patterns)
            assert set(entry.privileges) == set(privileges)


def test_narrowing_of_documents_and_fields_is_told_of_both_sides() -> None:
    """Who narrows documents and fields is kept; restricted indices need both sides."""
    role = RoleDescriptor(
        name="r",
        indices=(
            IndexPrivileges(
                names=("a",), privileges=("read",), query={"match_all": {}}, allow_restricted_indices=True
            ),
        ),
    )
    key = RoleDescriptor(
        name="k",
        indices=(IndexPrivileges(names=("a",), privileges=("read",), field_security={"grant": ["x"]}),),
    )
    [entry] = intersection(entries_of((role,), "roles"), entries_of((key,), "key"))
    assert (entry.documents_by, entry.fields_by) == (("roles",), ("key",))
    assert entry.allow_restricted_indices is False


def test_cluster_privileges_meet() -> None:
    """Only what the key's access implies is left of remote_cluster."""
    assert intersection_of_cluster(
        ("monitor_enrich", "monitor_stats"), ("cross_cluster_search", "monitor_enrich")
    ) == ("monitor_enrich",)


def caller(*roles: RoleDescriptor, **members: Any) -> Principal:
    """Build a user with these roles."""
    given: dict[str, Any] = {"role_sets": (roles,), "realm_name": "n", "realm_type": "native"}
    return Principal(username="ann", role_names=tuple(role.name for role in roles), **(given | members))


def role(*privileges: str, cluster: tuple[str, ...] = (), names: str = "logs-*") -> RoleDescriptor:
    """Build a role for the remote ``eu``."""
    remote = RemoteIndexPrivileges(clusters=("eu",), names=(names,), privileges=privileges)
    return RoleDescriptor(name="r", cluster=cluster, remote_indices=(remote,) if privileges else ())


ACCESS_SEARCH = {"search": [{"names": ["logs-*"]}]}
ACCESS_REPLICATION = {"replication": [{"names": ["logs-*"]}]}


@pytest.mark.parametrize(
    ("purpose", "principal", "access", "texts"),
    [
        (SEARCH, caller(role("read", "read_cross_cluster")), ACCESS_SEARCH, []),
        (SEARCH, caller(role("all")), ACCESS_SEARCH, []),
        (SEARCH, caller(role()), ACCESS_SEARCH, ["an entry of [remote_indices] in a role of the caller"]),
        (SEARCH, caller(role("monitor")), ACCESS_SEARCH, ["an entry of [remote_indices]"]),
        (
            SEARCH,
            caller(role("read")),
            ACCESS_REPLICATION,
            ["access to [search] in the cross-cluster API key"],
        ),
        (SEARCH, caller(role("read", names="metrics-*")), ACCESS_SEARCH, ["a name that both sides allow"]),
        (SEARCH, caller(role("read")), None, []),
        (
            REPLICATION,
            caller(role("cross_cluster_replication", cluster=("manage_ccr",))),
            ACCESS_REPLICATION,
            [],
        ),
        (
            REPLICATION,
            caller(role("all", cluster=("all",))),
            ACCESS_SEARCH,
            ["access to [replication] in the cross-cluster API key"],
        ),
        (
            REPLICATION,
            caller(role("read")),
            ACCESS_REPLICATION,
            ["the cluster privilege [manage_ccr] here", '"privileges": ["cross_cluster_replication"]'],
        ),
        (
            SEARCH,
            caller(
                api_key_id="k",
                role_sets=((role("read"),), (role(),)),
            ),
            ACCESS_SEARCH,
            ["in a role of the API key's owner"],
        ),
    ],
)
def test_what_is_missing_is_said(purpose: Any, principal: Principal, access: Any, texts: list[str]) -> None:
    """Each reason on either side is named, with what to do."""
    by_roles = [entries_of((each,), "roles") for each in remote_descriptors(principal, "eu")]
    by_key = None if access is None else entries_of((parse_access(access),), "key")
    effective: tuple[EffectiveEntry, ...] = ()
    if by_key is not None:
        effective = by_key
        for each in by_roles:
            effective = intersection(each, effective)
    missing = missing_for(purpose, Sides("eu", by_roles, by_key, effective), principal)
    assert len(missing) == len(texts)
    for found, text in zip(missing, texts, strict=True):
        assert text in found
