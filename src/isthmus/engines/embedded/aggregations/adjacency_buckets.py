"""Carries out ``adjacency_matrix``: a search a filter, and one a pair of those that match anything."""

from __future__ import annotations

from tantivy import Query

from isthmus.engines.embedded.aggregations.runner import Runner
from isthmus.engines.embedded.aggregations.scope import both
from isthmus.exchange import JsonObject
from isthmus.search.aggregations.adjacency_matrix import AdjacencyMatrix
from isthmus.search.aggregations.contract import Node


def adjacency_buckets(runner: Runner, query: Query, node: Node) -> JsonObject:
    """Answer the buckets with documents, in order of their keys."""
    aggregation = node.aggregation
    if not isinstance(aggregation, AdjacencyMatrix):
        raise TypeError(aggregation.kind)
    filters = [runner.compiled(each) for each in aggregation.queries]
    empty: set[int] = set()
    buckets = []
    for key, one, other in aggregation.pairs():
        if one in empty or other in empty:
            continue
        held = both(query, filters[one])
        bucket = runner.bucket(held if one == other else both(held, filters[other]), node.children)
        if bucket["doc_count"]:
            buckets.append({"key": key, **bucket})
        elif one == other:
            empty.add(one)
    return {"buckets": sorted(buckets, key=lambda each: str(each["key"]))}
