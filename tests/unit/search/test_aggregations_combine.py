"""Answers of several clusters made into one."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.errors import Failure, FailureKind, Fault
from isthmus.search.aggregations import (
    combine,
    merge,
    parse_aggregations,
    with_cluster_alias,
    with_typed_keys,
)
from isthmus.search.aggregations.sketches.distinct import DistinctValues, hash_of


def combined(request: dict[str, Any], *parts: dict[str, Any]) -> dict[str, Any]:
    """Answer the final form of one aggregation over parts."""
    final: dict[str, Any] = combine(parse_aggregations({"a": request}), [{"a": part} for part in parts])["a"]
    return final


def terms_part(counts: dict[Any, int], other: int = 0, error: int = 0) -> dict[str, Any]:
    """Answer a cluster's list of terms."""
    buckets = [{"key": key, "doc_count": count} for key, count in counts.items()]
    return {"doc_count_error_upper_bound": error, "sum_other_doc_count": other, "buckets": buckets}


def counts_of(answer: dict[str, Any]) -> dict[Any, int]:
    """Answer the count of each bucket."""
    return {bucket["key"]: bucket["doc_count"] for bucket in answer["buckets"]}


def test_an_average_is_of_all_values_and_not_of_averages() -> None:
    """Three values here and one there weigh as four values."""
    here = {"count": 3, "min": 1.0, "max": 3.0, "avg": 2.0, "sum": 6.0}
    there = {"count": 1, "min": 10.0, "max": 10.0, "avg": 10.0, "sum": 10.0}
    assert combined({"avg": {"field": "n"}}, here, there) == {"value": 4.0}


@pytest.mark.parametrize(
    ("request_", "part", "final"),
    [
        ({"min": {"field": "n"}}, {"value": None}, {"value": None}),
        ({"max": {"field": "n"}}, {"value": None}, {"value": None}),
        ({"sum": {"field": "n"}}, {"value": 0.0}, {"value": 0.0}),
        ({"value_count": {"field": "n"}}, {"value": 0}, {"value": 0}),
        (
            {"avg": {"field": "n"}},
            {"count": 0, "min": None, "max": None, "avg": None, "sum": 0.0},
            {"value": None},
        ),
        (
            {"stats": {"field": "n"}},
            {"count": 0, "min": None, "max": None, "avg": None, "sum": 0.0},
            {"count": 0, "min": None, "max": None, "avg": None, "sum": 0.0},
        ),
        (
            {"terms": {"field": "n"}},
            terms_part({}),
            {"doc_count_error_upper_bound": 0, "sum_other_doc_count": 0, "buckets": []},
        ),
        ({"histogram": {"field": "n", "interval": 1}}, {"buckets": []}, {"buckets": []}),
        ({"filter": {"match_all": {}}}, {"doc_count": 0}, {"doc_count": 0}),
    ],
)
def test_an_empty_index_answers_as_in_elasticsearch(
    request_: dict[str, Any], part: dict[str, Any], final: dict[str, Any]
) -> None:
    """Nothing found is null, zero or no buckets, from one cluster or two."""
    assert combined(request_, part) == final
    assert combined(request_, part, part) == final


def test_no_answer_at_all_has_no_aggregations() -> None:
    """Where no index was searched there is nothing to show; such a cluster beside others adds nothing."""
    tree = parse_aggregations({"a": {"max": {"field": "n"}}})
    assert combine(tree, []) == {}
    assert combine(tree, [{}, {}]) == {}
    assert combine(tree, [{}, {"a": {"value": 4.0}}]) == {"a": {"value": 4.0}}


def test_terms_within_the_asked_size_are_exact() -> None:
    """Counts add up, ties go by key, and the rest is counted as other."""
    request = {"terms": {"field": "k", "size": 2}}
    answer = combined(request, terms_part({"b": 3, "a": 2}), terms_part({"c": 3, "a": 2}))
    assert counts_of(answer) == {"a": 4, "b": 3}
    assert answer["sum_other_doc_count"] == 3
    assert answer["doc_count_error_upper_bound"] == 0


def test_lists_that_were_cut_bound_the_error() -> None:
    """What a cut list hides occurs at most as often as its last entry, as Elasticsearch reckons."""
    request = {"terms": {"field": "k", "size": 2, "shard_size": 2, "show_term_doc_count_error": True}}
    here, there = terms_part({"a": 9, "b": 5}, other=20), terms_part({"a": 7, "c": 6}, other=10)
    answer = combined(request, here, there)
    assert answer["doc_count_error_upper_bound"] == 5 + 6
    assert answer["sum_other_doc_count"] == 30 + 5
    assert [(each["key"], each["doc_count_error_upper_bound"]) for each in answer["buckets"]] == [
        ("a", 0),
        ("c", 5),
    ]
    assert combined(request, here)["doc_count_error_upper_bound"] == 0


def test_the_error_survives_combining_in_two_steps() -> None:
    """Indices first and clusters then give the bound that all at once would."""
    tree = parse_aggregations({"a": {"terms": {"field": "k", "size": 2, "shard_size": 2}}})
    asked = parse_aggregations(tree.ask())
    parts = [
        {"a": terms_part({"a": 9, "b": 5}, other=20)},
        {"a": terms_part({"c": 7, "d": 6}, other=10)},
        {"a": terms_part({"e": 4, "f": 3}, other=1)},
    ]
    at_once = combine(tree, parts)
    assert at_once["a"]["doc_count_error_upper_bound"] == 5 + 6 + 3
    assert combine(tree, [merge(asked, parts[:2]), parts[2]]) == at_once
    assert combine(tree, [merge(asked, parts)]) == at_once


@pytest.mark.parametrize(
    ("order", "bound"), [({"_key": "asc"}, 0), ({"_count": "asc"}, -1), ({"m": "desc"}, -1)]
)
def test_the_bound_depends_on_the_order(order: dict[str, str], bound: int) -> None:
    """By key nothing is uncertain; by anything but falling counts nothing is certain."""
    request = {
        "terms": {"field": "k", "size": 1, "shard_size": 1, "order": order},
        "aggs": {"m": {"max": {"field": "n"}}},
    }
    parts = [terms_part({key: 2}, other=5) for key in "ab"]
    for part in parts:
        part["buckets"][0]["m"] = {"value": 1.0}
    assert combined(request, *parts)["doc_count_error_upper_bound"] == bound


def test_whole_numbers_beside_fractions_are_doubles_and_text_beside_numbers_is_refused() -> None:
    """A field of two types in two clusters is merged where Elasticsearch merges it."""
    request = {"terms": {"field": "k"}}
    answer = combined(request, terms_part({1: 1, 2: 1}), terms_part({1.0: 2, 2.5: 1}))
    assert [(bucket["key"], type(bucket["key"])) for bucket in answer["buckets"]] == [
        (1.0, float),
        (2.0, float),
        (2.5, float),
    ]
    with pytest.raises(Failure, match="two different types in two different indices"):
        combined(request, terms_part({1: 1}), terms_part({"one": 1}))


def test_long_keys_keep_every_digit() -> None:
    """Neighbours beyond 2^53 stay two terms."""
    answer = combined({"terms": {"field": "n"}}, terms_part({2**53 + 1: 1}), terms_part({2**53: 1}))
    assert counts_of(answer) == {2**53: 1, 2**53 + 1: 1}


def test_min_doc_count_is_of_the_sum() -> None:
    """A term that is rare in every cluster may still be frequent enough."""
    request = {"terms": {"field": "k", "min_doc_count": 2}}
    answer = combined(request, terms_part({"a": 1, "b": 1}), terms_part({"a": 1}))
    assert counts_of(answer) == {"a": 2}
    assert answer["sum_other_doc_count"] == 0


def test_addresses_are_in_the_order_of_addresses() -> None:
    """9.0.0.1 comes before 10.0.0.1, which text would not say; what only looks like addresses is text."""
    request = {"terms": {"field": "ip", "order": {"_key": "asc"}}}
    one, other = terms_part({"9.0.0.1": 1, "10.0.0.1": 1}), terms_part({"::1": 1})
    assert list(counts_of(combined(request, one, other))) == ["10.0.0.1", "9.0.0.1", "::1"]
    answer = combined(request, {**one, "key_type": "ip"}, {**other, "key_type": "ip"})
    assert list(counts_of(answer)) == ["::1", "9.0.0.1", "10.0.0.1"]
    assert "key_type" not in answer
    mixed = combined(request, {**one, "key_type": "ip"}, terms_part({"none": 1}))
    assert list(counts_of(mixed)) == ["9.0.0.1", "10.0.0.1", "none"]


def buckets_part(counts: dict[Any, int], **extra: Any) -> dict[str, Any]:
    """Answer a cluster's histogram."""
    return {"buckets": [{"key": key, "doc_count": count, **extra} for key, count in counts.items()]}


def test_gaps_are_filled_between_all_parts() -> None:
    """A gap between two clusters' buckets is filled, with empty sub-aggregations."""
    request = {"histogram": {"field": "n", "interval": 0.1}, "aggs": {"m": {"max": {"field": "n"}}}}
    maximum = {"m": {"value": 1.0}}
    answer = combined(
        request, buckets_part({0.1: 1}, **maximum), buckets_part({0.30000000000000004: 2}, **maximum)
    )
    assert [(each["key"], each["doc_count"], each["m"]["value"]) for each in answer["buckets"]] == [
        (0.1, 1, 1.0),
        (0.2, 0, None),
        (0.30000000000000004, 2, 1.0),
    ]


def test_extended_bounds_widen_and_order_and_keyed_apply() -> None:
    """Bounds are reached even without documents, and the final form is as it was asked for."""
    request = {
        "histogram": {
            "field": "n",
            "interval": 5,
            "extended_bounds": {"min": -6, "max": 3},
            "order": {"_key": "desc"},
            "keyed": True,
        }
    }
    answer = combined(request, buckets_part({5.0: 1}))
    assert list(answer["buckets"]) == ["5.0", "0.0", "-5.0", "-10.0"]
    assert answer["buckets"]["5.0"] == {"key": 5.0, "doc_count": 1}
    assert len(combined(request, {"buckets": []})["buckets"]) == 3


def test_months_are_filled_and_written_like_those_found() -> None:
    """A field's own format shows in what clusters answer, and filled gaps are written in it too."""
    request = {"date_histogram": {"field": "t", "calendar_interval": "month"}}
    january = {"buckets": [{"key_as_string": "2024-01-01", "key": 1704067200000, "doc_count": 1}]}
    march = {"buckets": [{"key_as_string": "2024-03-01", "key": 1709251200000, "doc_count": 2}]}
    assert combined(request, march, january)["buckets"] == [
        {"key_as_string": "2024-01-01", "key": 1704067200000, "doc_count": 1},
        {"key_as_string": "2024-02-01", "key": 1706745600000, "doc_count": 0},
        {"key_as_string": "2024-03-01", "key": 1709251200000, "doc_count": 2},
    ]


def test_filling_has_a_limit() -> None:
    """A gap of a million seconds is an error and not a million buckets, wherever it is."""
    request = {"date_histogram": {"field": "t", "fixed_interval": "1s"}}
    with pytest.raises(Failure) as raised:
        combined(request, buckets_part({0: 1, 1_000_000_000: 1}))
    assert raised.value.error_type == "too_many_buckets_exception"
    assert raised.value.kind is FailureKind.INVALID_REQUEST
    nested = {"terms": {"field": "k"}, "aggs": {"t": {"histogram": {"field": "n", "interval": 1}}}}
    part = terms_part(dict.fromkeys("abc", 1))
    for bucket in part["buckets"]:
        bucket["t"] = buckets_part({0.0: 1, 30_000.0: 1})
    with pytest.raises(Failure, match="too_many_buckets_exception"):
        combined(nested, part)


def test_ranges_and_filters_add_up_place_by_place() -> None:
    """Buckets that the request names are always all there."""
    ranges = {"range": {"field": "n", "ranges": [{"to": 5}, {"from": 5}], "keyed": True}}
    part = {
        "buckets": [
            {"key": "*-5.0", "to": 5.0, "doc_count": 1},
            {"key": "5.0-*", "from": 5.0, "doc_count": 2},
        ]
    }
    assert combined(ranges, part, part) == {
        "buckets": {"*-5.0": {"to": 5.0, "doc_count": 2}, "5.0-*": {"from": 5.0, "doc_count": 4}}
    }
    named = {"filters": {"filters": {"x": {"match_all": {}}}, "other_bucket_key": "rest"}}
    found = {"buckets": {"x": {"doc_count": 1}, "rest": {"doc_count": 2}}}
    assert combined(named, found, found) == {"buckets": {"x": {"doc_count": 2}, "rest": {"doc_count": 4}}}
    listed = {"filters": {"filters": {"x": {"match_all": {}}}, "keyed": False}}
    assert combined(listed, {"buckets": {"x": {"doc_count": 1}}}) == {
        "buckets": [{"key": "x", "doc_count": 1}]
    }
    anonymous = {"filters": {"filters": [{"match_all": {}}], "other_bucket": True}}
    assert combined(anonymous, {"buckets": [{"doc_count": 1}, {"doc_count": 2}]}) == {
        "buckets": [{"doc_count": 1}, {"doc_count": 2}]
    }


def test_different_values_are_counted_once() -> None:
    """Cardinality unites values: what two clusters have counts once; indices of two clusters are two."""
    parts = []
    for values in (["a", "b"], ["b", "c"]):
        distinct = DistinctValues(3_000)
        distinct.add(map(hash_of, values))
        parts.append(distinct.write())
    assert combined({"cardinality": {"field": "k"}}, *parts) == {"value": 3}

    tree = parse_aggregations({"a": {"cardinality": {"field": "_index"}}})
    here = {"a": {"names": ["logs"]}}
    assert combine(tree, [here, with_cluster_alias(tree, here, "eu")]) == {"a": {"value": 2}}


def test_spread_is_of_all_values() -> None:
    """The variance over two clusters is the variance of all their values."""
    request = {"extended_stats": {"field": "n", "sigma": 1}}
    here = {"count": 2, "min": 1.0, "max": 3.0, "avg": 2.0, "sum": 4.0, "sum_of_squares": 10.0}
    there = {"count": 2, "min": 5.0, "max": 7.0, "avg": 6.0, "sum": 12.0, "sum_of_squares": 74.0}
    answer = combined(request, here, there)
    assert answer["variance"] == 5.0
    assert answer["variance_sampling"] == pytest.approx(20 / 3)
    assert answer["std_deviation_bounds"]["upper"] == pytest.approx(4 + 5**0.5)
    one = combined(request, {**here, "count": 1, "sum": 1.0, "sum_of_squares": 1.0})
    assert one["variance_sampling"] == "NaN"


def test_dates_and_booleans_stay_readable() -> None:
    """What clusters write as text is written as text when it is combined."""
    first = {"value": 0.0, "value_as_string": "1970-01-01T00:00:00.000Z"}
    second = {"value": 1.0, "value_as_string": "1970-01-01T00:00:00.001Z"}
    assert combined({"max": {"field": "t"}}, first, second) == second
    yes, no = {"value": 1.0, "value_as_string": "true"}, {"value": 0.0, "value_as_string": "false"}
    assert combined({"sum": {"field": "b"}}, yes, no, yes) == {"value": 2.0, "value_as_string": "true"}
    chosen = combined({"max": {"field": "t", "format": "yyyy"}}, {"value": 0.0, "value_as_string": "1970"})
    assert chosen == {"value": 0.0, "value_as_string": "1970"}


def test_meta_comes_back_and_names_carry_types_when_asked() -> None:
    """Meta is kept; typed keys are put on at every depth."""
    request = {
        "k": {
            "terms": {"field": "k"},
            "meta": {"note": 1},
            "aggs": {"m": {"avg": {"field": "n"}}, "f": {"filter": {"match_all": {}}}},
        }
    }
    tree = parse_aggregations(request)
    part = terms_part({"a": 1})
    part["buckets"][0]["m"] = {"count": 1, "min": 2.0, "max": 2.0, "avg": 2.0, "sum": 2.0}
    part["buckets"][0]["f"] = {"doc_count": 1}
    final = combine(tree, [{"k": part}])
    assert final["k"]["meta"] == {"note": 1}
    typed = with_typed_keys(tree, final)
    assert typed["sterms#k"]["buckets"][0]["avg#m"] == {"value": 2.0}
    assert typed["sterms#k"]["buckets"][0]["filter#f"] == {"doc_count": 1}
    kinds = {3: "lterms", 3.5: "dterms"}
    for key, kind in kinds.items():
        numbers = parse_aggregations({"k": {"terms": {"field": "k"}}})
        assert list(with_typed_keys(numbers, combine(numbers, [{"k": terms_part({key: 1})}]))) == [
            f"{kind}#k"
        ]


def test_indices_of_remote_clusters_are_named_as_here() -> None:
    """Terms of _index name the cluster, at any depth."""
    tree = parse_aggregations(
        {"f": {"filter": {"match_all": {}}, "aggs": {"i": {"terms": {"field": "_index"}}}}}
    )
    part = {"f": {"doc_count": 1, "i": terms_part({"logs": 1})}}
    assert counts_of(with_cluster_alias(tree, part, "eu")["f"]["i"]) == {"eu:logs": 1}


@pytest.mark.parametrize(
    "part",
    [
        {"a": None},
        {"a": {}},
        {"a": {"buckets": 3}},
        {"a": {"buckets": [{}]}},
        {"a": terms_part({"a": None})},  # type: ignore[dict-item]
        {"a": {"buckets": [{"key": [], "doc_count": 1}]}},
    ],
)
def test_an_answer_that_is_not_understood_is_the_other_sides_fault(part: dict[str, Any]) -> None:
    """A cluster that answers nonsense makes an error that says so, and no crash."""
    with pytest.raises(Failure) as raised:
        combine(parse_aggregations({"a": {"terms": {"field": "k"}}}), [part])
    assert raised.value.fault is Fault.REMOTE


def test_what_merges_and_makes_no_sense_is_the_peers_failure() -> None:
    """A number of characters below zero is noticed only when all answers are finished."""
    part = {"lengths": {"1": 1}, "characters": {"a": 2, "b": -1}}
    with pytest.raises(Failure, match="were not understood") as raised:
        combined({"string_stats": {"field": "team"}}, part)
    assert raised.value.fault is Fault.REMOTE
