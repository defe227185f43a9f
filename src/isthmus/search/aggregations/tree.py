"""A request's aggregations as a whole: ask, combine, finish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from isthmus.errors import Failure, FailureKind, Fault
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.contract import BucketBudget, Node, ask_all, combine_all, finish_all
from isthmus.search.aggregations.parse import parse_nodes


@dataclass(frozen=True, slots=True)
class AggregationTree:
    """The aggregations of one request, checked."""

    nodes: tuple[Node, ...]

    def ask(self) -> JsonObject:
        """Answer the aggregations to request of every cluster: their answers can be combined."""
        return ask_all(self.nodes)


def parse_aggregations(raw: Json) -> AggregationTree:
    """Read the member ``aggs`` of a search, or what :meth:`AggregationTree.ask` answered.

    Raises a failure of kind INVALID_REQUEST that names what is wrong or not supported.
    """
    return AggregationTree(parse_nodes(raw))


def combine(tree: AggregationTree, parts: Sequence[JsonObject]) -> JsonObject:
    """Make the final answer of any number of combinable ones, also of one.

    Parts without any aggregation (clusters in which no index was searched) add nothing; when no part
    has one, neither has the answer. Raises ``too_many_buckets_exception``, and a failure with
    fault REMOTE for a part that is not understood.
    """
    answered = [part for part in parts if part]
    if not answered:
        return {}
    return finish_all(tree.nodes, merge(tree, answered), BucketBudget())


def merge(tree: AggregationTree, parts: Sequence[JsonObject]) -> JsonObject:
    """Make one combinable answer of several; of none, the answer of an empty index.

    ``tree`` is of the request that the parts answer or of the one that it was asked for. Raises a
    failure with fault REMOTE for a part that is not understood.
    """
    try:
        return combine_all(tree.nodes, parts)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as problem:
        raise Failure(
            FailureKind.INTERNAL,
            "aggregation_execution_exception",
            "the aggregations of one of the answers were not understood",
            fault=Fault.REMOTE,
        ) from problem


def with_typed_keys(tree: AggregationTree, final: JsonObject) -> JsonObject:
    """Answer a final answer with every name as ``typed_keys`` wants it: ``sterms#name``."""
    return _typed(tree.nodes, final)


def _typed(nodes: Sequence[Node], final: JsonObject) -> JsonObject:
    by_name = {node.name: node for node in nodes}
    typed: JsonObject = {}
    for name, value in final.items():
        node = by_name.get(name)
        if node is None:
            typed[name] = value
        else:
            typed[f"{node.aggregation.typed_name(value)}#{name}"] = _typed_answer(node, value)
    return typed


def _typed_answer(node: Node, answer: JsonObject) -> JsonObject:
    if not node.children:
        return answer
    buckets = answer.get("buckets")
    if isinstance(buckets, list):
        return {**answer, "buckets": [_typed(node.children, bucket) for bucket in buckets]}
    if isinstance(buckets, dict):
        return {**answer, "buckets": {key: _typed(node.children, each) for key, each in buckets.items()}}
    return _typed(node.children, answer)
