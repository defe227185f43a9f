"""A view of one index that stays as it was while it is open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import tantivy

from isthmus.engines.embedded.analysis import Analyzers
from isthmus.engines.embedded.columns import MappingColumns
from isthmus.engines.embedded.index_settings import IndexSettings
from isthmus.engines.embedded.mapping import Mapping
from isthmus.engines.embedded.store_records import SourceRow
from isthmus.names import IndexName


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One index as of its last refresh, together with the mapping and columns that fit it.

    Safe to use from any thread. Make it with ``EmbeddedIndex.snapshot()`` and keep it open
    for as long as ``source_by_seq`` may be called: afterwards old sources may be gone.
    ``checkpoint`` is the last operation that it can see.
    """

    name: IndexName
    index: tantivy.Index
    searcher: tantivy.Searcher
    mapping: Mapping
    columns: MappingColumns
    analyzers: Analyzers
    settings: IndexSettings
    checkpoint: int
    read_sources: Callable[[Sequence[int]], list[SourceRow]]

    @property
    def schema(self) -> tantivy.Schema:
        """Answer the library's schema, which some of its queries need."""
        return self.index.schema

    def source_by_seq(self, sequence_numbers: Sequence[int]) -> list[SourceRow]:
        """Answer the documents that these operations wrote, in the order asked.

        Raises a failure of kind INTERNAL for a number that no visible document has.
        """
        return self.read_sources(sequence_numbers)
