"""Names and index expressions: parsed once, at the edge, and never invalid afterwards.

Pure: no network, no disk but the time zone database, and the clock only where an expression
says ``now`` and the caller did not say when that is. Everything here raises only
:class:`isthmus.errors.Failure`, whatever the text.
"""

from __future__ import annotations

from isthmus.names.abstractions import Abstractions, resolve_abstractions
from isthmus.names.alias_filters import alias_filters
from isthmus.names.grouping import group_by_cluster, is_cross_cluster, require_local, split_expressions
from isthmus.names.options import IndicesOptions, parse_expand_wildcards
from isthmus.names.resolving import KnownIndex, resolve_expressions
from isthmus.names.spelling import ClusterAlias, IndexName, parse_cluster_alias, parse_index_name
from isthmus.names.wildcards import is_wildcard, wildcard_matches

__all__ = [
    "Abstractions",
    "ClusterAlias",
    "IndexName",
    "IndicesOptions",
    "KnownIndex",
    "alias_filters",
    "group_by_cluster",
    "is_cross_cluster",
    "is_wildcard",
    "parse_cluster_alias",
    "parse_expand_wildcards",
    "parse_index_name",
    "require_local",
    "resolve_abstractions",
    "resolve_expressions",
    "split_expressions",
    "wildcard_matches",
]
