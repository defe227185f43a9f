"""Built-in roles for what else speaks to a deployment: collectors, shippers, and features of the stack.

Names and grants are those of Elasticsearch 9. Where a feature is not here its role grants actions that
nothing serves; the name is there, so that users and tools that carry it over are not refused.
"""

from __future__ import annotations

from typing import Final

from isthmus.security.principal import (
    ApplicationPrivileges,
    IndexPrivileges,
    RemoteIndexPrivileges,
    RoleDescriptor,
)

RESERVED: Final = {"_reserved": True}
_DEPRECATED: Final = {**RESERVED, "_deprecated": True}
_COLLECT: Final = "cluster:admin/xpack/monitoring/bulk"
_READ: Final = ("read", "view_index_metadata")
_METRICS: Final = "/metrics-(beats|elasticsearch|enterprisesearch|kibana|logstash).*/"


def _on(names: tuple[str, ...], *privileges: str, restricted: bool = False) -> IndexPrivileges:
    return IndexPrivileges(names=names, privileges=privileges, allow_restricted_indices=restricted)


def _role(
    name: str,
    description: str,
    *,
    cluster: tuple[str, ...] = (),
    indices: tuple[IndexPrivileges, ...] = (),
    kibana: tuple[str, ...] = (),
) -> RoleDescriptor:
    return RoleDescriptor(
        name=name,
        cluster=cluster,
        indices=indices,
        applications=_kibana(*kibana) if kibana else (),
        metadata=RESERVED,
        description=description,
    )


def _kibana(*privileges: str) -> tuple[ApplicationPrivileges, ...]:
    return (ApplicationPrivileges(application="kibana-.kibana", privileges=privileges, resources=("*",)),)


def _deprecated(role: RoleDescriptor, name: str, instead: str) -> RoleDescriptor:
    """Answer a role under an older name."""
    return RoleDescriptor(
        name=name,
        cluster=role.cluster,
        indices=role.indices,
        applications=role.applications,
        metadata={**_DEPRECATED, "_deprecated_reason": f"Please use the [{instead}] role instead"},
        description=role.description,
    )


_MONITORING: Final = (
    RoleDescriptor(
        name="monitoring_user",
        cluster=("cluster:monitor/main", "cluster:monitor/xpack/info", "cluster:monitor/remote/info"),
        indices=(
            _on((".monitoring-*",), "read", "read_cross_cluster"),
            _on((_METRICS, "metricbeat-*"), "read", "read_cross_cluster"),
        ),
        applications=_kibana("reserved_monitoring"),
        remote_indices=(
            RemoteIndexPrivileges(
                clusters=("*",), names=(".monitoring-*",), privileges=("read", "read_cross_cluster")
            ),
            RemoteIndexPrivileges(
                clusters=("*",),
                names=(_METRICS, "metricbeat-*"),
                privileges=("read", "read_cross_cluster"),
            ),
        ),
        metadata=RESERVED,
        description="Grants the minimum privileges needed to read what monitoring has collected.",
    ),
    _role(
        "remote_monitoring_agent",
        "Grants the minimum privileges needed to write collected monitoring data.",
        cluster=(
            "manage_index_templates",
            "manage_ingest_pipelines",
            "monitor",
            "cluster:admin/ilm/get",
            "cluster:admin/ilm/put",
            "cluster:monitor/xpack/watcher/watch/get",
            "cluster:admin/xpack/watcher/watch/put",
            "cluster:admin/xpack/watcher/watch/delete",
        ),
        indices=(
            _on((".monitoring-*",), "all"),
            _on(
                ("metricbeat-*",),
                "index",
                "create_index",
                "view_index_metadata",
                "indices:admin/aliases",
                "indices:admin/rollover",
            ),
        ),
    ),
    _role(
        "remote_monitoring_collector",
        "Grants the minimum privileges needed to collect monitoring data.",
        cluster=("monitor",),
        indices=(
            _on(("*",), "monitor", restricted=True),
            _on((".kibana*",), "read", restricted=True),
        ),
    ),
)

_SHIPPERS: Final = (
    _role(
        "ingest_admin",
        "Grants access to manage all index templates and all ingest pipeline configurations.",
        cluster=("manage_index_templates", "manage_pipeline"),
    ),
    _role(
        "beats_admin",
        "Grants access to the index that holds the configuration of Beats.",
        indices=(_on((".management-beats",), "all"),),
    ),
    _role(
        "beats_system",
        "Grants what Beats need to write monitoring data. To be used by their built-in user only.",
        cluster=("monitor", _COLLECT),
        indices=(_on((".monitoring-beats-*",), "create_index", "create"),),
    ),
    _role(
        "logstash_admin",
        "Grants access to the indices that hold the configuration of Logstash.",
        cluster=("manage_logstash_pipelines",),
        indices=(_on((".logstash*",), "create", "delete", "index", "manage", "read", restricted=True),),
    ),
    _role(
        "logstash_system",
        "Grants what Logstash needs to write monitoring data. To be used by its built-in user only.",
        cluster=("monitor", _COLLECT),
    ),
    _role(
        "apm_system",
        "Grants what APM needs to write monitoring data. To be used by its built-in user only.",
        cluster=("monitor", _COLLECT, "cluster:admin/xpack/monitoring/migrate/alerts"),
        indices=(_on((".monitoring-beats-*",), "create_index", "create_doc"),),
    ),
    _deprecated(
        _role(
            "apm_user",
            "Grants the privileges needed to read what APM has collected.",
            indices=(_on(("apm-*", "logs-apm*", "metrics-apm*", "traces-apm*"), *_READ),),
            kibana=("reserved_ml_apm_user",),
        ),
        "apm_user",
        "viewer",
    ),
    _role(
        "snapshot_user",
        "Grants the privileges needed to create snapshots of all indices.",
        cluster=("create_snapshot", "cluster:admin/repository/get"),
        indices=(_on(("*",), "view_index_metadata", restricted=True),),
    ),
    _role(
        "transport_client",
        "Grants the privileges that a client of the transport protocol needs to find the nodes.",
        cluster=("transport_client",),
    ),
)

_TRANSFORM_INDICES: Final = (".transform-notifications*", ".data-frame-notifications*")
_TRANSFORM_ADMIN: Final = _role(
    "transform_admin",
    "Grants the privileges needed to manage transforms and to read what they tell.",
    cluster=("manage_transform",),
    indices=(_on(_TRANSFORM_INDICES, *_READ),),
)
_TRANSFORM_USER: Final = _role(
    "transform_user",
    "Grants the privileges needed to see transforms and what they tell.",
    cluster=("monitor_transform",),
    indices=(_on(_TRANSFORM_INDICES, *_READ),),
)
_ANOMALIES: Final = (".ml-anomalies*", ".ml-notifications*")

_FEATURES: Final = (
    _TRANSFORM_ADMIN,
    _TRANSFORM_USER,
    _deprecated(_TRANSFORM_ADMIN, "data_frame_transforms_admin", "transform_admin"),
    _deprecated(_TRANSFORM_USER, "data_frame_transforms_user", "transform_user"),
    _role(
        "watcher_admin",
        "Grants the privileges needed to manage watches and to read their history.",
        cluster=("manage_watcher",),
        indices=(_on((".watches", ".triggered_watches", ".watcher-history-*"), "read", restricted=True),),
    ),
    _role(
        "watcher_user",
        "Grants the privileges needed to see watches and their history.",
        cluster=("monitor_watcher",),
        indices=(_on((".watches", ".watcher-history-*"), "read", restricted=True),),
    ),
    _role(
        "machine_learning_admin",
        "Grants the privileges needed to manage machine learning and to read its results.",
        cluster=("manage_ml",),
        indices=(
            _on(_ANOMALIES, *_READ),
            _on((".ml-annotations*",), *_READ, "write"),
        ),
        kibana=("reserved_ml_admin",),
    ),
    _role(
        "machine_learning_user",
        "Grants the privileges needed to see machine learning and its results.",
        cluster=("monitor_ml",),
        indices=(
            _on(_ANOMALIES, *_READ),
            _on((".ml-annotations*",), *_READ, "write"),
        ),
        kibana=("reserved_ml_user",),
    ),
    _role(
        "inference_admin",
        "Grants the privileges needed to manage inference endpoints and to use them.",
        cluster=("manage_inference",),
    ),
    _role(
        "inference_user",
        "Grants the privileges needed to see inference endpoints and to use them.",
        cluster=("monitor_inference",),
    ),
    _role(
        "enrich_user",
        "Grants the privileges needed to manage enrich policies and to use the indices behind them.",
        cluster=("manage_enrich", "manage_ingest_pipelines", "monitor"),
        indices=(_on((".enrich-*",), "manage", "read", "write", restricted=True),),
    ),
    _role(
        "rollup_admin",
        "Grants the privileges needed to manage rollups.",
        cluster=("manage_rollup",),
    ),
    _role(
        "rollup_user",
        "Grants the privileges needed to see rollups.",
        cluster=("monitor_rollup",),
    ),
)

STACK_ROLES: Final = (*_MONITORING, *_SHIPPERS, *_FEATURES)
