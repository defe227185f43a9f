"""In which order the pipelines of one level can be computed, and whether what they need is there."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.errors import illegal_argument
from isthmus.search.aggregations.contract import Node, PipelineNode
from isthmus.search.aggregations.pipelines.paths import (
    BUCKET_COUNT,
    COUNT,
    KEY,
    PathElement,
    parse_path,
)


def ordered(nodes: Sequence[Node], pipelines: Sequence[PipelineNode]) -> tuple[PipelineNode, ...]:
    """Answer the pipelines with each behind those that it needs.

    Raises an ``illegal_argument_exception`` failure for a path to nothing and for a circle.
    """
    order = _Order(nodes, pipelines)
    for pipeline in pipelines:
        order.add(pipeline)
    return tuple(order.added)


class _Order:
    def __init__(self, nodes: Sequence[Node], pipelines: Sequence[PipelineNode]) -> None:
        self._nodes = {node.name: node for node in nodes}
        self._pipelines = {pipeline.name: pipeline for pipeline in pipelines}
        self._open: set[str] = set()
        self.added: list[PipelineNode] = []

    def add(self, pipeline: PipelineNode) -> None:
        if pipeline in self.added:
            return
        if pipeline.name in self._open:
            raise illegal_argument(f"Cyclical dependency found with pipeline aggregator [{pipeline.name}]")
        self._open.add(pipeline.name)
        for path in pipeline.pipeline.paths:
            elements = parse_path(path)
            first = elements[0].name
            if first in (COUNT, KEY):
                continue
            if first in self._nodes:
                _check_below(self._nodes[first], elements[1:], path)
            elif first in self._pipelines:
                self.add(self._pipelines[first])
            else:
                raise illegal_argument(f"No aggregation [{first}] found for path [{path}]")
        self._open.discard(pipeline.name)
        self.added.append(pipeline)


def _check_below(node: Node, elements: Sequence[PathElement], path: str) -> None:
    for place, element in enumerate(elements):
        is_last = place == len(elements) - 1
        if is_last and element.name in (COUNT, KEY, BUCKET_COUNT):
            return
        below = next((child for child in node.children if child.name == element.name), None)
        if below is None:
            if is_last and any(each.name == element.name for each in node.pipelines):
                return
            raise illegal_argument(f"No aggregation found for path [{path}]")
        node = below
