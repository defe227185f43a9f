"""What is wrong with pipelines where they stand, in Elasticsearch's words."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.search.aggregations.contract import Node, PipelineNode
from isthmus.search.aggregations.pipelines.paths import parse_path
from isthmus.search.aggregations.pipelines.sequences import CumulativeSum, Derivative, SerialDifference
from isthmus.search.aggregations.pipelines.siblings import BucketMetric
from isthmus.search.aggregations.pipelines.sorting import BucketSort
from isthmus.search.aggregations.pipelines.values import SINGLE_BUCKET

_SEQUENTIAL = (Derivative, CumulativeSum, SerialDifference)
_HISTOGRAMS = ("histogram", "date_histogram", "auto_date_histogram")


def problems(
    nodes: Sequence[Node], pipelines: Sequence[PipelineNode], parent: Node | None, metrics: frozenset[str]
) -> list[str]:
    """Answer what is wrong with the pipelines of one level, nothing if nothing is.

    ``parent`` is the aggregation that they are in, ``metrics`` are the kinds without buckets.
    """
    found: list[str] = []
    for each in pipelines:
        pipeline, name = each.pipeline, each.name
        if isinstance(pipeline, BucketMetric):
            found += _of_sibling(name, pipeline, nodes, metrics)
        elif isinstance(pipeline, _SEQUENTIAL):
            found += _of_sequence(name, pipeline.kind, parent)
        elif parent is None or parent.aggregation.kind in SINGLE_BUCKET:
            found.append(
                f"{pipeline.kind} aggregation [{name}] must be declared inside of another aggregation"
            )
        if (
            isinstance(pipeline, BucketSort)
            and not pipeline.keys
            and pipeline.size is None
            and not pipeline.offset
        ):
            found.append(
                f"[{name}] is configured to perform nothing. Please set either of [sort, size, from] to use "
                "bucket_sort"
            )
    return found


def _of_sibling(
    name: str, pipeline: BucketMetric, nodes: Sequence[Node], metrics: frozenset[str]
) -> list[str]:
    elements = parse_path(pipeline.path)
    level = nodes
    for place, element in enumerate(elements):
        node = next((each for each in level if each.name == element.name), None)
        if node is None:
            return [f"buckets_path aggregation does not exist for aggregation [{name}]: {pipeline.path}"]
        kind = node.aggregation.kind
        is_last = place == len(elements) - 1
        if not is_last and (kind in SINGLE_BUCKET or element.key is not None):
            level = node.children
            continue
        if kind in SINGLE_BUCKET or kind in metrics:
            wanted = (
                "The first aggregation in buckets_path must be a multi-bucket aggregation for aggregation"
            )
            return [f"{wanted} [{name}] found :{kind} for buckets path: {pipeline.path}"]
        return []
    return []


def _of_sequence(name: str, kind: str, parent: Node | None) -> list[str]:
    wanted = (
        f"{kind} aggregation [{name}] must have a histogram, date_histogram or auto_date_histogram as parent"
    )
    if parent is None:
        return [f"{wanted} but doesn't have a parent"]
    if parent.aggregation.kind not in _HISTOGRAMS:
        return [wanted]
    if getattr(parent.aggregation, "min_doc_count", 0):
        return [f"parent histogram of {kind} aggregation [{name}] must have min_doc_count of 0"]
    return []
