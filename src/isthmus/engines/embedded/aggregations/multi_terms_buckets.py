"""Carries out ``multi_terms``: the values of one field inside of those of another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tantivy import Query

from isthmus.engines.embedded.aggregations.bucket_queries import bucket_queries
from isthmus.engines.embedded.aggregations.fields import AggregatedField, find_field
from isthmus.engines.embedded.aggregations.runner import Runner
from isthmus.engines.embedded.aggregations.scope import both
from isthmus.errors import Failure
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.contract import Node, too_many_buckets
from isthmus.search.aggregations.frequent import ERROR, OTHER
from isthmus.search.aggregations.multi_terms import KEY_TYPES, VALUES, MultiTerms, comparable_values
from isthmus.search.aggregations.numbers import java_double
from isthmus.search.aggregations.order import BY_RISING_KEY
from isthmus.search.aggregations.terms import ADDRESS_KEYS, Terms

#: As many as there are.
_EVERY: Final = 2**31 - 1
_SEPARATOR: Final = "|"
#: They are all held until the list is cut.
_MOST_COMBINATIONS: Final = 1_000_000


def multi_terms_buckets(runner: Runner, query: Query, node: Node) -> JsonObject:
    """Answer the most frequent combinations.

    Raises ``too_many_buckets_exception`` where there are more than can be told apart.
    """
    aggregation = node.aggregation
    if not isinstance(aggregation, MultiTerms):
        raise TypeError(aggregation.kind)
    context = runner.index.context
    fields = [find_field(context, source.field, aggregation.kind) for source in aggregation.sources]
    search = _Search(runner, aggregation, fields, node.children)
    try:
        rows = list(search.rows(query, {}))
    except Failure as failure:
        if failure.error_type != too_many_buckets().error_type:
            raise
        rows = list(search.piecewise(query))
    least = aggregation.list.min_doc_count
    found = [bucket for bucket in rows if bucket["doc_count"] >= least]
    types = [ADDRESS_KEYS if field is not None and field.type == "ip" else None for field in fields]
    ordered = aggregation.order.sorted(found, node.children, comparable_values(types))
    shown, cut = ordered[: aggregation.list.size], ordered[aggregation.list.size :]
    return {
        KEY_TYPES: types,
        ERROR: 0,
        OTHER: sum(bucket["doc_count"] for bucket in cut),
        "buckets": shown,
    }


class _Search:
    """The combinations in one index."""

    def __init__(
        self,
        runner: Runner,
        aggregation: MultiTerms,
        fields: Sequence[AggregatedField | None],
        children: Sequence[Node],
    ) -> None:
        self._runner = runner
        self._fields = fields
        self._children = tuple(children)
        self._terms = [
            Terms(
                field=source.field,
                size=_EVERY,
                shard_size=_EVERY,
                order=BY_RISING_KEY,
                missing=source.missing,
            )
            for source in aggregation.sources
        ]

    def rows(self, query: Query, known: Mapping[int, JsonObject]) -> Iterator[JsonObject]:
        """Answer the combinations of all fields in one search; of some the only value may be known."""
        inside = self._children
        for place in reversed(range(len(self._terms))):
            if place not in known:
                inside = (Node(str(place), self._terms[place], inside),)
        return self._flattened(self._runner.run(query, inside), 0, known)

    def piecewise(self, query: Query) -> Iterator[JsonObject]:
        """Answer the same with a search for each value of the field that has the fewest."""
        listed = [
            self._runner.run(query, [Node(str(place), terms)])[str(place)]
            for place, terms in enumerate(self._terms)
        ]
        place = min(range(len(listed)), key=lambda each: (listed[each][OTHER], len(listed[each]["buckets"])))
        if listed[place][OTHER]:
            raise too_many_buckets()
        buckets, field = listed[place]["buckets"], self._fields[place]
        found = 0
        for bucket in buckets:
            narrowed = query
            if field is not None:
                (having,) = bucket_queries(self._runner.index, self._terms[place], field, [bucket])
                narrowed = both(query, having)
            for row in self.rows(narrowed, {place: bucket}):
                found += 1
                if found > _MOST_COMBINATIONS:
                    raise too_many_buckets()
                yield row

    def _flattened(
        self, answer: JsonObject, place: int, known: Mapping[int, JsonObject]
    ) -> Iterator[JsonObject]:
        if place == len(self._fields):
            held = [known[each] for each in range(place)]
            keys = [_shown(each, field) for each, field in zip(held, self._fields, strict=True)]
            yield {
                "key": keys,
                "key_as_string": _SEPARATOR.join(map(_text, keys)),
                VALUES: [each["key"] for each in held],
                "doc_count": answer["doc_count"],
                ERROR: 0,
                **{child.name: answer[child.name] for child in self._children},
            }
            return
        if place in known:
            yield from self._flattened(answer, place + 1, known)
            return
        listed = answer[str(place)]
        if listed[OTHER]:
            raise too_many_buckets()
        for bucket in listed["buckets"]:
            yield from self._flattened(bucket, place + 1, {**known, place: bucket})


def _shown(bucket: JsonObject, field: AggregatedField | None) -> Json:
    """Answer a value as it stands in a key: dates as text, truth as truth."""
    if field is None:
        return bucket["key"]
    if field.type == "boolean":
        return bool(bucket["key"])
    return bucket["key_as_string"] if field.is_date else bucket["key"]


def _text(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return java_double(key) if isinstance(key, float) else str(key)
