"""What each cluster is asked."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.errors import Failure
from isthmus.exchange import SearchRequest, SortKey
from isthmus.names import ClusterAlias, IndicesOptions
from isthmus.search.plan import DEFAULT_REMOTE_TIMEOUT_SECONDS, Plan, SearchOrder, plan_search

EU, US = ClusterAlias("eu"), ClusterAlias("us")
SKIP = {EU: True, US: False}


def _plan(expressions: str, **members: Any) -> Plan:
    order = SearchOrder(tuple(expressions.split(",")) if expressions else (), SearchRequest(**members))
    return plan_search(order, SKIP)


def test_one_cluster_is_asked_what_the_caller_asked() -> None:
    """Nothing has to be merged, so the window and the formats are left to the only cluster."""
    sort = (SortKey(field="at", date_format="strict_date"),)
    for expressions in ("logs", "eu:logs"):
        plan = _plan(expressions, offset=20, size=5, sort=sort)
        assert [part.request for part in plan.parts] == [plan.request]
        assert not plan.is_shared


def test_several_clusters_are_asked_for_everything_that_may_be_in_the_window() -> None:
    """Each may hold all hits of the window, which starts at the first one."""
    plan = _plan("logs,eu:logs", offset=20, size=5)
    assert [(part.request.offset, part.request.size) for part in plan.parts] == [(0, 25), (0, 25)]
    assert (plan.request.offset, plan.request.size) == (20, 5)
    assert plan.is_shared


def test_parts_are_in_the_order_of_ties() -> None:
    """This cluster comes first, then the others by alias."""
    plan = _plan("us:x,eu:y,z")
    assert [(part.alias, part.expressions) for part in plan.parts] == [
        (None, ("z",)),
        ("eu", ("y",)),
        ("us", ("x",)),
    ]


def test_only_what_is_configured_so_may_be_skipped() -> None:
    """This cluster never may, another one by its setting."""
    plan = _plan("us:x,eu:y,z")
    assert [part.may_be_skipped for part in plan.parts] == [False, True, False]


@pytest.mark.parametrize(
    ("timeout_milliseconds", "expected"),
    [(None, DEFAULT_REMOTE_TIMEOUT_SECONDS), (0, 2.0), (500, 2.5), (120_000, 122.0)],
)
def test_the_requests_timeout_says_how_long_to_wait_for_others(
    timeout_milliseconds: int | None, expected: float
) -> None:
    """A request's own timeout takes the default's place, with time for the answer to travel."""
    plan = _plan("logs,eu:logs", timeout_milliseconds=timeout_milliseconds)
    assert [part.timeout_seconds for part in plan.parts] == [None, expected]
    assert plan.parts[1].request.timeout_milliseconds == timeout_milliseconds


def test_no_expression_means_everything_here() -> None:
    """Other clusters take part only where they are named."""
    plan = _plan("")
    assert [(part.alias, part.expressions) for part in plan.parts] == [(None, ())]
    assert not plan.is_cross_cluster


def test_aggregations_are_asked_for_in_a_form_that_can_be_combined() -> None:
    """Also of a single cluster, so that there is one way to finish them."""
    raw = {"price": {"avg": {"field": "price"}}}
    for expressions in ("logs", "eu:logs", "logs,eu:logs"):
        plan = _plan(expressions, aggregations=raw)
        assert plan.aggregations is not None
        assert {str(part.request.aggregations) for part in plan.parts} == {str(plan.aggregations.ask())}


def test_no_aggregation_asks_for_none() -> None:
    """A search without aggregations has nothing to combine."""
    assert _plan("logs").aggregations is None


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"search_after": (1,)}, "Sort must contain at least one field."),
        (
            {"search_after": (1, 2), "sort": (SortKey(field="a"),)},
            "search_after has 2 value(s) but sort has 1.",
        ),
        (
            {"search_after": (1,), "sort": (SortKey(field="a"),), "offset": 1},
            "Validation Failed: 1: `from` parameter must be set to 0 when `search_after` is used;",
        ),
    ],
)
def test_refuses_a_request_that_contradicts_itself(members: dict[str, Any], reason: str) -> None:
    """What cannot be meant is refused before any cluster is asked."""
    with pytest.raises(Failure) as caught:
        _plan("logs", **members)
    assert caught.value.reason == reason


def test_an_unknown_cluster_is_refused_whatever_may_be_skipped() -> None:
    """A name that is not configured is a mistake, not an outage."""
    with pytest.raises(Failure, match="no such remote cluster"):
        _plan("logs,nope:logs")


def test_options_are_the_same_for_every_cluster() -> None:
    """How expressions are read is decided by the caller and applied where the indices are."""
    options = IndicesOptions(ignore_unavailable=True)
    plan = plan_search(SearchOrder(("a", "eu:a"), SearchRequest(), options), SKIP)
    assert plan.options is options
