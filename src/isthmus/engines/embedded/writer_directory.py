"""One directory of the search library, written by one thread at a time."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import orjson
import tantivy

from isthmus.engines.embedded.analysis import Analyzers
from isthmus.engines.embedded.columns import DEFAULT_ANALYZER, ID_COLUMN, MappingColumns
from isthmus.engines.embedded.position_gap import values_apart
from isthmus.engines.embedded.schema import (
    column_values,
    create_search_directory,
    open_search_directory,
    register_analyzers,
)
from isthmus.engines.embedded.store_batch import SearchChange

#: memory that documents take before they are written out as a segment; taken as it is needed
_HEAP_BYTES: Final = 64_000_000


class SearchLibraryError(Exception):
    """The search library refused or panicked; what it was given is still in the store."""


@contextmanager
def library_errors() -> Iterator[None]:
    """Turn whatever the search library raises, its panics included, into SearchLibraryError."""
    try:
        yield
    except Exception as error:
        raise SearchLibraryError(f"{type(error).__name__}: {error}") from error
    except BaseException as error:
        # a Rust panic is no Exception; its class cannot be imported
        if type(error).__name__ != "PanicException":
            raise
        raise SearchLibraryError(f"panic: {error}") from error


class SearchDirectory:
    """An open directory. The writer of the library is opened at the first change."""

    def __init__(self, path: Path, columns: MappingColumns, analyzers: Analyzers) -> None:
        """Open a directory that :func:`create_search_directory` made; raise SearchLibraryError."""
        with library_errors():
            self.index = open_search_directory(path, columns, analyzers)
            # all that shows a missing segment is opening it
            self.index.searcher()
        self.path = path
        self._analyzers = analyzers
        self._columns = columns
        self._writer: tantivy.IndexWriter | None = None

    @classmethod
    def create(cls, path: Path, columns: MappingColumns, analyzers: Analyzers) -> SearchDirectory:
        """Make an empty directory, replacing what an interrupted attempt may have left there."""
        shutil.rmtree(path, ignore_errors=True)
        with library_errors():
            create_search_directory(path, columns)
        return cls(path, columns, analyzers)

    def adopt(self, columns: MappingColumns) -> None:
        """Use a larger allocation over the same schema: newly taken text columns get their analyzers."""
        special = [
            name
            for name, analyzer in columns.analyzers.items()
            if name not in self._columns.analyzers and analyzer != DEFAULT_ANALYZER
        ]
        self._columns = columns
        if not special:
            return
        with library_errors():
            register_analyzers(self.index, columns, self._analyzers)
            if self._writer is not None:
                # a segment keeps the analyzers it was begun with
                self._writer.commit()

    def feed(self, changes: Iterable[SearchChange], *, replace_all: bool = False) -> None:
        """Give documents to the library; visible after the next commit.

        ``replace_all`` removes each id first even where nothing is known to be replaced.
        """
        with library_errors():
            writer = self._open_writer()
            schema = self.index.schema
            for change in changes:
                if change.replaces or replace_all:
                    writer.delete_documents_by_term(ID_COLUMN, change.id)
                if change.parsed is not None:
                    values = column_values(change.id, change.seq_no, change.parsed, self._columns)
                    writer.add_document(self._document(values, schema))

    def commit(self) -> tantivy.Searcher:
        """Make everything fed so far durable and visible; answer a searcher that sees it."""
        with library_errors():
            if self._writer is not None:
                self._writer.commit()
            self.index.reload()
            return self.index.searcher()

    def close_writer(self) -> None:
        """Let merges end and give the writer's threads and memory back. Nothing may be uncommitted."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with library_errors():
                writer.wait_merging_threads()

    def abandon(self) -> None:
        """Drop the writer with whatever it holds, and remove the directory."""
        self._writer = None
        shutil.rmtree(self.path, ignore_errors=True)

    def deleted_documents(self) -> int:
        """Answer how many documents are deleted and not yet merged away."""
        try:
            meta: dict[str, Any] = orjson.loads((self.path / "meta.json").read_bytes())
        except (OSError, ValueError):
            return 0
        deletes = [segment.get("deletes") for segment in meta.get("segments", [])]
        return sum(int(each["num_deleted_docs"]) for each in deletes if each)

    def size_bytes(self) -> int:
        """Answer how much of the disk the directory uses."""
        total = 0
        for file in self.path.glob("*"):
            try:
                total += file.stat().st_size
            except FileNotFoundError:  # merged away meanwhile
                continue
        return total

    def _document(self, values: dict[str, Any], schema: tantivy.Schema) -> tantivy.Document:
        """Answer a document as the library takes it; the values of a text column are kept apart."""
        several = {
            name: values.pop(name)
            for name in self._columns.analyzers
            if name in values and len(values[name]) > 1
        }
        document = tantivy.Document.from_dict(values, schema)
        for name, held in several.items():
            analyzer = self._analyzers.get(self._columns.analyzers[name])
            document.add_pre_tokenized_text(name, values_apart(held, analyzer))
        return document

    def _open_writer(self) -> tantivy.IndexWriter:
        if self._writer is None:
            self._writer = self.index.writer(_HEAP_BYTES, 1)
        return self._writer
