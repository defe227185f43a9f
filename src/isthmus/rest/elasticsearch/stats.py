"""``_stats``: documents and bytes of indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from isthmus.errors import Failure, illegal_argument
from isthmus.exchange import Engine, IndexStatistics
from isthmus.rest.elasticsearch.call import (
    INDICES_OPTIONS_PARAMETERS,
    Call,
    ElasticsearchRouter,
    did_you_mean,
    index_expressions,
    indices_options,
)
from isthmus.rest.elasticsearch.cluster_health import index_status
from isthmus.rest.elasticsearch.indices_known import described, select
from isthmus.rest.elasticsearch.refresh import shards_header
from isthmus.rest.http import Response, boolean_parameter, json_response

_PARAMETERS: Final = ("level", "forbid_closed_indices", *INDICES_OPTIONS_PARAMETERS)
_METRICS: Final = ("docs", "store")
#: metrics of Elasticsearch that would have to be made up here
_UNSUPPORTED_METRICS: Final = (
    "bulk",
    "completion",
    "dense_vector",
    "fielddata",
    "flush",
    "get",
    "indexing",
    "mappings",
    "merge",
    "query_cache",
    "recovery",
    "refresh",
    "request_cache",
    "search",
    "segments",
    "shard_stats",
    "sparse_vector",
    "suggest",
    "translog",
    "warmer",
)
_LEVELS: Final = ("cluster", "indices")


def _metrics_of(call: Call) -> tuple[str, ...]:
    wanted = index_expressions(call, "metric")
    if not wanted or "_all" in wanted:
        return _METRICS
    for metric in wanted:
        if metric not in _METRICS:
            raise _unknown_metric(call.request.path, metric)
    return wanted


def _unknown_metric(path: str, metric: str) -> Failure:
    if metric in _UNSUPPORTED_METRICS:
        return illegal_argument(f"metric [{metric}] is not supported; known are [{', '.join(_METRICS)}]")
    near = did_you_mean(metric, (*_METRICS, *_UNSUPPORTED_METRICS))
    suggestion = f" -> did you mean [{near[0]}]?" if len(near) == 1 else ""
    return illegal_argument(
        f"request [{path[:200]}] contains unrecognized metric: [{metric[:100]}]{suggestion}"
    )


def _counts_object(counts: Sequence[IndexStatistics], metrics: Sequence[str]) -> dict[str, Any]:
    size_bytes = sum(one.size_bytes for one in counts)
    shown: dict[str, Any] = {}
    if "docs" in metrics:
        shown["docs"] = {
            "count": sum(one.documents for one in counts),
            "deleted": sum(one.deleted_documents for one in counts),
        }
    if "store" in metrics:
        shown["store"] = {"size_in_bytes": size_bytes, "total_data_set_size_in_bytes": size_bytes}
    return shown


def register(router: ElasticsearchRouter, engine: Engine) -> None:
    """Serve ``_stats`` with the metrics ``docs`` and ``store``; the others are refused by name."""

    async def stats(call: Call) -> Response:
        metrics = _metrics_of(call)
        level = call.parameters.get("level", "indices")
        if level not in _LEVELS:
            raise illegal_argument(
                f"level parameter must be one of [{', '.join(_LEVELS)}] but was [{level[:100]}]"
            )
        forbid_closed = boolean_parameter(call.parameters, "forbid_closed_indices", default=True)
        options = indices_options(call, forbid_closed=forbid_closed)
        descriptions = described(engine, select(call, engine, "indices:monitor/stats", options))
        counts = await engine.statistics([one.name for one in descriptions])
        total = _counts_object(list(counts.values()), metrics)
        answer: dict[str, Any] = {
            "_shards": shards_header(descriptions),
            "_all": {"primaries": total, "total": total},
        }
        if level == "indices":
            answer["indices"] = {}
            for one in descriptions:
                if one.name in counts:
                    shown = _counts_object([counts[one.name]], metrics)
                    answer["indices"][str(one.name)] = {
                        "uuid": one.uuid,
                        "health": index_status(one),
                        "status": "close" if one.closed else "open",
                        "primaries": shown,
                        "total": shown,
                    }
        return json_response(answer)

    for template in ("/_stats", "/_stats/{metric}", "/{index}/_stats", "/{index}/_stats/{metric}"):
        router.add("GET", template, stats, _PARAMETERS)
