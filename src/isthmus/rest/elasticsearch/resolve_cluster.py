"""``GET /_resolve/cluster``: which clusters can be reached, and have they indices that match.

Unlike ``_remote/info`` this contacts every cluster that is asked about, and has its link connect now.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.exchange import Engine
from isthmus.names import ClusterAlias, IndicesOptions, group_by_cluster
from isthmus.remotes.cluster import RemoteCluster
from isthmus.remotes.records import NodeIdentity
from isthmus.remotes.registry import Remotes
from isthmus.rest.elasticsearch.call import (
    INDICES_OPTIONS_PARAMETERS,
    Call,
    ElasticsearchRouter,
    indices_options,
)
from isthmus.rest.elasticsearch.search_parameters import expressions_of
from isthmus.rest.elasticsearch.search_values import time_milliseconds
from isthmus.rest.http import Response, json_response
from isthmus.search.local import LocalCluster

logger = logging.getLogger(__name__)

_LOCAL: Final = "(local)"
_INDEX_OPTIONS: Final = (*INDICES_OPTIONS_PARAMETERS, "ignore_throttled")
_PARAMETERS: Final = ("timeout", *_INDEX_OPTIONS)
_TIMED_OUT: Final = "Request timed out before receiving a response from the remote cluster"
_DEFAULT_TIMEOUT_SECONDS: Final = 30.0


def register(router: ElasticsearchRouter, engine: Engine, remotes: Remotes, identity: NodeIdentity) -> None:
    """Serve the resolution of clusters."""

    async def resolve(call: Call) -> Response:
        timeout_seconds = _timeout_seconds(call.parameters)
        expressions = expressions_of(call.path.get("name"))
        if "name" not in call.path:
            _require_no_index_options(call.parameters)
            groups: Mapping[ClusterAlias | None, tuple[str, ...] | None] = dict.fromkeys(remotes.aliases())
        else:
            groups = dict(group_by_cluster(expressions, remotes.aliases()))
        options = indices_options(call)
        answer: dict[str, Any] = {}
        if None in groups:
            answer[_LOCAL] = _resolve_local(
                LocalCluster(engine, call.principal), groups[None], options, identity
            )
        asked = [alias for alias in groups if alias is not None]
        described = await asyncio.gather(
            *(
                _resolve_remote(remotes.get(alias), call, groups[alias], options, timeout_seconds)
                for alias in asked
            )
        )
        answer.update(zip(asked, described, strict=True))
        return json_response(answer)

    router.add("GET", "/_resolve/cluster", resolve, _PARAMETERS)
    router.add("GET", "/_resolve/cluster/{name}", resolve, _PARAMETERS)


def _resolve_local(
    local: LocalCluster, expressions: tuple[str, ...] | None, options: IndicesOptions, identity: NodeIdentity
) -> dict[str, Any]:
    described: dict[str, Any] = {"connected": True, "skip_unavailable": False}
    try:
        described["matching_indices"] = local.has_matching_indices(expressions or (), options)
    except Failure as failure:
        if failure.kind is FailureKind.FORBIDDEN:
            raise  # nobody else is to blame: as everywhere, the caller is told so by the status
        described["error"] = failure.reason
        return described
    described["version"] = _version(
        identity.compatible_version,
        identity.minimum_wire_compatible_version,
        identity.minimum_index_compatible_version,
    )
    return described


async def _resolve_remote(
    cluster: RemoteCluster,
    call: Call,
    expressions: tuple[str, ...] | None,
    options: IndicesOptions,
    timeout_seconds: float | None,
) -> dict[str, Any]:
    described: dict[str, Any] = {"connected": False, "skip_unavailable": cluster.skip_unavailable}
    try:
        async with asyncio.timeout(timeout_seconds):
            resolution = await cluster.resolve(call.principal, expressions, options)
    except TimeoutError:
        described["error"] = _TIMED_OUT
        return described
    except Failure as failure:
        return {**described, **_outcome(failure, cluster.alias)}
    described["connected"] = True
    if resolution.matching_indices is not None:
        described["matching_indices"] = resolution.matching_indices
    welcome = resolution.welcome
    described["version"] = _version(
        welcome.compatible_version,
        welcome.minimum_wire_compatible_version,
        welcome.minimum_index_compatible_version,
    )
    return described


def _outcome(failure: Failure, alias: ClusterAlias) -> dict[str, Any]:
    """Answer what Elasticsearch shows for each way in which asking a remote can fail."""
    if failure.kind is FailureKind.NOT_FOUND:
        return {"connected": True, "error": failure.reason}
    if failure.kind is FailureKind.TIMED_OUT:
        return {"error": _TIMED_OUT}
    cause = failure.caused_by
    if failure.kind is FailureKind.UNAVAILABLE and cause is not None:
        # Elasticsearch gives no error for a cluster that cannot be reached; people ask for the reason.
        return {"error": cause.reason}
    if failure.kind not in (FailureKind.FORBIDDEN, FailureKind.UNAVAILABLE):
        logger.warning(
            "failure from _resolve/cluster lookup", extra={"alias": alias, "reason": failure.reason}
        )
    return {"error": failure.reason}


def _version(number: str, wire: str, index: str) -> dict[str, str]:
    return {
        "number": number,
        "build_flavor": "default",
        "minimum_wire_compatibility_version": wire,
        "minimum_index_compatibility_version": index,
    }


def _require_no_index_options(parameters: Mapping[str, str]) -> None:
    given = [name for name in _INDEX_OPTIONS if name in parameters]
    if given:
        raise illegal_argument(
            "No index options are allowed on _resolve/cluster when no index expression is specified, but"
            f" received: [{', '.join(given)}]"
        )


def _timeout_seconds(parameters: Mapping[str, str]) -> float | None:
    """Answer how long a cluster may take; None: as long as it does."""
    text = parameters.get("timeout")
    if text is None:
        return _DEFAULT_TIMEOUT_SECONDS
    milliseconds = time_milliseconds("timeout", text)
    return None if milliseconds is None else milliseconds / 1000
