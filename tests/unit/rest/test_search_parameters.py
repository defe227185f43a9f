"""A search's query string."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.errors import Failure, FailureKind
from isthmus.exchange import SearchRequest, SortKey
from isthmus.names import IndicesOptions
from isthmus.rest.elasticsearch.search_order import count_order, search_question
from isthmus.rest.elasticsearch.search_parameters import IGNORED_PARAMETERS, SEARCH_PARAMETERS, expressions_of
from isthmus.rest.http import parse_query_string

UNDERSTOOD = [
    ("", {}, SearchRequest()),
    ("from=2&size=3", {"from": 5, "size": 6}, SearchRequest(offset=2, size=3)),
    (
        "sort=price:desc,name",
        {},
        SearchRequest(sort=(SortKey(field="price", descending=True), SortKey(field="name"))),
    ),
    ("sort=a:b:asc", {}, SearchRequest(sort=(SortKey(field="a:b"),))),
    ("sort=_score", {"sort": ["price"]}, SearchRequest()),
    ("track_total_hits=false", {}, SearchRequest(track_total_hits=False)),
    ("track_total_hits=5", {}, SearchRequest(track_total_hits=5)),
    ("track_total_hits=true", {}, SearchRequest(track_total_hits=True)),
    ("timeout=2s", {}, SearchRequest(timeout_milliseconds=2000)),
    ("terminate_after=4", {}, SearchRequest(terminate_after=4)),
    ("version&seq_no_primary_term=true", {}, SearchRequest(version=True, seq_no_primary_term=True)),
    ("track_scores=true", {}, SearchRequest(track_scores=True)),
    ("_source=false", {"_source": ["a"]}, SearchRequest(source=False)),
    ("_source=true", {"_source": False}, SearchRequest(source=True)),
    ("_source=a,b.*", {}, SearchRequest(source={"includes": ["a", "b.*"]})),
    (
        "_source_includes=a&_source_excludes=b,c",
        {},
        SearchRequest(source={"includes": ["a"], "excludes": ["b", "c"]}),
    ),
    ("rest_total_hits_as_int=true", {}, SearchRequest(track_total_hits=True)),
    ("rest_total_hits_as_int=true&track_total_hits=false", {}, SearchRequest(track_total_hits=False)),
    ("search_type=query_then_fetch&explain=false&typed_keys=true", {}, SearchRequest()),
    (
        "&".join(f"{name}={'true' if name.startswith('ccs') else 5}" for name in sorted(IGNORED_PARAMETERS)),
        {},
        SearchRequest(),
    ),
]


@pytest.mark.parametrize(("query", "body", "expected"), UNDERSTOOD)
def test_the_query_string_wins_over_the_body(
    query: str, body: dict[str, Any], expected: SearchRequest
) -> None:
    """What stands in the URL is what counts."""
    assert search_question((), parse_query_string(query), body).order.request == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", IndicesOptions(forbid_closed=True)),
        ("ignore_unavailable=true", IndicesOptions(forbid_closed=True, ignore_unavailable=True)),
        ("allow_no_indices=false", IndicesOptions(forbid_closed=True, allow_no_indices=False)),
        (
            "expand_wildcards=open,hidden",
            IndicesOptions(forbid_closed=True, expand_wildcards=("open", "hidden")),
        ),
        ("expand_wildcards=none", IndicesOptions(forbid_closed=True, expand_wildcards=())),
        ("ignore_throttled=true", IndicesOptions(forbid_closed=True)),
    ],
)
def test_reads_how_expressions_are_to_be_read(query: str, expected: IndicesOptions) -> None:
    """The multi-target parameters become options."""
    assert search_question((), parse_query_string(query), None).order.options == expected
    assert count_order((), parse_query_string(query), None).options == expected


REFUSED = [
    ("from=-1", "[from] parameter cannot be negative, found [-1]"),
    ("size=x", "[size] must be a whole number"),
    ("sort=a:up", "Unknown SortOrder [up]"),
    ("track_total_hits=-2", "[track_total_hits] parameter must be positive or equals to -1, got -2"),
    ("timeout=5", "failed to parse setting [timeout] with value [5]"),
    ("version=maybe", "Failed to parse value [maybe] as only [true] or [false] are allowed."),
    ("search_type=scan", "No search type for [scan]"),
    ("df=a", "[df] is only understood together with [q]"),
    ("lenient=true", "[lenient] is only understood together with [q]"),
    ("q=a&lenient=maybe", "Failed to parse value [maybe] as only [true] or [false] are allowed."),
    ("batched_reduce_size=1", "batchedReduceSize must be >= 2"),
    ("pre_filter_shard_size=0", "preFilterShardSize must be >= 1"),
    ("expand_wildcards=some", "No valid expand wildcard value [some]"),
    (
        "rest_total_hits_as_int=true&track_total_hits=5",
        "[rest_total_hits_as_int] cannot be used if the tracking of total hits is not accurate, got 5",
    ),
]


@pytest.mark.parametrize(("query", "reason"), REFUSED)
def test_refuses_a_parameter_that_cannot_be_meant_or_done(query: str, reason: str) -> None:
    """The message names the parameter."""
    parameters = parse_query_string(query)
    assert set(parameters) <= SEARCH_PARAMETERS
    with pytest.raises(Failure) as caught:
        search_question((), parameters, None)
    assert (caught.value.kind, caught.value.error_type) == (
        FailureKind.INVALID_REQUEST,
        "illegal_argument_exception",
    )
    assert caught.value.reason.startswith(reason)


def test_partial_answers_may_be_refused() -> None:
    """By the request; one that says nothing leaves it to the cluster's setting."""
    assert search_question((), {}, None).order.allow_partial_results is None
    for said, expected in (("false", False), ("true", True)):
        asked = search_question((), {"allow_partial_search_results": said}, None)
        assert asked.order.allow_partial_results is expected


@pytest.mark.parametrize(
    ("index", "expected"), [(None, ()), ("a", ("a",)), ("a,eu:b", ("a", "eu:b")), ("a,,b", ("a", "", "b"))]
)
def test_a_path_names_expressions(index: str | None, expected: tuple[str, ...]) -> None:
    """An empty expression is kept, so that it is refused instead of meaning everything."""
    assert expressions_of(index) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=a:b+c", {"query": "a:b c"}),
        ("q=b&df=a&default_operator=AND", {"query": "b", "default_field": "a", "default_operator": "AND"}),
        ("q=b&analyzer=simple", {"query": "b", "analyzer": "simple"}),
        ("q=b&lenient=true&analyze_wildcard", {"query": "b", "lenient": True, "analyze_wildcard": True}),
    ],
)
def test_a_query_may_stand_in_the_query_string(query: str, expected: dict[str, Any]) -> None:
    """``q`` is a ``query_string`` query; it wins over a search's body, and a count's body over it."""
    parameters = parse_query_string(query)
    body = {"query": {"match_all": {}}}
    assert search_question((), parameters, body).order.request.query == {"query_string": expected}
    assert count_order((), parameters, None).request.query == {"query_string": expected}
    assert count_order((), parameters, body).request.query == body["query"]


def test_a_count_is_a_search_without_hits() -> None:
    """It counts exactly, and takes a query and little else."""
    query = {"term": {"a": 1}}
    order = count_order(("eu:x",), {"min_score": "0.5", "terminate_after": "3"}, {"query": query})
    assert order.request == SearchRequest(
        query=query, size=0, track_total_hits=True, min_score=0.5, terminate_after=3
    )
    assert order.expressions == ("eu:x",)
    assert count_order((), {}, {}).request.query is None


@pytest.mark.parametrize(
    ("parameters", "body", "reason"),
    [
        ({}, {"size": 1}, "request does not support [size]"),
        ({}, [], "Expected [START_OBJECT] but found [START_ARRAY]"),
        ({}, {"query": 1}, "Unknown key for a VALUE_NUMBER in [query]."),
        ({"df": "a"}, None, "[df] is only understood together with [q]"),
        ({"min_score": "x"}, None, "[min_score] must be a number, found VALUE_STRING"),
    ],
)
def test_refuses_a_count_that_asks_for_more(parameters: dict[str, str], body: Any, reason: str) -> None:
    """What does not belong to a count is named."""
    with pytest.raises(Failure) as caught:
        count_order((), parameters, body)
    assert caught.value.reason == reason
