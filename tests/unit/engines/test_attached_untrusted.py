"""Whatever an engine answers, a search answers a result or raises a failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import hypothesis
import orjson
from hypothesis import strategies

from isthmus.engines.attached.dialect import Vendor, dialect_of
from isthmus.engines.attached.engine import AttachedEngine
from isthmus.errors import Failure
from isthmus.exchange import Collapse, IndexSelection, SearchRequest, SearchResult, SortKey, TermSuggester
from isthmus.names import IndexName
from isthmus.search.aggregations import merge, parse_aggregations

INDICES: Final = {
    "i": {
        "aliases": {},
        "mappings": {"properties": {"k": {"type": "keyword"}, "n": {"type": "long"}, "d": {"type": "date"}}},
        "settings": {"index.uuid": "U", "index.number_of_shards": "1"},
    }
}
AGGREGATIONS: Final = {
    "terms": {
        "terms": {"field": "k"},
        "aggs": {"c": {"cardinality": {"field": "n"}}, "p": {"percentiles": {"field": "n"}}},
    },
    "w": {"weighted_avg": {"value": {"field": "n"}, "weight": {"field": "n"}}},
    "auto": {"auto_date_histogram": {"field": "d"}},
    "top": {"top_hits": {"size": 1, "sort": [{"n": "asc"}]}},
    "pages": {"composite": {"sources": [{"k": {"terms": {"field": "k"}}}]}},
}
_LIST: Final = {"sum_other_doc_count": 1, "buckets": [{"key": 1, "doc_count": 2}]}
ANSWER: Final[dict[str, Any]] = {
    "took": 1,
    "timed_out": False,
    "_shards": {
        "total": 2,
        "successful": 1,
        "failed": 1,
        "failures": [{"index": "i", "reason": {"type": "x"}}],
    },
    "hits": {
        "total": {"value": 1, "relation": "eq"},
        "max_score": None,
        "hits": [
            {
                "_index": "i",
                "_id": "1",
                "_source": {"n": 1},
                "sort": [1],
                "fields": {"n": [1]},
                "highlight": {},
            }
        ],
    },
    "suggest": {"s": [{"text": "x", "offset": 0, "length": 1, "options": []}]},
    "aggregations": {
        "terms": {
            "sum_other_doc_count": 0,
            "buckets": [{"key": "a", "doc_count": 1, "isthmus-values:c": _LIST, "isthmus-values:p": _LIST}],
        },
        "isthmus-values:w": {"buckets": [{"key": 1, "doc_count": 1, "found": {"sum": 1, "count": 1}}]},
        "isthmus-checked:w": {"doc_count": 1},
        "auto": {
            "count": 1,
            "min": 1,
            "max": 2,
            "buckets": [{"key": 0, "key_as_string": "1970", "doc_count": 1}],
        },
        "top": {"hits": {"total": 1, "max_score": None, "hits": [{"_index": "i", "_id": "1", "sort": [1]}]}},
        "pages": {"buckets": [{"key": {"k": "a"}, "doc_count": 1}]},
        "values": {"buckets": [{"key": {"values": 1}, "doc_count": 1}], "after_key": {"values": 1}},
    },
}
STRANGE: Final = strategies.sampled_from(
    [None, True, -1, 1.5, 1 << 70, "x", "", [], [None], {}, {"buckets": []}, [[]], {"key": None}]
)


@dataclass
class Answered:
    """An answer of the engine."""

    status: int
    body: bytes


class Answering:
    """An engine that answers every search the same."""

    def __init__(self, status: int, body: bytes) -> None:
        self._answer = Answered(status, body)

    async def request(
        self,
        _method: str,
        path: str,
        _query: Mapping[str, str] | None = None,
        _headers: Mapping[str, str] | None = None,
        _body: bytes | None = None,
    ) -> Answered:
        if path.startswith(("/i/", "/_search")):
            return self._answer
        return Answered(200, orjson.dumps(INDICES if path == "/*" else {}))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Answer the path of every value in a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in inner for place in places(each, (*path, key)))]


def with_value(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    """Answer a value with another one at a path."""
    if not path:
        return other
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = with_value(value[path[0]], path[1:], other)
    return copied


async def search(status: int, body: bytes) -> SearchResult | None:
    """Search everything at once; None for a failure."""
    engine = AttachedEngine(Answering(status, body), dialect_of(Vendor.OPENSEARCH, "2.19.1"))  # type: ignore[arg-type]
    await engine.read_indices()
    tree = parse_aggregations(AGGREGATIONS)
    request = SearchRequest(
        sort=(SortKey(field="n"),),
        collapse=Collapse(field="n"),
        suggest=(TermSuggester(name="s", text="x", field="k"),),
        aggregations=tree.ask(),
    )
    try:
        result = await engine.search((IndexSelection(index=IndexName("i")),), request)
        if result.aggregations:
            merge(tree, [result.aggregations])
    except Failure:
        return None
    return result


async def test_an_answer_as_it_should_be_is_read() -> None:
    """So that what follows begins at something that is understood."""
    result = await search(200, orjson.dumps(ANSWER))
    assert result is not None
    assert set(result.aggregations) == set(AGGREGATIONS)
    assert [failure.error_type for failure in result.failures] == ["x"]


async def test_no_answer_makes_anything_but_a_result_or_a_failure() -> None:
    """With any value replaced by a strange one, under any status."""
    chosen: list[tuple[int, bytes]] = []

    @hypothesis.settings(max_examples=400, database=None, deadline=None, derandomize=True)
    @hypothesis.given(
        strategies.sampled_from(places(ANSWER)), STRANGE, strategies.sampled_from([200, 200, 200, 400, 503])
    )
    def choose(path: tuple[Any, ...], strange: Any, status: int) -> None:
        try:
            chosen.append((status, orjson.dumps(with_value(ANSWER, path, strange))))
        except TypeError:
            chosen.append((status, str(strange).encode()))

    choose()
    for status, body in chosen:
        await search(status, body)
    assert len(chosen) >= 400
