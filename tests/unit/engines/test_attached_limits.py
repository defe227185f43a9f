"""Queries as they go to an attached engine: narrowed, with hidden fields renamed, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.engines.attached.field_types import field_types
from isthmus.engines.attached.limits import HIDDEN, Limits, unhidden
from isthmus.errors import Failure
from isthmus.exchange import FieldAccess, IndexSelection
from isthmus.names import IndexName

TYPES = field_types(
    {
        "properties": {
            "secret": {"type": "keyword"},
            "open": {"type": "text", "fields": {"raw": {"type": "keyword"}}},
            "other_name": {"type": "alias", "path": "secret"},
        }
    }
)
H = HIDDEN


def limits(*filters: Any, excepted: tuple[str, ...] = ()) -> Limits:
    """Answer the limits of a selection."""
    access = (FieldAccess(excepted=excepted),) if excepted else ()
    selection = IndexSelection(index=IndexName("i"), document_filters=filters, field_access=access)
    return Limits(selection, TYPES)


def test_without_limits_a_query_stays_as_it_is() -> None:
    """And none at all matches everything."""
    query = {"bool": {"must": [{"match": {"open": "x"}}], "boost": 2.0}}
    assert limits().query(query) == query
    assert limits().query(None) == {"match_all": {}}


def test_documents_are_hidden_by_filters_that_do_not_score() -> None:
    """Each filter must match."""
    one, other = {"term": {"a": 1}}, {"term": {"b": 2}}
    assert limits(one, other).query({"match": {"open": "x"}}) == {
        "bool": {"must": [{"match": {"open": "x"}}], "filter": [one, other]}
    }


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ({"term": {"secret": 1}}, {"term": {f"{H}secret": 1}}),
        ({"term": {"other_name": 1}}, {"term": {f"{H}other_name": 1}}),
        ({"terms": {"secret": [1], "boost": 2}}, {"terms": {f"{H}secret": [1], "boost": 2}}),
        ({"exists": {"field": "secret"}}, {"exists": {"field": f"{H}secret"}}),
        ({"ids": {"values": ["1"]}}, {"ids": {"values": ["1"]}}),
        ({"term": {"_id": "1"}}, {"term": {"_id": "1"}}),
        ({"match": {"open.raw": "x"}}, {"match": {"open.raw": "x"}}),
        (
            {"multi_match": {"query": "x", "fields": ["secret^2", "open"]}},
            {"multi_match": {"query": "x", "fields": [f"{H}secret^2", "open"]}},
        ),
        (
            {"bool": {"must_not": {"nested": {"path": "n", "query": {"prefix": {"secret": "s"}}}}}},
            {"bool": {"must_not": {"nested": {"path": "n", "query": {"prefix": {f"{H}secret": "s"}}}}}},
        ),
        (
            {
                "function_score": {
                    "query": {"match_all": {}},
                    "functions": [{"filter": {"term": {"secret": 1}}, "weight": 2}],
                    "gauss": {"secret": {"origin": 1, "scale": 1}},
                }
            },
            {
                "function_score": {
                    "query": {"match_all": {}},
                    "functions": [{"filter": {"term": {f"{H}secret": 1}}, "weight": 2}],
                    "gauss": {f"{H}secret": {"origin": 1, "scale": 1}},
                }
            },
        ),
    ],
)
def test_hidden_fields_are_asked_for_by_names_that_no_index_has(query: Any, asked: Any) -> None:
    """By whatever clause, however deep, and by other names of the same field."""
    assert limits(excepted=("secret",)).query(query) == asked


@pytest.mark.parametrize(
    "query",
    [
        {"query_string": {"query": "secret:x", "fields": ["open"]}},
        {"query_string": {"query": "x"}},
        {"multi_match": {"query": "x", "fields": ["s*"]}},
        {"exists": {"field": "s*"}},
        {"terms_set": {"open": {"terms": ["x"], "minimum_should_match_field": "secret"}}},
    ],
)
def test_what_could_name_hidden_fields_is_refused(query: Any) -> None:
    """Where there are any; otherwise it is asked as it is."""
    assert limits().query(query) == query
    with pytest.raises(Failure, match="is not supported"):
        limits(excepted=("secret",)).query(query)


@pytest.mark.parametrize(
    "query",
    [
        {"terms": {"open": {"index": "other", "id": "1", "path": "p"}}},
        {"geo_shape": {"place": {"indexed_shape": {"index": "other", "id": "1"}}}},
        {"intervals": {"open": {"match": {"query": "x", "filter": {"script": {"source": "true"}}}}}},
        {"function_score": {"script_score": {"script": "1"}}},
        {"terms_set": {"open": {"terms": ["x"], "minimum_should_match_script": {"source": "1"}}}},
        {"nested": {"path": "n", "query": {"match_all": {}}, "inner_hits": {}}},
        {"script": {"script": "true"}},
        {"wrapper": {"query": "e30="}},
        {"more_like_this": {"like": [{"_index": "other", "_id": "1"}]}},
        {"has_child": {"type": "c", "query": {"match_all": {}}}},
        {"bool": {"filter": [{"percolate": {"field": "q", "index": "other", "id": "1"}}]}},
        {"unheard_of": {}},
        {"match": {"a": 1}, "term": {"b": 2}},
        [],
        {"bool": "x"},
    ],
)
def test_what_reads_past_a_caller_or_is_no_query_is_refused(query: Any) -> None:
    """For every caller: the engine would do it with an identity that may do everything."""
    with pytest.raises(Failure) as raised:
        limits().query(query)
    assert raised.value.kind.name == "INVALID_REQUEST"


def test_queries_are_as_deep_as_everywhere() -> None:
    """Beyond, they are refused instead of walked through."""
    query: Any = {"match_all": {}}
    for _ in range(200):
        query = {"bool": {"must": [query]}}
    with pytest.raises(Failure, match="nested depth"):
        limits().query(query)


def test_messages_name_fields_as_the_caller_did() -> None:
    """The name that no index has is nobody's business."""
    assert unhidden(f"No mapping found for [{HIDDEN}secret]") == "No mapping found for [secret]"
