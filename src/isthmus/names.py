"""Names and index expressions: parsed once, at the edge, and never invalid afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NewType

import msgspec

ClusterAlias = NewType("ClusterAlias", str)
"""The name that a local cluster gives to a remote one; made by :func:`parse_cluster_alias`."""

IndexName = NewType("IndexName", str)
"""The name of one index, valid and without wildcards; made by :func:`parse_index_name`."""


class IndicesOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How index expressions are read (Elasticsearch's "multi-target syntax" parameters).

    ``expand_wildcards`` holds any of ``open``, ``closed``, ``hidden``; empty expands nothing.
    """

    ignore_unavailable: bool = False
    allow_no_indices: bool = True
    expand_wildcards: tuple[str, ...] = ("open",)


@dataclass(frozen=True, slots=True)
class KnownIndex:
    """What resolving an expression needs to know of an index."""

    name: IndexName
    hidden: bool = False
    closed: bool = False
    aliases: Mapping[str, Any] = field(default_factory=dict)
