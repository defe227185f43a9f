"""Several indices in one search: what one of them cannot do is its own failure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from embedded_search_bench import SearchBench

from isthmus.exchange import IndexSelection, SortKey
from isthmus.names import IndexName

BOTH = [IndexSelection(index=IndexName("shop")), IndexSelection(index=IndexName("texts"))]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[SearchBench]:
    """Two indices in which ``name`` and ``client`` are of different types."""
    made = SearchBench(tmp_path)
    made.create("shop", {"name": {"type": "keyword"}, "client": {"type": "ip"}})
    made.create("texts", {"name": {"type": "text"}, "client": {"type": "ip"}})
    made.write("shop", {"1": {"name": "a", "client": "10.0.0.1"}, "2": {"name": "b", "client": "9.0.0.1"}})
    made.write("texts", {"3": {"name": "a", "client": "::1"}})
    yield made
    made.close()


@pytest.mark.parametrize(
    "aggregation",
    [
        {"terms": {"field": "name"}},
        {"filter": {"match_all": {}}, "aggs": {"names": {"terms": {"field": "name"}}}},
    ],
)
def test_an_index_that_cannot_aggregate_has_failed_and_the_others_answer(
    bench: SearchBench, aggregation: dict[str, Any]
) -> None:
    """Its hits are left out with its buckets, and its failure names it."""
    result = bench.search(BOTH, aggregations={"x": aggregation}, track_total_hits=True)
    assert (result.shards.total, result.shards.successful, result.shards.failed) == (2, 1, 1)
    (failure,) = result.failures
    assert (failure.index, failure.error_type) == ("texts", "illegal_argument_exception")
    assert failure.reason.startswith("Fielddata is disabled on [name] in [texts].")
    assert [hit.id for hit in result.hits] == ["1", "2"]
    assert result.total is not None
    assert result.total.value == 2
    assert result.aggregations["x"]


def test_where_no_index_can_aggregate_all_have_failed(bench: SearchBench) -> None:
    """There is no hit and no bucket: the caller makes one failure of it."""
    result = bench.search("texts", aggregations={"x": {"terms": {"field": "name"}}})
    assert (result.shards.total, result.shards.failed) == (1, 1)
    assert (result.hits, result.aggregations) == ((), {})


def test_it_tells_which_keys_are_addresses(bench: SearchBench) -> None:
    """Hits and buckets of addresses say so, for whoever merges them with those of other clusters."""
    sort = (SortKey(field="_id"), SortKey(field="client"))
    result = bench.search(BOTH, sort=sort)
    assert result.sort_kinds == ("", "ip")
    assert bench.search(BOTH, sort=(SortKey(field="_id"),)).sort_kinds == ()
    assert bench.ids(BOTH, sort=(SortKey(field="client"),)) == ["3", "2", "1"]
    asked = {"x": {"terms": {"field": "client", "order": {"_key": "asc"}}}}
    answer = bench.search(BOTH, aggregations=asked).aggregations["x"]
    assert answer["key_type"] == "ip"
    assert [bucket["key"] for bucket in answer["buckets"]] == ["::1", "9.0.0.1", "10.0.0.1"]


def test_an_index_may_have_smaller_limits(bench: SearchBench) -> None:
    """``index.max_terms_count`` and ``index.max_regex_length`` are the index's own."""
    bench.create("small", {"k": {"type": "keyword"}}, max_terms_count=2, max_regex_length=3)
    bench.write("small", {"1": {"k": "a"}})
    assert bench.ids("small", {"terms": {"k": ["a", "b"]}}) == ["1"]
    assert bench.ids("small", {"regexp": {"k": "[a]"}}) == ["1"]
    for query, reason in (
        ({"terms": {"k": ["a", "b", "c"]}}, "The number of terms [3] used in the Terms Query request"),
        ({"ids": {"values": ["a", "b", "c"]}}, "The number of terms [3]"),
        ({"regexp": {"k": "[ab]"}}, "The length of regex [4] used in the Regexp Query request"),
        ({"query_string": {"query": "/[ab]/"}}, "The length of regex [4] used"),
    ):
        (failure,) = bench.search("small", query=query).failures
        assert reason in failure.reason


def test_a_phrase_ends_where_its_value_ends(bench: SearchBench) -> None:
    """Words of two values of a field stand 100 places apart, as in Elasticsearch."""
    bench.create("notes", {"body": {"type": "text"}})
    bench.write("notes", {"1": {"body": ["the quick", "", "fox jumps"]}, "2": {"body": "the quick fox"}})

    def found(text: str, slop: int) -> list[str]:
        return bench.ids("notes", {"match_phrase": {"body": {"query": text, "slop": slop}}})

    assert found("quick fox", 0) == ["2"]
    assert found("quick fox", 50) == ["2"]
    assert sorted(found("quick fox", 100)) == ["1", "2"]
    assert found("fox jumps", 0) == ["1"]
    assert bench.ids("notes", {"match": {"body": "jumps"}}) == ["1"]
