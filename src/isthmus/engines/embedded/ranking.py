"""The best matches of a query by score: as the library scores, or by statistics of more than one index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

import tantivy
from tantivy import Occur, Query

from isthmus.engines.embedded.columns import SEQUENCE_COLUMN
from isthmus.engines.embedded.query.compiled import Compiled
from isthmus.engines.embedded.query.scoring import CombinedScore, OtherScore, Scoring, WordScore
from isthmus.engines.embedded.scoring_statistics import SharedStatistics, leaves_of, occurrences
from isthmus.engines.embedded.sorting_numbers import as_single
from isthmus.errors import illegal_argument

Scored = tuple[float, tantivy.DocAddress]

#: how many candidates are scored one by one: each takes some microseconds for every word
MOST_CANDIDATES: Final = 100_000
_FIRST_CANDIDATES: Final = 128
_GROWTH: Final = 4
#: the library reckons with 24 bits: scores that differ by less tie
_NOISE: Final = 1 + 1e-6


def at_most_all(searcher: tantivy.Searcher, limit: int) -> int:
    """Answer the limit, no higher than makes a difference: the library makes room for as many at once."""
    return max(1, min(limit, searcher.num_docs))


class Ranking(Protocol):
    """Scores documents of one index."""

    def best(self, clause: Compiled, limit: int) -> list[Scored]:
        """Answer the matches with the highest scores, those first; ties in the index's own order."""
        ...

    def scores(self, clause: Compiled, addresses: Sequence[tantivy.DocAddress]) -> list[float | None]:
        """Answer the score of each of these documents; None for one that does not match."""
        ...


class _Place(NamedTuple):
    """Where a document is, as something to look up by."""

    segment: int
    document: int


def _place(address: tantivy.DocAddress) -> _Place:
    return _Place(address.segment_ord, address.doc)


class LibraryRanking:
    """Scores as the library does."""

    def __init__(self, searcher: tantivy.Searcher, schema: tantivy.Schema) -> None:
        self.searcher: Final = searcher
        self._schema = schema

    def best(self, clause: Compiled, limit: int) -> list[Scored]:
        """Answer the best matches."""
        limit = at_most_all(self.searcher, limit)
        return self.searcher.search(clause.query, limit=limit, count=False).hits

    def scores(self, clause: Compiled, addresses: Sequence[tantivy.DocAddress]) -> list[float | None]:
        """Answer the scores of documents."""
        found = dict(self.among(clause.query, addresses))
        return [found.get(_place(address)) for address in addresses]

    def among(
        self, query: tantivy.Query, addresses: Sequence[tantivy.DocAddress]
    ) -> list[tuple[_Place, float]]:
        """Answer which of these documents match, with their scores."""
        if not addresses:
            return []
        numbers = self.searcher.fast_field_values(SEQUENCE_COLUMN, list(addresses))
        chosen = Query.const_score_query(Query.term_set_query(self._schema, SEQUENCE_COLUMN, numbers), 0.0)
        both = Query.boolean_query([(Occur.Must, query), (Occur.Must, chosen)])
        hits = self.searcher.search(both, limit=len(addresses), count=False).hits
        return [(_place(address), float(score)) for score, address in hits]


class SharedRanking:
    """Scores by statistics of many indices, exactly.

    ``base`` is compiled so that the library weighs each word by how rare it is in all of them; what is left
    is that the mean length of a field differs, by a factor. So candidates of the library are scored one by
    one, the best by the library's scores first, until none of the rest can be among those wanted.
    ``check`` raises to stop.
    """

    def __init__(
        self, base: Compiled, statistics: SharedStatistics, library: LibraryRanking, check: Callable[[], None]
    ) -> None:
        self._base = base
        self._statistics = statistics
        self._library = library
        self._check = check
        self._known: dict[_Place, float] = {}
        self._most = self._largest_factor()

    def best(self, clause: Compiled, limit: int) -> list[Scored]:
        """Answer the best matches of a clause that is the query this was made for, or narrows it."""
        if clause.score is not None:
            return self._library.best(clause, limit)
        batch = min(max(_FIRST_CANDIDATES, 2 * limit), MOST_CANDIDATES)
        while True:
            self._check()
            hits = self._library.best(clause, batch)
            addresses = [address for _, address in hits]
            scored = sorted(
                zip(self._exactly(addresses), addresses, strict=True),
                key=lambda each: (-each[0], each[1].segment_ord, each[1].doc),
            )
            if len(hits) < batch:
                return scored[:limit]
            highest_of_the_rest = hits[-1][0] * self._most
            if len(scored) >= limit and scored[limit - 1][0] * _NOISE >= highest_of_the_rest:
                return scored[:limit]
            if batch >= MOST_CANDIDATES:
                raise illegal_argument(
                    "[search_type=dfs_query_then_fetch] would have the embedded engine score more than "
                    f"[{MOST_CANDIDATES}] documents of an index one by one: "
                    "narrow the query with a [filter]"
                )
            batch = min(batch * _GROWTH, MOST_CANDIDATES)

    def scores(self, clause: Compiled, addresses: Sequence[tantivy.DocAddress]) -> list[float | None]:
        """Answer the scores of documents."""
        found = self._library.scores(clause, addresses)
        if clause.score is not None:
            return found
        matching = [address for address, score in zip(addresses, found, strict=True) if score is not None]
        exact = dict(zip(map(_place, matching), self._exactly(matching), strict=True))
        return [exact.get(_place(address)) for address in addresses]

    def _exactly(self, addresses: Sequence[tantivy.DocAddress]) -> list[float]:
        new = [address for address in addresses if _place(address) not in self._known]
        if new and self._base.scoring is not None:
            found = self._evaluate(self._base.scoring, new)
            for address in new:
                place = _place(address)
                self._known[place] = as_single(found.get(place, 0.0))
        return [self._known[_place(address)] for address in addresses]

    def _evaluate(self, scoring: Scoring, addresses: Sequence[tantivy.DocAddress]) -> dict[_Place, float]:
        """Answer the score of each of these documents that matches."""
        if isinstance(scoring, WordScore):
            return self._words(scoring, addresses)
        if isinstance(scoring, OtherScore):
            return dict(self._library.among(scoring.query, addresses))
        parts = [self._evaluate(part, addresses) for part in scoring.parts]
        if scoring.query is None or scoring is self._base.scoring:
            matching = {place for part in parts for place in part}
        else:
            matching = {place for place, _ in self._library.among(scoring.query, addresses)}
        return {
            place: scoring.factor * _together([part[place] for part in parts if place in part], scoring)
            for place in matching
        }

    def _words(self, leaf: WordScore, addresses: Sequence[tantivy.DocAddress]) -> dict[_Place, float]:
        statistics, _ = self._statistics.of(leaf)
        weight = statistics.weight(leaf.words)
        scores = {}
        for address in addresses:
            found = occurrences(leaf.query, self._library.searcher, address)
            if found is not None:
                scores[_place(address)] = statistics.score(weight, found)
        return scores

    def _largest_factor(self) -> float:
        """Answer by how much at most a right score is above the library's, which weighs words rightly.

        What is left of a word's score is a fraction that grows with the mean length of the field, and less
        than in proportion. What is constant stays as it is.
        """
        largest = 1.0
        for leaf in leaves_of(self._base):
            shared, own = self._statistics.of(leaf)
            if own.mean_length:
                largest = max(largest, shared.mean_length / own.mean_length)
        return largest


def _together(scores: Sequence[float], scoring: CombinedScore) -> float:
    if scoring.tie_breaker is None or not scores:
        return sum(scores)
    best = max(scores)
    return best + scoring.tie_breaker * (sum(scores) - best)
