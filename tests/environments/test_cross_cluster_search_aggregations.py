"""Aggregations over two environments are those of one index with all the documents."""

from __future__ import annotations

from typing import Any

import pytest
from environments_corpus import Corpus

_METRICS: dict[str, Any] = {
    "least": {"min": {"field": "price"}},
    "most": {"max": {"field": "price"}},
    "sum": {"sum": {"field": "price"}},
    "mean": {"avg": {"field": "price"}},
    "all": {"stats": {"field": "price"}},
    "count": {"value_count": {"field": "price"}},
}
_AGGREGATIONS: dict[str, dict[str, Any]] = {
    "metrics": _METRICS,
    "terms": {"a": {"terms": {"field": "genre"}}},
    "terms, the top only": {"a": {"terms": {"field": "genre", "size": 3}}},
    "terms of numbers": {"a": {"terms": {"field": "pages", "size": 1000, "order": {"_key": "asc"}}}},
    "terms of booleans": {"a": {"terms": {"field": "in_print"}}},
    "terms by a metric": {
        "a": {
            "terms": {"field": "genre", "order": {"mean": "desc"}},
            "aggs": {"mean": {"avg": {"field": "pages"}}},
        }
    },
    "histogram": {"a": {"histogram": {"field": "pages", "interval": 50}}},
    "histogram of fractions": {"a": {"histogram": {"field": "price", "interval": 2.5, "min_doc_count": 1}}},
    "date_histogram": {"a": {"date_histogram": {"field": "published", "calendar_interval": "year"}}},
    "date_histogram in a zone": {
        "a": {
            "date_histogram": {
                "field": "published",
                "calendar_interval": "month",
                "time_zone": "Europe/Berlin",
                "format": "yyyy-MM",
            }
        }
    },
    "range": {
        "a": {"range": {"field": "price", "ranges": [{"to": 20}, {"from": 20, "to": 60}, {"from": 60}]}}
    },
    "filter": {"a": {"filter": {"term": {"in_print": True}}, "aggs": _METRICS}},
    "filters": {
        "a": {
            "filters": {
                "filters": {"sea": {"match": {"title": "sea"}}, "thick": {"range": {"pages": {"gte": 500}}}},
                "other_bucket_key": "other",
            }
        }
    },
    "metrics of all values": {
        "a": {
            "terms": {"field": "genre", "order": {"how_many": "desc"}},
            "aggs": {
                "how_many": {"cardinality": {"field": "pages"}},
                "spread": {"percentiles": {"field": "price"}},
                "ranks": {"percentile_ranks": {"field": "price", "values": [20, 60]}},
                "steps": {"percentiles": {"field": "pages", "hdr": {}}},
                "deviation": {"median_absolute_deviation": {"field": "price"}},
                "box": {"boxplot": {"field": "pages"}},
                "texts": {"string_stats": {"field": "genre", "show_distribution": True}},
                "weighted": {"weighted_avg": {"value": {"field": "price"}, "weight": {"field": "pages"}}},
                "dearest": {"top_metrics": {"metrics": {"field": "pages"}, "sort": {"price": "desc"}}},
            },
        }
    },
    "nested deeply": {
        "a": {
            "terms": {"field": "genre"},
            "aggs": {
                "years": {
                    "date_histogram": {"field": "published", "fixed_interval": "1500d"},
                    "aggs": {
                        "thickness": {
                            "histogram": {"field": "pages", "interval": 300},
                            "aggs": {
                                "printed": {"terms": {"field": "in_print"}, "aggs": _METRICS},
                                "cheap": {"filter": {"range": {"price": {"lt": 30}}}},
                            },
                        }
                    },
                }
            },
        }
    },
}


@pytest.mark.parametrize("aggregations", _AGGREGATIONS.values(), ids=_AGGREGATIONS)
def test_aggregations_equal_those_of_one_index(corpus: Corpus, aggregations: dict[str, Any]) -> None:
    """Every bucket and every number is the same, to the last digit."""
    for query in ({"match_all": {}}, {"match": {"title": "island"}}, {"term": {"genre": "nothing"}}):
        split, whole = corpus.both({"size": 0, "query": query, "aggs": aggregations})
        assert split["aggregations"] == whole["aggregations"]
        assert split["hits"]["total"] == whole["hits"]["total"]


def test_hits_of_buckets_name_the_cluster_that_they_are_in(corpus: Corpus) -> None:
    """The same documents in the same order, those of the other environment with its alias."""
    hits = {"top_hits": {"size": 5, "sort": [{"price": "desc"}, {"pages": "asc"}, {"published": "asc"}]}}
    aggregations = {"a": {"terms": {"field": "genre"}, "aggs": {"first": hits}}}
    split, whole = corpus.both({"size": 0, "aggs": aggregations})
    indices = set()
    for found, wanted in zip(
        split["aggregations"]["a"]["buckets"], whole["aggregations"]["a"]["buckets"], strict=True
    ):
        shown = found["first"]["hits"]
        assert shown["total"] == wanted["first"]["hits"]["total"]
        members = [
            [(hit["_source"], hit["sort"]) for hit in each["first"]["hits"]["hits"]]
            for each in (found, wanted)
        ]
        assert members[0] == members[1]
        indices |= {hit["_index"] for hit in shown["hits"]}
    assert indices == {corpus.name, f"{corpus.alias}:{corpus.name}"}
