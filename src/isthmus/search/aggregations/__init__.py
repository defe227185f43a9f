"""Aggregations that can be combined across clusters and indices.

Three steps: :func:`parse_aggregations` and :meth:`AggregationTree.ask` before a search, then
:func:`combine` over what the clusters answered. An engine that answers for several indices at once uses
:func:`merge` in between. :func:`with_typed_keys` renders names for clients that ask for types.
"""

from __future__ import annotations

from isthmus.search.aggregations.tree import (
    AggregationTree,
    combine,
    merge,
    parse_aggregations,
    with_cluster_alias,
    with_typed_keys,
)

__all__ = [
    "AggregationTree",
    "combine",
    "merge",
    "parse_aggregations",
    "with_cluster_alias",
    "with_typed_keys",
]
