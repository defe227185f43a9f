"""One index's part of a search: compiled, counted and ordered, without the event loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import tantivy
from tantivy import FieldType as LibraryType
from tantivy import Order, Query

from isthmus.engines.embedded.aggregations.scope import AggregatedIndex
from isthmus.engines.embedded.columns import SEQUENCE_COLUMN
from isthmus.engines.embedded.query.compiled import (
    Compiled,
    Extent,
    all_of,
    constant,
    everything,
    nothing,
    restricted,
)
from isthmus.engines.embedded.query.compiler import compile_clause, compile_query
from isthmus.engines.embedded.query.context import QueryContext
from isthmus.engines.embedded.snapshot import Snapshot
from isthmus.engines.embedded.sorting import HeldValue, ResolvedKey, Sorted, held_after, resolve_keys
from isthmus.engines.embedded.sorting_numbers import as_single
from isthmus.engines.embedded.sorting_pages import Pages, Row
from isthmus.engines.embedded.source_filter import VisibleFields
from isthmus.errors import illegal_argument
from isthmus.exchange import IndexSelection, Json, JsonObject, SearchRequest

_MATCH_ALL: Final[JsonObject] = {"match_all": {}}
#: how many documents may lie above a ``min_score``: they are listed in the query that follows
_MAXIMUM_ABOVE_SCORE: Final = 100_000


@dataclass(frozen=True, slots=True)
class SearchedIndex:
    """One index as one search sees it.

    ``query`` is what aggregations are over: the caller's query within ``limits``, which is what it
    may see at all. ``asked`` is the caller's query without them.
    """

    snapshot: Snapshot
    context: QueryContext
    query: Compiled
    limits: Compiled
    visible: VisibleFields
    post_filter: Compiled | None = None
    asked: Compiled | None = None
    ordinal: int = 0

    def to_aggregate(self, check: Callable[[], None]) -> AggregatedIndex:
        """Answer the index as aggregations take it; the names of their clauses are nobody's."""
        return AggregatedIndex(replace(self.context, named={}), self.query.query, self.limits.query, check)


@dataclass(frozen=True, slots=True)
class IndexPart:
    """What one index found. ``rows`` are in order; ``scores`` stand beside them where known."""

    searched: SearchedIndex
    rows: Sequence[Row]
    scores: Sequence[float] | None
    keys: tuple[ResolvedKey, ...]
    total: int | None
    max_score: float | None
    terminated_early: bool | None


def searched_index(
    snapshot: Snapshot,
    selection: IndexSelection,
    query: Json,
    now_milliseconds: int,
    post_filter: Json = None,
) -> SearchedIndex:
    """Compile a query for one index, within what the selection lets the caller see.

    A hidden field does not exist for the caller's query; the queries that limit the documents
    are the administrator's and see every field.
    """
    visible = VisibleFields(selection.field_access)
    context = context_of(snapshot, now_milliseconds, visible)
    compiled = compile_query(_MATCH_ALL if query is None else query, context)
    kept = None if post_filter is None else compile_query(post_filter, context)
    limits = everything()
    if selection.document_filters:
        unlimited = context_of(snapshot, now_milliseconds)
        limits = all_of([compile_query(each, unlimited) for each in selection.document_filters])
    return SearchedIndex(
        snapshot, context, restricted(compiled, limits), limits, visible, kept, compiled, selection.ordinal
    )


def context_of(
    snapshot: Snapshot, now_milliseconds: int, visible: Callable[[str], bool] | None = None
) -> QueryContext:
    """Answer what a query needs to know of an index, and which of its fields exist for it."""
    context = QueryContext(
        index_name=snapshot.name,
        mapping=snapshot.mapping,
        columns=snapshot.columns,
        schema=snapshot.schema,
        analyzers=snapshot.analyzers,
        index=snapshot.index,
        searcher=snapshot.searcher,
        now_milliseconds=now_milliseconds,
        compile_clause=compile_clause,
        settings=snapshot.settings,
    )
    return context if visible is None else replace(context, is_visible=visible)


def _among_all_indices(keys: Sequence[ResolvedKey], values: Sequence[HeldValue]) -> tuple[HeldValue, ...]:
    """Answer the values of a document as they compare with those of other indices."""
    return tuple(
        int(value or 0) + key.base if key.base else value for key, value in zip(keys, values, strict=True)
    )


def count_matches(searcher: tantivy.Searcher, clause: Compiled) -> int:
    """Count the documents that a clause matches, exactly."""
    if clause.extent is Extent.NOTHING:
        return 0
    if clause.extent is Extent.EVERYTHING:
        return int(searcher.num_docs)
    # sorting by a number keeps the library from scoring; it panics on a limit of 0
    found = searcher.search(clause.query, limit=1, count=True, order_by_field=SEQUENCE_COLUMN)
    return number_found(found)


def number_found(found: tantivy.SearchResult) -> int:
    """Answer how many documents a search that counts has matched."""
    counted: int = found.count  # type: ignore[attr-defined]  # missing from the library's stubs
    return counted


def search_index(searched: SearchedIndex, request: SearchRequest, check: Callable[[], None]) -> IndexPart:
    """Find, order and count. ``check`` is called between steps and raises to stop the search."""
    keys = resolve_keys(request.sort, searched.context, searched.ordinal)
    return _IndexSearch(searched, request, keys, check).run()


class _IndexSearch:
    """One run of :func:`search_index`."""

    def __init__(
        self,
        searched: SearchedIndex,
        request: SearchRequest,
        keys: tuple[ResolvedKey, ...],
        check: Callable[[], None],
    ) -> None:
        self._searched = searched
        self._request = request
        self._keys = keys
        self._check = check
        self._searcher = searched.snapshot.searcher
        self._pages = Pages(self._searcher, searched.context, keys, check)

    def run(self) -> IndexPart:
        """Answer this index's part."""
        request = self._request
        if request.min_score is not None:
            above = self._above_minimum_score(self._searched.query, request.min_score)
            self._searched = replace(self._searched, query=above)
        clause = self._searched.query
        if self._searched.post_filter is not None:
            clause = restricted(clause, self._searched.post_filter)
        terminated_early: bool | None = None
        if request.terminate_after:
            narrowed = self._first_matches(clause, request.terminate_after)
            terminated_early = narrowed is not clause
            clause = narrowed
        if self._keys:
            return self._sorted(clause, terminated_early)
        return self._by_relevance(clause, terminated_early)

    def _by_relevance(self, clause: Compiled, terminated_early: bool | None) -> IndexPart:  # noqa: FBT001 - a fact passed on
        request = self._request
        need = request.offset + request.size
        wants_total = request.track_total_hits is not False
        if need == 0 or clause.extent is not Extent.SOMETHING or clause.score is not None:
            rows = self._pages.top(clause, need)
            total = count_matches(self._searcher, clause) if wants_total else None
            scores = self._pages.found.scores([row.address for row in rows], clause)
        else:
            self._check()
            found = self._searcher.search(clause.query, limit=need, count=wants_total)
            rows = [Row((), address) for _, address in found.hits]
            scores = [score for score, _ in found.hits]
            total = number_found(found) if wants_total else None
        return IndexPart(
            self._searched,
            rows,
            scores,
            self._keys,
            total,
            max(scores, default=None),
            terminated_early,
        )

    def _sorted(self, clause: Compiled, terminated_early: bool | None) -> IndexPart:  # noqa: FBT001 - likewise
        request = self._request
        after = None if request.search_after is None else held_after(self._keys, request.search_after)
        rows = self._pages.top(clause, request.offset + request.size, after)
        if any(key.base for key in self._keys):
            rows = [Row(_among_all_indices(self._keys, row.values), row.address) for row in rows]
        total = None
        if request.track_total_hits is not False:
            self._check()
            total = count_matches(self._searcher, clause)
        scores: list[float] | None = None
        max_score = None
        by_score = next((n for n, key in enumerate(self._keys) if key.sorted_by is Sorted.SCORE), None)
        if by_score is not None:
            scores = [float(row.values[by_score] or 0.0) for row in rows]
        if request.track_scores:
            scores = self._pages.found.scores([row.address for row in rows], clause)
            max_score = self._highest_score(clause)
        return IndexPart(self._searched, rows, scores, self._keys, total, max_score, terminated_early)

    def _highest_score(self, clause: Compiled) -> float | None:
        if clause.extent is Extent.NOTHING:
            return None
        self._check()
        best = self._searcher.search(clause.query, limit=1, count=False).hits
        return best[0][0] if best else None

    def _above_minimum_score(self, clause: Compiled, minimum: float) -> Compiled:
        # compared as the library scores: a score that was shown must not fail its own minimum
        minimum = as_single(minimum)
        if clause.extent is Extent.NOTHING:
            return clause
        if clause.score is not None:
            return clause if as_single(clause.score) >= minimum else nothing()
        limit = 1_000
        while True:
            self._check()
            hits = self._searcher.search(clause.query, limit=limit, count=False).hits
            above = [address for score, address in hits if score >= minimum]
            if len(above) < len(hits):
                break
            if len(hits) < limit:
                return clause
            if limit >= _MAXIMUM_ABOVE_SCORE:
                raise illegal_argument(
                    f"[min_score] [{minimum}] leaves more than {_MAXIMUM_ABOVE_SCORE} documents of index "
                    f"[{self._searched.snapshot.name}], which the embedded engine does not support"
                )
            limit *= 10
        if not above:
            return nothing()
        numbers = self._searcher.fast_field_values(SEQUENCE_COLUMN, above)
        chosen = Query.term_set_query(self._searched.context.schema, SEQUENCE_COLUMN, numbers)
        return restricted(clause, constant(chosen))

    def _first_matches(self, clause: Compiled, number: int) -> Compiled:
        """Answer the clause narrowed to the matches that were written first; the same where they are all."""
        if clause.extent is Extent.NOTHING:
            return clause
        self._check()
        found = self._searcher.search(
            clause.query,
            limit=2,
            count=False,
            offset=number - 1,
            order_by_field=SEQUENCE_COLUMN,
            order=Order.Asc,
        )
        if len(found.hits) < 2:  # noqa: PLR2004 - the last one wanted and one more
            return clause
        until = Query.range_query(
            self._searched.context.schema, SEQUENCE_COLUMN, LibraryType.Integer, 0, found.hits[0][0]
        )
        return restricted(clause, constant(until))
