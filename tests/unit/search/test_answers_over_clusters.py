"""What else an answer over clusters tells: totals, how long what took, and whose statistics it lacks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from clusters_split import SplitClusters, shown

from isthmus.clock import SystemClock
from isthmus.errors import Failure, FailureKind, Fault
from isthmus.exchange import Hit, SearchRequest, SearchResult, ShardCounts, TermStatistics, TotalHits
from isthmus.names import ClusterAlias, IndicesOptions
from isthmus.search.clusters import ClusterStatus
from isthmus.search.coordinator import coordinate
from isthmus.search.merge import SearchAnswer
from isthmus.search.outcome import Outcome
from isthmus.search.plan import SearchOrder
from isthmus.search.progress import SearchProgress

EU = ClusterAlias("eu")
DOWN = Failure(FailureKind.UNAVAILABLE, "connect_transport_exception", "[eu] connect timed out")


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SplitClusters]:
    """Two clusters with 45 documents each, 30 of which are even."""
    made = SplitClusters(tmp_path_factory.mktemp("answers"), "eu")
    documents = {f"d{number}": {"n": number, "even": number % 3 != 0, "t": "sea"} for number in range(90)}
    made.write(documents, {"n": {"type": "long"}, "even": {"type": "boolean"}, "t": {"type": "text"}})
    yield made
    made.close()


@pytest.mark.parametrize("track", [True, False, 0, 1, 29, 30, 31, 44, 45, 46, 59, 60, 61, 90])
@pytest.mark.parametrize("query", [{"match_all": {}}, {"term": {"even": True}}])
def test_the_total_is_that_of_one_index(clusters: SplitClusters, track: Any, query: Any) -> None:
    """Counted exactly, up to a number, or not at all."""
    body = {"query": query, "track_total_hits": track, "size": 1, "sort": ["n"]}
    assert clusters.split(body)["hits"].get("total") == clusters.whole(body)["hits"].get("total")


def test_the_highest_score_is_that_of_all(clusters: SplitClusters) -> None:
    """None where nothing is scored, and of hits that are not shown where it is."""
    assert clusters.split({"sort": ["n"]})["hits"]["max_score"] is None
    assert clusters.split({"sort": ["n"], "track_scores": True})["hits"]["max_score"] == 1.0
    assert clusters.split({"query": {"term": {"even": True}}, "size": 0})["hits"]["max_score"] is None


def test_each_cluster_stops_where_it_was_told_to(clusters: SplitClusters) -> None:
    """``terminate_after`` counts in each index, as upstream it does in each shard."""
    answer = clusters.split({"terminate_after": 7, "track_total_hits": True, "size": 50})
    assert answer["terminated_early"] is True
    assert answer["hits"]["total"]["value"] == len(answer["hits"]["hits"]) == 14
    assert clusters.split({"terminate_after": 1000})["terminated_early"] is False
    assert "terminated_early" not in clusters.split({})


def test_what_is_not_done_in_time_is_partial(clusters: SplitClusters) -> None:
    """The answer says so, and which cluster was late."""
    answer = clusters.split({"timeout": "0ms"})
    assert answer["timed_out"] is True
    assert answer["_clusters"]["details"]["eu"]["timed_out"] is True
    assert answer["_clusters"]["details"]["eu"]["status"] == "partial"


def test_the_profile_tells_of_each_index_of_each_cluster(clusters: SplitClusters) -> None:
    """Under ids that name node, cluster and index, as Elasticsearch has them."""
    body = {"query": {"match": {"t": "sea"}}, "profile": True, "aggs": {"most": {"max": {"field": "n"}}}}
    shards = clusters.split(body)["profile"]["shards"]
    assert [shard["id"] for shard in shards] == ["[node-of-local][docs][0]", "[node-of-eu][eu:docs][0]"]
    assert [shard["cluster"] for shard in shards] == ["(local)", "eu"]
    assert [shard["index"] for shard in shards] == ["docs", "eu:docs"]
    for shard in shards:
        (search,) = shard["searches"]
        (query,) = search["query"]
        assert (query["type"], query["description"]) == ("match", '{"match":{"t":"sea"}}')
        assert query["time_in_nanos"] == sum(
            taken for step, taken in query["breakdown"].items() if not step.endswith("_count")
        )
        assert query["time_in_nanos"] > 0
        assert search["collector"][0]["reason"] == "search_top_hits"
        assert shard["aggregations"][0]["description"] == "most"
        assert shard["fetch"]["breakdown"]["load_source_count"] == 1
    assert "profile" not in clusters.split({"profile": False})


@pytest.mark.parametrize(
    ("offset", "size", "refused"), [(9_990, 10, False), (9_990, 11, True), (0, 10_001, True)]
)
def test_the_window_is_limited_as_in_one_index(
    clusters: SplitClusters, offset: int, size: int, refused: bool
) -> None:
    """Each cluster is asked for ``from + size`` hits, and refuses as many as one index would."""
    body = {"from": offset, "size": size}
    if not refused:
        assert shown(clusters.split(body)) == []
        return
    for search in (clusters.split, clusters.whole):
        with pytest.raises(Failure) as caught:
            search(body)
        assert "Result window is too large" in f"{caught.value.reason} {caught.value.caused_by}"


@dataclass
class Fake:
    """A cluster that tells its statistics, or fails to; what it is then asked for is kept."""

    words: int
    failure: Failure | None = None
    waits: bool = False
    asked: list[SearchRequest] = field(default_factory=list)

    async def term_statistics(
        self, _expressions: tuple[str, ...], _options: IndicesOptions, _request: SearchRequest
    ) -> TermStatistics:
        """Tell, fail or take for ever."""
        if self.failure is not None:
            raise self.failure
        if self.waits:
            await asyncio.Event().wait()
        return TermStatistics(documents=self.words, tokens={"t": self.words}, frequencies={"t": {"sea": 1}})

    async def search(
        self, _expressions: tuple[str, ...], _options: IndicesOptions, request: SearchRequest
    ) -> SearchResult:
        """Find one document."""
        self.asked.append(request)
        return SearchResult(
            shards=ShardCounts(total=1, successful=1),
            total=TotalHits(value=1),
            hits=(Hit("docs", "x", 1.0, b"{}"),),
        )


async def _search(
    here: Fake, there: Fake, *, skip: bool, progress: SearchProgress | None = None
) -> SearchAnswer:
    order = SearchOrder(("docs", "eu:docs"), SearchRequest(), gathers_statistics=True)
    return await coordinate(order, {None: here, EU: there}, {EU: skip}, SystemClock(), 0.2, progress)


async def test_every_cluster_scores_by_what_all_have_told() -> None:
    """The sum goes with each search."""
    here, there = Fake(3), Fake(4)
    await _search(here, there, skip=False)
    expected = TermStatistics(documents=7, tokens={"t": 7}, frequencies={"t": {"sea": 2}})
    assert [request.statistics for request in (*here.asked, *there.asked)] == [expected, expected]


@pytest.mark.parametrize("there", [Fake(4, failure=DOWN), Fake(4, waits=True)], ids=["down", "slow"])
async def test_a_cluster_that_may_be_skipped_is_skipped_when_it_does_not_tell(there: Fake) -> None:
    """It is not asked again, and the others score without it."""
    here = Fake(3)
    heard: list[Outcome] = []

    class Progress:
        """Listens."""

        def planned(self, _plan: Any) -> None:
            """Know the plan."""

        def answered(self, outcome: Outcome) -> None:
            """Keep it."""
            heard.append(outcome)

    answer = await _search(here, there, skip=True, progress=Progress())
    assert [request.statistics and request.statistics.documents for request in here.asked] == [3]
    assert there.asked == []
    assert [detail.status for detail in answer.clusters] == [ClusterStatus.SUCCESSFUL, ClusterStatus.SKIPPED]
    assert len(answer.result.hits) == 1
    assert [outcome.part.alias for outcome in heard if outcome.failure is not None] == [EU]


async def test_a_cluster_that_may_not_be_skipped_ends_the_search() -> None:
    """Nobody is searched then."""
    here = Fake(3)
    with pytest.raises(Failure) as caught:
        await _search(here, Fake(4, failure=DOWN), skip=False)
    assert caught.value.caused_by is DOWN
    assert (here.asked, DOWN.fault) == ([], Fault.HERE)
