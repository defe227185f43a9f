"""The engine that a node has without anything else installed: every index in one directory."""

from __future__ import annotations

import asyncio
import base64
import fcntl
import logging
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TextIO

from isthmus.clock import Clock, SystemClock
from isthmus.engines.embedded.aggregating import run_aggregations
from isthmus.engines.embedded.analysis_custom import make_analyzers
from isthmus.engines.embedded.columns import MappingColumns, allocate
from isthmus.engines.embedded.held import HeldSnapshots
from isthmus.engines.embedded.index import EmbeddedIndex
from isthmus.engines.embedded.index_settings import (
    analysis_settings,
    check_new_settings,
    effective_settings,
)
from isthmus.engines.embedded.mapping_merge import check_field_limit
from isthmus.engines.embedded.mapping_parse import parse_mapping
from isthmus.engines.embedded.metadata import IndexMetadata, load_metadata, remove_metadata
from isthmus.engines.embedded.metadata_aliases import (
    aliases_after,
    check_alias_is_free,
    check_aliases,
    check_write_indices,
    read_alias_journal,
    remove_alias_journal,
    write_alias_journal,
)
from isthmus.engines.embedded.searching import OpenSnapshot, Searching
from isthmus.engines.embedded.searching_pool import SearchPool
from isthmus.engines.embedded.writer import IndexWriter
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

#: a write holds a thread while it waits for the disk, so there are more of these than cores
_WRITE_THREADS: Final = 4


class EmbeddedEngine:
    """Implements :class:`isthmus.exchange.Engine` over one directory, used by one process at a time."""

    def __init__(self, directory: Path, clock: Clock | None = None) -> None:
        """Find the indices in a directory, making it where there is none; nothing is opened yet.

        Raises RuntimeError when another process uses the directory, ValueError for an index that
        this release cannot read.
        """
        self._directory = directory
        self._clock = clock or SystemClock()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_file = _lock(directory)
        self._writers = ThreadPoolExecutor(_WRITE_THREADS, thread_name_prefix="isthmus-write")
        self._searching = Searching(SearchPool(), run_aggregations, self._clock.now_milliseconds)
        self._creating = asyncio.Lock()
        self._indices: dict[IndexName, EmbeddedIndex] = {}
        self._directories: dict[IndexName, Path] = {}
        try:
            self._find_indices()
        except BaseException:
            self._lock_file.close()
            raise

    def indices(self) -> Mapping[IndexName, IndexDescription]:
        """Answer every index as it is now."""
        return {name: index.description() for name, index in self._indices.items()}

    async def create_index(
        self, name: IndexName, settings: JsonObject, mappings: JsonObject, aliases: JsonObject
    ) -> None:
        """Create an index; it is on disk when this returns."""
        kept = check_new_settings(settings)
        analyzers = make_analyzers(analysis_settings(kept))
        mapping = parse_mapping(mappings, analyzers)
        check_field_limit(None, mapping, effective_settings(kept).field_limit)
        kept_aliases = check_aliases(aliases)
        async with self._creating:
            self._check_free(name, kept_aliases)
            metadata = IndexMetadata(
                name=name,
                uuid=base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="),
                created_milliseconds=self._clock.now_milliseconds(),
                mapping=mapping,
                columns=allocate(MappingColumns(), mapping),
                settings=kept,
                aliases=kept_aliases,
            )
            path = self._directory / metadata.uuid
            writer = IndexWriter(path, metadata, self._clock)

            def work() -> None:
                try:
                    path.mkdir(mode=0o700)
                    writer.create()
                except BaseException:
                    shutil.rmtree(path, ignore_errors=True)
                    raise

            await self._in_thread(work)
            self._add(path, writer)

    async def delete_index(self, name: IndexName) -> None:
        """Remove an index; searches of it that still run fail."""
        index = self._index(name)
        path = self._directories.pop(name)
        del self._indices[name]
        await self._in_thread(lambda: remove_metadata(path))
        await index.close(discard=True)
        await self._in_thread(lambda: shutil.rmtree(path, ignore_errors=True))

    async def close_index(self, name: IndexName) -> None:
        """Keep an index and serve none of its documents."""
        await self._index(name).close_to_callers()

    async def open_index(self, name: IndexName) -> None:
        """Serve the documents of a closed index again."""
        await self._index(name).open_to_callers()

    async def put_mapping(self, name: IndexName, mappings: JsonObject) -> None:
        """Merge these properties into the mapping."""
        await self._index(name).put_mapping(mappings)

    async def put_settings(self, name: IndexName, settings: JsonObject) -> None:
        """Change dynamic settings."""
        await self._index(name).put_settings(settings)

    async def update_aliases(self, changes: Mapping[IndexName, Mapping[str, JsonObject | None]]) -> None:
        """Set or remove aliases of several indices: all of it happens, or nothing."""
        async with self._creating:
            for name in changes:
                self._index(name)
            current = {name: index.state.metadata.aliases for name, index in self._indices.items()}
            after = aliases_after(current, changes)
            if not after:
                return
            await self._in_thread(lambda: write_alias_journal(self._directory, after))
            for name, aliases in after.items():
                await self._index(name).put_aliases(aliases)
            await self._in_thread(lambda: remove_alias_journal(self._directory))

    async def write(
        self, name: IndexName, operations: Sequence[WriteOperation], refresh: RefreshPolicy
    ) -> list[WriteOutcome]:
        """Apply the operations in order and answer one outcome for each."""
        return await self._index(name).write(operations, refresh)

    async def get(self, name: IndexName, document_id: str) -> StoredDocument | None:
        """Answer the document as last written."""
        return await self._index(name).get(document_id)

    async def refresh(self, names: Sequence[IndexName]) -> None:
        """Make every write acknowledged before this call visible to search."""
        await asyncio.gather(*(self._index(name).refresh() for name in names))

    async def search(self, selections: Sequence[IndexSelection], request: SearchRequest) -> SearchResult:
        """Search these indices."""
        return await self._searching.search(await self._targets(selections), request)

    async def term_statistics(
        self, selections: Sequence[IndexSelection], request: SearchRequest
    ) -> TermStatistics:
        """Answer what the scores of this search are made of."""
        return await self._searching.term_statistics(await self._targets(selections), request)

    async def count(self, selections: Sequence[IndexSelection], query: Json) -> int:
        """Count the documents that match, exactly."""
        return await self._searching.count(await self._targets(selections), query)

    async def hold(self, names: Sequence[IndexName]) -> HeldSnapshots:
        """Hold these indices as of their last refresh."""
        opened = [self._index(name) for name in names]
        for index in opened:
            await index.open()
        return HeldSnapshots(self._searching, [index.snapshot for index in opened])

    async def statistics(self, names: Sequence[IndexName]) -> Mapping[IndexName, IndexStatistics]:
        """Answer the counts of these indices, those that are closed left out."""
        open_ones = [name for name in names if not self._index(name).is_closed]
        found = await asyncio.gather(*(self._index(name).statistics() for name in open_ones))
        return dict(zip(open_ones, found, strict=True))

    async def close(self) -> None:
        """Flush and release everything."""
        await self._in_thread(self._searching.close)
        await asyncio.gather(*(index.close() for index in self._indices.values()))
        self._indices.clear()
        self._writers.shutdown()
        self._lock_file.close()

    async def _targets(
        self, selections: Sequence[IndexSelection]
    ) -> list[tuple[IndexSelection, OpenSnapshot]]:
        opened = [(each, self._index(each.index)) for each in selections]
        for _, index in opened:
            await index.open()
        return [(selection, index.snapshot) for selection, index in opened]

    async def _in_thread(self, work: Callable[[], object]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._writers, work)

    def _check_free(self, name: IndexName, aliases: JsonObject) -> None:
        """Raise the 400 of a new index whose name or whose aliases are taken."""
        existing = self._indices.get(name)
        if existing is not None:
            taken = existing.state.metadata
            raise Failure(
                FailureKind.INVALID_REQUEST,
                "resource_already_exists_exception",
                f"index [{name}/{taken.uuid}] already exists",
                metadata={"index_uuid": taken.uuid, "index": name},
            )
        current = {each: index.state.metadata.aliases for each, index in self._indices.items()}
        if any(name in each for each in current.values()):
            raise Failure(
                FailureKind.INVALID_REQUEST,
                "invalid_index_name_exception",
                f"Invalid index name [{name}], already exists as alias",
                metadata={"index_uuid": "_na_", "index": name},
            )
        after = {**current, name: aliases}
        for alias in aliases:
            check_alias_is_free(alias, after)
        check_write_indices(after)

    def _finish_alias_changes(self) -> None:
        unfinished = read_alias_journal(self._directory)
        for name, aliases in unfinished.items():
            index = self._indices.get(name)
            if index is not None:
                index.restore_aliases(aliases)
        if unfinished:
            remove_alias_journal(self._directory)

    def _find_indices(self) -> None:
        for path in sorted(each for each in self._directory.iterdir() if each.is_dir()):
            metadata = load_metadata(path)
            if metadata is None:
                shutil.rmtree(path, ignore_errors=True)
            else:
                self._add(path, IndexWriter(path, metadata, self._clock))
        self._finish_alias_changes()

    def _add(self, path: Path, writer: IndexWriter) -> None:
        name = writer.state.metadata.name
        self._indices[name] = EmbeddedIndex(writer, self._writers)
        self._directories[name] = path

    def _index(self, name: IndexName) -> EmbeddedIndex:
        index = self._indices.get(name)
        if index is None:
            raise index_not_found(name)
        return index


def _lock(directory: Path) -> TextIO:
    """Keep other processes out of a directory until the file is closed or this process ends."""
    file = (directory / "engine.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise RuntimeError(f"another process uses {directory}") from error
    return file
