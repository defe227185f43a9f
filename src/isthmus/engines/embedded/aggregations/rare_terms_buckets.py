"""Carries out ``rare_terms``: all values are counted, the rare ones are looked at more closely."""

from __future__ import annotations

from typing import Final

from tantivy import Query

from isthmus.engines.embedded.aggregations.fields import find_field
from isthmus.engines.embedded.aggregations.native_terms import refuse_expressions
from isthmus.engines.embedded.aggregations.runner import Runner
from isthmus.engines.embedded.field_types import ColumnKind
from isthmus.errors import illegal_argument
from isthmus.exchange import JsonObject
from isthmus.search.aggregations.contract import Node, too_many_buckets
from isthmus.search.aggregations.frequent import ERROR, OTHER
from isthmus.search.aggregations.order import BY_RISING_KEY, COUNT, BucketOrder, OrderKey
from isthmus.search.aggregations.rare_terms import FREQUENT, RareTerms
from isthmus.search.aggregations.terms import KEY_TYPE, Terms

#: As many as there are.
_EVERY: Final = 2**31 - 1
_RAREST: Final = BucketOrder((OrderKey(COUNT, descending=False),))


def rare_terms_buckets(runner: Runner, query: Query, node: Node) -> JsonObject:
    """Answer the rare values, and the keys of all others.

    Raises ``too_many_buckets_exception`` where there are more values than can be told apart.
    """
    aggregation = node.aggregation
    if not isinstance(aggregation, RareTerms):
        raise TypeError(aggregation.kind)
    field = find_field(runner.index.context, aggregation.field, aggregation.kind)
    if field is not None and field.kind is ColumnKind.FLOAT:
        raise illegal_argument("RareTerms aggregation does not support floating point fields.")
    if field is not None and (field.kind is not ColumnKind.KEYWORD or field.type == "ip"):
        refuse_expressions(node.name, aggregation.include, aggregation.exclude)
    terms = _terms(aggregation, _EVERY, BY_RISING_KEY)
    listed = _listed(runner, query, Node(node.name, terms, ()))
    if listed[OTHER]:
        raise too_many_buckets()
    rare = [bucket for bucket in listed["buckets"] if bucket["doc_count"] <= aggregation.max_doc_count]
    frequent = [
        bucket["key"] for bucket in listed["buckets"] if bucket["doc_count"] > aggregation.max_doc_count
    ]
    if rare and node.children:
        # the boundary falls between two counts, so that it does not matter how ties are broken
        rarest = _terms(aggregation, len(rare), _RAREST)
        rare = _listed(runner, query, Node(node.name, rarest, node.children))["buckets"]
    typed = {KEY_TYPE: listed[KEY_TYPE]} if KEY_TYPE in listed else {}
    bare = [{member: value for member, value in bucket.items() if member != ERROR} for bucket in rare]
    return {**typed, FREQUENT: frequent, "buckets": bare}


def _terms(aggregation: RareTerms, size: int, order: BucketOrder) -> Terms:
    return Terms(
        field=aggregation.field,
        size=size,
        shard_size=size,
        order=order,
        missing=aggregation.missing,
        value_type=aggregation.value_type,
        include=aggregation.include,
        exclude=aggregation.exclude,
    )


def _listed(runner: Runner, query: Query, node: Node) -> JsonObject:
    answer: JsonObject = runner.run(query, [node])[node.name]
    return answer
