"""``_mget``: several documents by id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from isthmus.errors import Failure, illegal_argument, parsing_failure, validation_failure
from isthmus.exchange import Engine
from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter, json_object, require_only_members
from isthmus.rest.elasticsearch.documents_operation import Concurrency, concurrency_of
from isthmus.rest.elasticsearch.documents_reading import DocumentReader, read_conflict
from isthmus.rest.elasticsearch.documents_rendering import document_object, missing_object
from isthmus.rest.elasticsearch.documents_source import (
    SOURCE_PARAMETERS,
    SourceFilter,
    source_filter_of,
    source_filter_of_json,
)
from isthmus.rest.elasticsearch.errors import failure_object
from isthmus.rest.http import Response, boolean_parameter, json_response

_PARAMETERS: Final = (*SOURCE_PARAMETERS, "realtime", "refresh", "routing", "preference", "stored_fields")
_ITEM_MEMBERS: Final = frozenset(
    {"_index", "_id", "routing", "_source", "version", "version_type", "stored_fields"}
)
_MGET_ACTION: Final = "indices:data/read/mget"
#: bounds the work of one request; Elasticsearch has no such limit but its 100 MiB
_MOST_DOCUMENTS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """One document that is asked for."""

    index: str
    id: str
    source: SourceFilter | None
    condition: Concurrency


def parse_multi_get(
    body: Mapping[str, Any], default_index: str | None, default_source: SourceFilter | None
) -> list[Wanted]:
    """Answer the documents asked for, in order; raises a 400 failure that names what is wrong."""
    require_only_members(body, {"docs", "ids"}, "a multi get request")
    entries = [*_array(body, "docs"), *({"_id": one} for one in _array(body, "ids"))]
    if len(entries) > _MOST_DOCUMENTS:
        raise illegal_argument(f"a multi get request may ask for at most {_MOST_DOCUMENTS} documents")
    problems: list[str] = [] if entries else ["no documents to get"]
    wanted = []
    for position, entry in enumerate(entries):
        _require_entry(entry)
        index, document_id = entry.get("_index", default_index), entry.get("_id")
        if not isinstance(index, str) or not index:
            problems.append(f"index is missing for doc {position}")
        if document_id is None or isinstance(document_id, dict | list):
            problems.append(f"id is missing for doc {position}")
        source = source_filter_of_json(entry["_source"]) if "_source" in entry else default_source
        wanted.append(Wanted(str(index), str(document_id), source, concurrency_of(entry)))
    if problems:
        raise validation_failure(*problems)
    return wanted


def _array(body: Mapping[str, Any], name: str) -> list[Any]:
    part = body.get(name, [])
    if not isinstance(part, list):
        raise parsing_failure(f"[{name}] must be an array")
    return part


def _require_entry(entry: Any) -> None:
    if not isinstance(entry, dict):
        raise illegal_argument("docs array element should include an object")
    for name in entry:
        if name not in _ITEM_MEMBERS:
            raise parsing_failure(f"unknown parameter [{str(name)[:100]}] in request body")
    if entry.get("stored_fields"):
        raise illegal_argument("[stored_fields] is not supported: use [_source]")


class MultiGet:
    """The handler: a document that cannot be read is an error in its place and stops no other."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = DocumentReader(engine)

    async def handle(self, call: Call) -> Response:
        """Show the documents in the order they are asked for."""
        parameters = call.parameters
        realtime = boolean_parameter(parameters, "realtime", default=True)
        if parameters.get("stored_fields"):
            raise illegal_argument("[stored_fields] is not supported: use [_source_includes]")
        wanted = parse_multi_get(json_object(call), call.path.get("index"), source_filter_of(parameters))
        if boolean_parameter(parameters, "refresh", default=False):
            await self._refresh(call, wanted)
        return json_response({"docs": [await self._shown(call, entry, realtime) for entry in wanted]})

    async def _shown(self, call: Call, wanted: Wanted, realtime: bool) -> dict[str, Any]:  # noqa: FBT001 - passed on
        try:
            return await self._read(call, wanted, realtime)
        except Failure as failure:
            described = failure_object(failure)
            error = {"root_cause": [dict(described)], **described}
            return {"_index": wanted.index, "_id": wanted.id, "error": error}

    async def _read(self, call: Call, wanted: Wanted, realtime: bool) -> dict[str, Any]:  # noqa: FBT001 - passed on
        index, document = await self._reader.read(
            call.principal, wanted.index, wanted.id, _MGET_ACTION, realtime=realtime
        )
        if document is None:
            return missing_object(index, wanted.id)
        if wanted.condition.version not in {None, document.version}:
            raise read_conflict(index, document, wanted.condition.version)
        return document_object(index, document, wanted.source)

    async def _refresh(self, call: Call, wanted: Sequence[Wanted]) -> None:
        indices = set()
        for name in {entry.index for entry in wanted}:
            try:
                indices.add(self._reader.selection_for(call.principal, _MGET_ACTION, name).index)
            except Failure:
                continue  # answered in its document's place
        await self._engine.refresh(sorted(indices))


def register(router: ElasticsearchRouter, engine: Engine) -> None:
    """Serve ``_mget``."""
    multi_get = MultiGet(engine)
    for template in ("/_mget", "/{index}/_mget"):
        router.add("GET POST", template, multi_get.handle, _PARAMETERS)
