"""The values of one source of a composite aggregation, in order, from a value on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tantivy import Query

from isthmus.engines.embedded.aggregations.bucket_queries import bucket_queries, first_value
from isthmus.engines.embedded.aggregations.fields import AggregatedField, find_field
from isthmus.engines.embedded.aggregations.runner import Runner
from isthmus.engines.embedded.aggregations.scope import MOST_BUCKETS, both, without
from isthmus.engines.embedded.field_types import ColumnKind
from isthmus.engines.embedded.query.text_ranges import TextRange, text_range
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.composite_sources import Source
from isthmus.search.aggregations.contract import Node, too_many_buckets
from isthmus.search.aggregations.histogram import Histogram
from isthmus.search.aggregations.order import BY_RISING_KEY
from isthmus.search.aggregations.terms import Terms

#: More than any segment has: every segment hands over all of its values.
_WHOLE_SEGMENT: Final = 2**31 - 1
_NAME: Final = "values"
_FEWEST_LISTED: Final = 16


@dataclass(frozen=True, slots=True)
class Start:
    """The value from which on; ``inclusive``: it is itself among those wanted."""

    value: Json
    inclusive: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A value and how many documents have it. ``held``: as the column holds it, None for no value."""

    key: Json
    held: Any
    count: int


class SourceValues:
    """One source over one index."""

    def __init__(self, runner: Runner, source: Source) -> None:
        self._runner = runner
        self._source = source
        self._field = find_field(runner.index.context, source.values.field, source.values.kind)

    @property
    def field(self) -> AggregatedField | None:
        """Answer the field, None where the index has not got it."""
        return self._field

    def restrict(self, query: Query) -> Query:
        """Answer the documents that have any value of this source."""
        if self._source.missing_bucket:
            return query
        if self._field is None:
            return Query.empty_query()
        return both(query, self._runner.index.context.exists(self._field.path))

    def is_at(self, found: Found, value: Json) -> bool:
        """Tell whether a value found is this one of a key."""
        if found.held is None or value is None or self._field is None:
            return found.held is value
        held = _held(self._field, value) if isinstance(self._source.values, Terms) else value
        return bool(found.held == held)

    def query_for(self, found: Found) -> Query:
        """Answer the query for the documents with a value."""
        if self._field is None or found.held is None:
            return self._lacking()
        if isinstance(self._source.values, Terms):
            return self._field.term_query(self._runner.index.schema, found.held)
        (query,) = bucket_queries(self._runner.index, self._source.values, self._field, [{"key": found.held}])
        return query

    def values(self, query: Query, start: Start | None, wanted: int) -> Iterator[Found]:
        """Answer the values in the source's order; ``wanted`` is about how many will be taken."""
        source = self._source
        begins_at_nothing = start is not None and start.value is None
        if source.nothing_first and (start is None or (begins_at_nothing and start.inclusive)):
            yield from self._nothing(query)
        if begins_at_nothing and not source.nothing_first:
            if start is not None and start.inclusive:
                yield from self._nothing(query)
            return
        if self._field is not None:
            yield from self._something(query, self._field, None if begins_at_nothing else start, wanted)
        if not source.nothing_first:
            yield from self._nothing(query)

    def answers(self, query: Query, found: Sequence[Found], children: Sequence[Node]) -> list[JsonObject]:
        """Answer the sub-aggregations of each of some neighbouring values."""
        known = self._together(query, found, children)
        return [
            known.get(each.key) or self._runner.run(both(query, self.query_for(each)), children)
            for each in found
        ]

    def _together(
        self, query: Query, found: Sequence[Found], children: Sequence[Node]
    ) -> dict[Json, JsonObject]:
        """Answer the sub-aggregations of all values at once, or of as many as that is possible for."""
        present = [each for each in found if each.held is not None]
        if len(present) <= 1 or self._field is None:
            return {}
        values = self._source.values
        if isinstance(values, Terms):
            size = 2 * len(present)
            values = Terms(field=values.field, size=size, shard_size=size, order=BY_RISING_KEY)
        ends = sorted(each.held for each in present)
        near = both(both(query, self._from(self._field, ends[0])), self._up_to(self._field, ends[-1]))
        answer = self._runner.run(near, [Node(_NAME, values, tuple(children))])[_NAME]
        names = [child.name for child in children]
        return {self._key_of(bucket): {name: bucket[name] for name in names} for bucket in answer["buckets"]}

    def _key_of(self, bucket: JsonObject) -> Json:
        return self._shown(bucket["key"]) if isinstance(self._source.values, Terms) else bucket["key"]

    def _shown(self, key: Json) -> Json:
        """Answer a value as it stands in a key: truth as truth, dates as numbers."""
        return bool(key) if self._field is not None and self._field.type == "boolean" else key

    def _nothing(self, query: Query) -> Iterator[Found]:
        if not self._source.missing_bucket:
            return
        count = self._runner.index.count(both(query, self._lacking()))
        if count:
            yield Found(None, None, count)

    def _lacking(self) -> Query:
        if self._field is None:
            return Query.all_query()
        return without(Query.all_query(), [self._runner.index.context.exists(self._field.path)])

    def _something(
        self, query: Query, field: AggregatedField, start: Start | None, wanted: int
    ) -> Iterator[Found]:
        if not isinstance(self._source.values, Terms):
            yield from self._steps(query, field, start)
            return
        held = None if start is None else _held(field, start.value)
        inclusive = start is None or start.inclusive
        # the start itself is listed too
        size = max(wanted + 1, _FEWEST_LISTED)
        while True:
            listed, is_whole = self._listed(query, field, held, size)
            beyond = [each for each in listed if held is None or self._is_beyond(each.held, held, inclusive)]
            yield from beyond
            if is_whole:
                return
            if beyond:
                held, inclusive = beyond[-1].held, False
            elif size >= MOST_BUCKETS:
                # documents with many values: those before the start fill the list
                raise too_many_buckets()
            size = min(4 * size, MOST_BUCKETS)

    def _is_beyond(self, value: Any, start: Any, inclusive: bool) -> bool:  # noqa: FBT001 - of a start
        if value == start:
            return inclusive
        return bool((value > start) is not self._source.descending)

    def _steps(self, query: Query, field: AggregatedField, start: Start | None) -> Iterator[Found]:
        values = self._source.values
        narrowed = query
        if start is not None:
            side = self._up_to if self._source.descending else self._from
            narrowed = both(query, side(field, start.value))
        answer = self._runner.run(narrowed, [Node(_NAME, values)])[_NAME]
        buckets = answer["buckets"]
        for bucket in reversed(buckets) if self._source.descending else buckets:
            key = bucket["key"]
            if start is None or self._is_beyond(key, start.value, start.inclusive):
                yield Found(key, key, bucket["doc_count"])

    def _listed(self, query: Query, field: AggregatedField, held: Any, size: int) -> tuple[list[Found], bool]:
        """Answer values in order, and whether these are all from ``held`` on."""
        descending = self._source.descending
        if held is not None:
            query = both(query, self._up_to(field, held) if descending else self._from(field, held))
        if field.kind is ColumnKind.FLOAT:
            return self._fractions(query, field)
        answer = self._raw(query, field, size)
        return self._as_found(field, answer["buckets"]), not answer.get("sum_other_doc_count")

    def _fractions(self, query: Query, field: AggregatedField) -> tuple[list[Found], bool]:
        """List fractions, which the library does not sort: all, or those of a half where all are too many."""
        answer = self._raw(query, field, MOST_BUCKETS)
        is_whole, least, most = True, -math.inf, math.inf
        while answer.get("sum_other_doc_count"):
            if is_whole:
                ends = self._runner.index.aggregate(query, {_NAME: {"stats": {"field": field.column}}})[_NAME]
                least, most, is_whole = ends["min"], ends["max"], False
            middle = least / 2 + most / 2
            if not least < middle < most:
                raise too_many_buckets()
            if self._source.descending:
                least = middle
            else:
                most = middle
            window = field.range_query(self._runner.index.schema, least, math.nextafter(most, math.inf))
            answer = self._raw(both(query, window), field, MOST_BUCKETS)
        found = self._as_found(field, answer["buckets"])
        within = [each for each in found if least <= each.held <= most]
        return sorted(within, key=lambda each: float(each.held), reverse=self._source.descending), is_whole

    def _as_found(self, field: AggregatedField, buckets: Sequence[JsonObject]) -> list[Found]:
        return [
            Found(
                self._shown(field.key_members(each["key"])["key"]),
                _number(field, each["key"]),
                each["doc_count"],
            )
            for each in buckets
        ]

    def _raw(self, query: Query, field: AggregatedField, size: int) -> JsonObject:
        members: JsonObject = {
            "field": field.column,
            "size": size,
            "segment_size": _WHOLE_SEGMENT,
            "min_doc_count": 1,
            "order": {"_key": "desc" if self._source.descending else "asc"},
        }
        answer: JsonObject = self._runner.index.aggregate(query, {_NAME: {"terms": members}}).get(_NAME) or {}
        return {"buckets": (), **answer}

    def _from(self, field: AggregatedField, value: Any) -> Query:
        """Answer the documents that have a value from this one on."""
        schema, values = self._runner.index.schema, self._source.values
        if field.kind is ColumnKind.KEYWORD:
            context = self._runner.index.context
            return text_range(context, field.column, TextRange(lower=value), is_raw=True).query
        if isinstance(values, Histogram):
            value = first_value(values, round((value - values.offset) / values.interval))
        return field.range_query(schema, value, None)

    def _up_to(self, field: AggregatedField, value: Any) -> Query:
        """Answer the documents that have this value or one before."""
        schema, values = self._runner.index.schema, self._source.values
        if field.kind is ColumnKind.KEYWORD:
            context = self._runner.index.context
            return text_range(context, field.column, TextRange(upper=value), is_raw=True).query
        if isinstance(values, Histogram):
            number = round((value - values.offset) / values.interval)
            return field.range_query(schema, None, first_value(values, number + 1))
        if not isinstance(values, Terms):
            return field.range_query(schema, None, values.rounding.next(value))
        after = value + 1 if isinstance(value, int) else math.nextafter(value, math.inf)
        return field.range_query(schema, None, after)


def _held(field: AggregatedField, value: Json) -> Any:
    """Read a value of a key as the column holds it; a fraction stays one, whatever the column holds."""
    if field.kind is not ColumnKind.KEYWORD and isinstance(value, float) and not value.is_integer():
        return value
    return field.column_value(value)


def _number(field: AggregatedField, key: Any) -> Any:
    """Answer a value of the column as what it is: the library hands whole fractions over as whole numbers."""
    if field.kind is ColumnKind.KEYWORD:
        return key
    return float(key) if field.kind is ColumnKind.FLOAT else int(key)
