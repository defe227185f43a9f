"""An engine with documents in it, to search synchronously: what the tests of searching share."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from isthmus.engines.embedded.engine import EmbeddedEngine
from isthmus.exchange import (
    IndexSelection,
    RefreshPolicy,
    SearchRequest,
    SearchResult,
    TermStatistics,
    WriteKind,
    WriteOperation,
)
from isthmus.names import IndexName


class SearchBench:
    """An embedded engine on a loop of its own."""

    def __init__(self, directory: Path) -> None:
        self._runner = asyncio.Runner()
        self.engine = self._runner.run(self._made(directory))

    @staticmethod
    async def _made(directory: Path) -> EmbeddedEngine:
        return EmbeddedEngine(directory)

    def create(self, name: str, properties: Mapping[str, Any], **settings: Any) -> None:
        """Create an index with these fields."""
        self._runner.run(
            self.engine.create_index(IndexName(name), dict(settings), {"properties": dict(properties)}, {})
        )

    def write(self, name: str, documents: Mapping[str, Any]) -> None:
        """Index these documents by id (None deletes one) and refresh: a segment of their own."""
        operations = [
            WriteOperation(kind=WriteKind.DELETE, id=document_id)
            if document is None
            else WriteOperation(kind=WriteKind.INDEX, id=document_id, source=orjson.dumps(document))
            for document_id, document in documents.items()
        ]
        outcomes = self._runner.run(self.engine.write(IndexName(name), operations, RefreshPolicy.IMMEDIATE))
        assert [outcome.failure for outcome in outcomes] == [None] * len(operations)

    def search(self, indices: str | Sequence[IndexSelection], **request: Any) -> SearchResult:
        """Search an index by name, or selections."""
        selections = [IndexSelection(index=IndexName(indices))] if isinstance(indices, str) else indices
        return self._runner.run(self.engine.search(selections, SearchRequest(**request)))

    def term_statistics(self, selections: Sequence[IndexSelection], **request: Any) -> TermStatistics:
        """Answer what scores are made of."""
        return self._runner.run(self.engine.term_statistics(selections, SearchRequest(**request)))

    def ids(self, indices: str | Sequence[IndexSelection], query: Any = None, **request: Any) -> list[str]:
        """Answer the ids found; the search must not fail anywhere."""
        result = self.search(indices, query=query, **request)
        assert result.failures == ()
        return [hit.id for hit in result.hits]

    def count(self, indices: str | Sequence[IndexSelection], query: Any = None) -> int:
        """Count what matches."""
        selections = [IndexSelection(index=IndexName(indices))] if isinstance(indices, str) else indices
        return self._runner.run(self.engine.count(selections, query))

    def close(self) -> None:
        """Close the engine and the loop."""
        self._runner.run(self.engine.close())
        self._runner.close()
