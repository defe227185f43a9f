"""``_field_caps``: what the fields of indices, here and in other clusters, can be used for."""

from __future__ import annotations

from typing import Any, Final

from isthmus.errors import validation_failure
from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter, json_object, require_only_members
from isthmus.rest.elasticsearch.errors import failure_body
from isthmus.rest.elasticsearch.search_parameters import (
    INDICES_PARAMETERS,
    expressions_of,
    indices_options,
)
from isthmus.rest.elasticsearch.search_values import json_object as read_object
from isthmus.rest.elasticsearch.search_values import text_list, unsupported
from isthmus.rest.http import Response, boolean_parameter, json_response
from isthmus.search.field_capabilities import FieldQuestion
from isthmus.search.metadata import ClusterMetadata, FailedIndices, IndicesAsked

_PARAMETERS: Final = INDICES_PARAMETERS | {
    "fields",
    "filters",
    "include_empty_fields",
    "include_unmapped",
    "types",
}
_MEMBERS: Final = ("fields", "index_filter", "runtime_mappings")


def register(router: ElasticsearchRouter, metadata: ClusterMetadata) -> None:
    """Serve ``_field_caps``."""

    async def field_caps(call: Call) -> Response:
        parameters = call.parameters
        body = json_object(call)
        require_only_members(body, _MEMBERS, "field capabilities")
        if body.get("runtime_mappings"):
            raise unsupported("runtime_mappings")
        if not boolean_parameter(parameters, "include_empty_fields", default=True):
            raise unsupported("include_empty_fields=false")
        index_filter = body.get("index_filter")
        found = await metadata.field_capabilities(
            call.principal,
            IndicesAsked(expressions_of(call.path.get("index")), indices_options(parameters)),
            _question(call, body),
            index_filter=None if index_filter is None else read_object("index_filter", index_filter),
            include_unmapped=boolean_parameter(parameters, "include_unmapped", default=False),
        )
        answer: dict[str, Any] = {"indices": found.indices, "fields": found.fields}
        if found.failures:
            answer["failed_indices"] = sum(len(each.expressions) for each in found.failures)
            answer["failures"] = [_failed(each) for each in found.failures]
        return json_response(answer)

    for prefix in ("", "/{index}"):
        router.add("GET POST", f"{prefix}/_field_caps", field_caps, _PARAMETERS)


def _question(call: Call, body: dict[str, Any]) -> FieldQuestion:
    """Answer the fields asked for: in the query string or, which wins, in the body."""
    given = body.get("fields", call.parameters.get("fields", "").split(","))
    patterns = tuple(each for each in text_list("fields", given) if each)
    if not patterns:
        raise validation_failure("no fields specified")
    filters, types = (_list(call, name) for name in ("filters", "types"))
    return FieldQuestion(patterns, filters, types)


def _list(call: Call, name: str) -> tuple[str, ...]:
    return tuple(each for each in call.parameters.get(name, "").split(",") if each)


def _failed(failed: FailedIndices) -> dict[str, Any]:
    return {"indices": failed.expressions, "failure": {"error": failure_body(failed.failure)["error"]}}
