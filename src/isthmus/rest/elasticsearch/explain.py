"""``_explain``: why one document matches a query and scores as it does, or that it does not match."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import orjson

from isthmus.errors import illegal_argument, validation_failure
from isthmus.exchange import Engine, FetchRequest, IndexSelection, Json, JsonObject, SearchRequest
from isthmus.names.date_math import resolve_date_math
from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter
from isthmus.rest.elasticsearch.documents_reading import DocumentReader
from isthmus.rest.elasticsearch.documents_source import SOURCE_PARAMETERS, SourceFilter, source_filter_of
from isthmus.rest.elasticsearch.errors import failure_of
from isthmus.rest.elasticsearch.search_order import query_of_body
from isthmus.rest.elasticsearch.search_uri import URI_QUERY_PARAMETERS, query_of_parameters
from isthmus.rest.elasticsearch.search_values import unsupported
from isthmus.rest.http import Response, json_response
from isthmus.search.local import LocalCluster
from isthmus.search.plan import DEFAULT_OPTIONS

_ACTION: Final = "indices:data/read/explain"
#: without effect: an index is one shard
_PARAMETERS: Final = ("preference", "routing", "stored_fields", *URI_QUERY_PARAMETERS, *SOURCE_PARAMETERS)
_NO_MATCH: Final[JsonObject] = {"value": 0.0, "description": "no matching clause", "details": []}


def register(router: ElasticsearchRouter, engine: Engine) -> None:
    """Serve ``_explain`` of this cluster's documents; those of others are refused as upstream does."""
    reader = DocumentReader(engine)

    async def explain(call: Call) -> Response:
        name, document_id = call.path["index"], call.path["id"]
        if "stored_fields" in call.parameters:
            raise unsupported("stored_fields")
        _require_local(name)
        query = _query(call)
        selection = _selection(reader, engine, call, name)
        described: JsonObject = {"_index": selection.index, "_id": document_id}
        wanted = source_filter_of(call.parameters)
        by_id = {"ids": {"values": [document_id]}}
        found = await _search(
            engine,
            selection,
            SearchRequest(
                query=by_id,
                size=1,
                source=wanted is not None,
                seq_no_primary_term=True,
            ),
        )
        if found is None:
            return json_response({**described, "matched": False}, 404)
        matched = await _search(
            engine,
            selection,
            SearchRequest(
                query=query, post_filter=by_id, size=1, source=False, fetch=FetchRequest(explain=True)
            ),
        )
        described["matched"] = matched is not None
        explained = None if matched is None else (matched.sections or {}).get("_explanation")
        described["explanation"] = _NO_MATCH if explained is None else orjson.Fragment(explained)
        if wanted is not None:
            described["get"] = {
                "_seq_no": found.seq_no,
                "_primary_term": found.primary_term,
                "found": True,
                **_shown(found.source, wanted),
            }
        return json_response(described)

    router.add("GET POST", "/{index}/_explain/{id}", explain, _PARAMETERS)


def _shown(source: bytes | None, wanted: SourceFilter) -> JsonObject:
    if source is None or not wanted.enabled:
        return {}
    return {"_source": orjson.Fragment(wanted.apply(source))}


def _query(call: Call) -> Json:
    """Answer the query of the body or of ``q``; there has to be one."""
    body = call.request.json_or_none()
    query = query_of_parameters(call.parameters) if body is None else query_of_body(body)
    if query is None:
        raise validation_failure("query is missing")
    return query


def _require_local(name: str) -> None:
    if ":" in name and not name.startswith("<"):
        raise illegal_argument(
            "Cross-cluster calls are not supported in this context but remote indices were requested: "
            f"[{name[:200]}]"
        )


def _selection(reader: DocumentReader, engine: Engine, call: Call, name: str) -> IndexSelection:
    """Answer the one index behind a name as this caller may see it through that name."""
    resolved = resolve_date_math(name)
    seen = reader.selection_for(call.principal, _ACTION, resolved)
    through = LocalCluster(engine, call.principal).select(_ACTION, (resolved,), DEFAULT_OPTIONS)
    limits: tuple[Any, ...] = next(
        (each.document_filters for each in through if each.index == seen.index), seen.document_filters
    )
    return msgspec.structs.replace(seen, document_filters=limits)


async def _search(engine: Engine, selection: IndexSelection, request: SearchRequest) -> Any:
    """Answer the only hit, None where there is none; raises what the index refuses."""
    result = await engine.search([selection], request)
    for report in result.failures:
        raise failure_of(report)
    return result.hits[0] if result.hits else None
