"""Answers of other clusters that make no sense: a failure of that cluster, and never of this node."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.errors import Failure, Fault
from isthmus.search.aggregations import combine, parse_aggregations

REQUESTS: dict[str, dict[str, Any]] = {
    "rare_terms": {"rare_terms": {"field": "k"}},
    "multi_terms": {"multi_terms": {"terms": [{"field": "k"}, {"field": "l"}]}},
    "composite": {
        "composite": {
            "sources": [
                {"k": {"terms": {"field": "k"}}},
                {"d": {"date_histogram": {"field": "d", "calendar_interval": "day", "format": "yyyy"}}},
            ]
        }
    },
    "auto_date_histogram": {"auto_date_histogram": {"field": "d"}},
    "date_range": {"date_range": {"field": "d", "ranges": [{"from": "2024"}]}},
    "ip_range": {"ip_range": {"field": "i", "ranges": [{"to": "10.0.0.1"}]}},
    "adjacency_matrix": {"adjacency_matrix": {"filters": {"a": {"match_all": {}}}}},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**19) | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["key", "doc_count", "k", "d", "0", "from"]), inner, max_size=3)
    ),
    max_leaves=6,
)
BUCKETS = st.fixed_dictionaries(
    {
        "key": JSON | st.just({"k": "a", "d": 0}) | st.just(["a", 1]) | st.integers(0, 10**13) | st.just("0"),
        "doc_count": st.integers(0, 3) | JSON,
    },
    optional={"from": JSON, "key_as_string": JSON, "values": JSON},
)
PARTS = st.fixed_dictionaries(
    {"buckets": st.lists(BUCKETS, max_size=3) | JSON},
    optional={
        "interval": st.sampled_from(["1s", "1M", "7x", ""]) | JSON,
        "sum_other_doc_count": st.integers(0, 3) | JSON,
        "doc_count_error_upper_bound": st.integers(0, 3) | JSON,
        "frequent": JSON,
        "key_types": JSON,
        "samples": JSON,
    },
)


@pytest.mark.parametrize("kind", REQUESTS)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(parts=st.lists(PARTS, min_size=1, max_size=3))
def test_nonsense_is_not_understood(kind: str, parts: list[dict[str, Any]]) -> None:
    """Whatever a cluster answers, it is combined or refused."""
    tree = parse_aggregations({"x": REQUESTS[kind]})
    try:
        combine(tree, [{"x": part} for part in parts])
    except Failure as failure:
        assert failure.fault is Fault.REMOTE or failure.error_type in (  # noqa: PT017 - or there is none
            "too_many_buckets_exception",
            "aggregation_execution_exception",
        )
