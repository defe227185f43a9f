"""Privileges and the actions that they grant."""

from __future__ import annotations

import pytest

from isthmus.errors import Failure
from isthmus.security.privileges import (
    CLUSTER_PRIVILEGE_NAMES,
    INDEX_PRIVILEGE_NAMES,
    cluster_privilege,
    cluster_privileges_that_grant,
    implied_by_cluster_privileges,
    implied_by_index_privileges,
    index_privilege,
    index_privileges_that_grant,
    is_cluster_action,
    is_index_action,
)


@pytest.mark.parametrize(
    ("action", "privileges"),
    [
        ("indices:data/read/search", "read,all"),
        ("indices:data/write/delete", "delete,write,all"),
        ("indices:data/write/index", "create_doc,create,index,write,all"),
        ("indices:admin/create", "create_index,manage,all"),
        ("indices:admin/refresh", "maintenance,manage,all"),
        ("indices:monitor/stats", "cross_cluster_replication,monitor,manage,all"),
        ("indices:data/read/xpack/ccr/shard_changes", "cross_cluster_replication,read,all"),
    ],
)
def test_index_privileges_that_grant_are_listed_least_first(action: str, privileges: str) -> None:
    """A denial lists the smallest privilege that would help first, as Elasticsearch does."""
    assert ",".join(index_privileges_that_grant(action)) == privileges


@pytest.mark.parametrize(
    ("action", "privileges"),
    [
        (
            "cluster:internal/remote_cluster/handshake",
            "cross_cluster_search,cross_cluster_replication,manage,all",
        ),
        ("cluster:monitor/main", "monitor,manage,all"),
        ("cluster:admin/settings/update", "manage,all"),
        ("cluster:admin/xpack/security/user/put", "manage_security,all"),
        (
            "cluster:admin/xpack/security/api_key/create",
            "manage_own_api_key,manage_api_key,manage_security,all",
        ),
        ("cluster:admin/xpack/security/cross_cluster/api_key/create", "manage_security,all"),
    ],
)
def test_cluster_privileges_that_grant_are_listed_least_first(action: str, privileges: str) -> None:
    """The same for cluster privileges; the handshake's list is the one in Elasticsearch's manual."""
    assert ",".join(cluster_privileges_that_grant(action)) == privileges


@pytest.mark.parametrize(
    ("privilege", "action", "allowed"),
    [
        ("read", "indices:data/read/get", True),
        ("read", "indices:data/write/index", False),
        ("indices:data/read/search", "indices:data/read/search", True),
        ("indices:data/read/search", "indices:data/read/search[phase/query]", True),
        ("indices:data/read/search", "indices:data/read/get", False),
        ("READ", "indices:data/read/get", True),
        ("none", "indices:data/read/get", False),
        ("create_doc", "indices:data/write/index:op_type/index", False),
        ("create_doc", "indices:data/write/bulk[s]", True),
        ("auto_configure", "indices:admin/auto_create", True),
    ],
)
def test_index_privileges(privilege: str, action: str, allowed: bool) -> None:
    """Named privileges and raw actions grant what they should."""
    assert index_privilege(privilege).allow(action) is allowed


def test_managing_a_cluster_is_not_managing_its_security() -> None:
    """``manage`` grants everything of the cluster but security; ``all`` grants that too."""
    action = "cluster:admin/xpack/security/role/put"
    assert not cluster_privilege("manage").allow(action)
    assert cluster_privilege("all").allow(action)
    assert cluster_privilege("manage").allow("cluster:admin/settings/update")


@pytest.mark.parametrize(
    ("wanted", "granted", "implied"),
    [
        ("monitor", ["manage"], True),
        ("manage", ["monitor"], False),
        ("manage_security", ["all"], True),
        ("manage_security", ["manage"], False),
        ("all", ["manage"], False),
        ("all", ["manage", "manage_security"], False),
        ("manage", ["all"], True),
        ("manage", ["manage"], True),
        ("read_ccr", ["monitor", "manage_own_api_key"], False),
        ("none", [], True),
        ("monitor", ["unknown of a later version"], False),
    ],
)
def test_cluster_privileges_imply_others(wanted: str, granted: list[str], implied: bool) -> None:
    """Implication is by what is granted, not by name."""
    assert implied_by_cluster_privileges(wanted, granted) is implied


@pytest.mark.parametrize(
    ("wanted", "granted", "implied"),
    [
        ("read", ["all"], True),
        ("create_doc", ["write"], True),
        ("index", ["create", "indices:data/write/update"], True),
        ("index", ["create"], False),
        ("all", ["read", "write", "manage"], False),
    ],
)
def test_index_privileges_imply_others(wanted: str, granted: list[str], implied: bool) -> None:
    """Several privileges together may imply one."""
    assert implied_by_index_privileges(wanted, granted) is implied


@pytest.mark.parametrize(
    ("resolve", "kind"),
    [(cluster_privilege, "unknown cluster privilege"), (index_privilege, "unknown index privilege")],
)
def test_an_unknown_privilege_is_refused_with_the_known_ones(resolve: object, kind: str) -> None:
    """The failure shows the privilege and what there is."""
    assert callable(resolve)
    with pytest.raises(Failure) as caught:
        resolve("Reed")
    assert caught.value.reason.startswith(f"{kind} [reed]. a privilege must be either one of the predefined")
    assert "all" in caught.value.reason


def test_actions_belong_to_one_kind() -> None:
    """Cluster and index actions are told apart, templates count as the cluster's."""
    assert is_cluster_action("indices:admin/index_template/put")
    assert not is_index_action("indices:admin/index_template/put")
    assert is_index_action("indices:data/read/search")
    assert not is_cluster_action("indices:data/read/search")
    assert not is_index_action("cluster:monitor/main")


def test_every_named_privilege_can_be_resolved() -> None:
    """The tables have no name that the resolution does not know."""
    for name in CLUSTER_PRIVILEGE_NAMES:
        assert cluster_privilege(name) is not None
    for name in INDEX_PRIVILEGE_NAMES:
        assert index_privilege(name) is not None
