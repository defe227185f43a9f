"""An engine that runs elsewhere, OpenSearch or Elasticsearch, as the engine of a deployment."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from isthmus.clock import Clock, SystemClock
from isthmus.engines.attached.answers import failure_of_answer, not_understood, read_answer, read_object
from isthmus.engines.attached.calls import Calls, EngineRequests, in_paths, of_several, path_of
from isthmus.engines.attached.dialect import Dialect
from isthmus.engines.attached.field_types import FieldType
from isthmus.engines.attached.held import RENEWAL_SECONDS, HeldIndices, open_points
from isthmus.engines.attached.limits import Limits
from isthmus.engines.attached.merging import search_apart
from isthmus.engines.attached.requests import statistics_refused
from isthmus.engines.attached.results import failure_unhidden
from isthmus.engines.attached.searching import Target, over_indices
from isthmus.engines.attached.snapshot import Snapshot
from isthmus.engines.attached.writing import bulk_lines, read_outcomes
from isthmus.errors import Failure, FailureKind, index_not_found
from isthmus.exchange import (
    IndexDescription,
    IndexSelection,
    IndexStatistics,
    Json,
    JsonObject,
    RefreshPolicy,
    SearchRequest,
    SearchResult,
    StoredDocument,
    TermStatistics,
    WriteOperation,
    WriteOutcome,
)
from isthmus.names import IndexName

logger = logging.getLogger(__name__)

_STATISTICS: Final = {
    "level": "shards",
    "filter_path": "indices.*.primaries.docs,indices.*.primaries.store,indices.*.shards.*.seq_no",
}


class _Document(msgspec.Struct):
    found: bool = False
    id: str = msgspec.field(name="_id", default="")
    version: int = msgspec.field(name="_version", default=-1)
    seq_no: int = msgspec.field(name="_seq_no", default=-2)
    primary_term: int = msgspec.field(name="_primary_term", default=0)
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw(b"{}"))


class _Count(msgspec.Struct):
    count: int


class AttachedEngine:
    """Implements :class:`isthmus.exchange.Engine` over an engine that is reached with HTTP."""

    def __init__(self, client: EngineRequests, dialect: Dialect, clock: Clock | None = None) -> None:
        """``client`` reaches the engine, which speaks ``dialect``. Nothing is asked yet."""
        self._calls: Final = Calls(client)
        self._dialect: Final = dialect
        self._snapshot: Final = Snapshot(
            self._calls, clock or SystemClock(), has_version=dialect.state_version
        )
        self._held: set[HeldIndices] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def dialect(self) -> Dialect:
        """Answer which engine it is, and what it can do."""
        return self._dialect

    @property
    def is_stale(self) -> bool:
        """Tell whether the engine has not answered for a while, so that :meth:`indices` may be old."""
        return self._snapshot.is_stale

    async def read_indices(self) -> None:
        """Ask the engine for its indices now. Raises its failure."""
        await self._snapshot.read()

    def changed(self) -> None:
        """Say that somebody else has just changed indices of the engine: they are asked for at once."""
        self._snapshot.changed()

    async def run(self) -> None:
        """Keep :meth:`indices` fresh and what is held alive, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._snapshot.run())
            group.create_task(self._keep_alive())

    def indices(self) -> Mapping[IndexName, IndexDescription]:
        """Answer every index as it was when the engine was last asked: a second ago, usually."""
        return self._snapshot.indices

    async def create_index(
        self, name: IndexName, settings: JsonObject, mappings: JsonObject, aliases: JsonObject
    ) -> None:
        """Create an index; it is known when this returns."""
        body = {"settings": settings, "mappings": mappings, "aliases": aliases}
        await self._change("PUT", path_of([name]), {key: value for key, value in body.items() if value})

    async def delete_index(self, name: IndexName) -> None:
        """Remove an index."""
        await self._change("DELETE", path_of([name]))

    async def close_index(self, name: IndexName) -> None:
        """Keep an index and serve none of its documents."""
        await self._change("POST", path_of([name], "_close"))

    async def open_index(self, name: IndexName) -> None:
        """Serve the documents of a closed index again."""
        await self._change("POST", path_of([name], "_open"))

    async def put_mapping(self, name: IndexName, mappings: JsonObject) -> None:
        """Merge these properties into the mapping."""
        await self._change("PUT", path_of([name], "_mapping"), mappings)

    async def put_settings(self, name: IndexName, settings: JsonObject) -> None:
        """Change dynamic settings."""
        await self._change("PUT", path_of([name], "_settings"), settings)

    async def update_aliases(self, changes: Mapping[IndexName, Mapping[str, JsonObject | None]]) -> None:
        """Set or remove aliases of several indices: all of it happens, or nothing."""
        actions = [
            {"remove": {"index": name, "alias": alias}}
            if parameters is None
            else {"add": {"index": name, "alias": alias, **parameters}}
            for name, aliases in changes.items()
            for alias, parameters in aliases.items()
        ]
        if actions:
            await self._change("POST", "/_aliases", {"actions": actions})

    async def write(
        self, name: IndexName, operations: Sequence[WriteOperation], refresh: RefreshPolicy
    ) -> list[WriteOutcome]:
        """Apply the operations in order; what the engine acknowledges is as durable as its settings say."""
        if not operations:
            return []
        query = {} if refresh is RefreshPolicy.NONE else {"refresh": refresh.value}
        body = await self._asked(
            self._calls.ask_lines(path_of([name], "_bulk"), bulk_lines(operations), query)
        )
        self._snapshot.touched()  # a document may bring fields
        return read_outcomes(body, operations, name)

    async def get(self, name: IndexName, document_id: str) -> StoredDocument | None:
        """Answer the document as last written."""
        response = await self._calls.send("GET", path_of([name], "_doc", document_id))
        if response.status == 404 and b'"error"' not in response.body[:20]:  # noqa: PLR2004 - not found
            return None
        if response.status != 200:  # noqa: PLR2004 - a failure
            raise self._noted(failure_of_answer(response.status, response.body))
        document = read_answer(response.body, _Document)
        if not document.found:
            return None
        return StoredDocument(
            id=document.id,
            version=document.version,
            seq_no=document.seq_no,
            primary_term=document.primary_term,
            source=bytes(document.source),
        )

    async def refresh(self, names: Sequence[IndexName]) -> None:
        """Make every write acknowledged before this call visible to search."""
        for some in in_paths(names):
            await self._asked(self._calls.ask("POST", path_of(some, "_refresh"), None, of_several(some)))

    async def search(self, selections: Sequence[IndexSelection], request: SearchRequest) -> SearchResult:
        """Search these indices; those of which the caller sees the same are searched together."""
        try:
            return await search_apart(request, [target.search for target in self._targets(selections)])
        except Failure as failure:
            raise self._noted(failure) from failure.__cause__

    async def term_statistics(
        self, selections: Sequence[IndexSelection], request: SearchRequest
    ) -> TermStatistics:
        """Refuse: an engine cannot be given the statistics of others, so its own are of no use."""
        del selections, request
        raise statistics_refused(self._dialect)

    async def count(self, selections: Sequence[IndexSelection], query: Json) -> int:
        """Count the documents that match, exactly."""
        total = 0
        for group in _groups(selections):
            types = self._types([each.index for each in group])
            body = {"query": Limits(group[0], types).query(query)}
            for names in in_paths([each.index for each in group]):
                answer = await self._asked(
                    self._calls.ask("POST", path_of(names, "_count"), body, of_several(names))
                )
                total += read_answer(answer, _Count).count
        return total

    async def hold(self, names: Sequence[IndexName]) -> HeldIndices:
        """Hold these indices as of their last refresh: a point in time of the engine for each."""
        known = self._snapshot.indices
        for name in names:
            if name not in known:
                raise index_not_found(name)
        points = await open_points(self._calls, self._dialect, names)
        held = HeldIndices(
            self._calls,
            self._dialect,
            self._snapshot,
            {name: known[name] for name in names},
            points,
            self._let_go,
        )
        self._held.add(held)
        return held

    async def statistics(self, names: Sequence[IndexName]) -> Mapping[IndexName, IndexStatistics]:
        """Answer the counts of these indices, those that are closed left out."""
        known = self._snapshot.indices
        open_ones = [name for name in names if name in known and not known[name].closed]
        counted: dict[IndexName, IndexStatistics] = {}
        for some in in_paths(open_ones):
            answer = read_object(
                await self._asked(
                    self._calls.ask(
                        "GET", path_of(some, "_stats"), query={**_STATISTICS, "ignore_unavailable": "true"}
                    )
                )
            )
            try:
                indices = answer.get("indices") or {}
                counted |= {IndexName(name): _statistics(members) for name, members in indices.items()}
            except (AttributeError, TypeError, ValueError) as problem:
                raise not_understood(repr(problem)) from problem
        return counted

    async def close(self) -> None:
        """Let go of what is held."""
        await asyncio.gather(*(held.let_go() for held in self._held), *self._tasks, return_exceptions=True)
        self._held.clear()

    async def _change(self, method: str, path: str, body: Json = None) -> None:
        """Change something about indices, and know it when this returns."""
        try:
            await self._asked(self._calls.ask(method, path, body))
        finally:
            self._snapshot.changed()
        try:
            await self._snapshot.read()
        except Failure as failure:  # it was changed all the same
            logger.warning("attached engine not read", extra={"reason": failure.reason})

    async def _asked(self, asking: Awaitable[bytes]) -> bytes:
        try:
            return await asking
        except Failure as failure:
            raise self._noted(failure) from failure.__cause__

    def _noted(self, failure: Failure) -> Failure:
        """Answer the failure; one of an index that is not there any more has the engine asked."""
        if failure.kind is FailureKind.NOT_FOUND or failure.error_type == "index_closed_exception":
            self._snapshot.changed()
        return failure_unhidden(failure)

    def _targets(self, selections: Sequence[IndexSelection]) -> Iterator[Target]:
        for group in _groups(selections):
            names = [each.index for each in group]
            types = self._types(names)
            yield Target(
                over_indices(self._calls, names),
                Limits(group[0], types),
                types,
                self._dialect,
                tuple((str(each.index), each.boost) for each in group if each.boost != 1.0),
            )

    def _types(self, names: Sequence[IndexName]) -> Mapping[str, FieldType]:
        """Answer the fields of some indices; one that several have is as the first has it."""
        if len(names) == 1:
            return self._snapshot.types_of(names[0])
        together: dict[str, FieldType] = {}
        for name in names:
            for path, field in self._snapshot.types_of(name).items():
                together.setdefault(path, field)
        return together

    def _let_go(self, held: HeldIndices) -> None:
        self._held.discard(held)
        self._in_background(held.let_go())

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(RENEWAL_SECONDS)
            for held in list(self._held):
                await held.renew()


def _groups(selections: Sequence[IndexSelection]) -> list[list[IndexSelection]]:
    """Answer the selections that can be searched together: with the same documents hidden, and no fields."""
    groups: list[list[IndexSelection]] = []
    for selection in selections:
        if not selection.field_access:
            for group in groups:
                if not group[0].field_access and group[0].document_filters == selection.document_filters:
                    group.append(selection)
                    break
            else:
                groups.append([selection])
        else:
            groups.append([selection])
    return groups


def _statistics(members: Json) -> IndexStatistics:
    primaries = members.get("primaries", {})
    documents = primaries.get("docs", {})
    numbers = [
        copy.get("seq_no", {}).get("max_seq_no", -1)
        for copies in members.get("shards", {}).values()
        for copy in copies
    ]
    return IndexStatistics(
        documents=int(documents.get("count", 0)),
        deleted_documents=int(documents.get("deleted", 0)),
        size_bytes=int(primaries.get("store", {}).get("size_in_bytes", 0)),
        max_seq_no=max(numbers, default=-1),
    )
