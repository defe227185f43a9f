"""Privilege names and the actions that they grant, as Elasticsearch defines them.

A privilege is a set of patterns over action names. A raw action name (``indices:data/read/search``)
is a privilege too: it grants the actions that begin with it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from isthmus.errors import Failure, illegal_argument
from isthmus.security.patterns import covers, matcher_of_any, may_overlap


@dataclass(frozen=True, slots=True)
class Actions:
    """The actions that match a pattern of ``granted`` and none of ``excluded``."""

    granted: tuple[str, ...]
    excluded: tuple[str, ...] = ()

    def allow(self, action: str) -> bool:
        """Tell whether this action is among them."""
        return matcher_of_any(self.granted)(action) and not matcher_of_any(self.excluded)(action)


NO_ACTIONS: Final = Actions(())

_HANDSHAKE: Final = ("cluster:internal/remote_cluster/handshake", "cluster:internal/remote_cluster/nodes")
_SECURITY: Final = "cluster:admin/xpack/security/"
_HAS_PRIVILEGES: Final = f"{_SECURITY}user/has_privileges"
_READ_SECURITY: Final = tuple(
    _SECURITY + suffix
    for suffix in (
        "api_key/get",
        "api_key/query",
        "privilege/builtin/get",
        "privilege/get",
        "profile/get",
        "profile/has_privileges",
        "profile/suggest",
        "role/get",
        "role/query",
        "role_mapping/get",
        "service_account/get",
        "service_account/credential/get*",
        "settings/get",
        "user/get",
        "user/list_privileges",
        "user/has_privileges",
        "user/query",
    )
)
#: what a caller may do to keys of their own; ownership itself is checked where keys are handled
OWN_API_KEY_ACTIONS: Final = tuple(
    f"{_SECURITY}api_key/{verb}" for verb in ("create", "get", "invalidate", "query", "update", "bulk_update")
)
_ALL_CLUSTER: Final = ("cluster:*", "indices:admin/template/*", "indices:admin/index_template/*")
_TRANSFORM_MONITOR: Final = ("cluster:monitor/data_frame/*", "cluster:monitor/transform/*")
_TRANSFORM_ALL: Final = ("cluster:admin/data_frame/*", "cluster:admin/transform/*", *_TRANSFORM_MONITOR)
_INFERENCE: Final = (
    "cluster:monitor/xpack/inference*",
    "cluster:monitor/xpack/ml/trained_models/deployment/infer",
)

_CLUSTER: Final[Mapping[str, Actions]] = {
    "none": NO_ACTIONS,
    "all": Actions(_ALL_CLUSTER),
    "cancel_task": Actions(("cluster:admin/tasks/cancel*",)),
    "create_snapshot": Actions(
        (
            "cluster:admin/snapshot/create",
            "cluster:admin/snapshot/status*",
            "cluster:admin/snapshot/get",
            "cluster:admin/repository/get",
        )
    ),
    "cross_cluster_replication": Actions(
        (*_HANDSHAKE, "cluster:monitor/xpack/info", "cluster:monitor/state")
    ),
    "cross_cluster_search": Actions((*_HANDSHAKE, "cluster:monitor/xpack/info")),
    "delegate_pki": Actions((f"{_SECURITY}delegate_pki", f"{_SECURITY}token/invalidate")),
    "grant_api_key": Actions((f"{_SECURITY}api_key/grant*",)),
    "manage": Actions(_ALL_CLUSTER, excluded=(f"{_SECURITY}*",)),
    "manage_api_key": Actions((f"{_SECURITY}api_key/*",)),
    "manage_autoscaling": Actions(("cluster:admin/autoscaling/*",)),
    "manage_behavioral_analytics": Actions(("cluster:admin/xpack/application/analytics/*",)),
    "manage_ccr": Actions(("cluster:admin/xpack/ccr/*", "cluster:monitor/state", _HAS_PRIVILEGES)),
    "manage_connector": Actions(("cluster:admin/xpack/connector/*",)),
    "manage_data_frame_transforms": Actions(_TRANSFORM_ALL),
    "manage_data_stream_global_retention": Actions(("cluster:admin/data_stream/global_retention/*",)),
    "manage_enrich": Actions(("cluster:admin/xpack/enrich/*",)),
    "manage_ilm": Actions(("cluster:admin/ilm/*",)),
    "manage_index_templates": Actions(
        (
            "indices:admin/template/*",
            "indices:admin/index_template/*",
            "cluster:admin/component_template/*",
        )
    ),
    "manage_inference": Actions(("cluster:admin/xpack/inference/*", *_INFERENCE)),
    "manage_ingest_pipelines": Actions(("cluster:admin/ingest/pipeline/*",)),
    "manage_logstash_pipelines": Actions(("cluster:admin/logstash/pipeline/*",)),
    "manage_ml": Actions(("cluster:admin/xpack/ml/*", "cluster:monitor/xpack/ml/*")),
    "manage_oidc": Actions((f"{_SECURITY}oidc/*",)),
    "manage_own_api_key": Actions(OWN_API_KEY_ACTIONS),
    "manage_pipeline": Actions(("cluster:admin/ingest/pipeline/*",)),
    "manage_rollup": Actions(("cluster:admin/xpack/rollup/*", "cluster:monitor/xpack/rollup/*")),
    "manage_saml": Actions(
        (f"{_SECURITY}saml/*", f"{_SECURITY}token/invalidate", f"{_SECURITY}token/refresh")
    ),
    "manage_search_application": Actions(("cluster:admin/xpack/application/search_application/*",)),
    "manage_search_query_rules": Actions(("cluster:admin/xpack/query/rules/*",)),
    "manage_search_synonyms": Actions(("cluster:admin/synonyms/*", "cluster:admin/synonym_rules/*")),
    "manage_security": Actions((f"{_SECURITY}*",), excluded=(f"{_SECURITY}delegate_pki",)),
    "manage_service_account": Actions((f"{_SECURITY}service_account/*",)),
    "manage_slm": Actions(
        (
            "cluster:admin/slm/*",
            "cluster:admin/ilm/start",
            "cluster:admin/ilm/stop",
            "cluster:admin/ilm/operation_mode/get",
        )
    ),
    "manage_token": Actions((f"{_SECURITY}token/*",)),
    "manage_transform": Actions(_TRANSFORM_ALL),
    "manage_user_profile": Actions((f"{_SECURITY}profile/*",)),
    "manage_watcher": Actions(("cluster:admin/xpack/watcher/*", "cluster:monitor/xpack/watcher/*")),
    "monitor": Actions(
        (
            "cluster:monitor/*",
            "indices:admin/template/get",
            "cluster:admin/component_template/get",
            "indices:admin/index_template/get",
        )
    ),
    "monitor_connector": Actions(
        (
            "cluster:admin/xpack/connector/get",
            "cluster:admin/xpack/connector/list",
            "cluster:admin/xpack/connector/sync_job/get",
            "cluster:admin/xpack/connector/sync_job/list",
        )
    ),
    "monitor_data_frame_transforms": Actions(_TRANSFORM_MONITOR),
    "monitor_data_stream_global_retention": Actions(("cluster:monitor/data_stream/global_retention/*",)),
    "monitor_enrich": Actions(("cluster:monitor/xpack/enrich/*", "cluster:admin/xpack/enrich/get")),
    "monitor_esql": Actions(("cluster:monitor/xpack/esql/*",)),
    "monitor_inference": Actions(_INFERENCE),
    "monitor_ml": Actions(("cluster:monitor/xpack/ml/*",)),
    "monitor_rollup": Actions(("cluster:monitor/xpack/rollup/*",)),
    "monitor_snapshot": Actions(
        (
            "cluster:admin/snapshot/status*",
            "cluster:admin/snapshot/get",
            "cluster:admin/repository/get",
        )
    ),
    "monitor_stats": Actions(("cluster:monitor/stats*",)),
    "monitor_text_structure": Actions(("cluster:monitor/text_structure/*",)),
    "monitor_transform": Actions(_TRANSFORM_MONITOR),
    "monitor_watcher": Actions(("cluster:monitor/xpack/watcher/*",)),
    "post_behavioral_analytics_event": Actions(("cluster:admin/xpack/application/analytics/post_event",)),
    "read_ccr": Actions(("cluster:monitor/state", _HAS_PRIVILEGES)),
    "read_connector_secrets": Actions(("cluster:admin/xpack/connector/secret/get",)),
    "read_fleet_secrets": Actions(("cluster:admin/fleet/secrets/get",)),
    "read_ilm": Actions(("cluster:admin/ilm/get", "cluster:admin/ilm/operation_mode/get")),
    "read_pipeline": Actions(("cluster:admin/ingest/pipeline/get", "cluster:admin/ingest/pipeline/simulate")),
    "read_security": Actions(_READ_SECURITY),
    "read_slm": Actions(("cluster:admin/slm/get", "cluster:admin/ilm/operation_mode/get")),
    "transport_client": Actions(("cluster:monitor/nodes/liveness", "cluster:monitor/state")),
    "write_connector_secrets": Actions(
        tuple(f"cluster:admin/xpack/connector/secret/{verb}" for verb in ("delete", "post", "put"))
    ),
    "write_fleet_secrets": Actions(
        tuple(f"cluster:admin/fleet/secrets/{verb}" for verb in ("delete", "post"))
    ),
}

_READ: Final = ("indices:data/read/*", "indices:admin/resolve/*")
_BULK: Final = "indices:data/write/bulk*"
_INDEX: Final = "indices:data/write/index*"
_MONITOR: Final = "indices:monitor/*"
_AUTO_CREATE: Final = "indices:admin/auto_create"
_AUTO_MAPPING: Final = "indices:admin/mapping/auto_put"

_INDICES: Final[Mapping[str, Actions]] = {
    "none": NO_ACTIONS,
    "all": Actions(("indices:*", "internal:transport/proxy/indices:*")),
    "auto_configure": Actions((_AUTO_MAPPING, _AUTO_CREATE)),
    "create": Actions((_INDEX, _BULK)),
    "create_doc": Actions(
        (
            "indices:data/write/index",
            "indices:data/write/index[*",
            "indices:data/write/index:op_type/create",
            _BULK,
        )
    ),
    "create_index": Actions(("indices:admin/create", _AUTO_CREATE, "indices:admin/data_stream/create")),
    "cross_cluster_replication": Actions(
        (
            "indices:data/read/xpack/ccr/shard_changes*",
            "indices:monitor/stats*",
            "indices:admin/seq_no/add_retention_lease*",
            "indices:admin/seq_no/remove_retention_lease*",
            "indices:admin/seq_no/renew_retention_lease*",
        )
    ),
    "cross_cluster_replication_internal": Actions(
        (
            "indices:internal/admin/ccr/restore/session/put*",
            "indices:internal/admin/ccr/restore/session/clear*",
            "indices:internal/admin/ccr/restore/file_chunk/get*",
        )
    ),
    "delete": Actions(("indices:data/write/delete*", _BULK)),
    "delete_index": Actions(("indices:admin/delete", "indices:admin/data_stream/delete")),
    "index": Actions((_INDEX, _BULK, "indices:data/write/update*")),
    "maintenance": Actions(
        (
            "indices:admin/refresh*",
            "indices:admin/flush*",
            "indices:admin/synced_flush",
            "indices:admin/forcemerge*",
        )
    ),
    "manage": Actions((_MONITOR, "indices:admin/*", "indices:data/read/field_caps*")),
    "manage_data_stream_lifecycle": Actions(
        (
            "indices:admin/data_stream/lifecycle/*",
            "indices:admin/data_stream/options/*",
        )
    ),
    # There is no failure store here: these two grant what nothing asks for, and are told apart from
    # `read` and `manage`, which do not give them in Elasticsearch either.
    "manage_failure_store": Actions(("indices:failures/admin/*", "indices:failures/monitor/*")),
    "manage_follow_index": Actions(
        (
            "indices:admin/xpack/ccr/put_follow",
            "indices:admin/xpack/ccr/unfollow",
            "indices:admin/close*",
            "indices:admin/data_stream/promote",
            "indices:admin/rollover",
        )
    ),
    "manage_ilm": Actions(("indices:admin/ilm/*",)),
    "manage_leader_index": Actions(("indices:admin/xpack/ccr/forget_follower*",)),
    "monitor": Actions((_MONITOR,)),
    "read": Actions(_READ),
    "read_cross_cluster": Actions(
        (
            "internal:transport/proxy/indices:data/read/*",
            "indices:admin/shards/search_shards",
            "indices:admin/resolve/*",
        )
    ),
    "read_failure_store": Actions(("indices:failures/data/read/*",)),
    "view_index_metadata": Actions(
        (
            "indices:admin/aliases/get",
            "indices:admin/get",
            "indices:admin/mappings/fields/get*",
            "indices:admin/mappings/get",
            "indices:admin/shards/search_shards",
            "indices:admin/validate/query*",
            "indices:monitor/settings/get",
            "indices:admin/ilm/explain",
            "indices:admin/data_stream/get",
            "indices:admin/resolve/*",
            "indices:data/read/field_caps*",
            "indices:admin/xpack/rollup/get/index/caps*",
            "indices:internal/transform/checkpoint*",
        )
    ),
    "write": Actions(("indices:data/write/*", _AUTO_MAPPING)),
}


def implies(granted: Iterable[Actions], wanted: Actions) -> bool:
    """Tell whether these grants together surely allow every action of ``wanted``."""
    grants = tuple(granted)
    return all(
        any(_grants_pattern(grant, pattern, wanted.excluded) for grant in grants)
        for pattern in wanted.granted
    )


def _grants_pattern(grant: Actions, pattern: str, not_wanted: tuple[str, ...]) -> bool:
    if not any(covers(granted, pattern) for granted in grant.granted):
        return False
    return all(
        not may_overlap(excluded, pattern) or any(covers(other, excluded) for other in not_wanted)
        for excluded in grant.excluded
    )


def _least_first(privileges: Mapping[str, Actions]) -> tuple[str, ...]:
    """Order as Elasticsearch lists them: by how many others a privilege implies, then by name."""

    def rank(name: str) -> tuple[int, str]:
        implied = sum(implies((privileges[name],), other) for key, other in privileges.items() if key != name)
        return implied, name

    return tuple(sorted(privileges, key=rank))


CLUSTER_PRIVILEGE_NAMES: Final = _least_first(_CLUSTER)
INDEX_PRIVILEGE_NAMES: Final = _least_first(_INDICES)
#: privileges that a role may give for a remote cluster itself (``remote_cluster``)
REMOTE_CLUSTER_PRIVILEGE_NAMES: Final = ("monitor_enrich", "monitor_stats")


def is_cluster_action(action: str) -> bool:
    """Tell whether cluster privileges, not index privileges, decide on this action."""
    return matcher_of_any(_ALL_CLUSTER)(action)


def is_index_action(action: str) -> bool:
    """Tell whether index privileges decide on this action."""
    return not is_cluster_action(action) and matcher_of_any(_INDICES["all"].granted)(action)


@lru_cache(maxsize=1024)
def cluster_privilege(name: str) -> Actions:
    """Answer the actions that a cluster privilege grants.

    Raises an ``illegal_argument_exception`` failure for a name that is neither a privilege nor an action.
    """
    lowered = name.lower()
    if is_cluster_action(lowered):
        return Actions((f"{lowered}*",))
    return _known(_CLUSTER, lowered) or _raise(unknown_cluster_privilege(name))


@lru_cache(maxsize=1024)
def index_privilege(name: str) -> Actions:
    """Answer the actions that an index privilege grants.

    Raises an ``illegal_argument_exception`` failure for a name that is neither a privilege nor an action.
    """
    lowered = name.lower()
    if matcher_of_any(_INDICES["all"].granted)(lowered):
        return Actions((f"{lowered}*",))
    return _known(_INDICES, lowered) or _raise(unknown_index_privilege(name))


def _known(table: Mapping[str, Actions], name: str) -> Actions | None:
    return table.get(name)


def _raise(failure: Failure) -> Actions:
    raise failure


def unknown_cluster_privilege(name: str) -> Failure:
    """Answer the failure for a cluster privilege that does not exist, in Elasticsearch's words."""
    return illegal_argument(
        f"unknown cluster privilege [{name.lower()}]. a privilege must be either one of the predefined "
        f"cluster privilege names [{','.join(CLUSTER_PRIVILEGE_NAMES)}] or a pattern over one of the "
        "available cluster actions"
    )


def unknown_index_privilege(name: str) -> Failure:
    """Answer the failure for an index privilege that does not exist, in Elasticsearch's words."""
    return illegal_argument(
        f"unknown index privilege [{name.lower()}]. a privilege must be either one of the predefined "
        f"fixed indices privileges [{','.join(INDEX_PRIVILEGE_NAMES)}] or a pattern over one of the "
        "available index actions"
    )


def cluster_privileges_that_grant(action: str) -> tuple[str, ...]:
    """Answer the named cluster privileges that allow this action, the least powerful first."""
    return tuple(name for name in CLUSTER_PRIVILEGE_NAMES if _CLUSTER[name].allow(action))


def index_privileges_that_grant(action: str) -> tuple[str, ...]:
    """Answer the named index privileges that allow this action, the least powerful first."""
    return tuple(name for name in INDEX_PRIVILEGE_NAMES if _INDICES[name].allow(action))


def implied_by_cluster_privileges(wanted: str, granted: Iterable[str]) -> bool:
    """Tell whether these cluster privileges together surely allow everything that ``wanted`` does.

    Raises an ``illegal_argument_exception`` failure when ``wanted`` is unknown; unknown ones among
    ``granted`` allow nothing.
    """
    return implies(_known_ones(granted, cluster_privilege), cluster_privilege(wanted))


def implied_by_index_privileges(wanted: str, granted: Iterable[str]) -> bool:
    """Tell the same of index privileges."""
    return implies(_known_ones(granted, index_privilege), index_privilege(wanted))


def _known_ones(names: Iterable[str], resolve: Callable[[str], Actions]) -> list[Actions]:
    known = []
    for name in names:
        with contextlib.suppress(Failure):
            known.append(resolve(name))
    return known
