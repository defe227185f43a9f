"""The first documents in an order of several keys, exactly, from an index that sorts by one column.

The library sorts by one column, puts missing values last, and takes of several values the
first (smallest). So a page is taken by the first key; only the documents that tie with the page's
last one may be the wrong ones among their equals, and those are asked for again, ordered by the
next key, and so on. What the library puts in the wrong place (missing values that go first or
count as some value, documents that count with their largest value) is taken as a stream of its own,
and the streams are merged. ``search_after`` narrows the query instead of skipping.

With scores as a key there is no column: more and more of the best are taken until they suffice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import tantivy
from tantivy import FieldType as LibraryType
from tantivy import Occur, Order, Query

from isthmus.engines.embedded.columns import ID_COLUMN, SEQUENCE_COLUMN
from isthmus.engines.embedded.field_types import ColumnKind
from isthmus.engines.embedded.query.compiled import (
    Compiled,
    Extent,
    all_of,
    constant,
    none_of,
    nothing,
    restricted,
)
from isthmus.engines.embedded.query.context import QueryContext
from isthmus.engines.embedded.query.text_ranges import TextRange, text_range
from isthmus.engines.embedded.ranking import LibraryRanking, Ranking, at_most_all
from isthmus.engines.embedded.sorting import (
    HeldValue,
    ResolvedKey,
    Sorted,
    compare_values,
    order_by,
)
from isthmus.engines.embedded.sorting_numbers import as_single
from isthmus.engines.embedded.sorting_values import FoundValues, is_text

_FIRST_BATCH_BY_SCORE: Final = 100
_GROWTH_BY_SCORE: Final = 4
#: the oldest documents are looked for among the lowest sequence numbers first, then among more
_GROWTH_OF_NUMBERS: Final = 8


class Row(NamedTuple):
    """One document in its place: the values of the keys, and where it is."""

    values: tuple[HeldValue, ...]
    address: tantivy.DocAddress


@dataclass(frozen=True, slots=True)
class _Stream:
    """Documents that are ordered by one column, or that all have the same value (no column)."""

    clause: Compiled
    column: str | None
    value: HeldValue = None
    #: documents may have several values, of which the smallest counts
    by_minimum: bool = False


class Pages:
    """Taking pages out of one index. ``check`` is called between steps and raises to stop.

    ``ranking`` scores; None leaves that to the library.
    """

    def __init__(
        self,
        searcher: tantivy.Searcher,
        context: QueryContext,
        keys: Sequence[ResolvedKey],
        check: Callable[[], None],
        ranking: Ranking | None = None,
    ) -> None:
        self._searcher = searcher
        self._ranking = ranking or LibraryRanking(searcher, context.schema)
        self._context = context
        self._schema = context.schema
        self._keys = tuple(keys)
        self._check = check
        self.found = FoundValues(searcher, context.schema, check, self._ranking)

    def top(self, clause: Compiled, need: int, after: tuple[HeldValue, ...] | None = None) -> list[Row]:
        """Answer the first documents in order; with ``after`` those that come strictly after it."""
        return self._top(clause, 0, need, after)

    def _top(
        self, clause: Compiled, position: int, need: int, after: tuple[HeldValue, ...] | None
    ) -> list[Row]:
        self._check()
        if need <= 0 or clause.extent is Extent.NOTHING:
            return []
        if position == len(self._keys):
            # everything ties: with search_after, what ties in all keys was seen already
            return [] if after is not None else self._in_order_of_writing(clause, need)
        if self._keys[position].sorted_by is Sorted.SCORE:
            return self._by_score(clause, position, need, after)
        if after is None:
            return self._merged(self._streams(clause, position), position, need)
        rows = [
            row
            for stream in self._streams(clause, position)
            for row in self._tied(stream, position, need, after)
        ]
        rows = self._ordered(rows, position)[:need]
        streams = [
            self._beyond(stream, position, after[position]) for stream in self._streams(clause, position)
        ]
        return rows + self._merged(streams, position, need - len(rows))

    def _tied(self, stream: _Stream, position: int, need: int, after: tuple[HeldValue, ...]) -> list[Row]:
        """Answer the documents that tie with ``after`` in this key and come after it in the next ones."""
        value = after[position]
        if position + 1 == len(self._keys):
            return []
        equal = self._equal(stream, position, value)
        rows = self._top(equal, position + 1, need, after)
        return [Row((value, *row.values), row.address) for row in rows]

    def _in_order_of_writing(self, clause: Compiled, need: int) -> list[Row]:
        if clause.extent is Extent.EVERYTHING:
            return [Row((), address) for address in self._first_written(need)]
        hits = self._search(clause, need, SEQUENCE_COLUMN, descending=False)
        return [Row((), address) for _, address in hits]

    def _first_written(self, need: int) -> list[tantivy.DocAddress]:
        """Answer the oldest documents of all, looking at few of them."""
        need = min(need, self._searcher.num_docs)
        highest = need * _GROWTH_OF_NUMBERS
        while need > 0:
            self._check()
            oldest = Query.range_query(
                self._schema,
                SEQUENCE_COLUMN,
                LibraryType.Integer,
                0,
                highest,
                use_inverted_index=True,
            )
            found = self._searcher.search(
                oldest, limit=need, count=False, order_by_field=SEQUENCE_COLUMN, order=Order.Asc
            )
            if len(found.hits) >= need:
                return [address for _, address in found.hits]
            highest *= _GROWTH_OF_NUMBERS
        return []

    def _search(
        self, clause: Compiled, limit: int, column: str, *, descending: bool
    ) -> list[tuple[HeldValue, tantivy.DocAddress]]:
        self._check()
        found = self._searcher.search(
            clause.query,
            limit=at_most_all(self._searcher, limit),
            count=False,
            order_by_field=column,
            order=Order.Desc if descending else Order.Asc,
        )
        return found.hits

    # -- columns ---------------------------------------------------------------------------------

    def _streams(self, clause: Compiled, position: int) -> list[_Stream]:
        """Answer the documents of a clause as streams that the library orders rightly."""
        key = self._keys[position]
        if key.sorted_by is Sorted.SEQUENCE:
            return [_Stream(clause, SEQUENCE_COLUMN)]
        if key.sorted_by is Sorted.ID:
            return [_Stream(clause, ID_COLUMN)]
        if key.field is None:
            return [_Stream(clause, None, key.substitute)]
        columns = key.field.columns
        by_minimum = columns.maximum is not None and not key.by_maximum
        if not key.by_maximum and key.substitute is None and not key.missing_first:
            return [_Stream(clause, columns.main, by_minimum=by_minimum)]
        exists = constant(self._context.exists(key.field.path))
        present = restricted(clause, exists)
        missing = _Stream(restricted(clause, none_of(exists)), None, key.substitute)
        if not key.by_maximum or columns.maximum is None:
            return [_Stream(present, columns.main, by_minimum=by_minimum), missing]
        several = constant(Query.exists_query(columns.maximum))
        return [
            _Stream(restricted(present, several), columns.maximum),
            _Stream(restricted(present, none_of(several)), columns.main),
            missing,
        ]

    def _merged(self, streams: Sequence[_Stream], position: int, need: int) -> list[Row]:
        found = [self._stream_rows(stream, position, need) for stream in streams]
        filled = [rows for rows in found if rows]
        if len(filled) == 1:
            return filled[0]
        return self._ordered([row for rows in filled for row in rows], position)[:need]

    def _ordered(self, rows: list[Row], position: int) -> list[Row]:
        by_values = order_by(self._keys[position:])
        return sorted(rows, key=lambda row: by_values(row.values))

    def _stream_rows(self, stream: _Stream, position: int, need: int) -> list[Row]:
        if need <= 0 or stream.clause.extent is Extent.NOTHING:
            return []
        if stream.column is None:
            rows = self._top(stream.clause, position + 1, need, None)
            return [Row((stream.value, *row.values), row.address) for row in rows]
        hits = self._search(stream.clause, need, stream.column, descending=self._keys[position].descending)
        if position + 1 == len(self._keys):
            return [Row((value,), address) for value, address in hits]
        if len(hits) < need:
            return self._with_further_values(hits, stream.clause, position)
        last = hits[-1][0]
        before = [hit for hit in hits if hit[0] != last]
        rows = self._with_further_values(before, stream.clause, position)
        tied = self._top(self._equal(stream, position, last), position + 1, need - len(rows), None)
        return rows + [Row((last, *row.values), row.address) for row in tied]

    def _with_further_values(
        self,
        hits: Sequence[tuple[HeldValue, tantivy.DocAddress]],
        clause: Compiled,
        position: int,
    ) -> list[Row]:
        """Answer documents whose value of this key is known with those of the next keys, in order."""
        if not hits:
            return []
        addresses = [address for _, address in hits]
        columns: list[list[HeldValue]] = [[value for value, _ in hits]]
        columns.extend(self.found.values(addresses, key, clause) for key in self._keys[position + 1 :])
        rows = [
            Row(values, address)
            for values, address in zip(zip(*columns, strict=True), addresses, strict=True)
        ]
        return self._ordered(rows, position)

    def _equal(self, stream: _Stream, position: int, value: HeldValue) -> Compiled:
        """Answer those documents of a stream that have just this value of the key."""
        key = self._keys[position]
        if stream.column is None:
            same = stream.value == value
            return stream.clause if same else nothing()
        if value is None:
            return restricted(stream.clause, none_of(self._exists(key)))
        equal = constant(Query.term_query(self._schema, stream.column, value, index_option="basic"))
        if stream.by_minimum:
            equal = all_of([equal, none_of(self._within(key, stream.column, upper=value, inclusive=False))])
        return restricted(stream.clause, equal)

    def _beyond(self, stream: _Stream, position: int, value: HeldValue) -> _Stream:
        """Answer a stream narrowed to the documents whose value comes strictly after this one."""
        key = self._keys[position]
        if stream.column is None:
            kept = stream.clause if key.compare(value, stream.value) < 0 else nothing()
            return _Stream(kept, None, stream.value)
        return _Stream(
            restricted(stream.clause, self._after(stream, key, value)),
            stream.column,
            by_minimum=stream.by_minimum,
        )

    def _after(self, stream: _Stream, key: ResolvedKey, value: HeldValue) -> Compiled:
        column = stream.column or ""
        has_missing = key.sorted_by is Sorted.FIELD and not key.missing_first and key.substitute is None
        if value is None:
            return self._exists(key) if key.missing_first else nothing()
        if key.descending:
            beyond = self._within(key, column, upper=value, inclusive=False)
        elif stream.by_minimum:
            # a document beyond has a value, and none that is not beyond
            beyond = none_of(self._within(key, column, upper=value, inclusive=True))
            if has_missing:
                return beyond
            return all_of([beyond, self._exists(key)])
        else:
            beyond = self._within(key, column, lower=value, inclusive=False)
        if not has_missing:
            return beyond
        clauses = [beyond, none_of(self._exists(key))]
        return constant(
            Query.boolean_query(
                [(Occur.Should, clause.query) for clause in clauses if clause.extent is not Extent.NOTHING]
            )
        )

    def _exists(self, key: ResolvedKey) -> Compiled:
        return constant(self._context.exists(key.name))

    def _within(
        self,
        key: ResolvedKey,
        column: str,
        *,
        lower: HeldValue = None,
        upper: HeldValue = None,
        inclusive: bool,
    ) -> Compiled:
        """Answer the documents with a value up to, or from, a bound."""
        if is_text(key):
            wanted = TextRange(
                None if lower is None else str(lower),
                None if upper is None else str(upper),
                inclusive,
                inclusive,
            )
            return text_range(self._context, column, wanted, is_raw=True)
        library_type = LibraryType.Integer
        if key.mapped is not None and key.mapped.field_type.kind is ColumnKind.FLOAT:
            library_type = LibraryType.Float
        return constant(
            Query.range_query(
                self._schema,
                column,
                library_type,
                lower,
                upper,
                inclusive or lower is None,
                inclusive or upper is None,
            )
        )

    # -- scores ----------------------------------------------------------------------------------

    def _by_score(
        self, clause: Compiled, position: int, need: int, after: tuple[HeldValue, ...] | None
    ) -> list[Row]:
        key = self._keys[position]
        if clause.score is not None:
            return self._by_one_score(clause, position, need, after)
        batch = max(_FIRST_BATCH_BY_SCORE, need + 1)
        while True:
            self._check()
            limit = batch if key.descending else max(1, self._searcher.num_docs)
            hits = self._ranking.best(clause, limit)
            everything = len(hits) < limit or not key.descending
            if after is not None:
                # equal ones stay in: the next keys decide about them
                hits = [hit for hit in hits if key.compare(after[position], hit[0]) <= 0]
            # without a next key it does not matter which of those that tie are taken
            decided = everything or position + 1 == len(self._keys)
            whole = hits if decided else [hit for hit in hits if hit[0] > hits[-1][0]]
            if everything or len(whole) >= need:
                rows = self._after_scores(whole, clause, position, after)
                if everything or len(rows) >= need:
                    return rows[:need]
            batch *= _GROWTH_BY_SCORE

    def _after_scores(
        self,
        hits: Sequence[tuple[float, tantivy.DocAddress]],
        clause: Compiled,
        position: int,
        after: tuple[HeldValue, ...] | None,
    ) -> list[Row]:
        rows = self._with_further_values(list(hits), clause, position)
        if after is None:
            return rows
        keys = self._keys[position:]
        return [row for row in rows if compare_values(keys, row.values, after[position:]) > 0]

    def _by_one_score(
        self, clause: Compiled, position: int, need: int, after: tuple[HeldValue, ...] | None
    ) -> list[Row]:
        score = as_single(clause.score or 0.0)
        rest = after
        if after is not None:
            order = self._keys[position].compare(score, after[position])
            if order < 0:
                return []
            rest = after if order == 0 else None
        rows = self._top(clause, position + 1, need, rest)
        return [Row((score, *row.values), row.address) for row in rows]
