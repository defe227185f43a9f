"""One index's part of a search: compiled, counted and ordered, without the event loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import tantivy

from isthmus.engines.embedded.aggregations.scope import AggregatedIndex
from isthmus.engines.embedded.collapsing import Collapsing, Group, Grouped
from isthmus.engines.embedded.columns import SEQUENCE_COLUMN
from isthmus.engines.embedded.query.compiled import (
    Compiled,
    Extent,
    all_of,
    boosted,
    everything,
    restricted,
)
from isthmus.engines.embedded.query.compiler import compile_clause, compile_query
from isthmus.engines.embedded.query.context import QueryContext, everything_is_visible
from isthmus.engines.embedded.query.scoring import WordScore
from isthmus.engines.embedded.ranking import LibraryRanking, Ranking, Scored, SharedRanking, at_most_all
from isthmus.engines.embedded.rescoring import Rescorer, rescored
from isthmus.engines.embedded.scoring_statistics import LibraryStatistics, SharedStatistics, leaves_of
from isthmus.engines.embedded.searching_narrowed import Narrowing
from isthmus.engines.embedded.snapshot import Snapshot
from isthmus.engines.embedded.sorting import HeldValue, ResolvedKey, Sorted, held_after, resolve_keys
from isthmus.engines.embedded.sorting_numbers import as_single
from isthmus.engines.embedded.sorting_pages import Pages, Row
from isthmus.engines.embedded.source_filter import VisibleFields
from isthmus.exchange import Collapse, IndexSelection, JsonObject, SearchRequest, TermStatistics

_MATCH_ALL: Final[JsonObject] = {"match_all": {}}


@dataclass(frozen=True, slots=True)
class SearchedIndex:
    """One index as one search sees it.

    ``query`` is what aggregations are over: the caller's query within ``limits``, which is what it
    may see at all. ``asked`` is the caller's query without them. ``shared`` is what scores are made of
    where that is not this index alone.
    """

    snapshot: Snapshot
    context: QueryContext
    query: Compiled
    limits: Compiled
    visible: VisibleFields
    post_filter: Compiled | None = None
    asked: Compiled | None = None
    ordinal: int = 0
    shared: SharedStatistics | None = None
    rescorers: tuple[Rescorer, ...] = ()

    def to_aggregate(self, check: Callable[[], None]) -> AggregatedIndex:
        """Answer the index as aggregations take it; the names of their clauses are nobody's."""
        context = replace(self.context, named={})
        return AggregatedIndex(context, self.query.query, self.limits.query, check, self)


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
    groups: Sequence[Group] | None = None


def searched_index(
    snapshot: Snapshot, selection: IndexSelection, request: SearchRequest, now_milliseconds: int
) -> SearchedIndex:
    """Compile the queries of a request for one index, within what the selection lets the caller see.

    A hidden field does not exist for the caller's query; the queries that limit the documents
    are the administrator's and see every field.
    """
    visible = VisibleFields(selection.field_access)
    context = context_of(snapshot, now_milliseconds, visible)
    scored, shared = context, None
    if request.statistics is not None:
        shared = SharedStatistics(request.statistics, LibraryStatistics(context))
        scored = replace(context, word_weight=shared.weight)
    compiled = compile_query(_MATCH_ALL if request.query is None else request.query, scored)
    if selection.boost != 1.0:
        compiled = boosted(compiled, selection.boost)
    kept = None if request.post_filter is None else compile_query(request.post_filter, context)
    limits = _limits_of(snapshot, selection, now_milliseconds)
    return SearchedIndex(
        snapshot,
        context,
        restricted(compiled, limits),
        limits,
        visible,
        kept,
        compiled,
        selection.ordinal,
        shared,
        tuple([Rescorer(each, compile_query(each.query, scored)) for each in request.rescore])
        if request.rescore
        else (),
    )


def statistics_of_request(
    snapshot: Snapshot, selection: IndexSelection, request: SearchRequest, now_milliseconds: int
) -> TermStatistics:
    """Answer what the scores of a request's hits in one index are made of: its words, wherever they are.

    Of words that are only in documents which the selection hides nothing is told.
    """
    context = context_of(snapshot, now_milliseconds, VisibleFields(selection.field_access))
    noting = replace(context, word_weight=lambda _leaf: 1.0)
    leaves: list[WordScore] = []
    for query in (request.query, *(each.query for each in request.rescore)):
        leaves.extend(leaves_of(compile_query(_MATCH_ALL if query is None else query, noting)))
    limits = _limits_of(snapshot, selection, now_milliseconds) if selection.document_filters else None
    return LibraryStatistics(context).of(leaves, limits)


def _limits_of(snapshot: Snapshot, selection: IndexSelection, now_milliseconds: int) -> Compiled:
    """Answer which documents a selection shows."""
    if not selection.document_filters:
        return everything()
    unlimited = context_of(snapshot, now_milliseconds)
    return all_of([compile_query(each, unlimited) for each in selection.document_filters])


def context_of(
    snapshot: Snapshot, now_milliseconds: int, visible: Callable[[str], bool] | None = None
) -> QueryContext:
    """Answer what a query needs to know of an index, and which of its fields exist for it."""
    return QueryContext(
        index_name=snapshot.name,
        mapping=snapshot.mapping,
        columns=snapshot.columns,
        schema=snapshot.schema,
        analyzers=snapshot.analyzers,
        index=snapshot.index,
        searcher=snapshot.searcher,
        now_milliseconds=now_milliseconds,
        compile_clause=compile_clause,
        is_visible=visible or everything_is_visible,
        settings=snapshot.settings,
    )


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
        self._ranking = self._ranking_of(searched.query)
        self._pages = Pages(self._searcher, searched.context, keys, check, self._ranking)

    def run(self) -> IndexPart:
        """Answer this index's part."""
        request = self._request
        if request.min_score is not None:
            above = self._narrowing().above_minimum_score(self._searched.query, request.min_score)
            self._searched = replace(self._searched, query=above)
        clause = self._searched.query
        if self._searched.post_filter is not None:
            clause = restricted(clause, self._searched.post_filter)
        terminated_early: bool | None = None
        if request.terminate_after:
            narrowed = self._narrowing().first_matches(clause, request.terminate_after)
            terminated_early = narrowed is not clause
            clause = narrowed
        if request.collapse is not None:
            return self._collapsed(clause, request.collapse, terminated_early)
        if self._keys:
            return self._sorted(clause, terminated_early)
        if self._searched.rescorers or self._searched.shared is not None:
            return self._by_other_scores(clause, terminated_early)
        return self._by_relevance(clause, terminated_early)

    def _narrowing(self) -> Narrowing:
        return Narrowing(self._searched.snapshot, self._ranking, self._check)

    def _ranking_of(self, clause: Compiled) -> Ranking:
        library = LibraryRanking(self._searcher, self._searched.context.schema)
        shared = self._searched.shared
        if shared is None or clause.scoring is None:
            return library
        return SharedRanking(clause, shared, library, self._check)

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
            limit = at_most_all(self._searcher, need)
            found = self._searcher.search(clause.query, limit=limit, count=wants_total)
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
        rows = self._pages.top(clause, request.offset + request.size, self._after())
        return self._of_sorted_rows(rows, clause, terminated_early)

    def _after(self) -> tuple[HeldValue, ...] | None:
        after = self._request.search_after
        return None if after is None else held_after(self._keys, after)

    def _of_sorted_rows(
        self,
        rows: list[Row],
        clause: Compiled,
        terminated_early: bool | None,  # noqa: FBT001 - likewise
        groups: Sequence[Group] | None = None,
    ) -> IndexPart:
        request = self._request
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
        return IndexPart(self._searched, rows, scores, self._keys, total, max_score, terminated_early, groups)

    def _by_other_scores(self, clause: Compiled, terminated_early: bool | None) -> IndexPart:  # noqa: FBT001 - likewise
        """Order by scores that the library alone does not give."""
        request = self._request
        need = request.offset + request.size
        rescorers = self._searched.rescorers
        hits = self._best(clause, max([need, *(each.asked.window_size for each in rescorers)]))
        hits = self._rescored(hits)[:need]
        total = None if request.track_total_hits is False else count_matches(self._searcher, clause)
        scores = [score for score, _ in hits]
        return IndexPart(
            self._searched,
            [Row((), address) for _, address in hits],
            scores,
            self._keys,
            total,
            max(scores, default=None),
            terminated_early,
        )

    def _rescored(self, hits: list[Scored]) -> list[Scored]:
        for each in self._searched.rescorers:
            self._check()
            hits = rescored(hits, each, self._ranking_of(each.query))
        return hits

    def _rescored_groups(self, found: Sequence[Grouped]) -> list[Grouped]:
        """Score the hits that stand for their groups anew."""
        by_place = {(each.row.address.segment_ord, each.row.address.doc): each for each in found}
        hits = self._rescored([(each.score or 0.0, each.row.address) for each in found])
        return [replace(by_place[address.segment_ord, address.doc], score=score) for score, address in hits]

    def _best(self, clause: Compiled, need: int) -> list[Scored]:
        if need == 0 or clause.extent is Extent.NOTHING:
            return []
        if clause.score is None:
            return self._ranking.best(clause, need)
        score = as_single(clause.score)
        return [(score, row.address) for row in self._pages.top(clause, need)]

    def _collapsed(
        self,
        clause: Compiled,
        collapse: Collapse,
        terminated_early: bool | None,  # noqa: FBT001 - likewise
    ) -> IndexPart:
        request = self._request
        after = self._after()

        def take(narrowed: Compiled, need: int) -> list[tuple[Row, float | None]]:
            self._check()
            if self._keys:
                return [(row, None) for row in self._pages.top(narrowed, need, after)]
            return [(Row((), address), score) for score, address in self._best(narrowed, need)]

        collapsing = Collapsing(collapse.field, self._searched.context)
        wanted = request.offset + request.size
        rescorers = self._searched.rescorers
        need = max([wanted, *(each.asked.window_size for each in rescorers)])
        found = collapsing.first_of_groups(clause, need, take, self._pages.found)
        if rescorers:
            found = self._rescored_groups(found)[:wanted]
        rows = [each.row for each in found]
        groups = [each.group for each in found]
        if self._keys:
            return self._of_sorted_rows(rows, clause, terminated_early, groups)
        scores = [each.score or 0.0 for each in found]
        total = None if request.track_total_hits is False else count_matches(self._searcher, clause)
        highest = max(scores, default=None)
        return IndexPart(self._searched, rows, scores, self._keys, total, highest, terminated_early, groups)

    def _highest_score(self, clause: Compiled) -> float | None:
        if clause.extent is Extent.NOTHING:
            return None
        self._check()
        best = self._ranking.best(clause, 1)
        return best[0][0] if best else None
