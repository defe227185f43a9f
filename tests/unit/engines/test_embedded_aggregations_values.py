"""Metrics that go through all values: over several clusters, against the plain way to compute them."""

from __future__ import annotations

import math
import statistics
from itertools import pairwise
from typing import Any

import pytest
from embedded_aggregations_harness import aggregated_index
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.engines.embedded.aggregating import run_aggregations
from isthmus.engines.embedded.aggregations import every_value as going_through
from isthmus.errors import Failure
from isthmus.search.aggregations import combine, parse_aggregations

PROPERTIES = {
    "word": {"type": "keyword"},
    "long": {"type": "long"},
    "real": {"type": "double"},
    "weight": {"type": "long"},
    "when": {"type": "date"},
    "address": {"type": "ip"},
}
QUARTERS = st.integers(-40, 40).map(lambda number: number / 4)


def one_or_many(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Answer a value or several, also the same one twice."""
    return values | st.lists(values, min_size=1, max_size=3)


DOCUMENTS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "word": one_or_many(st.sampled_from(["a", "bb", "B", "é", "z😀z", ""])),
            "long": one_or_many(st.integers(-9, 9)),
            "real": one_or_many(QUARTERS),
            "weight": st.integers(0, 5),
        },
    ),
    max_size=24,
)


def over(parts: list[list[dict[str, Any]]], requests: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Answer the aggregations of clusters with these documents."""
    tree = parse_aggregations(requests)
    asked = tree.ask()
    indices = [aggregated_index(part, PROPERTIES, commit_every=4, **options) for part in parts]
    return combine(tree, [run_aggregations([index], asked) for index in indices])


def values_of(documents: list[dict[str, Any]], field: str, missing: Any = None) -> list[Any]:
    """Answer all values of a field, as Elasticsearch holds them."""
    found: list[Any] = []
    for document in documents:
        given = document.get(field, [] if missing is None else missing)
        listed = given if isinstance(given, list) else [given]
        found.extend(sorted(set(listed)) if field == "word" else listed)
    return found


def quantile(values: list[float], rank: float) -> float:
    """Answer the value at a rank, in a straight line between the two around."""
    ordered = sorted(values)
    place = rank * (len(ordered) - 1)
    low = math.floor(place)
    return ordered[low] + (place - low) * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])


def rank_of(values: list[float], value: float) -> float:
    """Answer what Elasticsearch's reference implementation of a distribution function answers."""
    ordered = sorted(values)
    if value < ordered[0]:
        return 0.0
    below, equal = 0.5, 0
    for previous, each in pairwise(ordered):
        if each > value:
            if equal:
                return (below + 0.5 * equal) / len(ordered)
            return (below + (value - previous) / (each - previous)) / len(ordered)
        below, equal = (below + 1, equal) if each < value else (below, equal + 1)
    return (len(ordered) - 0.5 * equal) / len(ordered)


REQUESTS = {
    "percentiles": {"percentiles": {"field": "real", "percents": [0, 10, 50, 99.9, 100], "keyed": False}},
    "with_missing": {"percentiles": {"field": "long", "percents": [50], "missing": 3, "keyed": False}},
    "ranks": {"percentile_ranks": {"field": "real", "values": [-3, 0, 0.3, 4], "keyed": False}},
    "deviation": {"median_absolute_deviation": {"field": "real"}},
    "box": {"boxplot": {"field": "long"}},
    "words": {"cardinality": {"field": "word"}},
    "numbers": {"cardinality": {"field": "real", "missing": 77}},
    "texts": {"string_stats": {"field": "word", "show_distribution": True}},
    "weighted": {"weighted_avg": {"value": {"field": "real"}, "weight": {"field": "weight"}}},
    "filled": {
        "weighted_avg": {
            "value": {"field": "real", "missing": 2},
            "weight": {"field": "weight", "missing": 3},
        }
    },
}


def expected(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Answer what all documents of all clusters come to."""
    reals = [float(value) for value in values_of(documents, "real")]
    longs = values_of(documents, "long")
    filled = values_of(documents, "long", 3)
    words = values_of(documents, "word")
    median = quantile(reals, 0.5) if reals else 0.0
    units = [len(word.encode("utf-16-le")) // 2 for word in words]
    characters = "".join(words)
    parts = {each: characters.count(each) / len(characters) for each in set(characters)}
    first, third = (quantile(longs, 0.25), quantile(longs, 0.75)) if longs else (0, 0)
    reach = 1.5 * (third - first)
    return {
        "percentiles": [quantile(reals, p / 100) if reals else None for p in (0, 10, 50, 99.9, 100)],
        "with_missing": [quantile(filled, 0.5) if filled else None],
        "ranks": [100 * rank_of(reals, value) if reals else None for value in (-3, 0, 0.3, 4)],
        "deviation": quantile([abs(value - median) for value in reals], 0.5) if reals else None,
        "box": {
            "min": float(min(longs)),
            "max": float(max(longs)),
            "q1": first,
            "q2": quantile(longs, 0.5),
            "q3": third,
            "lower": float(min(value for value in longs if value >= first - reach)),
            "upper": float(max(value for value in longs if value <= third + reach)),
        }
        if longs
        else {
            "min": "Infinity",
            "max": "-Infinity",
            **dict.fromkeys(("q1", "q2", "q3", "lower", "upper"), "NaN"),
        },
        "words": len(set(words)),
        "numbers": len(set(values_of(documents, "real", 77))),
        "texts": {
            "count": len(words),
            "min_length": min(units, default=None),
            "max_length": max(units, default=None),
            "avg_length": statistics.fmean(units) if units else None,
            "entropy": sum(-part * math.log2(part) for part in parts.values()) if words else None,
            "distribution": parts if words else None,
        },
        "weighted": weighted(documents, None, None),
        "filled": weighted(documents, 2, 3),
    }


def weighted(documents: list[dict[str, Any]], value: Any, weight: Any) -> float | None:
    """Answer the weighted average of ``real`` by ``weight``."""
    pairs = [
        (each, document.get("weight", weight))
        for document in documents
        if document.get("weight", weight) is not None
        for each in values_of([document], "real", value)
    ]
    total = sum(weight for _, weight in pairs)
    return sum(value * weight for value, weight in pairs) / total if total else None


def plain(answer: dict[str, Any]) -> Any:
    """Answer the numbers of an answer."""
    if "values" in answer:
        return [each["value"] for each in answer["values"]]
    return answer.get("value", answer)


def close(one: Any, other: Any) -> bool:
    """Tell whether two answers are the same but for the rounding of sums."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(close, one, other))
    if one is None or other is None or isinstance(one, str):
        return bool(one == other)
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents=DOCUMENTS)
def test_any_number_of_clusters_answers_as_one_index(documents: list[dict[str, Any]]) -> None:
    """Over 1, 2 and 5 clusters every metric is what all documents come to, exactly."""
    wanted = expected(documents)
    for clusters in (1, 2, 5):
        answers = over([documents[number::clusters] for number in range(clusters)], REQUESTS)
        for name, answer in answers.items():
            assert close(plain(answer), wanted[name]), (clusters, name, answer, wanted[name])


def test_more_values_than_the_library_lists_are_gone_through_in_slices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where one list does not hold all values the documents are taken in parts, and nothing differs."""
    documents = [
        {"long": [number, number, number + 1], "word": f"w{number % 67}", "weight": number % 41}
        for number in range(300)
    ]
    requests = {
        "p": {"percentiles": {"field": "long", "percents": [10, 50, 90]}},
        "c": {"cardinality": {"field": "word"}},
        "w": {"weighted_avg": {"value": {"field": "long"}, "weight": {"field": "weight"}}},
    }
    whole = over([documents], requests)
    monkeypatch.setattr(going_through, "MOST_BUCKETS", 40)
    monkeypatch.setattr(going_through, "_DOCUMENTS_OF_A_SLICE", 70)
    assert over([documents], requests) == whole
    assert whole["c"] == {"value": 67}
    monkeypatch.setattr(going_through, "MOST_BUCKETS", 1)
    with pytest.raises(Failure, match="Trying to create too many buckets"):
        over([documents], {"c": {"cardinality": {"field": "long"}}})


def test_buckets_are_ordered_by_what_goes_through_values() -> None:
    """Terms can be ordered by a percentile (also one with a fraction), a rank or a number of values."""
    documents = [
        {"word": word, "real": float(number), "long": number % size}
        for word, size in (("a", 5), ("b", 2), ("c", 9))
        for number in range(size, size + 10)
    ]
    below = {
        "p": {"percentiles": {"field": "real", "percents": [50, 99.9]}},
        "r": {"percentile_ranks": {"field": "real", "values": [12]}},
        "c": {"cardinality": {"field": "long"}},
        "d": {"median_absolute_deviation": {"field": "long"}},
        "b": {"boxplot": {"field": "real"}},
    }
    orders = {
        "p.50": ["c", "a", "b"],
        "p.99.9": ["c", "a", "b"],
        "r.12": ["b", "a", "c"],
        "c": ["c", "a", "b"],
        "d.value": ["c", "a", "b"],
        "b.q3": ["c", "a", "b"],
    }
    for path, names in orders.items():
        request = {"t": {"terms": {"field": "word", "order": {path: "desc"}}, "aggs": below}}
        answer = over([documents[::2], documents[1::2]], request)["t"]["buckets"]
        assert [bucket["key"] for bucket in answer] == names, path
    with pytest.raises(Failure, match=r"percentiles\.51"):
        parse_aggregations({"t": {"terms": {"field": "word", "order": {"p.51": "asc"}}, "aggs": below}})


def test_dates_are_shown_as_dates() -> None:
    """Values of a date field have their text beside them, in the request's format if it has one."""
    documents = [{"when": "2024-01-01"}, {"when": "2024-01-03"}]
    answer = over(
        [documents[:1], documents[1:], []],
        {
            "p": {"percentiles": {"field": "when", "percents": [50]}},
            "f": {"percentiles": {"field": "when", "percents": [50], "format": "yyyy/MM/dd", "keyed": False}},
            "b": {"boxplot": {"field": "when", "format": "dd"}},
        },
    )
    assert answer["p"] == {"values": {"50.0": 1704153600000.0, "50.0_as_string": "2024-01-02T00:00:00.000Z"}}
    assert answer["f"] == {
        "values": [{"key": 50.0, "value": 1704153600000.0, "value_as_string": "2024/01/02"}]
    }
    assert answer["b"]["q2_as_string"] == "02"


def test_nothing_is_shown_as_elasticsearch_shows_it() -> None:
    """Without a value percentiles and averages are null; a field that is not mapped is no error."""
    requests = {
        "p": {"percentiles": {"field": "none", "percents": [1, 50.5]}},
        "l": {"percentiles": {"field": "none", "percents": [1], "keyed": False}},
        "r": {"percentile_ranks": {"field": "none", "values": [5]}},
        "m": {"median_absolute_deviation": {"field": "none"}},
        "w": {"weighted_avg": {"value": {"field": "none"}, "weight": {"field": "none"}}},
        "s": {"string_stats": {"field": "none"}},
        "given": {"percentiles": {"field": "none", "percents": [50], "missing": 7}},
    }
    answer = over([[{"long": 1}], []], requests)
    nothing = dict.fromkeys(("min_length", "max_length", "avg_length", "entropy"))
    assert answer == {
        "p": {"values": {"1.0": None, "50.5": None}},
        "l": {"values": [{"key": 1.0, "value": None}]},
        "r": {"values": {"5.0": None}},
        "m": {"value": None},
        "w": {"value": None},
        "s": {"count": 0, **nothing},
        "given": {"values": {"50.0": 7.0}},
    }


def test_significant_digits_are_those_of_the_histogram_of_high_dynamic_range() -> None:
    """``hdr`` answers what Elasticsearch's own test expects, whatever cluster a value is in."""
    documents = [{"long": value} for value in (1, 51, 101, 151)]
    request = {"p": {"percentiles": {"field": "long", "hdr": {}, "percents": [1, 25, 50, 75, 99]}}}
    wanted = [1.0, 1.0, 51.0302734375, 101.0615234375, 151.1240234375]
    for parts in ([documents], [documents[1:2], documents[2:], documents[:1]]):
        assert list(over(parts, request)["p"]["values"].values()) == wanted
    filtered = {"p": {"percentiles": {"field": "long", "hdr": {}, "percents": [50, 75, 99]}}}
    assert over([documents[1:]], filtered)["p"]["values"] == {
        "50.0": 101.03125,
        "75.0": 101.03125,
        "99.0": 151.09375,
    }
    ranks = {"r": {"percentile_ranks": {"field": "long", "values": [0, 51, 151.5], "hdr": {}}}}
    assert over([documents], ranks)["r"]["values"] == {"0.0": 0.0, "51.0": 50.0, "151.5": 100.0}
    zero = {"p": {"percentiles": {"field": "long", "hdr": {"number_of_significant_value_digits": 0}}}}
    assert over([[{"long": 0}, {"long": 0}]], zero)["p"]["values"]["50.0"] == 0.0
    with pytest.raises(Failure) as refused:
        over([[{"long": -1}]], request)
    assert refused.value.error_type == "array_index_out_of_bounds_exception"


@pytest.mark.parametrize(
    ("request_body", "field_value", "reason"),
    [
        ({"percentiles": {"field": "word"}}, "x", "Field [word] of type [keyword] is not supported"),
        ({"string_stats": {"field": "long"}}, 1, "Field [long] of type [long] is not supported"),
        (
            {"weighted_avg": {"value": {"field": "long"}, "weight": {"field": "weight"}}},
            1,
            "Encountered more than one weight for a single document",
        ),
    ],
)
def test_what_a_field_cannot_be_asked_is_refused(
    request_body: dict[str, Any], field_value: Any, reason: str
) -> None:
    """A field of the wrong type, and a document with two weights, are refused in Elasticsearch's words."""
    field = "word" if isinstance(field_value, str) else "long"
    with pytest.raises(Failure) as refused:
        over([[{field: field_value, "weight": [1, 2]}]], {"a": request_body})
    assert reason in refused.value.reason


def test_numbers_are_written_by_a_pattern() -> None:
    """A pattern of numbers writes every number of a metric as text; for dates it is refused."""
    field = {"field": "real", "format": "0.00"}
    requests = {
        "a": {"avg": field},
        "x": {"extended_stats": field},
        "p": {"percentiles": {**field, "percents": [50]}},
        "m": {"median_absolute_deviation": field},
        "w": {"weighted_avg": {"value": {"field": "real"}, "weight": {"field": "long"}, "format": "#.0"}},
        "none": {"sum": {"field": "none", "format": "0.0"}},
    }
    answer = over([[{"real": 1.0, "long": 1}], [{"real": 2.5, "long": 3}], []], requests)
    assert answer["a"] == {"value": 1.75, "value_as_string": "1.75"}
    assert answer["x"]["std_deviation_as_string"] == "0.75"
    assert answer["x"]["std_deviation_bounds_as_string"]["upper"] == "3.25"
    assert answer["p"] == {"values": {"50.0": 1.75, "50.0_as_string": "1.75"}}
    assert answer["m"]["value_as_string"] == "0.75"
    assert answer["w"] == {"value": 2.125, "value_as_string": "2.1"}
    assert answer["none"] == {"value": 0.0, "value_as_string": "0.0"}
    with pytest.raises(Failure, match=r"Invalid format: \[0\.0\]"):
        over([[{"when": 0}]], {"a": {"max": {"field": "when", "format": "0.0"}}})


def test_spread_of_dates_is_shown_as_dates() -> None:
    """Bounds of deviations are shown beside the other numbers, over any number of clusters."""
    request = {"x": {"extended_stats": {"field": "when", "sigma": 0, "format": "yyyy-MM-dd"}}}
    for parts in ([[{"when": 0}, {"when": 172_800_000}]], [[{"when": 0}], [{"when": 172_800_000}]]):
        answer = over(parts, request)["x"]
        assert answer["std_deviation_bounds"]["lower"] == 86_400_000.0
        assert set(answer["std_deviation_bounds_as_string"].values()) == {"1970-01-02"}
