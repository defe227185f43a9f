"""What can be searched, and what an engine does: the contracts that adapters satisfy."""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Mapping, Sequence
from typing import Protocol

from isthmus.exchange.searching import IndexSelection, SearchRequest, SearchResult, TermStatistics
from isthmus.exchange.values import Json, JsonObject
from isthmus.exchange.writing import (
    IndexDescription,
    IndexStatistics,
    RefreshPolicy,
    StoredDocument,
    WriteOperation,
    WriteOutcome,
)
from isthmus.names import IndexName, IndicesOptions


class SearchTarget(Protocol):
    """One cluster that can be searched on behalf of one caller: this one, or one far away."""

    def search(
        self, expressions: tuple[str, ...], options: IndicesOptions, request: SearchRequest
    ) -> Awaitable[SearchResult]:
        """Search the indices that these expressions name in that cluster, as this caller may.

        Raises :class:`isthmus.errors.Failure`, with fault REMOTE for what the far side did or
        failed to do. Cancelling the call abandons the search.
        """
        ...

    def term_statistics(
        self, expressions: tuple[str, ...], options: IndicesOptions, request: SearchRequest
    ) -> Awaitable[TermStatistics]:
        """Answer what the scores of this search are made of in that cluster; raises like a search."""
        ...


class HeldIndices(Protocol):
    """Some indices as they were at one moment: what an engine answers from until it is closed."""

    def present(self) -> Collection[IndexName]:
        """Answer those that can still be searched: one that is deleted or closed meanwhile cannot."""
        ...

    async def search(self, selections: Sequence[IndexSelection], request: SearchRequest) -> SearchResult:
        """Search these indices, all of them present, as they were; like :meth:`Engine.search`."""
        ...

    def close(self) -> None:
        """Let go of what was held, once the searches that run have ended. Twice is harmless."""
        ...


class Engine(Protocol):
    """What holds the documents of a deployment.

    Names are exact and exist unless said otherwise: expressions are resolved and permission is
    checked before an engine is called. Every method raises only
    :class:`isthmus.errors.Failure`; anything else is a bug of the engine.
    """

    def indices(self) -> Mapping[IndexName, IndexDescription]:
        """Answer every index as it is now. Cheap: no disk, no network."""
        ...

    async def create_index(
        self, name: IndexName, settings: JsonObject, mappings: JsonObject, aliases: JsonObject
    ) -> None:
        """Create an index.

        Raises a failure of type ``resource_already_exists_exception``, or of
        ``mapper_parsing_exception`` or ``illegal_argument_exception`` for what it cannot do.
        """
        ...

    async def delete_index(self, name: IndexName) -> None:
        """Remove an index and everything in it."""
        ...

    async def close_index(self, name: IndexName) -> None:
        """Keep an index and serve none of its documents: reading and writing them is a failure.

        The failure's type is ``index_closed_exception``. Closing one that is closed does nothing.
        """
        ...

    async def open_index(self, name: IndexName) -> None:
        """Serve the documents of a closed index again; nothing for one that is open."""
        ...

    async def put_mapping(self, name: IndexName, mappings: JsonObject) -> None:
        """Merge these properties into the mapping; a conflict changes nothing and is a failure."""
        ...

    async def put_settings(self, name: IndexName, settings: JsonObject) -> None:
        """Change dynamic settings (flat form); None as a value restores the default."""
        ...

    async def update_aliases(self, changes: Mapping[IndexName, Mapping[str, JsonObject | None]]) -> None:
        """Set these aliases of these indices to these parameters, and remove those that are None.

        All of it happens or, with a failure, nothing. The parameters are those that Elasticsearch
        shows: ``filter``, ``index_routing``, ``search_routing``, ``is_write_index``, ``is_hidden``.
        """
        ...

    async def write(
        self, name: IndexName, operations: Sequence[WriteOperation], refresh: RefreshPolicy
    ) -> list[WriteOutcome]:
        """Apply the operations in order and answer one outcome for each.

        When this returns, everything that it acknowledges survives the death of the process.
        """
        ...

    async def get(self, name: IndexName, document_id: str) -> StoredDocument | None:
        """Answer the document as last written, whether refreshed or not."""
        ...

    async def refresh(self, names: Sequence[IndexName]) -> None:
        """Make every write acknowledged before this call visible to search."""
        ...

    async def search(self, selections: Sequence[IndexSelection], request: SearchRequest) -> SearchResult:
        """Search these indices; ``aggregations`` come back in the combinable form they were asked in.

        No selection at all is a valid search that finds nothing. Cancelling abandons the search.
        """
        ...

    async def term_statistics(
        self, selections: Sequence[IndexSelection], request: SearchRequest
    ) -> TermStatistics:
        """Answer what the scores of this search are made of, of these indices together."""
        ...

    async def count(self, selections: Sequence[IndexSelection], query: Json) -> int:
        """Count the documents that match, exactly."""
        ...

    async def hold(self, names: Sequence[IndexName]) -> HeldIndices:
        """Hold these indices as of their last refresh, whatever happens to them from now on."""
        ...

    async def statistics(self, names: Sequence[IndexName]) -> Mapping[IndexName, IndexStatistics]:
        """Answer the counts of these indices, those that are closed left out."""
        ...

    async def close(self) -> None:
        """Flush and release everything. No other method is called afterwards."""
        ...
