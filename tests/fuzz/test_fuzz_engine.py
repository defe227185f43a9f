"""Queries and aggregations against a real index: an answer or a refusal, and hidden things stay hidden."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fuzz_support import FEW, json_of, only_refusals
from hypothesis import given
from hypothesis import strategies as st

from isthmus.engines.embedded.engine import EmbeddedEngine
from isthmus.errors import FailureKind
from isthmus.exchange import (
    FieldAccess,
    IndexSelection,
    RefreshPolicy,
    SearchRequest,
    SortKey,
    WriteKind,
    WriteOperation,
)
from isthmus.names import IndexName
from isthmus.search.aggregations import parse_aggregations

_INDEX = IndexName("fuzzed")
_FIELDS = [
    "team",
    "message",
    "message.keyword",
    "secret",
    "salary",
    "day",
    "address",
    "inner.open",
    "inner",
    "_id",
]
_CLAUSES = [
    "bool",
    "must",
    "should",
    "must_not",
    "filter",
    "minimum_should_match",
    "match_all",
    "match",
    "match_phrase",
    "term",
    "terms",
    "range",
    "exists",
    "field",
    "ids",
    "values",
    "prefix",
    "wildcard",
    "regexp",
    "fuzzy",
    "query",
    "value",
    "gte",
    "lt",
    "query_string",
    "simple_query_string",
    "multi_match",
    "fields",
    "dis_max",
    "queries",
    "constant_score",
    "boost",
    "boosting",
    "positive",
    "negative",
    "slop",
    "operator",
    "format",
    "fuzziness",
]
_AGGREGATIONS = [
    "terms",
    "field",
    "date_histogram",
    "calendar_interval",
    "fixed_interval",
    "1d",
    "histogram",
    "interval",
    "range",
    "ranges",
    "from",
    "to",
    "filter",
    "filters",
    "min",
    "max",
    "avg",
    "sum",
    "stats",
    "value_count",
    "cardinality",
    "missing",
    "global",
    "aggs",
    "size",
    "order",
    "_count",
    "asc",
    "min_doc_count",
    "offset",
    "keyed",
    "a",
    "b",
]
_PROPERTIES = {
    "team": {"type": "keyword"},
    "message": {"type": "text", "fields": {"keyword": {"type": "keyword"}}},
    "secret": {"type": "keyword"},
    "salary": {"type": "integer"},
    "day": {"type": "date"},
    "address": {"type": "ip"},
    "inner": {"properties": {"open": {"type": "keyword"}}},
}
_DOCUMENTS = [
    {"team": "red", "message": "hello red", "secret": "treasure", "salary": 31337, "day": "2026-01-02"},
    {
        "team": "blue",
        "message": "hello treasure",
        "secret": "treasure",
        "address": "192.0.2.1",
        "inner": {"open": "x"},
    },
]
_NARROW = IndexSelection(
    index=_INDEX,
    document_filters=({"term": {"team": "red"}},),
    field_access=(FieldAccess(granted=("team", "day")),),
)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[EmbeddedEngine]:
    """Open an engine with one index of two documents, of which a narrow caller sees one."""
    opened = EmbeddedEngine(tmp_path)
    await opened.create_index(_INDEX, {}, {"properties": _PROPERTIES}, {})
    operations = [
        WriteOperation(kind=WriteKind.INDEX, id=str(number), source=json.dumps(document).encode())
        for number, document in enumerate(_DOCUMENTS)
    ]
    await opened.write(_INDEX, operations, RefreshPolicy.IMMEDIATE)
    yield opened
    await opened.close()


async def _search(engine: EmbeddedEngine, **request: Any) -> int:
    """Search with and without limits of visibility, and answer how many searches worked.

    Whatever comes of it must not be a crash or a leak.
    """
    worked = 0
    for selection in (IndexSelection(index=_INDEX), _NARROW):
        with only_refusals():
            found = await engine.search([selection], SearchRequest(**request))
            for failure in found.failures:
                assert failure.kind != FailureKind.INTERNAL.name, (failure, request)
            if selection is _NARROW:
                assert {hit.id for hit in found.hits} <= {"0"}
                shown = b"".join(hit.source or b"" for hit in found.hits) + repr(found.aggregations).encode()
                for word in (b"31337", b"blue", b"hello", b"192.0.2.1"):
                    assert word not in shown
            worked += not found.failures
    return worked


async def test_queries(engine: EmbeddedEngine) -> None:
    """The query language, in and out of order."""
    cases: list[Any] = []
    fields = st.sampled_from(_FIELDS)
    leaf = st.builds(
        lambda clause, field, value: {clause: {field: value}},
        st.sampled_from(
            ["term", "match", "range", "prefix", "wildcard", "regexp", "fuzzy", "match_phrase", "terms"]
        ),
        fields,
        st.one_of(
            st.sampled_from(["red", "hello", "treasure", "t*", ".*", "2026-01-02", 31337, True]),
            st.sampled_from(
                [{"gte": "a"}, {"gte": 0, "lt": 10**6}, {"value": "red"}, {"query": "hello"}, ["red", 1]]
            ),
            json_of([*_CLAUSES, *_FIELDS], leaves=4),
        ),
    )
    occurs = st.sampled_from(["must", "should", "must_not", "filter"])
    nested = st.recursive(
        leaf,
        lambda inner: st.builds(
            lambda occur, some: {"bool": {occur: some}}, occurs, st.lists(inner, max_size=3)
        ),
    )

    @FEW
    @given(st.one_of(leaf, nested, json_of([*_CLAUSES, *_FIELDS], leaves=15)))
    def collect(query: Any) -> None:
        cases.append(query)

    await asyncio.to_thread(collect)
    worked = 0
    for query in cases:
        worked += await _search(engine, query=query)
        with only_refusals():
            await engine.count([_NARROW], query)
    assert worked > 20


async def test_aggregations(engine: EmbeddedEngine) -> None:
    """Aggregations that parse are run; others are refused before."""
    cases: list[Any] = []
    body = st.builds(
        lambda kind, field, more: {kind: {"field": field, **(more if isinstance(more, dict) else {})}},
        st.sampled_from(
            ["terms", "histogram", "date_histogram", "range", "stats", "max", "cardinality", "missing"]
        ),
        st.sampled_from(_FIELDS),
        json_of([*_AGGREGATIONS, *_FIELDS], leaves=6),
    )

    @FEW
    @given(
        st.one_of(st.builds(lambda each: {"a": each}, body), json_of([*_AGGREGATIONS, *_FIELDS], leaves=15))
    )
    def collect(raw: Any) -> None:
        cases.append(raw)

    await asyncio.to_thread(collect)
    worked = 0
    for raw in cases:
        with only_refusals():
            asked = parse_aggregations(raw).ask()
            worked += await _search(engine, aggregations=asked, size=0)
    assert worked > 20


async def test_sorting_and_pages(engine: EmbeddedEngine) -> None:
    """Sort keys, values to go on after, windows and source filters."""
    cases: list[dict[str, Any]] = []
    values = st.one_of(
        st.none(), st.booleans(), st.integers(-(2**66), 2**66), st.floats(), st.text(max_size=5)
    )
    keys = st.builds(
        SortKey,
        field=st.sampled_from([*_FIELDS, "_score", "_doc", "nope"]),
        descending=st.booleans(),
        missing=st.one_of(st.just("_last"), values),
        mode=st.sampled_from([None, "min", "max", "sum", "x"]),
        unmapped_type=st.sampled_from([None, "long", "keyword", "x"]),
    )

    @FEW
    @given(
        st.lists(keys, min_size=1, max_size=2),
        st.one_of(st.none(), st.lists(values, max_size=3)),
        st.integers(-3, 20),
        json_of(["includes", "excludes", *_FIELDS], leaves=5),
    )
    def collect(sort: list[SortKey], after: list[Any] | None, size: int, source: Any) -> None:
        cases.append(
            {
                "sort": tuple(sort),
                "search_after": None if after is None else tuple(after),
                "size": size,
                "source": source,
            }
        )

    await asyncio.to_thread(collect)
    worked = sum([await _search(engine, **case) for case in cases])
    assert worked > 20
