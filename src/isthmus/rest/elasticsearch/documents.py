"""Single documents: index, create, get, delete, update."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from isthmus.errors import Failure, FailureKind, illegal_argument, validation_failure
from isthmus.exchange import Engine, StoredDocument, WriteKind
from isthmus.names import IndexName
from isthmus.names.date_math import resolve_date_math
from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter
from isthmus.rest.elasticsearch.documents_operation import (
    ACTION_OF_KIND,
    Concurrency,
    concurrency_of,
    problems_of,
    write_operation,
)
from isthmus.rest.elasticsearch.documents_reading import DocumentReader, read_conflict
from isthmus.rest.elasticsearch.documents_rendering import (
    document_object,
    location_of,
    missing_object,
    outcome_object,
    status_of,
    updated_object,
)
from isthmus.rest.elasticsearch.documents_source import SOURCE_PARAMETERS, SourceFilter, source_filter_of
from isthmus.rest.elasticsearch.documents_target import WriteTargets
from isthmus.rest.elasticsearch.documents_update import parse_update
from isthmus.rest.elasticsearch.errors import failure_of
from isthmus.rest.elasticsearch.refresh import refresh_policy
from isthmus.rest.http import Response, boolean_parameter, integer_parameter, json_response
from isthmus.security.authorize import selection_of
from isthmus.security.principal import Principal

#: accepted and without effect: an index has one shard, so every routing leads to it, and its one
#: copy is always there (``wait_for_active_shards`` above 1 is refused)
WITHOUT_EFFECT: Final = frozenset({"preference", "routing", "timeout", "wait_for_active_shards"})
_WRITE_PARAMETERS: Final = ("refresh", "timeout", "routing", "wait_for_active_shards", "require_alias")
_CONDITION_PARAMETERS: Final = ("if_seq_no", "if_primary_term", "version", "version_type")
_INDEX_PARAMETERS: Final = (
    *_WRITE_PARAMETERS,
    *_CONDITION_PARAMETERS,
    "op_type",
    "pipeline",
    "require_data_stream",
    "include_source_on_error",
)
_UPDATE_PARAMETERS: Final = (
    *_WRITE_PARAMETERS,
    *_CONDITION_PARAMETERS,
    *SOURCE_PARAMETERS,
    "retry_on_conflict",
    "lang",
)
#: ``preference`` changes nothing: there is one copy
_GET_PARAMETERS: Final = (
    *SOURCE_PARAMETERS,
    "realtime",
    "refresh",
    "routing",
    "preference",
    "version",
    "version_type",
    "stored_fields",
)


def require_no_pipeline(name: Any) -> None:
    """Return for no pipeline; raises the 400 failure of one that does not exist (there are none)."""
    if name not in {None, "", "_none"}:
        raise illegal_argument(f"pipeline with id [{str(name)[:200]}] does not exist")


def require_write_parameters(parameters: Mapping[str, str]) -> None:
    """Return if what is only accepted has a value that can be accepted; raises 400 otherwise."""
    if parameters.get("wait_for_active_shards", "1") not in {"0", "1", "all"}:
        raise illegal_argument(
            f"[wait_for_active_shards={parameters['wait_for_active_shards'][:50]}] is not supported: "
            "an index has one copy"
        )
    if boolean_parameter(parameters, "require_data_stream", default=False):
        raise illegal_argument("[require_data_stream] is not supported: there are no data streams")


class Documents:
    """The handlers. Each asks for permission itself."""

    def __init__(self, engine: Engine, targets: WriteTargets) -> None:
        self._engine = engine
        self._targets = targets
        self._reader = DocumentReader(engine)

    async def index(self, call: Call) -> Response:
        """Store a document, under an id of the caller's or a new one."""
        kind = _kind_of(call.parameters.get("op_type"), has_id="id" in call.path)
        return await self._store(call, kind)

    async def create(self, call: Call) -> Response:
        """Store a document that is not there yet."""
        op_type = call.parameters.get("op_type", "create")
        if op_type != "create":
            raise illegal_argument(f"opType must be 'create', found: [{op_type[:100]}]")
        return await self._store(call, WriteKind.CREATE)

    async def _store(self, call: Call, kind: WriteKind) -> Response:
        require_no_pipeline(call.parameters.get("pipeline"))
        body = call.request.body
        if not body.strip():
            raise validation_failure("source is missing")
        return await self._write(call, kind, body)

    async def delete(self, call: Call) -> Response:
        """Remove a document; 404 where there is none."""
        return await self._write(call, WriteKind.DELETE, b"")

    async def _write(self, call: Call, kind: WriteKind, source: bytes) -> Response:
        parameters = call.parameters
        require_write_parameters(parameters)
        refresh = refresh_policy(parameters.get("refresh"))
        document_id = call.path.get("id")
        condition = concurrency_of(parameters)
        _require_no_problems(kind, document_id, condition)
        index = await self._targets.index_for(
            call.principal,
            ACTION_OF_KIND[kind],
            call.path["index"],
            require_alias=boolean_parameter(parameters, "require_alias", default=False),
            create=kind is not WriteKind.DELETE or condition.version_type != "internal",
        )
        operation = write_operation(kind, document_id, source, condition)
        outcome = (await self._engine.write(index, [operation], refresh))[0]
        if outcome.failure is not None:
            raise failure_of(outcome.failure)
        description = self._engine.indices().get(index)
        status = status_of(outcome)
        headers = (location_of(index, outcome.id),) if outcome.result == "created" else ()
        return json_response(outcome_object(index, description, outcome, refresh), status, headers)

    async def update(self, call: Call) -> Response:
        """Merge a partial document into one that is there."""
        parameters = call.parameters
        require_write_parameters(parameters)
        integer_parameter(parameters, "retry_on_conflict", 0)
        refresh = refresh_policy(parameters.get("refresh"))
        document_id = call.path["id"]
        condition = concurrency_of(parameters)
        _require_no_problems(WriteKind.UPDATE, document_id, condition)
        body = call.request.json_or_none()
        source, wanted = parse_update({} if body is None else body)
        wanted = source_filter_of(parameters) or wanted
        action = ACTION_OF_KIND[WriteKind.UPDATE]
        index = await self._targets.index_for(
            call.principal,
            action,
            call.path["index"],
            require_alias=boolean_parameter(parameters, "require_alias", default=False),
        )
        require_unrestricted(call.principal, action, index, call.path["index"])
        operation = write_operation(WriteKind.UPDATE, document_id, source, condition)
        outcome = (await self._engine.write(index, [operation], refresh))[0]
        if outcome.failure is not None:
            raise failure_of(outcome.failure)
        shown = outcome_object(index, self._engine.indices().get(index), outcome, refresh)
        if wanted is not None and wanted.enabled:
            document = await self._engine.get(index, document_id)
            if document is not None:
                shown["get"] = updated_object(document, wanted)
        headers = (location_of(index, outcome.id),) if outcome.result == "created" else ()
        return json_response(shown, status_of(outcome), headers)

    async def get(self, call: Call) -> Response:
        """Show a document; 404 where there is none."""
        document_id = call.path["id"]
        index, document = await self._read(call, document_id)
        if document is None:
            return json_response(missing_object(index, document_id), 404)
        return json_response(document_object(index, document, source_filter_of(call.parameters)))

    async def source(self, call: Call) -> Response:
        """Show the source of a document alone; 404 where there is none."""
        document_id = call.path["id"]
        wanted = source_filter_of(call.parameters) or SourceFilter()
        if not wanted.enabled:
            raise validation_failure("fetching source can not be disabled")
        index, document = await self._read(call, document_id)
        if document is None:
            raise Failure(
                FailureKind.NOT_FOUND,
                "resource_not_found_exception",
                f"Document not found [{index}]/[{document_id}]",
            )
        if not document.source:  # the mapping says that sources are not kept
            raise Failure(
                FailureKind.NOT_FOUND,
                "resource_not_found_exception",
                f"Source not found [{index}]/[{document_id}]",
            )
        return Response(body=wanted.apply(document.source))

    async def _read(self, call: Call, document_id: str) -> tuple[IndexName, StoredDocument | None]:
        parameters = call.parameters
        if parameters.get("stored_fields"):
            raise illegal_argument("[stored_fields] is not supported: use [_source_includes]")
        realtime = boolean_parameter(parameters, "realtime", default=True)
        condition = concurrency_of(parameters)
        if boolean_parameter(parameters, "refresh", default=False):
            selection = self._reader.selection_for(
                call.principal, "indices:data/read/get", call.path["index"]
            )
            await self._engine.refresh([selection.index])
        index, document = await self._reader.read(
            call.principal, call.path["index"], document_id, realtime=realtime
        )
        if document is not None and condition.version not in {None, document.version}:
            raise read_conflict(index, document, condition.version)
        return index, document


def require_unrestricted(principal: Principal, action: str, index: IndexName, name: str) -> None:
    """Return if the caller sees whole documents: an update would show or destroy what is hidden.

    ``name`` is what the caller called the index: it may be an alias or date math.
    """
    selection = selection_of(principal, action, index, (resolve_date_math(name),))
    if selection.document_filters or selection.field_access:
        raise Failure(
            FailureKind.INVALID_REQUEST,
            "security_exception",
            "Can't execute an update request if field or document level security is enabled",
        )


def _kind_of(op_type: str | None, *, has_id: bool) -> WriteKind:
    if op_type is None or op_type == "":
        # Elasticsearch: a new id cannot collide, so the write needs no more than the right to create.
        return WriteKind.INDEX if has_id else WriteKind.CREATE
    if op_type.lower() == "index":
        return WriteKind.INDEX
    if op_type.lower() == "create":
        return WriteKind.CREATE
    raise illegal_argument(f"opType must be 'create' or 'index', found: [{op_type[:100]}]")


def _require_no_problems(kind: WriteKind, document_id: str | None, condition: Concurrency) -> None:
    problems = tuple(problems_of(kind, document_id, condition))
    if problems:
        raise validation_failure(*problems)


def register(router: ElasticsearchRouter, engine: Engine, auto_create_index: str = "true") -> None:
    """Serve the document routes. ``auto_create_index`` is the setting ``action.auto_create_index``."""
    documents = Documents(engine, WriteTargets(engine, auto_create_index))
    router.add("PUT POST", "/{index}/_doc/{id}", documents.index, _INDEX_PARAMETERS)
    router.add("POST", "/{index}/_doc", documents.index, _INDEX_PARAMETERS)
    router.add("PUT POST", "/{index}/_create/{id}", documents.create, _INDEX_PARAMETERS)
    router.add("GET HEAD", "/{index}/_doc/{id}", documents.get, _GET_PARAMETERS)
    router.add("GET HEAD", "/{index}/_source/{id}", documents.source, _GET_PARAMETERS)
    router.add("DELETE", "/{index}/_doc/{id}", documents.delete, (*_WRITE_PARAMETERS, *_CONDITION_PARAMETERS))
    router.add("POST", "/{index}/_update/{id}", documents.update, _UPDATE_PARAMETERS)
