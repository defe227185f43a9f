"""What documents that were found have for values: read from columns, never from their sources."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tantivy
from tantivy import Order, Query

from isthmus.engines.embedded.columns import ID_COLUMN, SEQUENCE_COLUMN
from isthmus.engines.embedded.field_types import ColumnKind
from isthmus.engines.embedded.query.compiled import Compiled
from isthmus.engines.embedded.ranking import Ranking
from isthmus.engines.embedded.sorting import HeldValue, ResolvedKey, Sorted
from isthmus.engines.embedded.sorting_numbers import as_single


class FoundValues:
    """Reads values of documents of one index. ``check`` raises to stop the search."""

    def __init__(
        self,
        searcher: tantivy.Searcher,
        schema: tantivy.Schema,
        check: Callable[[], None],
        ranking: Ranking,
    ) -> None:
        self._searcher = searcher
        self._ranking = ranking
        self._schema = schema
        self._check = check

    def values(
        self, addresses: Sequence[tantivy.DocAddress], key: ResolvedKey, clause: Compiled
    ) -> list[HeldValue]:
        """Answer the key's value of each of these documents, which the clause matches."""
        self._check()
        if key.sorted_by is Sorted.SCORE:
            scores = self.scores(addresses, clause)
            return list(scores)
        if key.sorted_by is Sorted.SEQUENCE:
            return self.numbers(addresses, SEQUENCE_COLUMN)
        if key.sorted_by is Sorted.ID:
            return self._texts(addresses, ID_COLUMN)
        if key.field is None:
            return [key.substitute] * len(addresses)
        read = self._texts if is_text(key) else self.numbers
        values = read(addresses, key.field.columns.main)
        if key.by_maximum and key.field.columns.maximum is not None:
            largest = read(addresses, key.field.columns.maximum)
            values = [
                value if maximum is None else maximum for value, maximum in zip(values, largest, strict=True)
            ]
        return [key.substitute if value is None else value for value in values]

    def numbers(self, addresses: Sequence[tantivy.DocAddress], column: str) -> list[HeldValue]:
        """Answer the number that each of these documents has in a column."""
        return list(self._searcher.fast_field_values(column, list(addresses)))

    def _texts(self, addresses: Sequence[tantivy.DocAddress], column: str) -> list[HeldValue]:
        found = self._searcher.search(
            self._just(addresses), limit=len(addresses), count=False, order_by_field=column, order=Order.Asc
        )
        return _in_order(found.hits, addresses)

    def scores(self, addresses: Sequence[tantivy.DocAddress], clause: Compiled) -> list[float]:
        """Answer the score that a clause gives each of these documents."""
        if not addresses:
            return []
        if clause.score is not None:
            return [as_single(clause.score)] * len(addresses)
        return [score or 0.0 for score in self._ranking.scores(clause, addresses)]

    def _just(self, addresses: Sequence[tantivy.DocAddress]) -> tantivy.Query:
        numbers = self._searcher.fast_field_values(SEQUENCE_COLUMN, list(addresses))
        return Query.term_set_query(self._schema, SEQUENCE_COLUMN, numbers)


def is_text(key: ResolvedKey) -> bool:
    """Tell whether the column of a key holds text."""
    if key.sorted_by is Sorted.ID:
        return True
    return key.mapped is not None and key.mapped.field_type.kind is ColumnKind.KEYWORD


def _in_order(
    hits: Sequence[tuple[HeldValue, tantivy.DocAddress]], addresses: Sequence[tantivy.DocAddress]
) -> list[HeldValue]:
    found = {(address.segment_ord, address.doc): value for value, address in hits}
    return [found.get((address.segment_ord, address.doc)) for address in addresses]
