"""Everything that changes one index, blocking: the store first, the search directory after it.

The caller sees to it that one thread at a time is in here. ``view`` and ``state`` are replaced, never
changed, so that any thread may read them at any time.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import lmdb

from isthmus.clock import Clock
from isthmus.engines.embedded.analysis import Analyzers
from isthmus.engines.embedded.analysis_custom import make_analyzers
from isthmus.engines.embedded.columns import MappingColumns, allocate
from isthmus.engines.embedded.document import DocumentParser
from isthmus.engines.embedded.index_settings import (
    IndexSettings,
    analysis_settings,
    change_settings,
    effective_settings,
)
from isthmus.engines.embedded.mapping import Mapping
from isthmus.engines.embedded.mapping_merge import check_field_limit, merge_mappings
from isthmus.engines.embedded.mapping_parse import parse_mapping
from isthmus.engines.embedded.metadata import IndexMetadata, save_metadata
from isthmus.engines.embedded.recovery import (
    fill,
    is_worth_rebuilding,
    remove_other_generations,
    replay,
    search_directory_path,
)
from isthmus.engines.embedded.snapshot import Snapshot
from isthmus.engines.embedded.statistics_at_rest import statistics_at_rest
from isthmus.engines.embedded.store import INITIAL_MAP_BYTES, DocumentStore, StoreTransaction, storage_failure
from isthmus.engines.embedded.store_batch import BatchContext, BatchResult, apply_batch
from isthmus.engines.embedded.store_prune import PruneRule, oldest_needed_seq_no
from isthmus.engines.embedded.store_records import SourceRow
from isthmus.engines.embedded.writer_directory import SearchDirectory, SearchLibraryError
from isthmus.engines.embedded.writer_memory import give_memory_back
from isthmus.errors import Failure, FailureKind
from isthmus.exchange import IndexStatistics, JsonObject, WriteOperation, WriteOutcome

logger = logging.getLogger(__name__)

STORE_DIRECTORY: Final = "store"
#: operations dropped after one refresh at most, so that a refresh stays short
_PRUNE_LIMIT: Final = 10_000


@dataclass(frozen=True, slots=True)
class IndexState:
    """What an index is at one moment, besides its documents."""

    metadata: IndexMetadata
    settings: IndexSettings
    analyzers: Analyzers
    parser: DocumentParser


def state_of(metadata: IndexMetadata) -> IndexState:
    """Answer the state that follows from the metadata."""
    settings = effective_settings(metadata.settings)
    analyzers = make_analyzers(analysis_settings(metadata.settings))
    return IndexState(
        metadata,
        settings,
        analyzers,
        DocumentParser(metadata.mapping, settings.field_limit, analyzers),
    )


@dataclass(slots=True)
class _Open:
    """What an open index holds."""

    store: DocumentStore
    search: SearchDirectory


class IndexWriter:
    """One index on disk."""

    def __init__(
        self,
        directory: Path,
        metadata: IndexMetadata,
        clock: Clock,
        *,
        map_bytes: int = INITIAL_MAP_BYTES,
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._map_bytes = map_bytes
        self._open: _Open | None = None
        self._view: Snapshot | None = None
        #: checkpoints of open snapshots, with how many there are of each
        self._snapshots: Counter[int] = Counter()
        self._snapshots_lock = threading.Lock()
        self._fed_seq_no = -1
        self._search_is_broken = False
        self.is_dirty = False
        self.state = state_of(metadata)

    @property
    def is_open(self) -> bool:
        """Tell whether reads and snapshots are possible."""
        return self._view is not None

    @property
    def store(self) -> DocumentStore:
        """Answer the store of an open index."""
        return self._opened().store

    def create(self) -> None:
        """Make a new index in its empty directory. It exists once this returns, and is open."""
        metadata = self.state.metadata
        path = search_directory_path(self._directory, metadata.generation)
        (self._directory / STORE_DIRECTORY).mkdir()
        try:
            store = DocumentStore(self._directory / STORE_DIRECTORY, map_bytes=self._map_bytes)
        except lmdb.Error as error:
            raise storage_failure(error) from error
        try:
            search = SearchDirectory.create(path, metadata.columns, self.state.analyzers)
            save_metadata(self._directory, metadata)
        except BaseException as error:
            store.close()
            if isinstance(error, SearchLibraryError):
                raise storage_failure(error) from error
            raise
        self._open = _Open(store, search)
        self._publish()

    def open(self) -> None:
        """Open the store and bring the search directory level with it. Again and again is harmless."""
        if self._open is not None:
            return
        metadata = self.state.metadata
        try:
            store = DocumentStore(self._directory / STORE_DIRECTORY, map_bytes=self._map_bytes)
        except lmdb.Error as error:
            raise storage_failure(error) from error
        try:
            remove_other_generations(self._directory, metadata.generation)
            search = self._open_search(store)
        except BaseException:
            store.close()
            raise
        self._open = _Open(store, search)
        self._publish()

    def apply(self, operations: Sequence[WriteOperation]) -> list[WriteOutcome]:
        """Apply a batch; what it acknowledges is on disk when this returns."""
        opened = self._opened()
        state = self.state
        context = BatchContext(
            state.metadata.name,
            state.metadata.uuid,
            state.parser,
            self._clock.now_milliseconds(),
            state.settings.field_limit,
        )

        def work(transaction: StoreTransaction) -> tuple[BatchResult, IndexMetadata, int]:
            result = apply_batch(transaction, context, operations)
            metadata = self._with_mapping(result.mapping, frozenset(result.many_valued))
            if metadata is not state.metadata:
                # on disk before the operations that rely on it
                save_metadata(self._directory, metadata)
            return result, metadata, transaction.next_seq_no - 1

        result, metadata, last_seq_no = opened.store.write(work)
        self._adopt(metadata)
        self._fed_seq_no = last_seq_no
        if result.changes:
            self.is_dirty = True
            self._feed(result)
        return result.outcomes

    def refresh(self) -> None:
        """Make every operation so far visible, and drop what nobody can see any more."""
        opened = self._opened()
        if self._search_is_broken:
            self._rebuild()
        elif self.is_dirty:
            try:
                opened.search.commit()
            except SearchLibraryError:
                logger.exception("search directory failed, building it anew", extra=self._fields())
                self._rebuild()
        else:
            return
        self.is_dirty = False
        self._publish()
        self._checkpoint_and_prune()

    def put_mapping(self, json: JsonObject) -> None:
        """Merge properties into the mapping; a conflict changes nothing."""
        self._opened()
        state = self.state
        addition = parse_mapping(json, state.analyzers)
        merged = merge_mappings(state.metadata.mapping, addition)
        if merged == state.metadata.mapping:
            return
        check_field_limit(state.metadata.mapping, merged, state.settings.field_limit)
        metadata = self._with_mapping(merged, frozenset())
        save_metadata(self._directory, metadata)
        self._adopt(metadata)
        if self._search_is_broken:
            self._rebuild()

    def put_settings(self, settings: JsonObject) -> None:
        """Change dynamic settings; a wrong one changes nothing."""
        metadata = self.state.metadata
        index = f"{metadata.name}/{metadata.uuid}"
        changed = change_settings(metadata.settings, settings, index, closed=metadata.closed)
        self._keep(replace(metadata, settings=changed))

    def put_aliases(self, aliases: JsonObject) -> None:
        """Replace the aliases."""
        self._keep(replace(self.state.metadata, aliases=aliases))

    def put_closed(self, *, closed: bool) -> None:
        """Note whether the index is closed. The files are released, or opened, by the caller."""
        self._keep(replace(self.state.metadata, closed=closed))

    def release(self) -> None:
        """Give back what only writing needs, and tidy up. The index stays open for reading."""
        opened, view = self._open, self._view
        if opened is None or view is None or self.is_dirty:
            return
        try:
            opened.search.close_writer()
            if is_worth_rebuilding(view.searcher.num_docs, opened.search.deleted_documents()):
                self._rebuild()
                opened.search.close_writer()
        except (Failure, SearchLibraryError):
            # what was committed stays; the next write opens another writer
            logger.exception("index could not be tidied up", extra=self._fields())
        give_memory_back()

    def close(self) -> None:
        """Make everything visible to the next start, and release the files."""
        opened = self._open
        if opened is None:
            return
        try:
            self.refresh()
            opened = self._opened()
            opened.search.close_writer()
        except (Failure, SearchLibraryError):
            # the store has it all: the next start brings the search directory level
            logger.exception("index closed without a last refresh", extra=self._fields())
        self.discard()

    def discard(self) -> None:
        """Release the files without a last refresh."""
        opened, self._open, self._view = self._open, None, None
        if opened is not None:
            opened.store.close()

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Open a snapshot of the last refresh; the index is open. Any thread may do this."""
        with self._snapshots_lock:
            view = self._view
            if view is None:
                raise Failure(FailureKind.UNAVAILABLE, "already_closed_exception", "the index is closed")
            self._snapshots[view.checkpoint] += 1
        try:
            yield view
        finally:
            with self._snapshots_lock:
                self._snapshots[view.checkpoint] -= 1
                if not self._snapshots[view.checkpoint]:
                    del self._snapshots[view.checkpoint]

    def deleted_documents(self) -> int:
        """Answer how many documents are deleted and still in the search directory."""
        return self._opened().search.deleted_documents()

    def size_bytes(self) -> int:
        """Answer how much of the disk the index uses."""
        opened = self._opened()
        return opened.store.size_bytes() + opened.search.size_bytes()

    def statistics_at_rest(self) -> IndexStatistics | None:
        """Answer the counts of an index that is not open; None for one that is or has to be."""
        if self._open is not None:
            return None
        generation = self.state.metadata.generation
        return statistics_at_rest(self._directory, self._directory / STORE_DIRECTORY, generation)

    def _opened(self) -> _Open:
        if self._open is None:
            raise Failure(FailureKind.UNAVAILABLE, "already_closed_exception", "the index is closed")
        return self._open

    def _open_search(self, store: DocumentStore) -> SearchDirectory:
        metadata, parser = self.state.metadata, self.state.parser
        path = search_directory_path(self._directory, metadata.generation)
        checkpoint = store.read(lambda transaction: transaction.checkpoint)
        try:
            search = SearchDirectory(path, metadata.columns, self.state.analyzers)
            last = store.read(lambda transaction: transaction.next_seq_no) - 1
            if last > checkpoint:
                replay(store, search, parser, checkpoint)
                search.commit()
                store.write(lambda transaction: transaction.set_checkpoint(last))
        except SearchLibraryError:
            logger.warning("search directory cannot be used, building it anew", extra=self._fields())
            return self._build(store)
        self._fed_seq_no = last
        return search

    def _build(self, store: DocumentStore) -> SearchDirectory:
        """Make the next generation out of the store, and make it the one in use."""
        metadata = replace(self.state.metadata, generation=self.state.metadata.generation + 1)
        path = search_directory_path(self._directory, metadata.generation)
        try:
            search = SearchDirectory.create(path, metadata.columns, self.state.analyzers)
            last = fill(store, search, self.state.parser)
            search.commit()
        except SearchLibraryError as error:
            raise Failure(
                FailureKind.INTERNAL, "i_o_exception", f"search directory cannot be built: {error}"
            ) from error
        # in this order: a crash in between replays operations into a directory that has them already
        save_metadata(self._directory, metadata)
        store.write(lambda transaction: transaction.set_checkpoint(last))
        self.state = replace(self.state, metadata=metadata)
        self._fed_seq_no = last
        remove_other_generations(self._directory, metadata.generation)
        logger.info("search directory built", extra=self._fields())
        return search

    def _rebuild(self) -> None:
        opened = self._opened()
        before = opened.search
        opened.search = self._build(opened.store)
        before.abandon()
        self._search_is_broken = False
        self.is_dirty = False
        self._publish()

    def _with_mapping(self, mapping: Mapping, many_valued: frozenset[str]) -> IndexMetadata:
        """Answer the metadata with this mapping; the same object when nothing changes."""
        metadata = self.state.metadata
        if mapping is metadata.mapping and not any(map(metadata.columns.lacks_maximum, many_valued)):
            return metadata
        columns = allocate(metadata.columns, mapping, many_valued)
        return replace(metadata, mapping=mapping, columns=columns)

    def _adopt(self, metadata: IndexMetadata) -> None:
        """Go on with a larger mapping or allocation, which is on disk already."""
        before = self.state.metadata
        if metadata is before:
            return
        parser = self.state.parser
        if metadata.mapping is not before.mapping:
            parser = parser.grown(metadata.mapping)
        self.state = replace(self.state, metadata=metadata, parser=parser)
        if len(metadata.columns.schema) > len(before.columns.schema):
            self._search_is_broken = True
            return
        try:
            self._opened().search.adopt(metadata.columns)
        except SearchLibraryError:
            logger.exception("search directory failed", extra=self._fields())
            self._search_is_broken = True
            return
        self._republish(metadata.mapping, metadata.columns)

    def _feed(self, result: BatchResult) -> None:
        """Give an acknowledged batch to the search directory; on any trouble it is built anew."""
        if not self._search_is_broken:
            try:
                self._opened().search.feed(result.changes)
            except SearchLibraryError:
                logger.exception("search directory failed", extra=self._fields())
                self._search_is_broken = True
        if self._search_is_broken:
            try:
                self._rebuild()
            except Failure:
                # acknowledged and in the store: the next refresh tries again
                logger.exception("search directory not built yet", extra=self._fields())

    def _keep(self, metadata: IndexMetadata) -> None:
        state = state_of(metadata)
        save_metadata(self._directory, metadata)
        self.state = replace(state, analyzers=self.state.analyzers)
        if self._view is not None:
            self._republish(metadata.mapping, metadata.columns)

    def _publish(self) -> None:
        """Let new snapshots see what is committed now."""
        opened, state = self._opened(), self.state
        view = Snapshot(
            name=state.metadata.name,
            index=opened.search.index,
            searcher=opened.search.index.searcher(),
            mapping=state.metadata.mapping,
            columns=state.metadata.columns,
            analyzers=state.analyzers,
            settings=state.settings,
            checkpoint=self._fed_seq_no,
            read_sources=_SourceReader(opened.store, keeps_source=state.metadata.mapping.source_enabled),
        )
        with self._snapshots_lock:
            self._view = view

    def _republish(self, mapping: Mapping, columns: MappingColumns) -> None:
        with self._snapshots_lock:
            if self._view is not None:
                self._view = replace(
                    self._view,
                    mapping=mapping,
                    columns=columns,
                    settings=self.state.settings,
                )

    def _checkpoint_and_prune(self) -> None:
        with self._snapshots_lock:
            visible = self._fed_seq_no if self._view is None else self._view.checkpoint
            seen_by_all = oldest_needed_seq_no(visible, self._snapshots)
        rule = PruneRule(seen_by_all, self._clock.now_milliseconds())

        def work(transaction: StoreTransaction) -> None:
            transaction.set_checkpoint(visible)
            transaction.drop_superseded(rule.may_drop_superseded, _PRUNE_LIMIT)
            transaction.drop_tombstones(rule.may_drop_tombstone, _PRUNE_LIMIT)

        self._opened().store.write(work)

    def _fields(self) -> dict[str, object]:
        return {"index": self.state.metadata.name, "uuid": self.state.metadata.uuid}


@dataclass(frozen=True, slots=True)
class _SourceReader:
    """Reads the sources of a snapshot."""

    store: DocumentStore
    keeps_source: bool

    def __call__(self, sequence_numbers: Sequence[int]) -> list[SourceRow]:
        rows = self.store.sources_at(sequence_numbers)
        return rows if self.keeps_source else [row._replace(source=b"") for row in rows]
