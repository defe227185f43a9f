"""What to ask of which cluster: the first of the three steps plan, ask, merge.

One part a cluster. Where several answer, each is asked for everything that could end up in the
window (``from=0, size=from+size``), because any hit of the answer may come from any of them.
Aggregations are always asked in the form that can be combined, even of a single cluster, so
that there is one way to finish them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from isthmus.errors import illegal_argument, validation_failure
from isthmus.exchange import Collapse, SearchRequest
from isthmus.names import ClusterAlias, IndicesOptions, group_by_cluster
from isthmus.search.aggregations import AggregationTree, parse_aggregations
from isthmus.search.description import describe_search
from isthmus.search.point_in_time_id import HeldSearch

#: How long a remote cluster may take when the request names no ``timeout``. Elasticsearch would
#: wait for as long as the connection lives, and one cluster that accepts and never answers then
#: holds every answer back; 30 s is what its clients and Kibana wait by default.
DEFAULT_REMOTE_TIMEOUT_SECONDS: Final = 30.0

#: What a remote cluster gets beyond the request's own ``timeout``: that one limits the work over
#: there, and its partial answer still has to travel.
TRAVEL_ALLOWANCE_SECONDS: Final = 2.0

#: how a search reads expressions unless its parameters say otherwise
DEFAULT_OPTIONS: Final = IndicesOptions(forbid_closed=True)


class Part(msgspec.Struct, frozen=True):
    """What one cluster is asked. ``alias`` is None for this one.

    ``timeout_seconds`` is when to give up on its answer; None waits as long as it takes.
    """

    alias: ClusterAlias | None
    expressions: tuple[str, ...]
    request: SearchRequest
    may_be_skipped: bool
    timeout_seconds: float | None


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that asking and merging need to know.

    ``parts`` are in the order in which equal hits are answered: this cluster first, then by alias.
    """

    request: SearchRequest
    options: IndicesOptions
    parts: tuple[Part, ...]
    aggregations: AggregationTree | None
    allow_partial_results: bool = True
    #: tell of each remote cluster how long the way there and back took
    hops: bool = False

    @property
    def is_shared(self) -> bool:
        """Say whether several clusters answer, so that hits have to be merged."""
        return len(self.parts) > 1

    @property
    def is_cross_cluster(self) -> bool:
        """Say whether any other cluster takes part."""
        return any(part.alias is not None for part in self.parts)


@dataclass(frozen=True, slots=True)
class SearchOrder:
    """A search as a caller wants it: which indices of which clusters, and what of them.

    None leaves it to the node whether partial results will do and how long a remote may take when the
    request has no ``timeout``, and to each remote's settings whether that one may be skipped.
    """

    expressions: Sequence[str]
    request: SearchRequest
    options: IndicesOptions = DEFAULT_OPTIONS
    allow_partial_results: bool | None = None
    skip_unavailable: bool | None = None
    hops: bool = False
    remote_timeout_seconds: float | None = None
    #: of a point in time; ``expressions`` are its own then
    held: HeldSearch | None = None
    #: score by the statistics of all clusters together, which are asked for first
    gathers_statistics: bool = False

    def describe(self) -> str:
        """Answer it in one line, for the list of tasks."""
        return describe_search(self.expressions, self.request, self._search_type)

    @property
    def _search_type(self) -> str:
        return "DFS_QUERY_THEN_FETCH" if self.gathers_statistics else "QUERY_THEN_FETCH"


def plan_search(
    order: SearchOrder,
    skip_unavailable: Mapping[ClusterAlias, bool],
    remote_timeout_seconds: float = DEFAULT_REMOTE_TIMEOUT_SECONDS,
) -> Plan:
    """Answer the plan. ``skip_unavailable`` holds every configured alias.

    Raises the failures of :func:`isthmus.names.group_by_cluster`, of parsing aggregations, and
    400 failures for a request that contradicts itself.
    """
    request = order.request
    _require_consistent(request)
    if order.gathers_statistics and request.fetch is not None and request.fetch.explain:
        raise illegal_argument("[explain] is not supported with [search_type=dfs_query_then_fetch]")
    groups = group_by_cluster(order.expressions, skip_unavailable)
    aggregations = parse_aggregations(request.aggregations) if request.aggregations else None
    asked = _request_of_a_part(request, aggregations, shared=len(groups) > 1)
    timeout_seconds = remote_timeout(request, order.remote_timeout_seconds or remote_timeout_seconds)
    parts = tuple(
        [
            Part(
                alias,
                groups[alias],
                asked,
                alias is not None
                and (skip_unavailable[alias] if order.skip_unavailable is None else order.skip_unavailable),
                None if alias is None else timeout_seconds,
            )
            for alias in _in_order_of_ties(groups)
        ]
    )
    allow_partial = order.allow_partial_results is not False
    return Plan(request, order.options, parts, aggregations, allow_partial, order.hops)


def remote_timeout(request: SearchRequest, default_seconds: float = DEFAULT_REMOTE_TIMEOUT_SECONDS) -> float:
    """Answer when to give up on a remote cluster; the request's own ``timeout`` decides if it has one."""
    if request.timeout_milliseconds is None:
        return default_seconds
    return request.timeout_milliseconds / 1000 + TRAVEL_ALLOWANCE_SECONDS


def _in_order_of_ties(aliases: Collection[ClusterAlias | None]) -> list[ClusterAlias | None]:
    return sorted(aliases, key=lambda alias: "" if alias is None else alias)


def _request_of_a_part(
    request: SearchRequest,
    aggregations: AggregationTree | None,
    shared: bool,  # noqa: FBT001 - private
) -> SearchRequest:
    """Answer what every part is asked: only what differs from the caller's request changes."""
    if aggregations is not None:
        request = msgspec.structs.replace(request, aggregations=aggregations.ask())
    if request.collapse is not None:
        # the hits of each group are searches of their own, when it is known which groups there are
        request = msgspec.structs.replace(request, collapse=Collapse(field=request.collapse.field))
    if not shared:
        return request
    return msgspec.structs.replace(request, offset=0, size=request.offset + request.size)


def _require_consistent(request: SearchRequest) -> None:
    if request.rescore and request.sort:
        raise illegal_argument("Cannot use [sort] option in conjunction with [rescore].")
    after = request.search_after
    if after is None:
        return
    if request.offset > 0:
        raise validation_failure("`from` parameter must be set to 0 when `search_after` is used")
    if not request.sort:
        raise illegal_argument("Sort must contain at least one field.")
    if len(after) != len(request.sort):
        raise illegal_argument(f"search_after has {len(after)} value(s) but sort has {len(request.sort)}.")
    collapse = request.collapse
    if collapse is not None and [key.field for key in request.sort] != [collapse.field]:
        raise illegal_argument(
            "Cannot use [collapse] in conjunction with [search_after] unless the search is sorted on the same"
            " field. Multiple sort fields are not allowed."
        )
