"""A request's aggregations as a whole: ask, combine, finish."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from isthmus.errors import Failure, FailureKind, Fault
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.contract import (
    Aggregation,
    BucketBudget,
    Level,
    NamesIndices,
    Node,
    ask_all,
    combine_all,
    finish_all,
)
from isthmus.search.aggregations.parse import parse_level
from isthmus.search.aggregations.pipelines import apply_pipelines, has_pipelines
from isthmus.search.aggregations.terms import Terms


@dataclass(frozen=True, slots=True)
class AggregationTree:
    """The aggregations of one request, checked. ``computed``: some follow from the answers of others."""

    level: Level
    computed: bool = False

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Answer the aggregations that clusters are asked for."""
        return self.level.nodes

    def ask(self) -> JsonObject:
        """Answer the aggregations to request of every cluster: their answers can be combined."""
        return ask_all(self.nodes)


def parse_aggregations(raw: Json) -> AggregationTree:
    """Read the member ``aggs`` of a search, or what :meth:`AggregationTree.ask` answered.

    Raises a failure of kind INVALID_REQUEST that names what is wrong or not supported.
    """
    level = parse_level(raw)
    return AggregationTree(level, has_pipelines(level))


def combine(tree: AggregationTree, parts: Sequence[JsonObject]) -> JsonObject:
    """Make the final answer of any number of combinable ones, also of one.

    Parts without any aggregation (clusters in which no index was searched) add nothing; when no part
    has one, neither has the answer. Raises ``too_many_buckets_exception``, and a failure with
    fault REMOTE for a part that is not understood.
    """
    answered = [part for part in parts if part]
    if not answered:
        return {}
    merged = merge(tree, answered)
    with _understanding():  # what can be merged may still make no sense
        final = finish_all(tree.nodes, merged, BucketBudget())
        if tree.computed:
            apply_pipelines(tree.level, final)
    return final


def merge(tree: AggregationTree, parts: Sequence[JsonObject]) -> JsonObject:
    """Make one combinable answer of several; of none, the answer of an empty index.

    ``tree`` is of the request that the parts answer or of the one that it was asked for. Raises a
    failure with fault REMOTE for a part that is not understood.
    """
    with _understanding():
        return combine_all(tree.nodes, parts)


@contextmanager
def _understanding() -> Iterator[None]:
    """Make whatever goes wrong with a part of another cluster that cluster's failure."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as problem:
        raise Failure(
            FailureKind.INTERNAL,
            "aggregation_execution_exception",
            "the aggregations of one of the answers were not understood",
            fault=Fault.REMOTE,
        ) from problem


def with_typed_keys(tree: AggregationTree, final: JsonObject) -> JsonObject:
    """Answer a final answer with every name as ``typed_keys`` wants it: ``sterms#name``."""
    return _typed(tree.level, final)


def with_cluster_alias(tree: AggregationTree, part: JsonObject, alias: str) -> JsonObject:
    """Answer a remote cluster's combinable answer with the names of its indices as they are here.

    ``logs`` becomes ``eu:logs`` in terms of ``_index`` and wherever else an answer names indices. Raises
    as :func:`merge` for a part that is not understood.
    """
    if not _names_indices(tree.nodes):
        return part
    with _understanding():
        return _qualified(tree.nodes, part, alias)


def _names_indices(nodes: Sequence[Node]) -> bool:
    """Tell whether the answers of any of these, or below them, name indices: most do not."""
    return any(
        _is_of_indices(node.aggregation)
        or isinstance(node.aggregation, NamesIndices)
        or _names_indices(node.children)
        for node in nodes
    )


def _is_of_indices(aggregation: Aggregation) -> bool:
    return isinstance(aggregation, Terms) and aggregation.field == "_index"


def _qualified(nodes: Sequence[Node], part: JsonObject, alias: str) -> JsonObject:
    qualified = dict(part)
    for node in nodes:
        answer = part.get(node.name)
        if not isinstance(answer, dict):
            continue
        answer = _below(node, answer, lambda level, bucket: _qualified(level.nodes, bucket, alias))
        if _is_of_indices(node.aggregation):
            named = [{**bucket, "key": f"{alias}:{bucket['key']}"} for bucket in answer["buckets"]]
            answer = {**answer, "buckets": named}
        elif isinstance(node.aggregation, NamesIndices):
            answer = node.aggregation.with_cluster_alias(answer, alias)
        qualified[node.name] = answer
    return qualified


def _typed(level: Level, final: JsonObject) -> JsonObject:
    by_name = {node.name: node for node in level.nodes}
    computed = {each.name: each.pipeline.typed_name for each in level.pipelines}
    typed: JsonObject = {}
    for name, value in final.items():
        node = by_name.get(name)
        if node is not None:
            typed[f"{node.aggregation.typed_name(value)}#{name}"] = _below(node, value, _typed)
        else:
            typed[f"{computed[name]}#{name}" if name in computed else name] = value
    return typed


def _below(node: Node, answer: JsonObject, change: Callable[[Level, JsonObject], JsonObject]) -> JsonObject:
    """Answer an answer in which every bucket was changed for its sub-aggregations' sake."""
    if not node.children and not node.pipelines:
        return answer
    buckets = answer.get("buckets")
    if isinstance(buckets, list):
        return {**answer, "buckets": [change(node.level, bucket) for bucket in buckets]}
    if isinstance(buckets, dict):
        return {**answer, "buckets": {key: change(node.level, each) for key, each in buckets.items()}}
    return change(node.level, answer)
