"""Carries out ``multi_terms``: the values of one field inside of those of another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tantivy import Query

from isthmus.engines.embedded.aggregations.fields import AggregatedField, find_field
from isthmus.engines.embedded.aggregations.runner import Runner
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


def multi_terms_buckets(runner: Runner, query: Query, node: Node) -> JsonObject:
    """Answer the most frequent combinations.

    Raises ``too_many_buckets_exception`` where there are more than can be told apart.
    """
    aggregation = node.aggregation
    if not isinstance(aggregation, MultiTerms):
        raise TypeError(aggregation.kind)
    context = runner.index.context
    fields = [find_field(context, source.field, aggregation.kind) for source in aggregation.sources]
    inside = node.children
    for place in reversed(range(len(fields))):
        source = aggregation.sources[place]
        terms = Terms(
            field=source.field, size=_EVERY, shard_size=_EVERY, order=BY_RISING_KEY, missing=source.missing
        )
        inside = (Node(str(place), terms, inside),)
    answer = runner.run(query, inside)
    least = aggregation.list.min_doc_count
    found = [bucket for bucket in _flattened(answer, 0, [], fields, node) if bucket["doc_count"] >= least]
    types = [ADDRESS_KEYS if field is not None and field.type == "ip" else None for field in fields]
    ordered = aggregation.order.sorted(found, node.children, comparable_values(types))
    shown, cut = ordered[: aggregation.list.size], ordered[aggregation.list.size :]
    return {
        KEY_TYPES: types,
        ERROR: 0,
        OTHER: sum(bucket["doc_count"] for bucket in cut),
        "buckets": shown,
    }


def _flattened(
    answer: JsonObject, place: int, outer: list[JsonObject], fields: list[AggregatedField | None], node: Node
) -> Iterator[JsonObject]:
    listed = answer[str(place)]
    if listed[OTHER]:
        raise too_many_buckets()
    for bucket in listed["buckets"]:
        held = [*outer, bucket]
        if place + 1 < len(fields):
            yield from _flattened(bucket, place + 1, held, fields, node)
            continue
        keys = [_shown(each, field) for each, field in zip(held, fields, strict=True)]
        yield {
            "key": keys,
            "key_as_string": _SEPARATOR.join(map(_text, keys)),
            VALUES: [each["key"] for each in held],
            "doc_count": bucket["doc_count"],
            ERROR: 0,
            **{child.name: bucket[child.name] for child in node.children},
        }


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
