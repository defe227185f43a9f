"""The roles and privileges that every deployment has."""

from __future__ import annotations

import msgspec
import pytest

from isthmus.security.authorize import may_do_cluster_action, may_do_index_action
from isthmus.security.builtin_roles import BUILT_IN_ROLES
from isthmus.security.principal import Principal
from isthmus.security.privileges import (
    CLUSTER_PRIVILEGE_NAMES,
    INDEX_PRIVILEGE_NAMES,
    implied_by_index_privileges,
)
from isthmus.security.role_format import parse_role, render_role
from isthmus.security.role_rules import role_problems

#: the reserved roles that Elasticsearch 9.1 lists
ELASTICSEARCH_ROLES = [
    "apm_system",
    "apm_user",
    "beats_admin",
    "beats_system",
    "data_frame_transforms_admin",
    "data_frame_transforms_user",
    "editor",
    "enrich_user",
    "inference_admin",
    "inference_user",
    "ingest_admin",
    "kibana_admin",
    "kibana_system",
    "kibana_user",
    "logstash_admin",
    "logstash_system",
    "machine_learning_admin",
    "machine_learning_user",
    "monitoring_user",
    "remote_monitoring_agent",
    "remote_monitoring_collector",
    "reporting_user",
    "rollup_admin",
    "rollup_user",
    "snapshot_user",
    "superuser",
    "transform_admin",
    "transform_user",
    "transport_client",
    "viewer",
    "watcher_admin",
    "watcher_user",
]


def holder(role: str) -> Principal:
    """Build somebody who has this one role."""
    return Principal("ann", (role,), ((BUILT_IN_ROLES[role],),), "default_native", "native")


def test_every_reserved_role_is_there() -> None:
    """Users and tools that carry a reserved role over find it."""
    assert sorted(BUILT_IN_ROLES) == ELASTICSEARCH_ROLES


@pytest.mark.parametrize("name", ELASTICSEARCH_ROLES)
def test_a_built_in_role_is_a_valid_role(name: str) -> None:
    """Each is marked as reserved, described, and what the role API shows of it can be parsed again."""
    role = BUILT_IN_ROLES[name]
    assert role.metadata["_reserved"] is True
    assert role.description
    plain = msgspec.structs.replace(role, metadata={})
    assert role_problems(plain) == []
    shown = render_role(plain)
    del shown["transient_metadata"]
    assert parse_role(name, shown) == plain


@pytest.mark.parametrize(
    ("role", "action", "index", "allowed"),
    [
        ("viewer", "indices:data/read/search", "logs", True),
        ("viewer", "indices:data/read/search", ".kibana", False),
        ("viewer", "indices:data/write/index", "logs", False),
        ("editor", "indices:data/write/index", "observability-annotations", True),
        ("remote_monitoring_collector", "indices:monitor/stats", ".security", True),
        ("remote_monitoring_agent", "indices:admin/create", ".monitoring-es-9", True),
        ("remote_monitoring_agent", "indices:data/read/search", "metricbeat-9", False),
        ("logstash_admin", "indices:data/read/search", ".logstash", True),
        ("watcher_user", "indices:data/read/search", ".watches", True),
        ("snapshot_user", "indices:data/read/search", "logs", False),
        ("superuser", "indices:data/write/index", ".security", False),
        ("superuser", "indices:data/read/search", ".security", True),
    ],
)
def test_what_built_in_roles_grant_on_indices(role: str, action: str, index: str, allowed: bool) -> None:
    """A sample of what each is known for, and of what it must not grant."""
    assert may_do_index_action(holder(role), action, index) is allowed


@pytest.mark.parametrize(
    ("role", "action", "allowed"),
    [
        ("monitoring_user", "cluster:monitor/remote/info", True),
        ("monitoring_user", "cluster:monitor/health", False),
        ("remote_monitoring_collector", "cluster:monitor/nodes/stats", True),
        ("transform_admin", "cluster:admin/transform/put", True),
        ("transform_user", "cluster:admin/transform/put", False),
        ("watcher_admin", "cluster:admin/xpack/watcher/watch/put", True),
        ("ingest_admin", "cluster:admin/ingest/pipeline/put", True),
        ("ingest_admin", "cluster:admin/xpack/security/user/put", False),
        ("kibana_system", "cluster:admin/xpack/security/user/put", False),
    ],
)
def test_what_built_in_roles_grant_on_the_cluster(role: str, action: str, allowed: bool) -> None:
    """Likewise for the cluster."""
    assert may_do_cluster_action(holder(role), action) is allowed


def test_the_privileges_of_the_failure_store_are_their_own() -> None:
    """As in Elasticsearch neither reading nor managing gives them, and `all` does."""
    for name in ("read_failure_store", "manage_failure_store"):
        assert name in INDEX_PRIVILEGE_NAMES
        assert implied_by_index_privileges(name, ["all"])
        assert not implied_by_index_privileges(name, ["read", "manage", "monitor", "write"])


def test_the_lists_are_as_long_as_elasticsearchs() -> None:
    """Names that programs look for are all there."""
    assert len(INDEX_PRIVILEGE_NAMES) == 24
    assert {
        "cross_cluster_replication",
        "cross_cluster_search",
        "manage_ccr",
        "monitor_esql",
        "monitor_stats",
        "read_fleet_secrets",
        "write_connector_secrets",
    } <= set(CLUSTER_PRIVILEGE_NAMES)
