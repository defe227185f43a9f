"""What a request's aggregations may be, what is asked in their place, and how others are refused."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.errors import Failure, FailureKind
from isthmus.search.aggregations import parse_aggregations


def reason_of(failure: Failure) -> str:
    """Answer the texts of a failure and its cause."""
    cause = "" if failure.caused_by is None else f" <- {failure.caused_by.reason}"
    return f"{failure.error_type}: {failure.reason}{cause}"


@pytest.mark.parametrize(
    ("request_", "asked"),
    [
        ({"avg": {"field": "n"}}, {"stats": {"field": "n"}}),
        ({"min": {"field": "n", "missing": 0}}, {"min": {"field": "n", "missing": 0}}),
        ({"value_count": {"field": "n"}}, {"value_count": {"field": "n"}}),
        ({"extended_stats": {"field": "n"}}, {"extended_stats": {"field": "n", "sigma": 2.0}}),
        (
            {"terms": {"field": "k"}},
            {
                "terms": {
                    "field": "k",
                    "size": 25,
                    "shard_size": 25,
                    "order": {"_count": "desc"},
                    "min_doc_count": 1,
                    "show_term_doc_count_error": True,
                }
            },
        ),
        (
            {"terms": {"field": "k", "size": 4, "order": [{"_key": "asc"}], "min_doc_count": 0}},
            {
                "terms": {
                    "field": "k",
                    "size": 4,
                    "shard_size": 4,
                    "order": {"_key": "asc"},
                    "min_doc_count": 0,
                    "show_term_doc_count_error": True,
                }
            },
        ),
        (
            {
                "terms": {"field": "k", "size": 2, "order": {"x": "desc"}},
                "aggs": {"x": {"avg": {"field": "n"}}},
            },
            {
                "terms": {
                    "field": "k",
                    "size": 13,
                    "shard_size": 13,
                    "order": {"x.avg": "desc"},
                    "min_doc_count": 1,
                    "show_term_doc_count_error": True,
                },
                "aggs": {"x": {"stats": {"field": "n"}}},
            },
        ),
        (
            {"cardinality": {"field": "k", "precision_threshold": 5}},
            {"cardinality": {"field": "k", "precision_threshold": 5}},
        ),
        (
            {
                "histogram": {
                    "field": "n",
                    "interval": 5,
                    "offset": 7,
                    "extended_bounds": {"min": 0, "max": 9},
                }
            },
            {"histogram": {"field": "n", "interval": 5.0, "offset": 2.0, "min_doc_count": 1}},
        ),
        (
            {
                "date_histogram": {
                    "field": "t",
                    "calendar_interval": "1M",
                    "time_zone": "+01:00",
                    "offset": "-1d",
                    "hard_bounds": {"min": "1970-01-01"},
                    "keyed": True,
                }
            },
            {
                "date_histogram": {
                    "field": "t",
                    "calendar_interval": "1M",
                    "time_zone": "+01:00",
                    "offset": "-86400000ms",
                    "min_doc_count": 1,
                    "hard_bounds": {"min": -3_600_000},
                }
            },
        ),
        (
            {"range": {"field": "n", "ranges": [{"from": 5}, {"to": 5, "key": "low"}], "keyed": True}},
            {"range": {"field": "n", "ranges": [{"key": "low", "to": 5.0}, {"key": "5.0-*", "from": 5.0}]}},
        ),
        ({"filter": {"term": {"k": "a"}}}, {"filter": {"term": {"k": "a"}}}),
        (
            {"filters": {"filters": [{"match_all": {}}], "other_bucket": True}},
            {"filters": {"filters": [{"match_all": {}}], "other_bucket_key": "_other_"}},
        ),
        ({"missing": {"field": "k"}, "meta": {"a": 1}}, {"missing": {"field": "k"}}),
        ({"missing": {"field": "k", "missing": 0}}, {"missing": {"field": "k", "missing": 0}}),
        (
            {"global": {}, "aggregations": {"m": {"max": {"field": "n"}}}},
            {"global": {}, "aggs": {"m": {"max": {"field": "n"}}}},
        ),
    ],
)
def test_what_is_asked_can_be_combined(request_: dict[str, Any], asked: dict[str, Any]) -> None:
    """The request for each cluster is Elasticsearch's own JSON, and can be read again."""
    tree = parse_aggregations({"a": request_})
    assert tree.ask() == {"a": asked}
    assert parse_aggregations(tree.ask()).nodes[0].name == "a"


FIELD = {"field": "f"}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (
            3,
            "parsing_exception: Unexpected token VALUE_NUMBER in [aggs]: aggregations definitions must start",
        ),
        ({"a": 3}, "parsing_exception: Aggregation definition for [a starts with a [VALUE_NUMBER], expected"),
        ({"a]": {"avg": FIELD}}, "parsing_exception: Invalid aggregation name [a]]."),
        ({"": {"avg": FIELD}}, "parsing_exception: Invalid aggregation name []."),
        ({"a": {}}, "parsing_exception: Missing definition for aggregation [a]"),
        (
            {"a": {"avg": 3}},
            "parsing_exception: Expected [START_OBJECT] under [avg], but got a [VALUE_NUMBER] in [a]",
        ),
        (
            {"a": {"avg": FIELD, "max": FIELD}},
            "parsing_exception: Found two aggregation type definitions in [a]: [avg] and [max]",
        ),
        (
            {"a": {"terms": FIELD, "aggs": {}, "aggregations": {}}},
            "parsing_exception: Found two sub aggregation definitions under [a]",
        ),
        ({"a": {"trems": FIELD}}, "parsing_exception: Unknown aggregation type [trems] did you mean"),
        ({"a": {"zzzzzz": FIELD}}, "parsing_exception: Unknown aggregation type [zzzzzz]"),
        (
            {"a": {"matrix_stats": {"fields": ["f"]}}},
            "illegal_argument_exception: aggregation type [matrix_stats] in [a] is not",
        ),
        ({"a": {"avg": {}}}, "illegal_argument_exception: Required one of fields [field, script], but none"),
        ({"a": {"avg": {"script": "1"}}}, "[script] is not supported in aggregations"),
        ({"a": {"avg": {"field": "f", "fild": 1}}}, "[avg] unknown field [fild] did you mean [field]?"),
        (
            {"a": {"avg": FIELD, "aggs": {"b": {"max": FIELD}}}},
            "Aggregator [a] of type [avg] cannot accept sub-aggregations",
        ),
        ({"a": {"terms": {"field": "f", "size": 0}}}, "[size] must be greater than 0. Found [0] in [a]"),
        ({"a": {"terms": {"field": "f", "size": "x"}}}, 'For input string: "x"'),
        ({"a": {"terms": {"field": "f", "size": 1e12}}}, "out of range"),
        (
            {"a": {"terms": {"field": "f", "min_doc_count": -1}}},
            "[minDocCount] must be greater than or equal to 0.",
        ),
        ({"a": {"terms": {"field": "f", "order": {"b": "asc"}}}}, "Invalid aggregator order path [b]."),
        ({"a": {"terms": {"field": "f", "order": {"_key": "up"}}}}, "Unknown order direction [up]"),
        (
            {"a": {"terms": {"field": "f", "include": {"partition": 0}}}},
            "Missing [num_partitions] parameter for partition-based include",
        ),
        (
            {"a": {"terms": {"field": "f", "order": {"b": "asc"}}, "aggs": {"b": {"stats": FIELD}}}},
            "buckets cannot be ordered by an aggregation of type [stats]",
        ),
        (
            {"a": {"terms": {"field": "f", "order": {"b>c": "asc"}}, "aggs": {"b": {"terms": FIELD}}}},
            "points to non single-bucket aggregation",
        ),
        ({"a": {"histogram": {"field": "f"}}}, "[interval] must be >0 for histogram aggregation [a]"),
        (
            {"a": {"histogram": {"field": "f", "interval": -1}}},
            "[interval] must be >0 for histogram aggregation [a]",
        ),
        ({"a": {"histogram": {"field": "f", "interval": float("inf")}}}, "must be a finite number"),
        (
            {"a": {"histogram": {"field": "f", "interval": 1, "extended_bounds": {"min": 5, "max": 1}}}},
            "[extended_bounds.min][5.0] cannot be greater than [extended_bounds.max][1.0]",
        ),
        ({"a": {"date_histogram": FIELD}}, "Invalid interval specified, must be non-null and non-empty"),
        ({"a": {"date_histogram": {"field": "f", "interval": "1d"}}}, "Invalid interval specified"),
        (
            {"a": {"date_histogram": {"field": "f", "calendar_interval": "2M"}}},
            "The supplied interval [2M] could not be parsed as a calendar interval.",
        ),
        (
            {"a": {"date_histogram": {"field": "f", "fixed_interval": "1M"}}},
            "failed to parse setting [date_histogram.fixedInterval] with value [1M] as a time value",
        ),
        (
            {"a": {"date_histogram": {"field": "f", "fixed_interval": "1d", "calendar_interval": "1d"}}},
            "Cannot use [fixed_interval] with [calendar_interval] configuration option.",
        ),
        (
            {"a": {"date_histogram": {"field": "f", "fixed_interval": "1d", "time_zone": "Mars/Phobos"}}},
            "Unknown time-zone ID: Mars/Phobos",
        ),
        (
            {"a": {"date_histogram": {"field": "f", "fixed_interval": "1d", "format": "yyyy[-MM]"}}},
            "Invalid format: [yyyy[-MM]]",
        ),
        ({"a": {"range": FIELD}}, "No [ranges] specified for the [a] aggregation"),
        ({"a": {"range": {"field": "f", "ranges": [{"until": 3}]}}}, "[range] unknown field [until]"),
        ({"a": {"filter": {}}}, "query malformed, empty clause found"),
        ({"a": {"filters": {"filters": []}}}, "[filters] cannot be empty."),
        ({"a": {"filters": {}}}, "[filters] cannot be empty."),
        ({"a": {"terms": {**FIELD, "value_type": "x"}}}, "[terms] failed to parse field [value_type]"),
        ({"a": {"global": {"x": 1}}}, "[global] unknown field [x]"),
        (
            {"a": {"terms": FIELD, "aggs": {"g": {"global": {}}}}},
            "Aggregation [a] cannot have a global sub-aggregation [g].",
        ),
        (
            {"a": {"terms": FIELD, "aggs": {"doc_count": {"max": FIELD}}}},
            "a bucket has a member of that name",
        ),
        (
            {"a": {"range": {"field": "f", "ranges": [{}]}, "aggs": {"to": {"max": FIELD}}}},
            "a bucket has a member of that name",
        ),
        ({"a": {"cardinality": {"field": "f", "precision_threshold": -1}}}, "[precisionThreshold] must be"),
    ],
)
def test_what_is_wrong_is_refused_by_name(raw: Any, reason: str) -> None:
    """Every mistake is a 400 that names what is wrong, as Elasticsearch does."""
    with pytest.raises(Failure) as raised:
        parse_aggregations(raw)
    assert raised.value.kind is FailureKind.INVALID_REQUEST
    assert reason in reason_of(raised.value)


def test_nesting_has_a_limit() -> None:
    """Thirty levels are fine and more are refused: deep JSON must not exhaust the stack."""
    nested: dict[str, Any] = {"a": {"max": FIELD}}
    for _ in range(29):
        nested = {"a": {"terms": FIELD, "aggs": nested}}
    assert parse_aggregations(nested).nodes
    with pytest.raises(Failure, match="nested depth of the aggregations"):
        parse_aggregations({"a": {"terms": FIELD, "aggs": nested}})
