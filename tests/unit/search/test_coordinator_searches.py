"""One search over this cluster and others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from isthmus.clock import SystemClock
from isthmus.errors import Failure, FailureKind, security_failure
from isthmus.exchange import (
    Engine,
    Hit,
    IndexDescription,
    IndexSelection,
    SearchRequest,
    SearchResult,
    SearchTarget,
    ShardCounts,
    TotalHits,
)
from isthmus.names import ClusterAlias, IndexName, IndicesOptions
from isthmus.search.aggregations import parse_aggregations
from isthmus.search.clusters import ClusterStatus
from isthmus.search.coordinator import SearchCoordinator, coordinate
from isthmus.search.plan import SearchOrder
from isthmus.security.principal import IndexPrivileges, Principal, RoleDescriptor

EU = ClusterAlias("eu")
CALLER = Principal(
    "u",
    ("r",),
    ((RoleDescriptor(name="r", indices=(IndexPrivileges(names=("*",), privileges=("read",)),)),),),
    "native1",
    "native",
)


def _found(*ids: str, **members: Any) -> SearchResult:
    return SearchResult(
        shards=ShardCounts(total=1, successful=1),
        total=TotalHits(value=len(ids)),
        hits=tuple(Hit("logs", each, 1.0, b"{}") for each in ids),
        **members,
    )


class FakeEngine:
    """One index, one answer."""

    def indices(self) -> Mapping[IndexName, IndexDescription]:
        """Answer the only index."""
        name = IndexName("logs")
        return {name: IndexDescription(name=name, uuid="u", created_milliseconds=0)}

    async def search(self, _selections: Sequence[IndexSelection], _request: SearchRequest) -> SearchResult:
        """Find one document."""
        return _found("here")


@dataclass
class FakeRemote:
    """A remote cluster that answers, or refuses to be searched at all."""

    skip_unavailable: bool = True
    refusal: Failure | None = None
    result: SearchResult = field(default_factory=lambda: _found("there"))
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def search_target(self, _principal: Principal) -> SearchTarget:
        """Answer itself."""
        if self.refusal is not None:
            raise self.refusal
        return self

    async def search(
        self, expressions: tuple[str, ...], _options: IndicesOptions, _request: SearchRequest
    ) -> SearchResult:
        """Answer the given result."""
        self.asked.append(expressions)
        return self.result


@dataclass
class FakeRemotes:
    """The configured clusters."""

    clusters: dict[ClusterAlias, FakeRemote]

    def aliases(self) -> Collection[ClusterAlias]:
        """Answer their aliases."""
        return self.clusters

    def get(self, alias: ClusterAlias) -> FakeRemote:
        """Answer one."""
        return self.clusters[alias]


def _coordinator(**remotes: FakeRemote) -> SearchCoordinator:
    clusters = {ClusterAlias(alias): remote for alias, remote in remotes.items()}
    return SearchCoordinator(cast("Engine", FakeEngine()), FakeRemotes(clusters))


async def test_searches_here_and_there_at_once() -> None:
    """One answer holds the hits of both, and says where each came from."""
    remote = FakeRemote()
    answer = await _coordinator(eu=remote).search(CALLER, SearchOrder(("logs", "eu:logs-*"), SearchRequest()))
    assert [(hit.index, hit.id) for hit in answer.result.hits] == [("logs", "here"), ("eu:logs", "there")]
    assert answer.result.total == TotalHits(value=2)
    assert remote.asked == [("logs-*",)]


async def test_a_cluster_that_is_not_named_is_left_alone() -> None:
    """A search here asks nobody else and reports no clusters."""
    remote = FakeRemote(refusal=security_failure("not even bound"))
    answer = await _coordinator(eu=remote).search(CALLER, SearchOrder((), SearchRequest()))
    assert (len(answer.result.hits), answer.clusters, remote.asked) == (1, (), [])


async def test_a_cluster_that_the_caller_may_not_search_is_skipped_where_it_may_be() -> None:
    """A missing privilege for one cluster is that cluster's failure."""
    remote = FakeRemote(refusal=security_failure("action [x] is unauthorized"))
    order = SearchOrder(("logs", "eu:logs"), SearchRequest())
    answer = await _coordinator(eu=remote).search(CALLER, order)
    assert [detail.status for detail in answer.clusters] == [ClusterStatus.SUCCESSFUL, ClusterStatus.SKIPPED]

    remote.skip_unavailable = False
    with pytest.raises(Failure) as caught:
        await _coordinator(eu=remote).search(CALLER, order)
    assert caught.value.kind is FailureKind.FORBIDDEN
    assert caught.value.error_type == "remote_transport_exception"


async def test_aggregations_of_all_clusters_are_one() -> None:
    """Each cluster answers in combinable form, the caller gets the finished one."""
    raw = {"highest": {"max": {"field": "n"}}}
    tree = parse_aggregations(raw)

    @dataclass
    class Aggregating:
        value: float

        async def search(
            self, _expressions: tuple[str, ...], _options: IndicesOptions, request: SearchRequest
        ) -> SearchResult:
            assert request.aggregations == tree.ask()
            return SearchResult(aggregations={name: {"value": self.value} for name in request.aggregations})

    answer = await coordinate(
        SearchOrder(("logs", "eu:logs"), SearchRequest(size=0, aggregations=raw)),
        {None: Aggregating(3.0), EU: Aggregating(5.0)},
        {EU: True},
        SystemClock(),
    )
    assert answer.result.aggregations == {"highest": {"value": 5.0}}


async def test_an_unknown_cluster_fails_before_anything_is_asked() -> None:
    """A typing error is told, whatever may be skipped."""
    remote = FakeRemote()
    with pytest.raises(Failure, match=r"no such remote cluster: \[nope\]"):
        await _coordinator(eu=remote).search(CALLER, SearchOrder(("eu:x", "nope:x"), SearchRequest()))
    assert remote.asked == []
