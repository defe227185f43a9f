"""What of a clause's matches counts at all: those with at least some score, or the first so many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import tantivy
from tantivy import FieldType as LibraryType
from tantivy import Order, Query

from isthmus.engines.embedded.columns import SEQUENCE_COLUMN
from isthmus.engines.embedded.query.compiled import Compiled, Extent, constant, nothing, restricted
from isthmus.engines.embedded.ranking import Ranking
from isthmus.engines.embedded.snapshot import Snapshot
from isthmus.engines.embedded.sorting_numbers import as_single
from isthmus.errors import illegal_argument

#: how many documents may lie above a ``min_score``: they are listed in the query that follows
_MAXIMUM_ABOVE_SCORE: Final = 100_000


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Narrows clauses of one index. ``check`` is called between steps and raises to stop."""

    snapshot: Snapshot
    ranking: Ranking
    check: Callable[[], None]

    @property
    def _searcher(self) -> tantivy.Searcher:
        return self.snapshot.searcher

    def above_minimum_score(self, clause: Compiled, minimum: float) -> Compiled:
        """Answer the clause narrowed to the matches with at least this score."""
        # compared as the library scores: a score that was shown must not fail its own minimum
        minimum = as_single(minimum)
        if clause.extent is Extent.NOTHING:
            return clause
        if clause.score is not None:
            return clause if as_single(clause.score) >= minimum else nothing()
        limit = 1_000
        while True:
            self.check()
            hits = self.ranking.best(clause, limit)
            above = [address for score, address in hits if score >= minimum]
            if len(above) < len(hits):
                break
            if len(hits) < limit:
                return clause
            if limit >= _MAXIMUM_ABOVE_SCORE:
                raise illegal_argument(
                    f"[min_score] [{minimum}] leaves more than {_MAXIMUM_ABOVE_SCORE} documents of index "
                    f"[{self.snapshot.name}], which the embedded engine does not support"
                )
            limit *= 10
        if not above:
            return nothing()
        numbers = self._searcher.fast_field_values(SEQUENCE_COLUMN, above)
        chosen = Query.term_set_query(self.snapshot.schema, SEQUENCE_COLUMN, numbers)
        return restricted(clause, constant(chosen))

    def first_matches(self, clause: Compiled, number: int) -> Compiled:
        """Answer the clause narrowed to the matches that were written first; the same where they are all."""
        # The library keeps room for all that is skipped: a number of billions would end the process.
        if clause.extent is Extent.NOTHING or number >= self._searcher.num_docs:
            return clause
        self.check()
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
            self.snapshot.schema, SEQUENCE_COLUMN, LibraryType.Integer, 0, found.hits[0][0]
        )
        return restricted(clause, constant(until))
