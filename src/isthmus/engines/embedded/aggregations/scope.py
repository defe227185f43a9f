"""One index as one request may aggregate it, and the two questions asked of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import tantivy
from tantivy import Occur, Query

from isthmus.engines.embedded.columns import SEQUENCE_COLUMN
from isthmus.engines.embedded.query.compiled import with_score
from isthmus.engines.embedded.query.context import QueryContext
from isthmus.errors import illegal_argument
from isthmus.exchange import JsonObject
from isthmus.search.aggregations.contract import too_many_buckets

if TYPE_CHECKING:
    from isthmus.engines.embedded.searching_index import SearchedIndex

#: The library's own limit is 65,000 buckets an answer; it has to be told a size below.
MOST_BUCKETS: Final = 65_000
#: Buckets whose sub-aggregations take a search of their own each: more would take minutes.
MOST_SEARCHES: Final = 20_000


class BucketLimitError(Exception):
    """The library gave up because an answer had too many buckets."""


class MemoryLimitError(Exception):
    """The library gave up because an aggregation took too much memory on the way."""


class AmbiguousCutError(Exception):
    """A list was cut where more would have had to be known."""


def _never() -> None:
    return None


@dataclass(frozen=True, slots=True)
class AggregatedIndex:
    """One index, and which of its documents an aggregation is over.

    ``query`` is the search's query within what the caller may see; ``visible`` is all that the caller
    may see, which ``global`` is over. ``context`` compiles further queries for the same caller and
    has a searcher. ``check`` is called now and then and raises when the search was given up.
    ``searched`` is the index as its documents are found, where they can be.
    """

    context: QueryContext
    query: Query
    visible: Query
    check: Callable[[], None] = _never
    searched: SearchedIndex | None = None

    @property
    def schema(self) -> tantivy.Schema:
        """Answer the library's schema."""
        return self.context.schema

    @property
    def searcher(self) -> tantivy.Searcher:
        """Answer the searcher of the index as it is seen."""
        searcher = self.context.searcher
        if searcher is None:
            raise TypeError("aggregating takes a context with a searcher")
        return searcher

    def without_query(self) -> AggregatedIndex:
        """Answer the index as a search without a query sees it: all that is visible, with equal scores."""
        searched = self.searched
        if searched is not None:
            searched = replace(searched, query=with_score(searched.limits, 1.0))
        return replace(self, query=self.visible, searched=searched)

    def count(self, query: Query) -> int:
        """Count the documents that match."""
        self.check()
        # sorting by a number keeps the library from scoring; it panics on a limit of 0
        found = self.searcher.search(query, limit=1, count=True, order_by_field=SEQUENCE_COLUMN)
        counted: int = found.count  # type: ignore[attr-defined]  # missing from the library's stubs
        return counted

    def aggregate(self, query: Query, request: JsonObject) -> JsonObject:
        """Answer the library's own aggregations, in its own form.

        Raises BucketLimitError or MemoryLimitError where the library gave up, and an
        ``illegal_argument_exception`` failure for what it refuses.
        """
        self.check()
        try:
            answer: Any = self.searcher.aggregate(query, request)
        except ValueError as problem:
            reason = str(problem)
            if "bucket limit" in reason:
                raise BucketLimitError from problem
            if "memory limit" in reason:
                raise MemoryLimitError from problem
            raise illegal_argument(f"failed to aggregate: {reason}") from problem
        return dict(answer)


class SearchBudget:
    """Counts the searches that one aggregation takes."""

    def __init__(self) -> None:
        self._left = MOST_SEARCHES

    def take(self, searches: int) -> None:
        """Spend that many; raises ``too_many_buckets_exception`` when none are left."""
        self._left -= searches
        if self._left < 0:
            raise too_many_buckets()


def both(one: Query, other: Query) -> Query:
    """Answer the query for what both match."""
    return Query.boolean_query([(Occur.Must, one), (Occur.Must, other)])


def without(query: Query, excluded: Sequence[Query]) -> Query:
    """Answer the query for what matches the first and none of the others."""
    return Query.boolean_query([(Occur.Must, query), *((Occur.MustNot, each) for each in excluded)])


def either(one: Query, other: Query) -> Query:
    """Answer the query for what either matches."""
    return Query.boolean_query([(Occur.Should, one), (Occur.Should, other)])
