"""Pipelines over the final answers of a whole request: the deepest first."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from isthmus.exchange import JsonObject
from isthmus.search.aggregations.contract import Level, Node, PipelineNode
from isthmus.search.aggregations.pipelines.siblings import BucketMetric
from isthmus.search.aggregations.pipelines.values import SINGLE_BUCKET, FinalBucket, buckets_of


@runtime_checkable
class InsideBuckets(Protocol):
    """A pipeline that changes the buckets of the aggregation that it is in."""

    def transform(
        self, name: str, meta: JsonObject | None, parent: Node, buckets: list[FinalBucket]
    ) -> list[FinalBucket]:
        """Answer the buckets as they are afterwards; changes them in place where it adds to them."""
        ...


def apply_pipelines(level: Level, members: JsonObject) -> None:
    """Compute all pipelines of a level and below; ``members`` holds its final answers and is changed."""
    for node in level.nodes:
        if node.name in members and has_pipelines(node.level):
            _apply_below(node, members[node.name])
    for each in level.pipelines:
        if isinstance(each.pipeline, BucketMetric):
            _compute(each, each.pipeline, level, members)


def has_pipelines(level: Level) -> bool:
    """Tell whether there is anything to compute."""
    return bool(level.pipelines) or any(has_pipelines(node.level) for node in level.nodes)


def _compute(each: PipelineNode, pipeline: BucketMetric, level: Level, members: JsonObject) -> None:
    answer = pipeline.compute(level, members)
    members[each.name] = answer if each.meta is None else {"meta": each.meta, **answer}


def _apply_below(node: Node, answer: JsonObject) -> None:
    if node.aggregation.kind in SINGLE_BUCKET:
        apply_pipelines(node.level, answer)
        return
    buckets = buckets_of(answer)
    below = Level(node.children)
    for bucket in buckets:
        apply_pipelines(below, bucket.members)
    for each in node.pipelines:
        if isinstance(each.pipeline, BucketMetric):
            for bucket in buckets:
                _compute(each, each.pipeline, node.level, bucket.members)
        elif isinstance(each.pipeline, InsideBuckets):
            buckets = each.pipeline.transform(each.name, each.meta, node, buckets)
    if isinstance(answer["buckets"], dict):
        answer["buckets"] = {bucket.name: bucket.members for bucket in buckets}
    else:
        answer["buckets"] = [bucket.members for bucket in buckets]
