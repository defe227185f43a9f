"""Aggregations over OpenSearch: to the digit those of one index with everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import hypothesis
import orjson
import pytest
from hypothesis import strategies
from opensearch_cluster import OpenSearchCluster
from opensearch_engines import attached, documents, embedded, fill, is_same

from isthmus.engines.attached import aggregating, aggregation_requests
from isthmus.errors import Failure
from isthmus.exchange import Engine, IndexSelection, Json, JsonObject, SearchRequest
from isthmus.search.aggregations import combine, parse_aggregations

#: every kind that can be combined, with what is particular about it
CASES: Final[dict[str, JsonObject]] = {
    "stats": {"stats": {"field": "price"}},
    "extended_stats": {"extended_stats": {"field": "whole"}},
    "an average with a format": {"avg": {"field": "price", "format": "0.0"}},
    "the first date": {"min": {"field": "at"}},
    "values of lists": {"value_count": {"field": "tags"}},
    "terms": {
        "terms": {"field": "letter", "size": 10},
        "aggs": {
            "average": {"avg": {"field": "price"}},
            "different": {"cardinality": {"field": "whole"}},
            "percentiles": {"percentiles": {"field": "price"}},
        },
    },
    "terms by an average": {
        "terms": {"field": "letter", "size": 20, "order": {"average": "desc"}},
        "aggs": {"average": {"avg": {"field": "price"}}},
    },
    "terms by a cardinality": {
        "terms": {"field": "letter", "size": 20, "order": {"different": "desc"}},
        "aggs": {"different": {"cardinality": {"field": "address"}}},
    },
    "terms of booleans": {"terms": {"field": "flag"}},
    "terms of dates": {"terms": {"field": "day", "size": 400}},
    "terms of addresses": {"terms": {"field": "address", "size": 100}},
    "terms with missing": {"terms": {"field": "letter", "missing": "zz", "size": 40}},
    "rare terms": {"rare_terms": {"field": "address", "max_doc_count": 5}},
    "multi terms": {"multi_terms": {"terms": [{"field": "flag"}, {"field": "small"}], "size": 20}},
    "multi terms of dates": {
        "multi_terms": {"terms": [{"field": "day"}, {"field": "address"}], "size": 5_000}
    },
    "histogram": {
        "histogram": {"field": "price", "interval": 10},
        "aggs": {"m": {"max": {"field": "whole"}}},
    },
    "months of a time zone": {
        "date_histogram": {"field": "at", "calendar_interval": "month", "time_zone": "Europe/Berlin"},
        "aggs": {"c": {"cardinality": {"field": "letter"}}, "p": {"percentiles": {"field": "whole"}}},
    },
    "thirty days, keyed": {
        "date_histogram": {"field": "at", "fixed_interval": "30d", "format": "yyyy-MM-dd", "keyed": True}
    },
    "auto_date_histogram": {
        "auto_date_histogram": {"field": "at", "buckets": 7},
        "aggs": {"c": {"cardinality": {"field": "letter"}}, "a": {"avg": {"field": "price"}}},
    },
    "ranges": {
        "range": {"field": "price", "ranges": [{"to": 10}, {"from": 10, "to": 50}, {"from": 50}]},
        "aggs": {"p": {"percentiles": {"field": "price"}}},
    },
    "ranges of dates": {
        "date_range": {
            "field": "at",
            "format": "yyyy-MM",
            "ranges": [{"to": "2024-03"}, {"from": "2024-03"}],
        },
        "aggs": {"c": {"cardinality": {"field": "letter"}}},
    },
    "ranges of addresses": {
        "ip_range": {"field": "address", "ranges": [{"mask": "10.0.1.0/24"}, {"to": "10.0.2.0"}]},
        "aggs": {"c": {"cardinality": {"field": "letter"}}},
    },
    "filter": {"filter": {"term": {"flag": True}}, "aggs": {"c": {"cardinality": {"field": "letter"}}}},
    "filters": {
        "filters": {
            "other_bucket": True,
            "filters": {"x": {"term": {"tags": "x"}}, "quick": {"match": {"text": "quick"}}},
        },
        "aggs": {"c": {"cardinality": {"field": "letter"}}},
    },
    "missing": {"missing": {"field": "letter"}, "aggs": {"c": {"cardinality": {"field": "whole"}}}},
    "global": {
        "global": {},
        "aggs": {"c": {"cardinality": {"field": "letter"}}, "n": {"value_count": {"field": "letter"}}},
    },
    "adjacency matrix": {
        "adjacency_matrix": {"filters": {"x": {"term": {"tags": "x"}}, "q": {"match": {"text": "quick"}}}},
        "aggs": {"c": {"cardinality": {"field": "letter"}}},
    },
    "composite": {
        "composite": {
            "size": 20,
            "sources": [
                {"letter": {"terms": {"field": "letter"}}},
                {"flag": {"terms": {"field": "flag", "missing_bucket": True}}},
                {"year": {"date_histogram": {"field": "at", "calendar_interval": "year"}}},
            ],
        },
        "aggs": {"c": {"cardinality": {"field": "whole"}}},
    },
    "composite of addresses": {
        "composite": {"size": 20, "sources": [{"a": {"terms": {"field": "address", "order": "desc"}}}]}
    },
    "top hits": {
        "terms": {"field": "flag"},
        "aggs": {"h": {"top_hits": {"size": 2, "sort": [{"at": "desc"}], "_source": ["letter"]}}},
    },
    "top metrics": {
        "top_metrics": {
            "metrics": [{"field": "day"}, {"field": "flag"}, {"field": "price"}],
            "sort": {"at": "desc"},
            "size": 3,
        }
    },
    "weighted_avg": {"weighted_avg": {"value": {"field": "price"}, "weight": {"field": "weight"}}},
    "weighted_avg with missing": {
        "weighted_avg": {
            "value": {"field": "price", "missing": 3},
            "weight": {"field": "weight", "missing": 2},
        }
    },
    "different doubles": {"cardinality": {"field": "price"}},
    "different dates": {"cardinality": {"field": "at"}},
    "different booleans": {"cardinality": {"field": "flag"}},
    "different addresses": {"cardinality": {"field": "address"}},
    "percentiles": {"percentiles": {"field": "price"}},
    "percentiles of dates": {"percentiles": {"field": "at"}},
    "percentiles with missing": {"percentiles": {"field": "price", "missing": 7}},
    "hdr": {"percentiles": {"field": "whole", "hdr": {"number_of_significant_value_digits": 2}}},
    "ranks": {"percentile_ranks": {"field": "price", "values": [10, 50]}},
    "boxplot": {"boxplot": {"field": "price"}},
    "median absolute deviation": {"median_absolute_deviation": {"field": "price"}},
    "string stats": {"string_stats": {"field": "letter", "show_distribution": True}},
    "a field that nobody has": {"terms": {"field": "nobody"}},
    "different values of nothing": {"cardinality": {"field": "nobody"}},
    "percentiles of nothing": {"percentiles": {"field": "nobody"}},
}
QUERY: Final = {"range": {"whole": {"gte": 3}}}


async def parts_of(
    aggregations: JsonObject, searched: list[tuple[Engine, tuple[IndexSelection, ...]]], query: Json = QUERY
) -> Any:
    """Answer the final answer over some engines."""
    tree = parse_aggregations(aggregations)
    parts = []
    for engine, selections in searched:
        result = await engine.search(
            selections, SearchRequest(size=0, query=query, aggregations=tree.ask(), track_total_hits=True)
        )
        assert not result.failures
        parts.append(orjson.loads(orjson.dumps(result.aggregations)))
    return orjson.loads(orjson.dumps(combine(tree, parts)))


async def compare(
    cluster: OpenSearchCluster, folder: Path, shards: int, cases: dict[str, JsonObject]
) -> None:
    """Fail for each case whose answer over both engines is not that of one index with all documents."""
    found = list(documents(500, seed=7))
    async with attached(cluster.urls[0]) as engine, embedded(folder) as own:
        far = await fill(engine, "items", found[:200], shards=shards)
        near = await fill(own, "items", found[200:], first=200)
        whole = await fill(own, "whole", found)
        different = {}
        for name, aggregation in cases.items():
            over_both = await parts_of({"a": aggregation}, [(own, near), (engine, far)])
            of_one = await parts_of({"a": aggregation}, [(own, whole)])
            if not is_same(_nameless(over_both), _nameless(of_one)):
                different[name] = (over_both, of_one)
        await engine.delete_index(far[0].index)
    assert not different


def _nameless(answer: Any) -> Any:
    """Answer an answer without the names of indices, which differ here."""
    if isinstance(answer, dict):
        return {name: _nameless(value) for name, value in answer.items() if name != "_index"}
    return [_nameless(each) for each in answer] if isinstance(answer, list) else answer


async def test_every_aggregation_over_an_engine_and_our_own_is_that_of_one_index(
    one: OpenSearchCluster, tmp_path: Path
) -> None:
    """Documents are split over OpenSearch and the embedded engine: every kind answers as of one index."""
    await compare(one, tmp_path, 1, CASES)


async def test_every_aggregation_over_shards_of_two_nodes_is_that_of_one_index(
    pair: OpenSearchCluster, tmp_path: Path
) -> None:
    """The same over three shards on two nodes."""
    await compare(pair, tmp_path, 3, CASES)


async def test_lists_too_long_for_one_answer_are_gone_through_in_pages(
    one: OpenSearchCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With pages of seven values every metric that sums up values still answers as of one index."""
    monkeypatch.setattr(aggregation_requests, "MOST_LISTED", 3)
    monkeypatch.setattr(aggregation_requests, "MOST_LISTED_IN_A_BUCKET", 3)
    monkeypatch.setattr(aggregating, "_PAGE", 7)
    left_out = {"terms", "top hits"}
    await compare(one, tmp_path, 1, {name: case for name, case in CASES.items() if name not in left_out})


async def test_what_the_engine_refuses_to_list_is_asked_for_bucket_by_bucket(
    one: OpenSearchCluster, tmp_path: Path
) -> None:
    """Where OpenSearch allows few buckets only, lists of values are asked for by themselves."""
    one.call("PUT", "/_cluster/settings", {"persistent": {"search.max_buckets": 100}})
    try:
        cases = {name: CASES[name] for name in ("ranges", "filters", "global", "missing")}
        await compare(one, tmp_path, 1, cases)
    finally:
        one.call("PUT", "/_cluster/settings", {"persistent": {"search.max_buckets": None}})


async def test_more_values_than_an_engine_can_be_asked_for_are_refused(
    one: OpenSearchCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A metric over more values than the bound is a 400 that names the aggregation."""
    monkeypatch.setattr(aggregation_requests, "MOST_LISTED", 3)
    monkeypatch.setattr(aggregating, "MOST_VALUES", 10)
    async with attached(one.urls[0]) as engine:
        far = await fill(engine, "items", list(documents(50, seed=1)))
        with pytest.raises(Failure, match=r"\[prices\] of type \[percentiles\] would take more than \[10\]"):
            await parts_of({"prices": {"percentiles": {"field": "price"}}}, [(engine, far)])
        await engine.delete_index(far[0].index)


BUCKETS: Final = ("terms", "histogram", "months of a time zone", "ranges", "filters", "filter", "missing")
METRICS: Final = (
    "stats",
    "weighted_avg",
    "different dates",
    "percentiles",
    "boxplot",
    "string stats",
    "ranks",
)


async def test_nested_aggregations_of_any_kinds_are_those_of_one_index(
    one: OpenSearchCluster, tmp_path: Path
) -> None:
    """Any bucket inside of any bucket, with any metric, over any split of the documents."""
    found = list(documents(300, seed=11))
    async with attached(one.urls[0]) as engine, embedded(tmp_path) as own:
        far = await fill(engine, "items", found[:120])
        near = await fill(own, "items", found[120:], first=120)
        whole = await fill(own, "whole", found)

        async def check(outer: str, inner: str, metric: str, least: int) -> None:
            query = {"range": {"whole": {"gte": least}}}
            inside = {**CASES[inner], "aggs": {"m": CASES[metric]}}
            aggregations = {"a": {**CASES[outer], "aggs": {"b": inside}}}
            over_both = await parts_of(aggregations, [(own, near), (engine, far)], query)
            of_one = await parts_of(aggregations, [(own, whole)], query)
            assert is_same(over_both, of_one), (outer, inner, metric)

        chosen: list[tuple[str, str, str, int]] = []

        @hypothesis.settings(max_examples=25, database=None, deadline=None, derandomize=True)
        @hypothesis.given(
            strategies.sampled_from(BUCKETS),
            strategies.sampled_from(BUCKETS),
            strategies.sampled_from(METRICS),
            strategies.integers(0, 45),
        )
        def choose(outer: str, inner: str, metric: str, least: int) -> None:
            chosen.append((outer, inner, metric, least))

        choose()
        for each in chosen:
            await check(*each)
        await engine.delete_index(far[0].index)
    assert chosen
