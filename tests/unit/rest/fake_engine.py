"""An engine in memory that behaves: what handlers are tested with. Queries: match_all, ids and term."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import msgspec
import orjson

from isthmus.errors import Failure, FailureKind, illegal_argument, index_not_found
from isthmus.exchange import (
    FailureReport,
    Hit,
    IndexDescription,
    IndexSelection,
    IndexStatistics,
    Json,
    JsonObject,
    RefreshPolicy,
    SearchRequest,
    SearchResult,
    ShardCounts,
    StoredDocument,
    TotalHits,
    WriteKind,
    WriteOperation,
    WriteOutcome,
)
from isthmus.names import IndexName


@dataclass
class _Index:
    description: IndexDescription
    documents: dict[str, StoredDocument] = field(default_factory=dict)
    searchable: dict[str, StoredDocument] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    next_seq_no: int = 0


class FakeEngine:
    """Satisfies :class:`isthmus.exchange.Engine`. ``faults`` are raised by the next calls of ``write``."""

    def __init__(self) -> None:
        self._indices: dict[IndexName, _Index] = {}
        self._ids = count(1)
        self.faults: list[BaseException] = []
        self.refreshed: list[str] = []

    def indices(self) -> Mapping[IndexName, IndexDescription]:
        return {name: index.description for name, index in self._indices.items()}

    async def create_index(
        self, name: IndexName, settings: JsonObject, mappings: JsonObject, aliases: JsonObject
    ) -> None:
        if name in self._indices:
            raise Failure(
                FailureKind.INVALID_REQUEST,
                "resource_already_exists_exception",
                f"index [{name}/{self._indices[name].description.uuid}] already exists",
                metadata={"index": name},
            )
        for setting in settings:
            if setting == "index.unknown":
                raise illegal_argument(f"unknown setting [{setting}]")
        self._indices[name] = _Index(
            IndexDescription(
                name=name,
                uuid=f"uuid{next(self._ids):018d}",
                created_milliseconds=1_700_000_000_000,
                settings=dict(settings),
                mappings=dict(mappings),
                aliases=dict(aliases),
            )
        )

    async def close_index(self, name: IndexName) -> None:
        self._put_closed(name, closed=True)

    async def open_index(self, name: IndexName) -> None:
        self._put_closed(name, closed=False)

    def _put_closed(self, name: IndexName, *, closed: bool) -> None:
        index = self._indices[name]
        index.description = msgspec.structs.replace(index.description, closed=closed)

    async def delete_index(self, name: IndexName) -> None:
        self._existing(name)
        del self._indices[name]

    async def put_mapping(self, name: IndexName, mappings: JsonObject) -> None:
        index = self._existing(name)
        merged = dict(index.description.mappings)
        merged["properties"] = {**merged.get("properties", {}), **mappings.get("properties", {})}
        index.description = msgspec.structs.replace(index.description, mappings=merged)

    async def put_settings(self, name: IndexName, settings: JsonObject) -> None:
        index = self._existing(name)
        merged = {**index.description.settings, **settings}
        kept = {key: value for key, value in merged.items() if value is not None}
        index.description = msgspec.structs.replace(index.description, settings=kept)

    async def update_aliases(self, changes: Mapping[IndexName, Mapping[str, JsonObject | None]]) -> None:
        for name in changes:
            self._existing(name)
        for name, changed in changes.items():
            index = self._indices[name]
            merged = {**index.description.aliases, **changed}
            kept = {alias: value for alias, value in merged.items() if value is not None}
            index.description = msgspec.structs.replace(index.description, aliases=kept)

    async def write(
        self, name: IndexName, operations: Sequence[WriteOperation], refresh: RefreshPolicy
    ) -> list[WriteOutcome]:
        if self.faults:
            raise self.faults.pop(0)
        index = self._existing(name)
        outcomes = [self._apply(index, operation) for operation in operations]
        if refresh is not RefreshPolicy.NONE:
            await self.refresh([name])
        return outcomes

    async def get(self, name: IndexName, document_id: str) -> StoredDocument | None:
        return self._existing(name).documents.get(document_id)

    async def refresh(self, names: Sequence[IndexName]) -> None:
        for name in names:
            index = self._existing(name)
            index.searchable = dict(index.documents)
            self.refreshed.append(name)

    async def search(self, selections: Sequence[IndexSelection], request: SearchRequest) -> SearchResult:
        hits = []
        for selection in selections:
            for document in self._existing(selection.index).searchable.values():
                if not _matches(request.query, document):
                    continue
                if not all(_matches(query, document) for query in selection.document_filters):
                    continue
                hits.append(
                    Hit(
                        index=selection.index,
                        id=document.id,
                        source=_visible(document.source, selection),
                        version=document.version,
                        seq_no=document.seq_no,
                        primary_term=document.primary_term,
                    )
                )
        shards = ShardCounts(total=len(selections), successful=len(selections))
        page = tuple(hits[request.offset : request.offset + request.size])
        return SearchResult(hits=page, total=TotalHits(value=len(hits)), shards=shards)

    async def count(self, selections: Sequence[IndexSelection], query: Json) -> int:
        found = await self.search(selections, SearchRequest(query=query, size=0))
        assert found.total is not None
        return found.total.value

    async def statistics(self, names: Sequence[IndexName]) -> Mapping[IndexName, IndexStatistics]:
        return {
            name: IndexStatistics(
                documents=len(self._existing(name).searchable), deleted_documents=0, size_bytes=1234
            )
            for name in names
        }

    async def close(self) -> None:
        self._indices.clear()

    def _existing(self, name: IndexName) -> _Index:
        if name not in self._indices:
            raise index_not_found(name)
        return self._indices[name]

    def _apply(self, index: _Index, operation: WriteOperation) -> WriteOutcome:
        document_id = operation.id if operation.id is not None else f"made-{next(self._ids)}"
        operation = msgspec.structs.replace(operation, id=document_id)
        try:
            return self._apply_or_raise(index, operation, document_id)
        except Failure as failure:
            report = FailureReport(
                kind=failure.kind.name,
                error_type=failure.error_type,
                reason=failure.reason,
                metadata=dict(failure.metadata),
                index=index.description.name,
            )
            return WriteOutcome(id=document_id, failure=report)

    def _apply_or_raise(self, index: _Index, operation: WriteOperation, document_id: str) -> WriteOutcome:
        current = index.documents.get(document_id)
        _require_condition(index, operation, document_id, current)
        version = index.versions.get(document_id, 0) + 1
        if operation.version is not None:
            version = operation.version
        if operation.kind is WriteKind.DELETE:
            result = "deleted" if current is not None else "not_found"
            index.documents.pop(document_id, None)
        else:
            source = operation.source
            if operation.kind is WriteKind.UPDATE:
                source = _merged(document_id, orjson.loads(source), current)
                if current is not None and orjson.loads(source) == orjson.loads(current.source):
                    return WriteOutcome(
                        id=document_id,
                        result="noop",
                        version=current.version,
                        seq_no=current.seq_no,
                        primary_term=1,
                    )
            else:
                _require_object(source)
            result = "updated" if current is not None else "created"
            index.documents[document_id] = StoredDocument(
                id=document_id, version=version, seq_no=index.next_seq_no, primary_term=1, source=source
            )
        index.versions[document_id] = version
        index.next_seq_no += 1
        return WriteOutcome(
            id=document_id, result=result, version=version, seq_no=index.next_seq_no - 1, primary_term=1
        )


def _require_condition(
    index: _Index, operation: WriteOperation, document_id: str, current: StoredDocument | None
) -> None:
    def conflict(why: str) -> Failure:
        return Failure(
            FailureKind.CONFLICT,
            "version_conflict_engine_exception",
            f"[{document_id}]: version conflict, {why}",
            metadata={"index": index.description.name, "shard": "0"},
        )

    if operation.kind is WriteKind.CREATE and current is not None:
        raise conflict(f"document already exists (current version [{current.version}])")
    if operation.if_seq_no is not None and (current is None or current.seq_no != operation.if_seq_no):
        raise conflict(f"required seqNo [{operation.if_seq_no}]")
    known = index.versions.get(document_id)
    if operation.version is not None and known is not None:
        allowed = (
            known <= operation.version
            if operation.version_type == "external_gte"
            else known < operation.version
        )
        if not allowed:
            raise conflict(f"current version [{known}] is higher or equal to the one provided")


def _require_object(source: bytes) -> None:
    try:
        value: Any = orjson.loads(source)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise Failure(FailureKind.INVALID_REQUEST, "document_parsing_exception", "failed to parse")


def _merged(document_id: str, body: dict[str, Any], current: StoredDocument | None) -> bytes:
    if current is not None:
        return orjson.dumps({**orjson.loads(current.source), **body["doc"]})
    if body.get("doc_as_upsert"):
        return orjson.dumps(body["doc"])
    if body.get("upsert") is not None:
        return orjson.dumps(body["upsert"])
    raise Failure(FailureKind.NOT_FOUND, "document_missing_exception", f"[{document_id}]: document missing")


def _matches(query: Any, document: StoredDocument) -> bool:
    if query is None or "match_all" in query:
        return True
    if "ids" in query:
        return document.id in query["ids"]["values"]
    if "term" in query:
        name, value = next(iter(query["term"].items()))
        return bool(orjson.loads(document.source).get(name) == value)
    raise illegal_argument("the fake engine does not know this query")


def _visible(source: bytes, selection: IndexSelection) -> bytes:
    if not selection.field_access:
        return source
    granted = [access.granted or () for access in selection.field_access]
    shown = {
        name: value for name, value in orjson.loads(source).items() if all(name in names for names in granted)
    }
    return orjson.dumps(shown)
