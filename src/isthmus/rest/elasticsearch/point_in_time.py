"""``_pit``: opening and closing points in time, over this cluster and others."""

from __future__ import annotations

from typing import Any, Final

from isthmus.errors import illegal_argument, validation_failure
from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter, json_object, require_only_members
from isthmus.rest.elasticsearch.search_parameters import (
    INDICES_PARAMETERS,
    expressions_of,
    indices_options,
)
from isthmus.rest.elasticsearch.search_pit import keep_alive_milliseconds
from isthmus.rest.elasticsearch.search_values import json_object as read_object
from isthmus.rest.http import Response, boolean_parameter, integer_parameter, json_response
from isthmus.search.clusters import clusters_object, shards_object
from isthmus.search.point_in_time import Opening, PointsInTime
from isthmus.search.point_in_time_id import decoded, encoded

#: ``preference`` and ``routing`` choose among shards, so here they choose nothing
_OPEN_PARAMETERS: Final = INDICES_PARAMETERS | {
    "allow_partial_search_results",
    "keep_alive",
    "max_concurrent_shard_requests",
    "preference",
    "routing",
}
_NOT_FOUND: Final = 404


def register(router: ElasticsearchRouter, points: PointsInTime) -> None:
    """Serve opening and closing."""

    async def open_point(call: Call) -> Response:
        parameters = call.parameters
        if "keep_alive" not in parameters:
            raise illegal_argument("[keep_alive] is not specified")
        # An index that cannot be opened is none at all here: nothing is ever partial.
        boolean_parameter(parameters, "allow_partial_search_results", default=False)
        if integer_parameter(parameters, "max_concurrent_shard_requests", 5) < 1:
            raise illegal_argument("maxConcurrentShardRequests must be >= 1")
        body = json_object(call)
        require_only_members(body, ("index_filter",), "a point in time")
        index_filter = body.get("index_filter")
        opening = Opening(
            expressions_of(call.path["index"]),
            indices_options(parameters),
            keep_alive_milliseconds(parameters["keep_alive"]),
            None if index_filter is None else read_object("index_filter", index_filter),
        )
        opened = await points.open(call.principal, opening)
        described: dict[str, Any] = {"id": encoded(opened.point), "_shards": shards_object(opened.shards)}
        if opened.clusters:
            described["_clusters"] = clusters_object(opened.clusters)
        return json_response(described)

    async def close(call: Call) -> Response:
        body = json_object(call)
        require_only_members(body, ("id",), "closing a point in time")
        text = body.get("id")
        if not isinstance(text, str) or not text:
            raise validation_failure("id is empty")
        freed = await points.close(call.principal, decoded(text))
        return json_response({"succeeded": True, "num_freed": freed}, 200 if freed else _NOT_FOUND)

    router.add("POST", "/{index}/_pit", open_point, _OPEN_PARAMETERS)
    router.add("DELETE", "/_pit", close, ())
