"""``_validate/query``: would this query be understood, without its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from isthmus.errors import Failure, FailureKind
from isthmus.exchange import Engine, FailureReport, IndexSelection, Json, JsonObject, SearchRequest
from isthmus.rest.elasticsearch.call import (
    INDICES_OPTIONS_PARAMETERS,
    Call,
    ElasticsearchRouter,
    indices_options,
)
from isthmus.rest.elasticsearch.indices_known import select
from isthmus.rest.elasticsearch.search_order import query_of_body
from isthmus.rest.elasticsearch.search_uri import URI_QUERY_PARAMETERS, query_of_parameters
from isthmus.rest.elasticsearch.search_values import unsupported
from isthmus.rest.http import Response, boolean_parameter, json_response, json_text

_ACTION: Final = "indices:admin/validate/query"
#: ``all_shards`` is accepted: an index has one shard
_PARAMETERS: Final = (
    "explain",
    "all_shards",
    "rewrite",
    *URI_QUERY_PARAMETERS,
    *INDICES_OPTIONS_PARAMETERS,
)
_MATCH_ALL: Final[JsonObject] = {"match_all": {}}


def register(router: ElasticsearchRouter, engine: Engine) -> None:
    """Serve ``_validate/query`` over this cluster's indices."""

    async def validate(call: Call) -> Response:
        parameters = call.parameters
        boolean_parameter(parameters, "all_shards", default=False)
        if boolean_parameter(parameters, "rewrite", default=False):
            raise unsupported("rewrite")
        explain = boolean_parameter(parameters, "explain", default=False)
        selections = select(call, engine, _ACTION, indices_options(call, forbid_closed=True))
        body = call.request.json_or_none()
        try:
            query = query_of_parameters(parameters) if body is None else query_of_body(body)
            request = SearchRequest(query=query, size=0, track_total_hits=False)
            found = await engine.search(selections, request)
        except Failure as failure:
            if failure.kind is not FailureKind.INVALID_REQUEST:
                raise
            return json_response(_not_understood(failure, explain=explain))
        return json_response(_answer(selections, query, found.failures, explain=explain))

    for prefix in ("", "/{index}"):
        router.add("GET POST", f"{prefix}/_validate/query", validate, _PARAMETERS)


def _not_understood(failure: Failure, *, explain: bool) -> JsonObject:
    answer: JsonObject = {"valid": False}
    if explain:
        answer["error"] = _error_text(failure.error_type, failure.reason)
    return answer


def _answer(
    selections: Sequence[IndexSelection], query: Json, failures: Sequence[FailureReport], *, explain: bool
) -> JsonObject:
    answer: JsonObject = {
        "_shards": {"total": len(selections), "successful": len(selections), "failed": 0},
        "valid": not failures,
    }
    if explain:
        refused = {failure.index: failure for failure in failures}
        names = sorted(str(selection.index) for selection in selections)
        answer["explanations"] = [_explanation(name, query, refused.get(name)) for name in names]
    return answer


def _explanation(index: str, query: Json, failure: FailureReport | None) -> dict[str, Any]:
    if failure is not None:
        error = _error_text(failure.error_type, failure.reason)
        return {"index": index, "valid": False, "error": error}
    # Elasticsearch shows Lucene's query; the only one that is the same here is the one for everything
    everything = query is None or query == _MATCH_ALL
    explanation = "*:*" if everything else json_text(query).decode()
    return {"index": index, "valid": True, "explanation": explanation}


def _error_text(error_type: str, reason: str) -> str:
    name = "".join(word.capitalize() for word in error_type.split("_"))
    return f"{name}[{reason}]"
