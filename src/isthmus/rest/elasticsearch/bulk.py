"""``_bulk``: many writes in one request, each with its own outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from isthmus.errors import Failure, illegal_argument
from isthmus.exchange import Engine, RefreshPolicy, WriteKind, WriteOperation
from isthmus.names import IndexName
from isthmus.rest.elasticsearch.bulk_parsing import BulkDefaults, BulkItem, parse_bulk
from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter
from isthmus.rest.elasticsearch.documents import (
    require_no_pipeline,
    require_unrestricted,
    require_write_parameters,
)
from isthmus.rest.elasticsearch.documents_operation import ACTION_OF_KIND, write_operation
from isthmus.rest.elasticsearch.documents_rendering import outcome_object, status_of, updated_object
from isthmus.rest.elasticsearch.documents_source import (
    SOURCE_PARAMETERS,
    SourceFilter,
    source_filter_of,
    source_filter_of_json,
)
from isthmus.rest.elasticsearch.documents_target import WriteTargets
from isthmus.rest.elasticsearch.documents_update import parse_update
from isthmus.rest.elasticsearch.errors import failure_object, failure_of
from isthmus.rest.elasticsearch.refresh import refresh_policy
from isthmus.rest.http import Response, boolean_parameter, json_response, parse_json
from isthmus.rest.statuses import STATUS_OF_KIND
from isthmus.security.principal import Principal

#: ``routing`` and ``timeout`` are accepted and change nothing, as for single documents
_PARAMETERS: Final = (
    "refresh",
    "timeout",
    "routing",
    "wait_for_active_shards",
    "require_alias",
    "require_data_stream",
    "pipeline",
    "list_executed_pipelines",
    "include_source_on_error",
    *SOURCE_PARAMETERS,
)
#: from this size on, lines are parsed in a thread (about 1 ms of work)
_PARSE_IN_THREAD_FROM_BYTES: Final = 256 * 1024


@dataclass(slots=True)
class _Prepared:
    """An item that may be written, and where."""

    position: int
    item: BulkItem
    operation: WriteOperation
    wanted: SourceFilter | None


@dataclass(slots=True)
class _Run:
    """One bulk request on its way: the outcomes so far, by position."""

    principal: Principal
    refresh: RefreshPolicy
    wanted: SourceFilter | None
    outcomes: list[dict[str, Any]]
    errors: bool = False
    #: what a name and a kind of write lead to: an index, or why not
    targets: dict[tuple[object, ...], IndexName | Failure] = field(default_factory=dict)

    def fail(self, position: int, item: BulkItem, failure: Failure, index: str | None = None) -> None:
        self.errors = True
        self.outcomes[position] = {
            item.kind.value: {
                "_index": index or item.index,
                "_id": item.id,
                "status": STATUS_OF_KIND[failure.kind],
                "error": failure_object(failure),
            }
        }


class Bulk:
    """The handler."""

    def __init__(self, engine: Engine, targets: WriteTargets) -> None:
        self._engine = engine
        self._targets = targets

    async def handle(self, call: Call) -> Response:
        """Write every item that can be written and answer what became of each, in order.

        The items of one index are applied in their order; an item's failure stops no other.
        """
        started = time.monotonic()
        parameters = call.parameters
        require_write_parameters(parameters)
        if boolean_parameter(parameters, "list_executed_pipelines", default=False):
            raise illegal_argument("[list_executed_pipelines] is not supported: there are no pipelines")
        refresh = refresh_policy(parameters.get("refresh"))
        defaults = BulkDefaults(
            index=call.path.get("index"),
            require_alias=boolean_parameter(parameters, "require_alias", default=False),
            pipeline=parameters.get("pipeline"),
        )
        body = call.request.body
        if len(body) < _PARSE_IN_THREAD_FROM_BYTES:
            items = parse_bulk(body, defaults)
        else:
            items = await asyncio.to_thread(parse_bulk, body, defaults)
        run = _Run(call.principal, refresh, source_filter_of(parameters), [{} for _ in items])
        for index, prepared in (await self._prepared(run, items)).items():
            for batch in _batches(prepared):
                await self._write(run, index, batch)
        took_milliseconds = int((time.monotonic() - started) * 1000)
        return json_response({"errors": run.errors, "took": took_milliseconds, "items": run.outcomes})

    async def _prepared(self, run: _Run, items: Sequence[BulkItem]) -> dict[IndexName, list[_Prepared]]:
        """Answer what is to be written, by index; the others have failed."""
        by_index: dict[IndexName, list[_Prepared]] = {}
        for position, item in enumerate(items):
            try:
                if item.failure is not None:
                    raise item.failure
                index = await self._target(run, item)
                by_index.setdefault(index, []).append(_prepare(run, position, item))
            except Failure as failure:
                run.fail(position, item, failure)
        return by_index

    async def _target(self, run: _Run, item: BulkItem) -> IndexName:
        key = (item.index, item.kind, item.require_alias, item.condition.version_type)
        known = run.targets.get(key)
        if known is None:
            try:
                known = await self._find_target(run, item)
            except Failure as failure:
                known = failure
            run.targets[key] = known
        if isinstance(known, Failure):
            raise known
        return known

    async def _find_target(self, run: _Run, item: BulkItem) -> IndexName:
        action = ACTION_OF_KIND[item.kind]
        external = item.condition.version_type != "internal"
        index = await self._targets.index_for(
            run.principal,
            action,
            item.index,
            require_alias=item.require_alias,
            create=item.kind is not WriteKind.DELETE or external,
        )
        if item.kind is WriteKind.UPDATE:
            require_unrestricted(run.principal, action, index, item.index)
        return index

    async def _write(self, run: _Run, index: IndexName, prepared: Sequence[_Prepared]) -> None:
        try:
            outcomes = await self._engine.write(index, [one.operation for one in prepared], run.refresh)
        except Failure as failure:  # the index went away in the meantime, or cannot be written at all
            for one in prepared:
                run.fail(one.position, one.item, failure, index)
            return
        description = self._engine.indices().get(index)
        for one, outcome in zip(prepared, outcomes, strict=True):
            if outcome.failure is not None:
                run.fail(one.position, one.item, failure_of(outcome.failure), index)
                continue
            shown = outcome_object(index, description, outcome, run.refresh)
            if one.wanted is not None and one.wanted.enabled:
                document = await self._engine.get(index, outcome.id)
                if document is not None:
                    shown["get"] = updated_object(document, one.wanted)
            shown["status"] = status_of(outcome)
            run.outcomes[one.position] = {one.item.kind.value: shown}


def _batches(prepared: Sequence[_Prepared]) -> Iterator[Sequence[_Prepared]]:
    """Cut after each item whose document is wanted back: a later item may change it again."""
    begin = 0
    for position, one in enumerate(prepared, start=1):
        if one.wanted is not None and one.wanted.enabled:
            yield prepared[begin:position]
            begin = position
    if begin < len(prepared):
        yield prepared[begin:]


def _prepare(run: _Run, position: int, item: BulkItem) -> _Prepared:
    require_no_pipeline(item.pipeline)
    source, wanted = item.source, None
    if item.kind is WriteKind.UPDATE:
        source, wanted_by_body = parse_update(parse_json(item.source))
        wanted_by_line = None if item.wanted_source is None else source_filter_of_json(item.wanted_source)
        wanted = wanted_by_body or wanted_by_line or run.wanted
    return _Prepared(position, item, write_operation(item.kind, item.id, source, item.condition), wanted)


def register(router: ElasticsearchRouter, engine: Engine, auto_create_index: str = "true") -> None:
    """Serve the bulk routes. ``auto_create_index`` is the setting ``action.auto_create_index``."""
    bulk = Bulk(engine, WriteTargets(engine, auto_create_index))
    router.add("POST PUT", "/_bulk", bulk.handle, _PARAMETERS)
    router.add("POST PUT", "/{index}/_bulk", bulk.handle, _PARAMETERS)
