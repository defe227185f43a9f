"""The words that cross package and process borders: requests, results and the contracts.

The records are :class:`msgspec.Struct` so that the same values travel between nodes
without a second set of types. A new member always gets a default: a peer of the
version before must be able to read what this one writes, and the other way round.
"""

from __future__ import annotations

from isthmus.exchange.contracts import (
    Engine,
    HeldIndices,
    SearchTarget,
)
from isthmus.exchange.replicating import (
    HistoryBatch,
    HistoryKind,
    HistoryOperation,
    HistoryRequest,
)
from isthmus.exchange.searching import (
    DEFAULT_PAGE_SIZE,
    DEFAULT_TRACK_TOTAL_HITS,
    ORDINAL_SHIFT,
    Collapse,
    FetchRequest,
    FieldAccess,
    FieldRequest,
    HighlightField,
    Hit,
    IndexSelection,
    InnerHits,
    Rescore,
    SearchRequest,
    SearchResult,
    ShardCounts,
    SortKey,
    TermStatistics,
    TotalHits,
)
from isthmus.exchange.suggesting import (
    CompletionFuzziness,
    CompletionSuggester,
    PhraseSuggester,
    TermSuggester,
)
from isthmus.exchange.values import (
    FailureReport,
    Json,
    JsonObject,
    Record,
    SortValue,
)
from isthmus.exchange.writing import (
    IndexDescription,
    IndexStatistics,
    RefreshPolicy,
    StoredDocument,
    WriteKind,
    WriteOperation,
    WriteOutcome,
)

__all__ = (
    "DEFAULT_PAGE_SIZE",
    "DEFAULT_TRACK_TOTAL_HITS",
    "ORDINAL_SHIFT",
    "Collapse",
    "CompletionFuzziness",
    "CompletionSuggester",
    "Engine",
    "FailureReport",
    "FetchRequest",
    "FieldAccess",
    "FieldRequest",
    "HeldIndices",
    "HighlightField",
    "HistoryBatch",
    "HistoryKind",
    "HistoryOperation",
    "HistoryRequest",
    "Hit",
    "IndexDescription",
    "IndexSelection",
    "IndexStatistics",
    "InnerHits",
    "Json",
    "JsonObject",
    "PhraseSuggester",
    "Record",
    "RefreshPolicy",
    "Rescore",
    "SearchRequest",
    "SearchResult",
    "SearchTarget",
    "ShardCounts",
    "SortKey",
    "SortValue",
    "StoredDocument",
    "TermStatistics",
    "TermSuggester",
    "TotalHits",
    "WriteKind",
    "WriteOperation",
    "WriteOutcome",
)
