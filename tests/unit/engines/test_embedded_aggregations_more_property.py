"""Aggregations that the library has not, over whatever documents: clusters answer as one index does."""

from __future__ import annotations

from typing import Any

from embedded_aggregations_buckets import DAY, answer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ONE_OR_MANY = st.integers(-3, 3) | st.lists(st.integers(-3, 3), min_size=1, max_size=3)
ANY_DOCUMENTS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "word": st.sampled_from(["a", "b", "", "é", ["a", "c"]]),
            "long": ONE_OR_MANY,
            "real": st.integers(-8, 8).map(lambda number: number / 4),
            "flag": st.booleans(),
            "when": st.integers(0, 900).map(lambda number: 1_700_000_000_000 + number * DAY),
            "ip": st.sampled_from(["10.0.0.1", "10.0.0.200", "::1", "ff::"]),
        },
    ),
    max_size=12,
)
SOURCES = st.lists(
    st.builds(
        lambda field, order, missing: {field: {"terms": {"field": field, "order": order, **missing}}},
        st.sampled_from(["word", "long", "real", "flag", "ip", "when"]),
        st.sampled_from(["asc", "desc"]),
        st.sampled_from([{}, {"missing_bucket": True}, {"missing_bucket": True, "missing_order": "last"}]),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda source: next(iter(source)),
)
BELOW = {"s": {"sum": {"field": "long"}}, "t": {"terms": {"field": "word", "size": 100}}}
ANY_REQUESTS = st.one_of(
    st.builds(
        lambda field, most: {"rare_terms": {"field": field, "max_doc_count": most}, "aggs": BELOW},
        st.sampled_from(["word", "long", "flag", "ip", "when"]),
        st.integers(1, 3),
    ),
    st.builds(
        lambda fields: {
            "multi_terms": {"terms": [{"field": each} for each in fields], "size": 1_000},
            "aggs": BELOW,
        },
        st.lists(
            st.sampled_from(["word", "long", "real", "flag", "ip"]), min_size=2, max_size=3, unique=True
        ),
    ),
    st.builds(
        lambda buckets: {"auto_date_histogram": {"field": "when", "buckets": buckets}, "aggs": BELOW},
        st.integers(1, 40),
    ),
    st.builds(
        lambda interval, zone, more: {
            "date_histogram": {"field": "when", "time_zone": zone, **interval, **more},
            "aggs": {**BELOW, "d": {"derivative": {"buckets_path": "s"}}},
        },
        st.sampled_from(
            [
                {"calendar_interval": "month"},
                {"calendar_interval": "week"},
                {"calendar_interval": "quarter"},
                {"fixed_interval": "36h"},
            ]
        ),
        st.sampled_from(["UTC", "Europe/Berlin", "-07:30"]),
        st.sampled_from(
            [
                {"offset": "+6h"},
                {"keyed": True, "format": "yyyy-MM-dd'T'HH"},
                {"extended_bounds": {"min": 1_690_000_000_000, "max": 1_720_000_000_000}},
                {"hard_bounds": {"min": 1_705_000_000_000}},
                {"missing": 1_710_000_000_000},
            ]
        ),
    ),
    st.builds(
        lambda more: {
            "histogram": {"field": "real", "interval": 0.75, **more},
            "aggs": {**BELOW, "c": {"cumulative_sum": {"buckets_path": "s"}}},
        },
        st.sampled_from(
            [
                {"offset": 0.5, "keyed": True},
                {"extended_bounds": {"min": -5, "max": 5}, "format": "0.00"},
                {"hard_bounds": {"min": -1, "max": 1}},
                {"order": {"_count": "desc"}},
            ]
        ),
    ),
    st.builds(
        lambda order, more: {"terms": {"field": "word", "size": 100, "order": order, **more}, "aggs": BELOW},
        st.sampled_from(
            [{"_count": "asc"}, {"_key": "desc"}, {"s": "desc"}, [{"s": "asc"}, {"_key": "desc"}]]
        ),
        st.sampled_from(
            [
                {"include": ["a", "é"]},
                {"include": "[a-c]", "exclude": ["b"]},
                {"missing": "none", "min_doc_count": 2},
                {"include": {"partition": 1, "num_partitions": 2}},
                {"show_term_doc_count_error": True},
            ]
        ),
    ),
    st.sampled_from(
        [
            {
                "ip_range": {"field": "ip", "ranges": [{"mask": "10.0.0.0/25"}, {"from": "::1"}]},
                "aggs": BELOW,
            },
            {
                "date_range": {
                    "field": "when",
                    "ranges": [{"to": "2024"}, {"from": "2024", "to": "2025"}],
                    "format": "yyyy",
                },
                "aggs": BELOW,
            },
            {
                "adjacency_matrix": {
                    "filters": {"a": {"term": {"word": "a"}}, "n": {"range": {"long": {"gt": 0}}}}
                },
                "aggs": BELOW,
            },
        ]
    ),
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    documents=ANY_DOCUMENTS, requests=st.lists(ANY_REQUESTS, min_size=2, max_size=3), seed=st.integers(1, 4)
)
def test_clusters_together_answer_as_one_index_with_everything(
    documents: list[dict[str, Any]], requests: list[dict[str, Any]], seed: int
) -> None:
    """One, two and five clusters, whatever is where."""
    named = {f"a{number}": each for number, each in enumerate(requests)}
    pipelines = {"p": {"stats_bucket": {"buckets_path": "a0>s"}}}
    whole = answer({**named, **pipelines}, [documents])
    for clusters in (2, 5):
        dealt = [
            [each for number, each in enumerate(documents) if (number * seed) % clusters == place]
            for place in range(clusters)
        ]
        assert sum(map(len, dealt)) == len(documents)
        assert answer({**named, **pipelines}, dealt) == whole


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents=ANY_DOCUMENTS, sources=SOURCES, size=st.integers(1, 5))
def test_pages_over_clusters_are_pages_over_one_index(
    documents: list[dict[str, Any]], sources: list[dict[str, Any]], size: int
) -> None:
    """All pages together are every combination once, in order, and equal over one, two and five clusters."""
    everything = answer(
        {"x": {"composite": {"sources": sources, "size": 10_000}, "aggs": BELOW}}, [documents]
    )["x"]
    for clusters in (1, 2, 5):
        dealt = [documents[place::clusters] for place in range(clusters)]
        listed: list[dict[str, Any]] = []
        after: dict[str, Any] = {}
        while True:
            request = {"composite": {"sources": sources, "size": size, **after}, "aggs": BELOW}
            found = answer({"x": request}, dealt)["x"]
            listed += found["buckets"]
            if len(found["buckets"]) < size:
                break
            after = {"after": found["after_key"]}
        assert listed == everything["buckets"]
