"""What is asked of the library for one aggregation, and how its answer is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from isthmus.exchange import JsonObject
from isthmus.search.aggregations.contract import Node


@dataclass(frozen=True, slots=True)
class Request:
    """One aggregation in the library's form, without sub-aggregations.

    ``takes_children``: whether sub-aggregations go below this one.
    """

    body: JsonObject
    takes_children: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The requests of one aggregation (none where the answer is known), and how to read their answers.

    ``read`` is given one answer a request and answers the combinable form. Where a bucket has
    sub-aggregations it keeps the bucket's own members of the library's answer under ``native``.
    """

    requests: tuple[Request, ...]
    read: Callable[[Sequence[JsonObject]], JsonObject]


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """A node with its plan, and its sub-aggregations likewise."""

    node: Node
    plan: Plan
    children: tuple[PlannedNode, ...] = ()


#: Where a plan keeps the library's own bucket until sub-aggregations are read.
NATIVE = "\0native"


def request_name(number: int, place: int = 0) -> str:
    """Answer what the library calls a request: a user's names may hold what its paths are made of."""
    return f"n{number}_{place}"


def requests_of(planned: Sequence[PlannedNode]) -> JsonObject:
    """Answer everything to ask of the library for sibling aggregations."""
    requests: JsonObject = {}
    for number, each in enumerate(planned):
        children = requests_of(each.children)
        for place, request in enumerate(each.plan.requests):
            body = dict(request.body)
            if children and request.takes_children:
                body["aggs"] = children
            requests[request_name(number, place)] = body
    return requests


def read_answers(planned: Sequence[PlannedNode], answers: Mapping[str, JsonObject]) -> JsonObject:
    """Answer the combinable form of sibling aggregations."""
    read: JsonObject = {}
    for number, each in enumerate(planned):
        own = [answers.get(request_name(number, place)) or {} for place in range(len(each.plan.requests))]
        answer = each.plan.read(own)
        for bucket in answer.get("buckets", ()):
            native = bucket.pop(NATIVE, None)
            if native is not None:
                bucket.update(read_answers(each.children, native))
            elif each.children:
                bucket.update({child.node.name: _of_nothing(child) for child in each.children})
        read[each.node.name] = answer
    return read


def _of_nothing(child: PlannedNode) -> JsonObject:
    return child.node.aggregation.combine((), child.node.children)
