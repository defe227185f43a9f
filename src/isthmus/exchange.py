"""The words that cross package and process borders: requests, results and the contracts.

The records are :class:`msgspec.Struct` so that the same values travel between nodes
without a second set of types. A new member always gets a default: a peer of the
version before must be able to read what this one writes, and the other way round.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from isthmus.names import IndexName, IndicesOptions

Json: TypeAlias = Any
JsonObject: TypeAlias = dict[str, Any]
SortValue: TypeAlias = str | int | float | bool | None

DEFAULT_TRACK_TOTAL_HITS: Final = 10_000
DEFAULT_PAGE_SIZE: Final = 10

#: a document's ``_shard_doc`` is its index's ordinal, shifted by this many bits, plus its sequence number
ORDINAL_SHIFT: Final = 34


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of every value here: frozen, compared by value, readable by older peers."""


class SortKey(Record, frozen=True, kw_only=True):
    """One key to sort by. ``field`` may be ``_score``, ``_doc`` or ``_shard_doc``.

    ``missing`` is ``_last``, ``_first`` or a value to use in place of one that is absent.
    ``date_format`` is how the caller writes dates of this key and wants them written: a target reads
    ``search_after`` and ``missing`` by it and always answers epoch milliseconds, which compare.
    ``numeric_type`` is the type as which values are taken: ``long``, ``double`` or ``date``.
    """

    field: str
    descending: bool = False
    missing: SortValue = "_last"
    unmapped_type: str | None = None
    mode: str | None = None
    date_format: str | None = None
    numeric_type: str | None = None


class FieldRequest(Record, frozen=True, kw_only=True):
    """Fields whose values are to be shown with each hit: a path or a pattern with ``*``.

    ``format`` is how dates or numbers are to be written. ``include_unmapped`` also takes what the
    mapping does not know.
    """

    pattern: str
    format: str | None = None
    include_unmapped: bool = False


class HighlightField(Record, frozen=True, kw_only=True):
    """Fields (a path or a pattern with ``*``) in which what was found is to be marked, and how.

    ``kind`` is ``unified`` or ``plain``, ``boundary`` is ``sentence`` or ``word``, ``fragmenter`` is
    ``span`` or ``simple``. ``fragments`` 0 shows whole values. ``query`` is used instead of the search's.
    Sizes are in characters.
    """

    pattern: str
    kind: str = "unified"
    opening: str = "<em>"
    closing: str = "</em>"
    fragment_size: int = 100
    fragments: int = 5
    no_match_size: int = 0
    require_field_match: bool = True
    by_score: bool = False
    boundary: str = "sentence"
    fragmenter: str = "span"
    escape_html: bool = False
    max_analyzed_offset: int | None = None
    query: Json = None


class TermSuggester(Record, frozen=True, kw_only=True):
    """Asks for words of a field that are near those of a text.

    ``mode`` is ``missing``, ``popular`` or ``always``, ``distance`` is ``internal``,
    ``damerau_levenshtein`` or ``levenshtein``. A frequency below 1 is a share of the documents.
    """

    name: str
    text: str
    field: str
    analyzer: str | None = None
    size: int = 5
    shard_size: int = 5
    by_frequency: bool = False
    mode: str = "missing"
    max_edits: int = 2
    prefix_length: int = 1
    min_word_length: int = 4
    min_document_frequency: float = 0.0
    max_term_frequency: float = 0.01
    distance: str = "internal"


class FetchRequest(Record, frozen=True, kw_only=True):
    """What is to be shown of each hit besides its source; a ``SearchRequest`` without one asks for nothing.

    ``stored_fields`` None shows none and ``hide_id`` leaves out what identifies the document
    (``stored_fields: _none_``).
    """

    fields: tuple[FieldRequest, ...] = ()
    docvalue_fields: tuple[FieldRequest, ...] = ()
    stored_fields: tuple[str, ...] = ()
    hide_id: bool = False
    highlight: tuple[HighlightField, ...] = ()
    explain: bool = False


class TermStatistics(Record, frozen=True, kw_only=True):
    """What scores are made of, of some indices together: to be added up over indices and clusters.

    ``documents``: how many there are. ``tokens``: how many words each field has in all of them.
    ``frequencies``: of each field, in how many documents each word is.
    """

    documents: int = 0
    tokens: dict[str, int] = {}
    frequencies: dict[str, dict[str, int]] = {}

    @classmethod
    def total(cls, parts: Iterable[TermStatistics]) -> TermStatistics:
        """Answer the statistics of all the indices that these are of."""
        documents = 0
        tokens: Counter[str] = Counter()
        frequencies: dict[str, Counter[str]] = {}
        for part in parts:
            documents += part.documents
            tokens.update(part.tokens)
            for path, words in part.frequencies.items():
                frequencies.setdefault(path, Counter()).update(words)
        return cls(
            documents=documents,
            tokens=dict(tokens),
            frequencies={path: dict(words) for path, words in frequencies.items()},
        )


class InnerHits(Record, frozen=True, kw_only=True):
    """Hits to be shown of each group, under a name. ``request`` is a search without a query."""

    name: str
    request: SearchRequest


class Collapse(Record, frozen=True, kw_only=True):
    """Show one hit only of those that have the same value in ``field``.

    A target is never asked for ``inner_hits``: they are searches of their own.
    """

    field: str
    inner_hits: tuple[InnerHits, ...] = ()
    max_concurrent_group_searches: int | None = None


class Rescore(Record, frozen=True, kw_only=True):
    """Score the best ``window_size`` hits of each index anew, with the help of another query.

    ``score_mode`` says how the two scores, each times its weight, become one: ``total``, ``multiply``,
    ``avg``, ``max`` or ``min``.
    """

    query: Json
    window_size: int = 10
    query_weight: float = 1.0
    rescore_query_weight: float = 1.0
    score_mode: str = "total"


class SearchRequest(Record, frozen=True, kw_only=True):
    """What one cluster is asked. Query, source filter and aggregations keep their JSON form.

    ``track_total_hits``: True counts exactly, False not at all, a number counts up to it.
    ``aggregations`` is in combinable form by the time a target sees it: see
    :mod:`isthmus.search.aggregations`. With ``statistics`` scores are made of these and not of what
    the index searched holds. ``profile`` asks how long what took.
    """

    query: Json = None
    post_filter: Json = None
    offset: int = 0
    size: int = DEFAULT_PAGE_SIZE
    sort: tuple[SortKey, ...] = ()
    search_after: tuple[SortValue, ...] | None = None
    source: Json = True
    aggregations: JsonObject = {}
    track_total_hits: bool | int = DEFAULT_TRACK_TOTAL_HITS
    track_scores: bool = False
    min_score: float | None = None
    timeout_milliseconds: int | None = None
    terminate_after: int | None = None
    version: bool = False
    seq_no_primary_term: bool = False
    collapse: Collapse | None = None
    rescore: tuple[Rescore, ...] = ()
    profile: bool = False
    statistics: TermStatistics | None = None
    fetch: FetchRequest | None = None
    indices_boost: tuple[tuple[str, float], ...] = ()
    suggest: tuple[TermSuggester, ...] = ()


class FieldAccess(Record, frozen=True, kw_only=True):
    """The fields a principal may see: in ``granted`` (patterns; None is all), not in ``excepted``."""

    granted: tuple[str, ...] | None = None
    excepted: tuple[str, ...] = ()


class IndexSelection(Record, frozen=True, kw_only=True):
    """One existing index that may be read, and what of it.

    A document is visible when it matches every query of ``document_filters`` (each already
    the OR of one role set). A field is visible when every entry of ``field_access`` lets it.
    ``ordinal`` tells the indices of one search apart in the sort key ``_shard_doc``: see
    :data:`ORDINAL_SHIFT`.
    Scores are multiplied by ``boost``.
    """

    index: IndexName
    document_filters: tuple[Json, ...] = ()
    field_access: tuple[FieldAccess, ...] = ()
    ordinal: int = 0
    boost: float = 1.0


class Hit(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True, gc=False):
    """One document found. ``source`` is JSON text; None when it was not asked for.

    ``sections`` holds further members by name, each as JSON text: what a ``FetchRequest`` asked for,
    and ``matched_queries`` of a query with names. ``id`` is empty where it was to be left out.
    ``group`` is None unless hits were collapsed: then it holds the value they were collapsed by, or
    nothing for a document without one.
    """

    index: str
    id: str
    score: float | None = None
    source: bytes | None = None
    sort: tuple[SortValue, ...] | None = None
    version: int | None = None
    seq_no: int | None = None
    primary_term: int | None = None
    sections: dict[str, bytes] | None = None
    group: tuple[SortValue, ...] | None = None


class ShardCounts(Record, frozen=True, kw_only=True):
    """Shards asked, and how they answered. ``skipped`` ones count as successful too."""

    total: int = 0
    successful: int = 0
    skipped: int = 0
    failed: int = 0


class FailureReport(Record, frozen=True, kw_only=True):
    """A failure as data: what crosses a border instead of an exception.

    ``kind`` is the name of a :class:`isthmus.errors.FailureKind` member; ``index`` is None
    where a whole cluster failed.
    """

    kind: str
    error_type: str
    reason: str
    fault: str = "here"
    metadata: JsonObject = {}
    caused_by: FailureReport | None = None
    index: str | None = None


class TotalHits(Record, frozen=True, kw_only=True):
    """How many documents match: exactly (``eq``) or at least (``gte``)."""

    value: int
    relation: str = "eq"


class SearchResult(Record, frozen=True, kw_only=True):
    """What one cluster answers. ``total`` is None when it was not to be tracked.

    ``aggregations`` is in combinable form. ``hits`` are in their final order within this cluster.
    ``sort_kinds`` says of each sort key what its values are where their JSON does not tell how they
    compare: ``ip`` for addresses, else empty. Nothing at all says that of no key.
    ``served_nanoseconds`` is how long a remote cluster was at it in all, where it was asked to tell.
    ``profile`` holds how long what took, an object for each index in Elasticsearch's form.
    ``suggestions`` holds the entries of each suggester by name, with options to spare for combining.
    """

    took_milliseconds: int = 0
    timed_out: bool = False
    terminated_early: bool | None = None
    shards: ShardCounts = ShardCounts()
    total: TotalHits | None = None
    max_score: float | None = None
    hits: tuple[Hit, ...] = ()
    aggregations: JsonObject = {}
    failures: tuple[FailureReport, ...] = ()
    sort_kinds: tuple[str, ...] = ()
    served_nanoseconds: int | None = None
    suggestions: JsonObject = {}
    profile: tuple[JsonObject, ...] = ()


class WriteKind(Enum):
    """What a write does. CREATE refuses to replace; UPDATE merges into what is there."""

    INDEX = "index"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class WriteOperation(Record, frozen=True, kw_only=True):
    """One write to one index.

    ``id`` is None to have one made (INDEX and CREATE only). ``source`` is the document's JSON
    text; for UPDATE it is the request's body (``doc``, ``doc_as_upsert``, ``upsert``, ``detect_noop``).
    """

    kind: WriteKind
    id: str | None = None
    source: bytes = b""
    if_seq_no: int | None = None
    if_primary_term: int | None = None
    version: int | None = None
    version_type: str = "internal"


class WriteOutcome(Record, frozen=True, kw_only=True):
    """What became of one write. ``result`` is created, updated, deleted, not_found or noop.

    With ``failure`` set nothing was changed by this operation.
    """

    id: str
    result: str = ""
    version: int = -1
    seq_no: int = -2
    primary_term: int = 0
    failure: FailureReport | None = None


class StoredDocument(Record, frozen=True, kw_only=True):
    """A document as it is stored now, before any refresh."""

    id: str
    version: int
    seq_no: int
    primary_term: int
    source: bytes


class IndexDescription(Record, frozen=True, kw_only=True):
    """An index as its owner sees it. ``settings`` is the flat form: ``index.number_of_shards`` and so on.

    ``mappings`` is the current mapping with what was added dynamically.
    """

    name: IndexName
    uuid: str
    created_milliseconds: int
    settings: JsonObject = {}
    mappings: JsonObject = {}
    aliases: JsonObject = {}
    hidden: bool = False
    closed: bool = False


class IndexStatistics(Record, frozen=True, kw_only=True):
    """Counts of one index: live documents as of the last refresh, deleted ones, bytes on disk."""

    documents: int
    deleted_documents: int
    size_bytes: int
    max_seq_no: int = -1


class RefreshPolicy(Enum):
    """When a write becomes visible to search. Elasticsearch's ``refresh`` parameter."""

    NONE = "false"
    IMMEDIATE = "true"
    WAIT_UNTIL = "wait_for"


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
