"""``_cluster/health`` and ``_cluster/stats``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from isthmus.clock import Clock
from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.exchange import Engine, IndexDescription
from isthmus.names import resolve_expressions
from isthmus.remotes.records import NodeIdentity
from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter, index_expressions, indices_options
from isthmus.rest.elasticsearch.cluster_health import (
    Health,
    health_object,
    health_of,
    index_health_object,
    is_met,
)
from isthmus.rest.elasticsearch.nodes import ROLES
from isthmus.rest.http import Response, json_response
from isthmus.search.local import KnownIndices
from isthmus.security.authorize import require_cluster_action
from isthmus.settings import COMPATIBLE_VERSION

#: ``wait_for_no_…`` and ``wait_for_events`` are accepted: shards never move here, no event is pending
_HEALTH_PARAMETERS: Final = (
    "wait_for_status",
    "wait_for_nodes",
    "wait_for_active_shards",
    "wait_for_no_relocating_shards",
    "wait_for_no_initializing_shards",
    "wait_for_events",
    "level",
    "local",
    "timeout",
    "master_timeout",
    "expand_wildcards",
)
_LEVELS: Final = ("cluster", "indices", "shards")
_POLL_SECONDS: Final = 0.05
_DEFAULT_TIMEOUT_SECONDS: Final = 30.0
_UNITS: Final = {"nanos": 1e-9, "micros": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration_seconds(parameters: Mapping[str, str], name: str, default: float) -> float:
    """Read a time value such as ``500ms``; raises a 400 failure that names the parameter."""
    text = parameters.get(name)
    if text is None:
        return default
    if text in {"0", "-1"}:
        return float(text)
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = _UNITS.get(text[len(number) :])
    if unit is None or not (number.isascii() and number.isdigit() and len(number) < 16):  # noqa: PLR2004 - keeps it exact
        raise illegal_argument(
            f"failed to parse setting [{name}] with value [{text[:100]}] as a time value: unit is missing or "
            "unrecognized"
        )
    return int(number) * unit


def register(router: ElasticsearchRouter, engine: Engine, identity: NodeIdentity, clock: Clock) -> None:
    """Serve the cluster routes."""

    def current(call: Call) -> tuple[Health, list[IndexDescription]]:
        expressions = index_expressions(call)
        options = indices_options(call, expand_wildcards="all")
        descriptions = engine.indices()
        try:
            names = resolve_expressions(expressions, KnownIndices(descriptions), options)
        except Failure as failure:
            if failure.kind is not FailureKind.NOT_FOUND:
                raise
            return Health(active=0, unassigned=0, missing=True), []
        chosen = sorted((descriptions[name] for name in names), key=lambda one: one.name)
        return health_of(chosen), chosen

    async def health(call: Call) -> Response:
        require_cluster_action(call.principal, "cluster:monitor/health")
        parameters = call.parameters
        level = parameters.get("level", "cluster")
        if level not in _LEVELS:
            raise illegal_argument(
                f"level parameter must be one of [cluster, indices, shards] but was [{level[:100]}]"
            )
        timeout_seconds = duration_seconds(parameters, "timeout", _DEFAULT_TIMEOUT_SECONDS)
        deadline = clock.monotonic_seconds() + timeout_seconds
        found, descriptions = current(call)
        while not is_met(found, parameters) and clock.monotonic_seconds() < deadline:
            await clock.sleep(_POLL_SECONDS)
            found, descriptions = current(call)
        timed_out = not is_met(found, parameters)
        answer = health_object(identity.cluster_name, found, timed_out=timed_out)
        if level != "cluster":
            answer["indices"] = {
                str(one.name): index_health_object(one, with_shards=level == "shards") for one in descriptions
            }
        return json_response(answer, 408 if timed_out else 200)

    async def stats(call: Call) -> Response:
        require_cluster_action(call.principal, "cluster:monitor/stats")
        descriptions = engine.indices()
        counts = (await engine.statistics(list(descriptions))).values()
        shards = health_of(descriptions.values()).active
        answer: dict[str, Any] = {
            "_nodes": {"total": 1, "successful": 1, "failed": 0},
            "cluster_name": identity.cluster_name,
            "cluster_uuid": identity.cluster_id,
            "timestamp": clock.now_milliseconds(),
            "status": health_of(descriptions.values()).status,
            "indices": {
                "count": len(descriptions),
                "shards": {"total": shards, "primaries": shards, "replication": 0.0} if shards else {},
                "docs": {
                    "count": sum(one.documents for one in counts),
                    "deleted": sum(one.deleted_documents for one in counts),
                },
                "store": {"size_in_bytes": sum(one.size_bytes for one in counts)},
            },
            "nodes": {
                "count": {"total": 1, **dict.fromkeys(ROLES, 1)},
                "versions": [COMPATIBLE_VERSION],
                "discovery_types": {"single-node": 1},
                "packaging_types": [{"flavor": "default", "type": "pip", "count": 1}],
            },
        }
        return json_response(answer)

    for template in ("/_cluster/health", "/_cluster/health/{index}"):
        router.add("GET", template, health, _HEALTH_PARAMETERS)
    router.add("GET", "/_cluster/stats", stats, ("timeout", "include_remotes"))
