"""What can be answered of a search that is still under way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.errors import Failure, FailureKind, index_not_found
from isthmus.exchange import Hit, SearchRequest, SearchResult, ShardCounts, TotalHits
from isthmus.names import ClusterAlias, IndicesOptions
from isthmus.search.aggregations import parse_aggregations
from isthmus.search.clusters import ClusterStatus, clusters_object
from isthmus.search.merge import merge
from isthmus.search.outcome import Outcome
from isthmus.search.plan import Part, Plan
from isthmus.search.progress import answer_so_far, is_partial

EU, US = ClusterAlias("eu"), ClusterAlias("us")
TREE = parse_aggregations({"most": {"max": {"field": "n"}}})
DOWN = Failure(FailureKind.UNAVAILABLE, "connect_transport_exception", "down")


def plan_of(*aliases: ClusterAlias | None, skip: bool = True, **members: Any) -> Plan:
    """Answer a plan that asks these clusters."""
    request = SearchRequest(size=100, aggregations=TREE.ask())
    parts = tuple(
        Part(alias, (f"of-{alias}",), request, alias is not None and skip, None) for alias in aliases
    )
    return Plan(request, IndicesOptions(), parts, TREE, **members)


def found(part: Part, *scores: float, failed: int = 0) -> Outcome:
    """Answer that a cluster found documents of these scores."""
    result = SearchResult(
        shards=ShardCounts(total=2, successful=2 - failed, failed=failed),
        total=TotalHits(value=len(scores)),
        hits=tuple(Hit("i", f"{part.alias}-{score}", score) for score in sorted(scores, reverse=True)),
        aggregations={"most": {"value": max(scores, default=None)}},
    )
    return Outcome(part, result=result)


def test_clusters_that_have_not_answered_are_running() -> None:
    """The others' hits and aggregations are there, and the counts add up."""
    plan = plan_of(None, EU, US)
    answer = answer_so_far(plan, [found(plan.parts[2], 3.0, 1.0), found(plan.parts[0], 2.0)], 17)
    assert [hit.id for hit in answer.result.hits] == ["us-3.0", "None-2.0", "us-1.0"]
    assert answer.result.aggregations == {"most": {"value": 3.0}}
    assert answer.result.took_milliseconds == 17
    section = clusters_object(answer.clusters)
    assert {name: section[name] for name in ("total", "successful", "running")} == {
        "total": 3,
        "successful": 2,
        "running": 1,
    }
    assert section["details"]["eu"] == {"status": "running", "indices": "of-eu", "timed_out": False}
    assert list(section["details"]) == ["(local)", "eu", "us"]


def test_before_anybody_has_answered_there_is_nothing_and_everybody_runs() -> None:
    """An empty answer that says so."""
    answer = answer_so_far(plan_of(None, EU), [], 0)
    assert answer.result.hits == ()
    assert answer.result.shards == ShardCounts()
    assert [detail.status for detail in answer.clusters] == [ClusterStatus.RUNNING] * 2
    assert is_partial(answer)


def test_a_failure_that_ends_the_search_is_told_beside_what_was_found() -> None:
    """It is not raised: the failure itself stands beside this answer."""
    plan = plan_of(None, EU, skip=False)
    outcomes = [found(plan.parts[0], 1.0), Outcome(plan.parts[1], failure=index_not_found("x"))]
    answer = answer_so_far(plan, outcomes, 0)
    assert [hit.id for hit in answer.result.hits] == ["None-1.0"]
    assert [detail.status for detail in answer.clusters] == [ClusterStatus.SUCCESSFUL, ClusterStatus.FAILED]


def test_what_may_not_be_partial_in_the_end_may_be_meanwhile() -> None:
    """``allow_partial_search_results=false`` judges the end."""
    plan = plan_of(None, EU, skip=False, allow_partial_results=False)
    answer = answer_so_far(plan, [found(plan.parts[1], 1.0, failed=1)], 0)
    assert [hit.id for hit in answer.result.hits] == ["eu-1.0"]
    assert [detail.status for detail in answer.clusters] == [ClusterStatus.RUNNING, ClusterStatus.PARTIAL]


def test_a_search_of_this_cluster_alone_names_no_clusters() -> None:
    """As its final answer does not."""
    plan = plan_of(None)
    assert answer_so_far(plan, [], 0).clusters == ()


@pytest.mark.parametrize(
    ("outcome", "partial"),
    [
        (lambda part: found(part, 1.0), False),
        (lambda part: found(part, 1.0, failed=1), True),
        (lambda part: Outcome(part, failure=DOWN), True),
    ],
)
def test_an_answer_is_partial_where_anything_is_missing(outcome: Any, partial: bool) -> None:
    """Whatever was allowed to be missing."""
    plan = plan_of(None, EU)
    answer = merge(plan, [found(plan.parts[0], 1.0), outcome(plan.parts[1])], 0)
    assert is_partial(answer) is partial


def test_a_local_answer_is_partial_where_shards_failed() -> None:
    """There is no section of clusters to tell it."""
    plan = plan_of(None)
    assert is_partial(merge(plan, [found(plan.parts[0], 1.0, failed=1)], 0))
    assert not is_partial(merge(plan, [found(plan.parts[0], 1.0)], 0))


@settings(max_examples=50, deadline=None)
@given(st.permutations([None, EU, US, ClusterAlias("zz")]), st.data())
def test_the_order_of_arrival_makes_no_difference(order: list[ClusterAlias | None], data: Any) -> None:
    """When all have answered, what was added up on the way is what is merged in the end."""
    plan = plan_of(None, EU, US, ClusterAlias("zz"))
    scores = st.lists(st.integers(0, 5).map(float), max_size=4)
    outcomes = {part.alias: found(part, *data.draw(scores)) for part in plan.parts}
    whole = merge(plan, [outcomes[part.alias] for part in plan.parts], 0)
    for count in range(5):
        answer = answer_so_far(plan, [outcomes[alias] for alias in order[:count]], 0)
        assert sum(detail.status is ClusterStatus.RUNNING for detail in answer.clusters) == 4 - count
        assert {hit.id for hit in answer.result.hits} <= {hit.id for hit in whole.result.hits}
    assert answer.result == whole.result
    assert answer.clusters == whole.clusters
