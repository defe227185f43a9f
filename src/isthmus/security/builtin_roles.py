"""Roles that every deployment has and nobody can change, with the grants of Elasticsearch's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from isthmus.security.builtin_roles_stack import RESERVED, STACK_ROLES
from isthmus.security.principal import (
    ApplicationPrivileges,
    IndexPrivileges,
    RemoteClusterPrivileges,
    RemoteIndexPrivileges,
    RoleDescriptor,
)

SUPERUSER: Final = "superuser"
_EVERY_INDEX: Final = ("*",)
_SEE: Final = ("monitor", "read", "view_index_metadata", "read_cross_cluster")

_ROLES: Final = (
    RoleDescriptor(
        name=SUPERUSER,
        cluster=("all",),
        indices=(
            IndexPrivileges(names=_EVERY_INDEX, privileges=("all",)),
            IndexPrivileges(names=_EVERY_INDEX, privileges=_SEE, allow_restricted_indices=True),
        ),
        applications=(ApplicationPrivileges(application="*", privileges=("*",), resources=("*",)),),
        run_as=("*",),
        remote_indices=(
            RemoteIndexPrivileges(clusters=("*",), names=_EVERY_INDEX, privileges=("all",)),
            RemoteIndexPrivileges(
                clusters=("*",), names=_EVERY_INDEX, privileges=_SEE, allow_restricted_indices=True
            ),
        ),
        remote_cluster=(
            RemoteClusterPrivileges(clusters=("*",), privileges=("monitor_enrich", "monitor_stats")),
        ),
        metadata=RESERVED,
        description="Grants full access to cluster management and data indices. This role also grants "
        "direct read-only access to restricted indices like .security.",
    ),
    RoleDescriptor(
        name="viewer",
        indices=(
            IndexPrivileges(names=("/[^.].*/",), privileges=("read", "view_index_metadata")),
            IndexPrivileges(
                names=(".siem-signals*", ".lists-*", ".items-*", ".alerts-*", ".preview.alerts-*"),
                privileges=("read", "view_index_metadata"),
            ),
        ),
        applications=(
            ApplicationPrivileges(application="kibana-.kibana", privileges=("read",), resources=("*",)),
        ),
        metadata=RESERVED,
        description="Grants read-only access to all data outside of system indices.",
    ),
    RoleDescriptor(
        name="editor",
        indices=(
            IndexPrivileges(names=("/[^.].*/",), privileges=("read", "view_index_metadata")),
            IndexPrivileges(
                names=("observability-annotations",), privileges=("read", "view_index_metadata", "write")
            ),
            IndexPrivileges(
                names=(".siem-signals*", ".lists-*", ".items-*"),
                privileges=("read", "view_index_metadata", "write", "maintenance"),
            ),
        ),
        applications=(
            ApplicationPrivileges(application="kibana-.kibana", privileges=("all",), resources=("*",)),
        ),
        metadata=RESERVED,
        description="Grants read access to all data outside of system indices.",
    ),
    RoleDescriptor(
        name="kibana_admin",
        applications=(
            ApplicationPrivileges(application="kibana-.kibana", privileges=("all",), resources=("*",)),
        ),
        metadata=RESERVED,
        description="Grants access to all features in Kibana.",
    ),
    RoleDescriptor(
        name="kibana_system",
        cluster=(
            "monitor",
            "manage_index_templates",
            "manage_pipeline",
            "manage_ilm",
            "manage_enrich",
            "manage_transform",
            "cluster:admin/xpack/security/api_key/invalidate",
            "grant_api_key",
            "manage_own_api_key",
            "cluster:admin/xpack/security/privilege/builtin/get",
            "delegate_pki",
            "cancel_task",
        ),
        indices=(
            IndexPrivileges(
                names=(".kibana*", ".reporting-*"), privileges=("all",), allow_restricted_indices=True
            ),
            IndexPrivileges(names=(".monitoring-*",), privileges=("read", "read_cross_cluster")),
            IndexPrivileges(names=(".management-beats",), privileges=("create_index", "read", "write")),
        ),
        remote_indices=(
            RemoteIndexPrivileges(
                clusters=("*",), names=(".monitoring-*",), privileges=("read", "read_cross_cluster")
            ),
        ),
        metadata=RESERVED,
        description="Grants access necessary for the Kibana system user to read from and write to the Kibana "
        "indices and check the availability of the cluster.",
    ),
    RoleDescriptor(
        name="kibana_user",
        applications=(
            ApplicationPrivileges(application="kibana-.kibana", privileges=("all",), resources=("*",)),
        ),
        metadata={
            **RESERVED,
            "_deprecated": True,
            "_deprecated_reason": "Please use the [kibana_admin] role instead",
        },
        description="Grants access to all features in Kibana.",
    ),
    RoleDescriptor(
        name="reporting_user",
        applications=(
            ApplicationPrivileges(
                application="kibana-.kibana", privileges=("reserved_reporting_user",), resources=("*",)
            ),
        ),
        metadata={
            **RESERVED,
            "_deprecated": True,
            "_deprecated_reason": "Please use Kibana feature privileges instead",
        },
        description="Grants access to reports in Kibana.",
    ),
)

BUILT_IN_ROLES: Final[Mapping[str, RoleDescriptor]] = {role.name: role for role in (*_ROLES, *STACK_ROLES)}
