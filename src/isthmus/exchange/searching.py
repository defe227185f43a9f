"""What a search asks, of which indices, and what it answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

import msgspec

from isthmus.exchange.suggesting import CompletionSuggester, PhraseSuggester, TermSuggester
from isthmus.exchange.values import FailureReport, Json, JsonObject, Record, SortValue
from isthmus.names import IndexName

DEFAULT_TRACK_TOTAL_HITS: Final = 10_000

DEFAULT_PAGE_SIZE: Final = 10

#: a document's ``_shard_doc`` is its index's ordinal, shifted by this many bits, plus its sequence number
ORDINAL_SHIFT: Final = 34


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
    completions: tuple[CompletionSuggester, ...] = ()
    phrases: tuple[PhraseSuggester, ...] = ()

    @property
    def suggests(self) -> bool:
        """Tell whether anything is to be suggested."""
        return bool(self.suggest or self.completions or self.phrases)


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
    ``suggestions`` holds the entries of each suggester by name, with options to spare for combining; the
    ``_source`` of an option is JSON text, as bytes.
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
