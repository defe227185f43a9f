"""``filter_path``."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.errors import Failure
from isthmus.rest.elasticsearch.response_filter import parse_response_filter

ANSWER = {
    "took": 3,
    "hits": {
        "total": {"value": 2, "relation": "eq"},
        "hits": [{"_id": "1", "_source": {"a": 1, "b": {"c": 2}}}, {"_id": "2", "_source": {"b": {}}}],
    },
    "empty": {},
    "a.b": {"c": 1},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("took", {"took": 3}),
        ("took,hits.total.value", {"took": 3, "hits": {"total": {"value": 2}}}),
        ("hits.hits._id", {"hits": {"hits": [{"_id": "1"}, {"_id": "2"}]}}),
        ("hits.hits._source.a", {"hits": {"hits": [{"_source": {"a": 1}}]}}),
        (
            "hits.hits._source",
            {"hits": {"hits": [{"_source": {"a": 1, "b": {"c": 2}}}, {"_source": {"b": {}}}]}},
        ),
        ("t*", {"took": 3}),
        ("h*.t*.v*", {"hits": {"total": {"value": 2}}}),
        ("**.c", {"hits": {"hits": [{"_source": {"b": {"c": 2}}}]}, "a.b": {"c": 1}}),
        ("hits.**._id", {"hits": {"hits": [{"_id": "1"}, {"_id": "2"}]}}),
        ("a\\.b.c", {"a.b": {"c": 1}}),
        ("nothing", {}),
        ("empty", {"empty": {}}),
        ("-hits,-empty,-a\\.b", {"took": 3}),
        ("hits,-hits.hits", {"hits": {"total": {"value": 2, "relation": "eq"}}}),
        ("hits.total,-**.relation", {"hits": {"total": {"value": 2}}}),
        ("-**.value,-**.relation,-**._source,-took,-a\\.b,-**._id", {"empty": {}}),
        ("", ANSWER),
        ("**", ANSWER),
        ("*", ANSWER),
    ],
)
def test_keeps_what_is_asked_for(text: str, expected: Any) -> None:
    """Wildcards match names, two of them any depth; exclusions come after inclusions."""
    assert parse_response_filter(text).apply(ANSWER) == expected


def test_deep_answers_and_long_filters_are_refused() -> None:
    """Neither makes a 500."""
    deep: Any = {}
    for _ in range(3000):
        deep = {"a": deep}
    with pytest.raises(Failure, match="too deeply"):
        parse_response_filter("**.b").apply(deep)
    with pytest.raises(Failure, match="more than"):
        parse_response_filter(",".join(f"a{number}" for number in range(300)))


json_values = st.recursive(
    st.none() | st.integers() | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("ab", min_size=1, max_size=2), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=150)
@given(
    value=st.dictionaries(st.text("ab", min_size=1, max_size=2), json_values, max_size=3),
    text=st.text("ab*.,-", max_size=12),
)
def test_a_filter_only_takes_away(value: dict[str, Any], text: str) -> None:
    """Whatever the pattern, what is left was there, and filtering again changes nothing."""
    wanted = parse_response_filter(text)
    filtered = wanted.apply(value)
    assert _is_part_of(filtered, value)
    assert wanted.apply(filtered) == filtered


def _is_part_of(part: Any, whole: Any) -> bool:
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            name in whole and _is_part_of(value, whole[name]) for name, value in part.items()
        )
    if isinstance(part, list):
        return isinstance(whole, list) and len(part) <= len(whole)
    return bool(part == whole)
