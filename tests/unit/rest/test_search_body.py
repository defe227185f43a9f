"""Every key of a search's body is understood or refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.errors import Failure, FailureKind
from isthmus.exchange import FetchRequest, FieldRequest, HighlightField, SearchRequest, SortKey
from isthmus.rest.elasticsearch.search_order import search_question

MATCH = {"match": {"title": "isthmus"}}

UNDERSTOOD: list[tuple[Any, SearchRequest]] = [
    (None, SearchRequest()),
    ({}, SearchRequest()),
    ({"query": MATCH}, SearchRequest(query=MATCH)),
    ({"post_filter": MATCH}, SearchRequest(post_filter=MATCH)),
    ({"from": 5, "size": 3}, SearchRequest(offset=5, size=3)),
    ({"from": "5", "size": 3.0}, SearchRequest(offset=5, size=3)),
    ({"size": 0}, SearchRequest(size=0)),
    ({"sort": "price"}, SearchRequest(sort=(SortKey(field="price"),))),
    ({"sort": ["price", "_doc"]}, SearchRequest(sort=(SortKey(field="price"), SortKey(field="_doc")))),
    ({"sort": {"price": "desc"}}, SearchRequest(sort=(SortKey(field="price", descending=True),))),
    ({"sort": [{"price": "DESC"}]}, SearchRequest(sort=(SortKey(field="price", descending=True),))),
    ({"sort": ["_score"]}, SearchRequest()),
    ({"sort": [{"_score": "desc"}]}, SearchRequest()),
    ({"sort": [{"_score": "asc"}]}, SearchRequest(sort=(SortKey(field="_score"),))),
    (
        {"sort": ["_score", "price"]},
        SearchRequest(sort=(SortKey(field="_score", descending=True), SortKey(field="price"))),
    ),
    (
        {
            "sort": [
                {
                    "at": {
                        "order": "desc",
                        "missing": "_first",
                        "unmapped_type": "date",
                        "mode": "MAX",
                        "format": "strict_date_optional_time",
                    }
                }
            ]
        },
        SearchRequest(
            sort=(
                SortKey(
                    field="at",
                    descending=True,
                    missing="_first",
                    unmapped_type="date",
                    mode="max",
                    date_format="strict_date_optional_time",
                ),
            )
        ),
    ),
    (
        {"sort": ["price"], "search_after": [1.5]},
        SearchRequest(sort=(SortKey(field="price"),), search_after=(1.5,)),
    ),
    ({"_source": False}, SearchRequest(source=False)),
    ({"_source": True}, SearchRequest(source=True)),
    ({"_source": "a.*"}, SearchRequest(source={"includes": ["a.*"]})),
    ({"_source": ["a", "b"]}, SearchRequest(source={"includes": ["a", "b"]})),
    ({"_source": []}, SearchRequest(source={"includes": []})),
    ({"_source": {}}, SearchRequest(source=True)),
    (
        {"_source": {"include": "a", "exclude": ["b"]}},
        SearchRequest(source={"includes": ["a"], "excludes": ["b"]}),
    ),
    (
        {"_source": {"includes": ["a"], "excludes": "b"}},
        SearchRequest(source={"includes": ["a"], "excludes": ["b"]}),
    ),
    ({"aggs": {"a": {"max": {"field": "n"}}}}, SearchRequest(aggregations={"a": {"max": {"field": "n"}}})),
    (
        {"aggregations": {"a": {"max": {"field": "n"}}}},
        SearchRequest(aggregations={"a": {"max": {"field": "n"}}}),
    ),
    ({"track_total_hits": True}, SearchRequest(track_total_hits=True)),
    ({"track_total_hits": False}, SearchRequest(track_total_hits=False)),
    ({"track_total_hits": 100}, SearchRequest(track_total_hits=100)),
    ({"track_total_hits": -1}, SearchRequest(track_total_hits=False)),
    ({"track_scores": True}, SearchRequest(track_scores=True)),
    ({"min_score": 0.5}, SearchRequest(min_score=0.5)),
    ({"timeout": "500ms"}, SearchRequest(timeout_milliseconds=500)),
    ({"timeout": "2s"}, SearchRequest(timeout_milliseconds=2000)),
    ({"timeout": "1nanos"}, SearchRequest(timeout_milliseconds=1)),
    ({"timeout": "0"}, SearchRequest(timeout_milliseconds=0)),
    ({"timeout": "-1"}, SearchRequest()),
    ({"timeout": -1}, SearchRequest()),
    ({"terminate_after": 5}, SearchRequest(terminate_after=5)),
    ({"terminate_after": 0}, SearchRequest()),
    ({"version": True, "seq_no_primary_term": "true"}, SearchRequest(version=True, seq_no_primary_term=True)),
    # what Elasticsearch knows and this does not is fine while it asks for nothing
    ({"stored_fields": []}, SearchRequest(source=False)),
    ({"indices_boost": [{"a": 1}, {"b*": "2.5"}]}, SearchRequest(indices_boost=(("a", 1.0), ("b*", 2.5)))),
    ({"indices_boost": {"a": 1, "b": 2}}, SearchRequest(indices_boost=(("a", 1.0), ("b", 2.0)))),
    ({"fields": ["a"]}, SearchRequest(fetch=FetchRequest(fields=(FieldRequest(pattern="a"),)))),
    (
        {"docvalue_fields": [{"field": "a", "format": "f"}], "explain": True},
        SearchRequest(
            fetch=FetchRequest(docvalue_fields=(FieldRequest(pattern="a", format="f"),), explain=True)
        ),
    ),
    (
        {"stored_fields": ["a", "_source"]},
        SearchRequest(fetch=FetchRequest(stored_fields=("a",))),
    ),
    ({"stored_fields": "_none_"}, SearchRequest(source=False, fetch=FetchRequest(hide_id=True))),
    (
        {"highlight": {"order": "score", "fields": {"a": {"type": "plain"}, "b": {"order": "none"}}}},
        SearchRequest(
            fetch=FetchRequest(
                highlight=(
                    HighlightField(pattern="a", kind="plain", by_score=True),
                    HighlightField(pattern="b"),
                )
            )
        ),
    ),
    ({"highlight": {"fields": {}}}, SearchRequest()),
    ({"stored_fields": [], "_source": True}, SearchRequest(source=True)),
    ({"explain": False, "profile": False, "fields": [], "script_fields": {}, "pit": None}, SearchRequest()),
]


@pytest.mark.parametrize(("body", "expected"), UNDERSTOOD)
def test_understands_a_body(body: Any, expected: SearchRequest) -> None:
    """A body becomes a request."""
    assert search_question((), {}, body).order.request == expected


NOT_SUPPORTED = [
    ("ext", {"a": 1}),
    ("knn", {"field": "a"}),
    ("rank", {"rrf": {}}),
    ("retriever", {"standard": {}}),
    ("runtime_mappings", {"a": {"type": "long"}}),
    ("slice", {"id": 0, "max": 2}),
    ("stats", ["a"]),
]


@pytest.mark.parametrize(("name", "value"), NOT_SUPPORTED)
def test_refuses_by_name_what_it_does_not_do(name: str, value: Any) -> None:
    """Nothing that was asked for is silently left out."""
    with pytest.raises(Failure) as caught:
        search_question((), {}, {name: value})
    assert caught.value.reason == f"[{name}] is not supported by this deployment"
    assert caught.value.kind is FailureKind.INVALID_REQUEST


REFUSED: list[tuple[Any, str, str]] = [
    ([], "parsing_exception", "Expected [START_OBJECT] but found [START_ARRAY]"),
    ("x", "parsing_exception", "Expected [START_OBJECT] but found [VALUE_STRING]"),
    ({"querry": {}}, "parsing_exception", "Unknown key for a START_OBJECT in [querry]."),
    ({"foo": "x"}, "parsing_exception", "Unknown key for a VALUE_STRING in [foo]."),
    ({"foo": 1}, "parsing_exception", "Unknown key for a VALUE_NUMBER in [foo]."),
    ({"foo": True}, "parsing_exception", "Unknown key for a VALUE_BOOLEAN in [foo]."),
    ({"foo": None}, "parsing_exception", "Unknown key for a VALUE_NULL in [foo]."),
    ({"query": "x"}, "parsing_exception", "Unknown key for a VALUE_STRING in [query]."),
    ({"query": []}, "parsing_exception", "Unknown key for a START_ARRAY in [query]."),
    ({"from": -1}, "illegal_argument_exception", "[from] parameter cannot be negative, found [-1]"),
    ({"size": -1}, "illegal_argument_exception", "[size] parameter cannot be negative, found [-1]"),
    ({"size": "x"}, "parsing_exception", "[size] must be a whole number, found VALUE_STRING"),
    ({"size": 1.5}, "parsing_exception", "[size] must be a whole number, found VALUE_NUMBER"),
    ({"size": True}, "parsing_exception", "[size] must be a whole number, found VALUE_BOOLEAN"),
    (
        {"size": 2**31},
        "parsing_exception",
        "Numeric value (2147483648) out of range of int (-2147483648 - 2147483647)",
    ),
    ({"sort": 1}, "parsing_exception", "malformed sort format"),
    ({"sort": [["a"]]}, "parsing_exception", "malformed sort format"),
    ({"sort": {"a": 1}}, "parsing_exception", "[a] malformed sort format, found VALUE_NUMBER"),
    ({"sort": {"a": "up"}}, "illegal_argument_exception", "Unknown SortOrder [up]"),
    ({"sort": {"a": {"order": 1}}}, "illegal_argument_exception", "Unknown SortOrder [1]"),
    ({"sort": {"a": {"mode": "first"}}}, "illegal_argument_exception", "Unknown SortMode [first]"),
    ({"sort": {"a": {"mode": 1}}}, "parsing_exception", "[mode] must be a string"),
    ({"sort": {"a": {"foo": 1}}}, "parsing_exception", "[field_sort] unknown field [foo]"),
    ({"sort": {"a": {"missing": []}}}, "parsing_exception", "[missing] must be a value"),
    ({"sort": {"a": {"format": "yyyy["}}}, "illegal_argument_exception", "Invalid format: [yyyy[]"),
    ({"sort": [""]}, "illegal_argument_exception", "field name cannot be empty in [sort]"),
    ({"sort": {"a": {"nested": {}}}}, "illegal_argument_exception", "[sort.nested] is not supported"),
    ({"sort": {"_script": {}}}, "illegal_argument_exception", "[sort by _script] is not supported"),
    ({"sort": {"_geo_distance": {}}}, "illegal_argument_exception", "[sort by _geo_distance] is not"),
    ({"search_after": "x"}, "parsing_exception", "Expected [START_ARRAY] in [search_after]"),
    ({"search_after": []}, "illegal_argument_exception", "Values must contains at least one value."),
    ({"search_after": [{}]}, "parsing_exception", "Expected [VALUE_STRING] or [VALUE_NUMBER]"),
    ({"_source": 1}, "parsing_exception", "Expected one of [VALUE_BOOLEAN, VALUE_STRING"),
    ({"_source": [1]}, "parsing_exception", "[_source] must be a string or a list of strings"),
    ({"_source": {"only": ["a"]}}, "parsing_exception", "Unknown key for a START_ARRAY in [only]."),
    ({"aggs": []}, "parsing_exception", "Unknown key for a START_ARRAY in [aggs]."),
    (
        {"track_total_hits": -2},
        "illegal_argument_exception",
        "[track_total_hits] parameter must be positive or equals to -1, got -2",
    ),
    ({"track_scores": "x"}, "parsing_exception", "[track_scores] must be a boolean, found VALUE_STRING"),
    ({"min_score": "x"}, "parsing_exception", "[min_score] must be a number"),
    ({"min_score": None}, "parsing_exception", "[min_score] must be a number"),
    ({"min_score": "inf"}, "parsing_exception", "[min_score] must be a number"),
    ({"timeout": "5"}, "illegal_argument_exception", "failed to parse setting [timeout] with value [5]"),
    ({"timeout": "1.5s"}, "illegal_argument_exception", "failed to parse setting [timeout]"),
    ({"timeout": True}, "illegal_argument_exception", "failed to parse setting [timeout]"),
    ({"terminate_after": -1}, "illegal_argument_exception", "terminateAfter must be > 0"),
]


@pytest.mark.parametrize(("body", "error_type", "reason"), REFUSED)
def test_refuses_a_body_that_is_not_understood(body: Any, error_type: str, reason: str) -> None:
    """The message names the key and what is wrong with it."""
    with pytest.raises(Failure) as caught:
        search_question((), {}, body)
    assert (caught.value.kind, caught.value.error_type) == (FailureKind.INVALID_REQUEST, error_type)
    assert caught.value.reason.startswith(reason)


_KEYS = st.sampled_from(
    [
        "query",
        "from",
        "size",
        "sort",
        "search_after",
        "_source",
        "aggs",
        "track_total_hits",
        "min_score",
        "timeout",
        "terminate_after",
        "version",
        "highlight",
        "foo",
        "track_scores",
        "post_filter",
        "order",
        "missing",
        "format",
        "mode",
        "a",
    ]
)
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats()
    | st.sampled_from(["", "1", "1s", "desc", "a", "true"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(_JSON)
def test_whatever_the_body_the_answer_is_a_request_or_a_callers_failure(body: Any) -> None:
    """No JSON makes the parser fail in another way."""
    try:
        assert isinstance(search_question((), {}, body).order.request, SearchRequest)
    except Failure as failure:
        assert failure.kind is FailureKind.INVALID_REQUEST  # noqa: PT017 - raising is allowed, not required
