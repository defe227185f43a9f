"""What an aggregation is here: three functions, and a node of a tree that holds it.

An aggregation of a search over many clusters cannot be computed in one place, so every
kind says three things about itself:

* ``ask``: the aggregation to request of each cluster, in Elasticsearch's own JSON, whose
  answers can be combined (an average asks for a sum and a count);
* ``combine``: many such answers made into one of the *same* form, so that combining may
  happen in several steps (the indices of a cluster first, then the clusters);
* ``finish``: such an answer made into what the caller asked for.

Everything here is a function of values. JSON from another cluster is not trusted:
a shape that is not understood becomes a failure in :mod:`isthmus.search.aggregations.tree`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.exchange import JsonObject

#: Elasticsearch's default of ``search.max_buckets``.
MAXIMUM_BUCKETS: Final = 65_536


def too_many_buckets() -> Failure:
    """Answer Elasticsearch's failure for an answer of more buckets than ``search.max_buckets`` (400)."""
    return Failure(
        FailureKind.INVALID_REQUEST,
        "too_many_buckets_exception",
        f"Trying to create too many buckets. Must be less than or equal to: [{MAXIMUM_BUCKETS}] but this "
        "number of buckets was exceeded. This limit can be set by changing the [search.max_buckets] "
        "cluster level setting.",
        metadata={"max_buckets": MAXIMUM_BUCKETS},
    )


class BucketBudget:
    """Counts the buckets of one final answer, so that filling gaps cannot exhaust memory."""

    def __init__(self) -> None:
        self._left = MAXIMUM_BUCKETS

    def take(self, buckets: int) -> None:
        """Spend that many; raises the failure of :func:`too_many_buckets` when none are left."""
        self._left -= buckets
        if self._left < 0:
            raise too_many_buckets()


class Aggregation(Protocol):
    """One kind of aggregation with its parameters, already checked."""

    @property
    def kind(self) -> str:
        """Answer the name under which a request gives it: ``terms``, ``avg`` and so on."""
        ...

    def ask(self, children: Sequence[Node]) -> JsonObject:
        """Answer the request whose answers can be combined, without sub-aggregations."""
        ...

    def combine(self, parts: Sequence[JsonObject], children: Sequence[Node]) -> JsonObject:
        """Make one combinable answer of any number of them; of none, the answer of an empty index."""
        ...

    def finish(self, combined: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:
        """Make the final answer of a combinable one."""
        ...

    def order_value(self, combined: JsonObject, metric: str) -> float:
        """Answer the number by which buckets are ordered; ``metric`` is empty for the only one.

        NaN where there is none. Raises an ``illegal_argument_exception`` failure for what buckets
        cannot be ordered by.
        """
        ...

    def order_metric(self, metric: str) -> str:
        """Answer what to call that number in the combinable form. Raises as :meth:`order_value` does."""
        ...

    def typed_name(self, final: JsonObject) -> str:
        """Answer the prefix that ``typed_keys`` puts before the name."""
        ...


@runtime_checkable
class NamesIndices(Protocol):
    """An aggregation whose answers name indices, which are called otherwise in another cluster."""

    def with_cluster_alias(self, part: JsonObject, alias: str) -> JsonObject:
        """Answer the combinable part of the cluster of that alias with its indices as they are here."""
        ...


class Pipeline(Protocol):
    """One kind of aggregation that is computed out of the final answers of others.

    No cluster is asked for it.

    What it does is in :mod:`isthmus.search.aggregations.pipelines`.
    """

    @property
    def kind(self) -> str:
        """Answer the name under which a request gives it: ``derivative`` and so on."""
        ...

    @property
    def paths(self) -> tuple[str, ...]:
        """Answer the paths of what it is computed out of."""
        ...

    @property
    def typed_name(self) -> str:
        """Answer the prefix that ``typed_keys`` puts before the name."""
        ...


@dataclass(frozen=True, slots=True)
class PipelineNode:
    """A named pipeline aggregation."""

    name: str
    pipeline: Pipeline
    meta: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A named aggregation with its sub-aggregations, and the pipelines among those."""

    name: str
    aggregation: Aggregation
    children: tuple[Node, ...] = ()
    meta: JsonObject | None = None
    pipelines: tuple[PipelineNode, ...] = ()

    @property
    def level(self) -> Level:
        """Answer what is inside of each of its buckets."""
        return Level(self.children, self.pipelines)


@dataclass(frozen=True, slots=True)
class Level:
    """Sibling aggregations, and the pipelines among them in the order in which they are computed."""

    nodes: tuple[Node, ...]
    pipelines: tuple[PipelineNode, ...] = ()


def ask_all(nodes: Sequence[Node]) -> JsonObject:
    """Answer the combinable request of sibling aggregations."""
    asked: JsonObject = {}
    for node in nodes:
        body = node.aggregation.ask(node.children)
        if node.children:
            body["aggs"] = ask_all(node.children)
        asked[node.name] = body
    return asked


def combine_all(nodes: Sequence[Node], parts: Sequence[JsonObject]) -> JsonObject:
    """Combine the answers of sibling aggregations; a part without an aggregation's name adds nothing."""
    return {
        node.name: node.aggregation.combine(
            [part[node.name] for part in parts if node.name in part], node.children
        )
        for node in nodes
    }


def finish_all(nodes: Sequence[Node], combined: JsonObject, budget: BucketBudget) -> JsonObject:
    """Make the final answers of sibling aggregations."""
    final: JsonObject = {}
    for node in nodes:
        answer = node.aggregation.finish(combined[node.name], node.children, budget)
        final[node.name] = answer if node.meta is None else {"meta": node.meta, **answer}
    return final


def not_orderable(kind: str) -> Failure:
    """Answer the failure for ordering buckets by an aggregation that is not one number."""
    return illegal_argument(
        f"Invalid aggregation order path: buckets cannot be ordered by an aggregation of type [{kind}]"
    )
