"""Aggregations over parts, combined, against a dumb way to compute them over everything."""

from __future__ import annotations

from typing import Any

from embedded_aggregations_harness import aggregated_index
from embedded_aggregations_reference import aggregate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.engines.embedded.aggregating import AggregatedIndex, run_aggregations
from isthmus.search.aggregations import combine, parse_aggregations

PROPERTIES = {
    "word": {"type": "keyword"},
    "long": {"type": "long"},
    "real": {"type": "double"},
    "flag": {"type": "boolean"},
    "when": {"type": "date"},
}
# multiples of a quarter, so that sums are exact in whatever order they are made
QUARTERS = st.integers(-40, 40).map(lambda number: number / 4)
# up to what a double holds exactly; single values beyond are told apart elsewhere
LONGS = st.one_of(st.integers(-30, 30), st.sampled_from([-(2**52), 2**52, 2**52 + 1]))
# four digits are a year, as in Elasticsearch: the reference takes every number for milliseconds
DATES = st.one_of(
    st.integers(-100_000_000_000, 100_000_000_000).filter(lambda number: not 1_000 <= abs(number) <= 9_999),
    st.sampled_from([0, -1, 951_782_400_000, 951_868_800_000]),
)


def one_or_many(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Answer a value or several."""
    return values | st.lists(values, min_size=1, max_size=3)


DOCUMENTS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "word": one_or_many(st.sampled_from(["a", "b", "B", "é", "z.z", ""])),
            "long": one_or_many(LONGS),
            "real": one_or_many(QUARTERS),
            "flag": st.booleans(),
            "when": one_or_many(DATES),
        },
    ),
    max_size=14,
)

METRICS = st.builds(
    lambda kind, field, missing: {
        kind: {"field": field, **({} if missing is None else {"missing": missing})}
    },
    st.sampled_from(["min", "max", "sum", "avg", "stats", "value_count"]),
    st.sampled_from(["long", "real"]),
    st.sampled_from([None, None, 3]),
)
FILTERS = st.sampled_from(
    [
        {"term": {"word": "a"}},
        {"term": {"flag": True}},
        {"range": {"real": {"gte": -2, "lt": 3.5}}},
        {"range": {"long": {"lt": 5}}},
    ]
)
ORDERS = st.sampled_from(["_count", "_key"]).flatmap(
    lambda key: st.sampled_from([{key: "asc"}, {key: "desc"}])
)
RANGES = st.lists(
    st.sampled_from(
        [{"to": 0}, {"from": 0, "to": 2.5}, {"from": 1, "to": 10}, {"from": -3.5}, {"from": 5, "to": 1}]
    ),
    min_size=1,
    max_size=3,
    unique_by=str,
)


def bucket_aggregations(below: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Answer aggregations of buckets with others below them."""
    fields = st.sampled_from(["word", "long", "real", "flag"])
    kinds = st.one_of(
        st.builds(
            lambda field, order, least: {
                "terms": {"field": field, "size": 100, "order": order, "min_doc_count": least}
            },
            fields,
            ORDERS,
            st.sampled_from([1, 1, 2]),
        ),
        st.just({"terms": {"field": "word", "size": 100, "missing": "none"}}),
        st.builds(
            lambda interval, offset, missing: {
                "histogram": {"field": "real", "interval": interval, "offset": offset, **missing}
            },
            st.sampled_from([1, 2.5, 0.5]),
            st.sampled_from([0, 0.25]),
            st.sampled_from([{}, {"missing": 1}, {"min_doc_count": 1}]),
        ),
        st.just({"date_histogram": {"field": "when", "calendar_interval": "month", "min_doc_count": 1}}),
        st.builds(lambda ranges: {"range": {"field": "real", "ranges": ranges}}, RANGES),
        st.builds(lambda ranges: {"range": {"field": "long", "ranges": ranges}}, RANGES),
        st.builds(lambda query: {"filter": query}, FILTERS),
        st.just({"missing": {"field": "real"}}),
        st.builds(
            lambda one, other: {"filters": {"filters": {"x": one, "y": other}, "other_bucket": True}},
            FILTERS,
            FILTERS,
        ),
    )
    return st.builds(
        lambda body, children: {**body, "aggs": children} if children else body,
        kinds,
        st.dictionaries(st.sampled_from(["one", "two.2"]), below, max_size=2),
    )


ORDERED_BY_METRIC = st.builds(
    lambda field, metric, path, direction, other: {
        "terms": {"field": field, "size": 100, "order": {path: direction}},
        "aggs": {"m": {metric: {"field": "real"}}, "f": {"filter": other}, "s": {"stats": {"field": "real"}}},
    },
    st.sampled_from(["word", "long", "real"]),
    st.sampled_from(["sum", "avg", "value_count"]),
    st.sampled_from(["m", "s.max", "f"]),
    st.sampled_from(["asc", "desc"]),
    FILTERS,
)
AGGREGATIONS = st.recursive(METRICS, bucket_aggregations, max_leaves=6) | ORDERED_BY_METRIC


def close(one: Any, other: Any) -> bool:
    """Tell whether two answers are the same, with a tolerance for sums of doubles only."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(close, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= 1e-9 * max(1.0, abs(one), abs(other))
    return type(one) is type(other) and bool(one == other)


def index_of(documents: list[dict[str, Any]]) -> AggregatedIndex:
    """Answer an index in several segments."""
    return aggregated_index(documents, PROPERTIES, commit_every=4)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    documents=DOCUMENTS,
    requests=st.lists(AGGREGATIONS, min_size=3, max_size=6),
    cuts=st.tuples(st.integers(0, 14), st.integers(0, 14)),
)
def test_combined_parts_equal_the_whole(
    documents: list[dict[str, Any]], requests: list[dict[str, Any]], cuts: tuple[int, int]
) -> None:
    """Three clusters, one of them with two indices, answer what one index with everything would."""
    tree = parse_aggregations({f"a{number}": each for number, each in enumerate(requests)})
    asked = tree.ask()
    first, second = sorted(cuts)
    parts = [documents[:first], documents[first:second], documents[second:]]
    indices = [index_of(part) for part in parts]
    expected = aggregate(documents, {f"a{number}": each for number, each in enumerate(requests)})

    whole = combine(tree, [run_aggregations([index_of(documents)], asked)])
    assert close(whole, expected), (whole, expected)
    over_clusters = combine(tree, [run_aggregations([index], asked) for index in indices])
    assert close(over_clusters, expected), (over_clusters, expected)
    over_indices = combine(tree, [run_aggregations(indices[:2], asked), run_aggregations(indices[2:], asked)])
    assert close(over_indices, expected), (over_indices, expected)
