"""Aggregations computed out of the combined answers of others."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.errors import Failure
from isthmus.search.aggregations import combine, parse_aggregations, with_typed_keys

MONTHS = ("2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01")
STARTS = (1_704_067_200_000, 1_706_745_600_000, 1_709_251_200_000, 1_711_929_600_000)
HISTOGRAM = {"date_histogram": {"field": "when", "calendar_interval": "month", "format": "yyyy-MM-dd"}}
NO_HISTOGRAM = "aggregation [p] must have a histogram, date_histogram or auto_date_histogram as parent"
SUM = {"sum": {"field": "n"}}


def part(*numbers: float | None) -> dict[str, Any]:
    """Answer a cluster's histogram by month: a sum a month, None for a month without documents."""
    return {
        "buckets": [
            {"key": key, "key_as_string": text, "doc_count": 1, "s": {"value": float(number)}}
            for key, text, number in zip(STARTS, MONTHS, numbers, strict=False)
            if number is not None
        ]
    }


def inside(*parts: dict[str, Any], **pipelines: Any) -> list[dict[str, Any]]:
    """Answer the months of several clusters with pipelines inside of them."""
    tree = parse_aggregations({"h": {**HISTOGRAM, "aggs": {**pipelines, "s": SUM}}})
    buckets: list[dict[str, Any]] = combine(tree, [{"h": each} for each in parts])["h"]["buckets"]
    return buckets


def values(buckets: list[dict[str, Any]], name: str = "p") -> list[Any]:
    """Answer the number of a pipeline a bucket, "-" where it added none."""
    return [bucket[name]["value"] if name in bucket else "-" for bucket in buckets]


def beside(*parts: dict[str, Any], **pipelines: Any) -> dict[str, Any]:
    """Answer pipelines beside the months of several clusters."""
    tree = parse_aggregations({**pipelines, "h": {**HISTOGRAM, "aggs": {"s": SUM}}})
    return combine(tree, [{"h": each} for each in parts])


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        ({"derivative": {"buckets_path": "s"}}, ["-", 2.0, None, None]),
        ({"derivative": {"buckets_path": "s", "gap_policy": "insert_zeros"}}, ["-", 2.0, -5.0, 8.0]),
        ({"derivative": {"buckets_path": "_count"}}, ["-", -1.0, -1.0, 1.0]),
        ({"cumulative_sum": {"buckets_path": "s"}}, [3.0, 8.0, 8.0, 16.0]),
        ({"cumulative_sum": {"buckets_path": "s.value"}}, [3.0, 8.0, 8.0, 16.0]),
        ({"serial_diff": {"buckets_path": "s"}}, ["-", 2.0, "-", "-"]),
        ({"serial_diff": {"buckets_path": "s", "lag": 3}}, ["-", "-", "-", 5.0]),
        ({"normalize": {"buckets_path": "s", "method": "percent_of_sum"}}, [3 / 16, 5 / 16, None, 0.5]),
        ({"normalize": {"buckets_path": "s", "method": "rescale_0_1"}}, [0.0, 0.4, None, 1.0]),
        ({"normalize": {"buckets_path": "s", "method": "rescale_0_100"}}, [0.0, 40.0, None, 100.0]),
        (
            {
                "bucket_script": {
                    "buckets_path": {"x": "s", "n": "_count"},
                    "script": "params.x / params.n + 1",
                }
            },
            [2.5, 6.0, "-", 9.0],
        ),
        (
            {
                "bucket_script": {
                    "buckets_path": {"x": "s"},
                    "script": "params.x",
                    "gap_policy": "insert_zeros",
                }
            },
            [3.0, 5.0, 0.0, 8.0],
        ),
    ],
)
def test_buckets_are_joined_before_pipelines_are_computed(
    pipeline: dict[str, Any], expected: list[Any]
) -> None:
    """January is in two clusters, March in none: what follows from the months is of all clusters."""
    buckets = inside(part(1, 5, None, 8), part(2), p=pipeline)
    assert values(buckets) == expected


def test_a_pipeline_may_need_another_in_whatever_order_they_stand() -> None:
    """The second difference is computed after the first, though it is written before it."""
    second = {"derivative": {"buckets_path": "first"}}
    buckets = inside(part(1, 2, 4, 8), second=second, first={"derivative": {"buckets_path": "s"}})
    assert values(buckets, "first") == ["-", 1.0, 2.0, 4.0]
    assert values(buckets, "second") == ["-", None, 1.0, 2.0]


def test_a_derivative_is_also_given_for_a_unit_of_time() -> None:
    """January has 31 days, February 29."""
    buckets = inside(part(0, 62, 120), p={"derivative": {"buckets_path": "s", "unit": "day"}})
    assert [bucket["p"]["normalized_value"] for bucket in buckets[1:]] == [2.0, 2.0]


def test_numbers_are_written_by_a_pattern() -> None:
    """``format`` writes the number beside itself."""
    normalize = {"buckets_path": "s", "method": "percent_of_sum", "format": "00.00%"}
    (bucket, *_) = inside(part(1, 7), p={"normalize": normalize})
    assert bucket["p"] == {"value": 0.125, "value_as_string": "12.50%"}


@pytest.mark.parametrize(
    ("kind", "more", "expected"),
    [
        ("avg_bucket", {}, {"value": 16 / 3}),
        ("sum_bucket", {}, {"value": 16.0}),
        ("max_bucket", {}, {"value": 8.0, "keys": ["2024-04-01"]}),
        ("min_bucket", {}, {"value": 3.0, "keys": ["2024-01-01"]}),
        ("min_bucket", {"gap_policy": "insert_zeros"}, {"value": 0.0, "keys": ["2024-03-01"]}),
        ("stats_bucket", {}, {"count": 3, "min": 3.0, "max": 8.0, "avg": 16 / 3, "sum": 16.0}),
        (
            "percentiles_bucket",
            {"percents": [0, 50, 100]},
            {"values": {"0.0": 3.0, "50.0": 5.0, "100.0": 8.0}},
        ),
        ("percentiles_bucket", {"percents": [99], "keyed": False}, {"values": [{"key": 99.0, "value": 8.0}]}),
        ("sum_bucket", {"format": "#,##0.0#"}, {"value": 16.0, "value_as_string": "16.0"}),
    ],
)
def test_metrics_of_buckets_are_of_the_buckets_of_all_clusters(
    kind: str, more: dict[str, Any], expected: dict[str, Any]
) -> None:
    """The sums of four months, of two clusters, in one number."""
    answer = beside(part(1, 5, None, 8), part(2), p={kind: {"buckets_path": "h>s", **more}})
    assert answer["p"] == expected


def test_metrics_of_no_buckets_are_nothing() -> None:
    """Without a bucket there is no average, no greatest and a sum of zero."""
    kinds = ("avg_bucket", "max_bucket", "sum_bucket", "stats_bucket")
    answer = beside(part(), **{kind: {kind: {"buckets_path": "h>s"}} for kind in kinds})
    assert answer["avg_bucket"] == {"value": None}
    assert answer["max_bucket"] == {"value": None, "keys": []}
    assert answer["sum_bucket"] == {"value": 0.0}
    assert answer["stats_bucket"] == {"count": 0, "min": None, "max": None, "avg": None, "sum": 0.0}


def test_extended_stats_of_buckets_have_squares_and_deviations() -> None:
    """The same members as the metric over documents has."""
    answer = beside(part(1, 3), p={"extended_stats_bucket": {"buckets_path": "h>s", "sigma": 1}})["p"]
    assert (answer["sum_of_squares"], answer["variance"], answer["std_deviation"]) == (10.0, 1.0, 1.0)
    assert answer["std_deviation_bounds"]["upper"] == 3.0


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ({"sort": [{"s": {"order": "desc"}}]}, [8.0, 5.0, 3.0]),
        ({"sort": ["s"], "size": 2}, [3.0, 5.0]),
        ({"sort": [{"_key": {"order": "desc"}}], "from": 1, "size": 2}, [0.0, 5.0]),
        ({"from": 2}, [0.0, 8.0]),
        ({"sort": [{"_count": "desc"}, {"s": "desc"}], "gap_policy": "insert_zeros"}, [3.0, 8.0, 5.0, 0.0]),
    ],
)
def test_buckets_are_sorted_and_cut_when_all_are_there(sort: dict[str, Any], expected: list[float]) -> None:
    """What has no number to be sorted by falls away unless zero stands for it."""
    buckets = inside(part(1, 5, None, 8), part(2), p={"bucket_sort": sort})
    assert [bucket["s"]["value"] for bucket in buckets] == expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("params.x > 4", [5.0, 8.0]),
        ("params['x'] >= 3 && params.x < 8", [3.0, 5.0]),
        ({"source": "params.x * 2 == params.y", "params": {"y": 10}}, [5.0]),
        ({"source": "x - 3 == 0", "lang": "expression"}, [3.0]),
        ("params.x > 4 ? false : true", [3.0, 0.0]),
        ("!(params.x > 4) || false", [3.0, 0.0]),
        ("return params.x % 2 != 0;", [3.0, 5.0, 0.0]),
    ],
)
def test_a_script_selects_buckets(script: Any, expected: list[float]) -> None:
    """The sum that decides is of all clusters; a bucket without a number compares with nothing."""
    selector = {"bucket_selector": {"buckets_path": {"x": "s"}, "script": script}}
    buckets = inside(part(1, 5, None, 8), part(2), p=selector)
    assert [bucket["s"]["value"] for bucket in buckets] == expected


def test_paths_lead_through_filters_and_to_single_buckets() -> None:
    """``f>h['2024-02-01']>s`` is one number, ``f>h._bucket_count`` how many buckets there are."""
    request = {
        "t": {
            "terms": {"field": "k"},
            "aggs": {
                "f": {"filter": {"match_all": {}}, "aggs": {"h": {**HISTOGRAM, "aggs": {"s": SUM}}}},
                "february": {
                    "bucket_script": {"buckets_path": {"x": "f>h['2024-02-01']>s"}, "script": "params.x"}
                },
                "months": {
                    "bucket_script": {"buckets_path": {"x": "f>h._bucket_count"}, "script": "params.x"}
                },
                "best": {"max_bucket": {"buckets_path": "f>h>s"}},
            },
        },
        "all": {"sum_bucket": {"buckets_path": "t>best"}},
    }
    bucket = {"key": "a", "doc_count": 2, "f": {"doc_count": 2, "h": part(1, 5)}}
    answer = combine(
        parse_aggregations(request),
        [{"t": {"doc_count_error_upper_bound": 0, "sum_other_doc_count": 0, "buckets": [bucket]}}] * 2,
    )
    (found,) = answer["t"]["buckets"]
    assert (found["february"], found["months"]) == ({"value": 10.0}, {"value": 2.0})
    assert found["best"] == {"value": 10.0, "keys": ["2024-02-01"]}
    assert answer["all"] == {"value": 10.0}


def test_pipelines_are_not_asked_of_clusters_and_keep_their_meta() -> None:
    """A cluster is asked for the sums alone."""
    tree = parse_aggregations(
        {
            "h": {**HISTOGRAM, "aggs": {"s": SUM, "d": {"derivative": {"buckets_path": "s"}}}},
            "p": {"avg_bucket": {"buckets_path": "h>d"}, "meta": {"of": "us"}},
        }
    )
    assert list(tree.ask()) == ["h"]
    assert list(tree.ask()["h"]["aggs"]) == ["s"]
    final = combine(tree, [{"h": part(1, 4)}])
    assert final["p"] == {"meta": {"of": "us"}, "value": 3.0}
    typed = with_typed_keys(tree, final)
    assert typed["simple_value#p"]["value"] == 3.0
    assert typed["date_histogram#h"]["buckets"][1]["derivative#d"] == {"value": 3.0}


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (
            {"p": {"derivative": {"buckets_path": "s"}}, "s": SUM},
            f"derivative {NO_HISTOGRAM} but doesn't have a parent",
        ),
        (
            {
                "t": {
                    "terms": {"field": "k"},
                    "aggs": {"s": SUM, "p": {"cumulative_sum": {"buckets_path": "s"}}},
                }
            },
            f"cumulative_sum {NO_HISTOGRAM}",
        ),
        (
            {
                "t": {
                    "histogram": {"field": "n", "interval": 1, "min_doc_count": 1},
                    "aggs": {"s": SUM, "p": {"serial_diff": {"buckets_path": "s"}}},
                }
            },
            "parent histogram of serial_diff aggregation [p] must have min_doc_count of 0",
        ),
        (
            {"s": SUM, "p": {"bucket_sort": {"sort": ["s"]}}},
            "bucket_sort aggregation [p] must be declared inside of another aggregation",
        ),
        (
            {"t": {"terms": {"field": "k"}, "aggs": {"p": {"bucket_sort": {}}}}},
            "[p] is configured to perform nothing. Please set either of [sort, size, from] to use",
        ),
        (
            {"p": {"avg_bucket": {"buckets_path": "x>y"}}},
            "buckets_path aggregation does not exist for aggregation [p]: x>y",
        ),
        (
            {"s": SUM, "p": {"avg_bucket": {"buckets_path": "s"}}},
            "must be a multi-bucket aggregation for aggregation [p] found :sum for buckets path: s",
        ),
        (
            {"h": {**HISTOGRAM, "aggs": {"p": {"derivative": {"buckets_path": "x"}}}}},
            "No aggregation [x] found",
        ),
        (
            {"h": {**HISTOGRAM, "aggs": {"s": SUM, "p": {"derivative": {"buckets_path": "s>x"}}}}},
            "No aggregation found for path [s>x]",
        ),
        (
            {
                "h": {
                    **HISTOGRAM,
                    "aggs": {
                        "p": {"derivative": {"buckets_path": "q"}},
                        "q": {"derivative": {"buckets_path": "p"}},
                    },
                }
            },
            "Cyclical dependency found with pipeline aggregator [p]",
        ),
        ({"p": {"avg_bucket": {}}}, "Missing required field [buckets_path]"),
        ({"p": {"avg_bucket": {"buckets_path": "h>s", "x": 1}}}, "[avg_bucket] unknown field [x]"),
        ({"p": {"avg_bucket": {"buckets_path": "h[>s"}}}, "Invalid path element [h[]"),
        ({"p": {"avg_bucket": {"buckets_path": "h>s"}, "aggs": {}}}, "cannot define sub-aggregations"),
        (
            {"p": {"serial_diff": {"buckets_path": "s", "lag": 0}}},
            "Lag must be a positive, non-zero integer.",
        ),
        (
            {"p": {"percentiles_bucket": {"buckets_path": "s", "percents": [101]}}},
            "percents must only contain",
        ),
        ({"p": {"normalize": {"buckets_path": "s", "method": "best"}}}, "invalid method [best]"),
        ({"p": {"bucket_sort": {"from": -1}}}, "[from] must be a non-negative integer: [-1]"),
        ({"p": {"moving_fn": {"buckets_path": "s"}}}, "aggregation type [moving_fn] in [p] is not supported"),
    ],
)
def test_what_cannot_be_computed_is_refused(request_: dict[str, Any], problem: str) -> None:
    """The failure says what is wrong, before any cluster is asked."""
    with pytest.raises(Failure) as refused:
        parse_aggregations(request_)
    cause = refused.value.caused_by
    assert problem in refused.value.reason or (cause is not None and problem in cause.reason)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("t>u>m", "got: [Object[]] at aggregation [u]"),
        ("t>u", "got: [LongTerms] at aggregation [u]"),
        ("t>st", "but [st] contains multiple values. Please specify which to use."),
    ],
)
def test_a_path_that_leads_to_no_number_is_refused(path: str, problem: str) -> None:
    """What it leads to is named as in Elasticsearch."""
    tree = parse_aggregations(
        {
            "t": {
                "terms": {"field": "k"},
                "aggs": {
                    "u": {"terms": {"field": "n"}, "aggs": {"m": {"max": {"field": "n"}}}},
                    "st": {"stats": {"field": "n"}},
                },
            },
            "p": {"max_bucket": {"buckets_path": path}},
        }
    )
    inner = {"key": 1, "doc_count": 1, "m": {"value": 1.0}}
    u = {"doc_count_error_upper_bound": 0, "sum_other_doc_count": 0, "buckets": [inner]}
    st = {"count": 1, "min": 1.0, "max": 1.0, "avg": 1.0, "sum": 1.0}
    outer = {"key": "a", "doc_count": 1, "u": u, "st": st}
    with pytest.raises(Failure) as refused:
        combine(tree, [{"t": {**u, "buckets": [outer]}}])
    assert problem in refused.value.reason
