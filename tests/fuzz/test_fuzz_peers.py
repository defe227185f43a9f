"""Aggregations of a peer that lies: an answer or that peer's failure, never a bug and never a hang."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fuzz_support import FEW
from hypothesis import given
from hypothesis import strategies as st

from isthmus.engines.embedded.engine import EmbeddedEngine
from isthmus.errors import Failure
from isthmus.exchange import IndexSelection, RefreshPolicy, SearchRequest, WriteKind, WriteOperation
from isthmus.names import IndexName
from isthmus.search.aggregations import combine, parse_aggregations, with_cluster_alias

_INDEX = IndexName("honest")
_PROPERTIES = {
    "team": {"type": "keyword"},
    "number": {"type": "integer"},
    "at": {"type": "date"},
    "address": {"type": "ip"},
}
_BELOW = {"sum": {"sum": {"field": "number"}}}
_REQUESTS: dict[str, Any] = {
    "avg": {"avg": {"field": "number"}},
    "stats": {"extended_stats": {"field": "number"}},
    "weighted": {"weighted_avg": {"value": {"field": "number"}, "weight": {"field": "number"}}},
    "count": {"value_count": {"field": "team"}},
    "strings": {"string_stats": {"field": "team"}},
    "different": {"cardinality": {"field": "number"}},
    "percentiles": {"percentiles": {"field": "number"}},
    "hdr": {"percentiles": {"field": "number", "hdr": {}}},
    "deviation": {"median_absolute_deviation": {"field": "number"}},
    "terms": {"terms": {"field": "team"}, "aggs": _BELOW},
    "by_sum": {"terms": {"field": "team", "order": {"sum": "desc"}}, "aggs": _BELOW},
    "indices": {"terms": {"field": "_index"}},
    "rare": {"rare_terms": {"field": "team"}},
    "several": {"multi_terms": {"terms": [{"field": "team"}, {"field": "number"}]}},
    "histogram": {"histogram": {"field": "number", "interval": 2, "min_doc_count": 0}, "aggs": _BELOW},
    "days": {
        "date_histogram": {"field": "at", "calendar_interval": "day", "min_doc_count": 0},
        "aggs": {
            **_BELOW,
            "change": {"derivative": {"buckets_path": "sum"}},
            "total": {"cumulative_sum": {"buckets_path": "sum"}},
            "most": {"bucket_sort": {"sort": [{"sum": "desc"}]}},
        },
    },
    "auto": {"auto_date_histogram": {"field": "at", "buckets": 3}},
    "range": {"range": {"field": "number", "ranges": [{"to": 3}, {"from": 3}]}},
    "addresses": {"ip_range": {"field": "address", "ranges": [{"mask": "192.0.2.0/24"}]}},
    "filters": {"filters": {"filters": {"red": {"term": {"team": "red"}}}}},
    "matrix": {"adjacency_matrix": {"filters": {"red": {"term": {"team": "red"}}}}},
    "pages": {"composite": {"sources": [{"team": {"terms": {"field": "team"}}}]}},
    "hits": {"top_hits": {"size": 2}},
    "metrics": {"top_metrics": {"metrics": {"field": "number"}, "sort": {"number": "desc"}}},
    "missing": {"missing": {"field": "team"}, "aggs": _BELOW},
    "best": {"max_bucket": {"buckets_path": "terms>sum"}},
}
_LIES = st.one_of(
    st.sampled_from(
        [None, True, "", "NaN", "x", -1, 2**63, -(2**70), 1e308, float("nan"), float("inf"), b"", b"\xff" * 9]
    ),
    st.sampled_from([[], {}, [None], [[]], {"buckets": [{}]}, [{"key": None, "doc_count": -5}]]),
    st.integers(),
    st.floats(),
    st.text(max_size=4),
    st.binary(max_size=40),
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Answer the path of every value in an answer, the whole of it left out."""
    if path:
        yield path
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _places(member, (*path, name))
    elif isinstance(value, list | tuple):
        for position, member in enumerate(value[:3]):
            yield from _places(member, (*path, position))


def _changed(value: Any, path: tuple[Any, ...], lie: Any) -> Any:
    """Answer the value with the lie at this place; a lie of None leaves a member out."""
    if not path:
        return lie
    first, *rest = path
    if isinstance(value, dict):
        if lie is None and not rest:
            return {name: member for name, member in value.items() if name != first}
        return {**value, first: _changed(value[first], tuple(rest), lie)}
    members = [
        _changed(member, tuple(rest), lie) if number == first else member
        for number, member in enumerate(value)
    ]
    return members if isinstance(value, list) else tuple(members)


async def _honest(directory: Path) -> dict[str, Any]:
    """Answer what an engine with a few documents says to all the requests, in the form that travels."""
    engine = EmbeddedEngine(directory)
    await engine.create_index(_INDEX, {}, {"properties": _PROPERTIES}, {})
    documents = [
        {"team": team, "number": number, "at": f"2026-01-0{number}", "address": f"192.0.2.{number}"}
        for number, team in enumerate(("red", "blue", "red", "green"), 1)
    ]
    operations = [
        WriteOperation(kind=WriteKind.INDEX, id=str(number), source=json.dumps(document).encode())
        for number, document in enumerate(documents)
    ]
    await engine.write(_INDEX, operations, RefreshPolicy.IMMEDIATE)
    asked = parse_aggregations(_REQUESTS).ask()
    found = await engine.search([IndexSelection(index=_INDEX)], SearchRequest(aggregations=asked, size=0))
    await engine.close()
    assert not found.failures
    return found.aggregations


async def test_a_peer_that_lies_in_one_place_is_that_peers_failure(tmp_path: Path) -> None:
    """Whatever one value of a combinable answer is changed to, the search has an answer or a reason."""
    tree = parse_aggregations(_REQUESTS)
    honest = await _honest(tmp_path)
    places = sorted(_places(honest), key=repr)
    outcomes = {"answered": 0, "refused": 0}

    @FEW
    @given(st.data())
    def lie(data: st.DataObject) -> None:
        parts = [copy.deepcopy(honest)]
        for _ in range(6):
            place, value = data.draw(st.sampled_from(places)), data.draw(_LIES)
            try:
                peer = with_cluster_alias(tree, _changed(honest, place, value), "eu")
                combine(tree, [*parts, peer])
            except Failure:
                outcomes["refused"] += 1
            else:
                outcomes["answered"] += 1

    await asyncio.to_thread(lie)
    assert outcomes["answered"] > 20
    assert outcomes["refused"] > 20
