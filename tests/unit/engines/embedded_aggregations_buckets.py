"""Documents, and aggregations over them as over one cluster and several: what tests of buckets share."""

from __future__ import annotations

import functools
from typing import Any

import orjson
from embedded_aggregations_harness import aggregated_index

from isthmus.engines.embedded.aggregating import AggregatedIndex, run_aggregations
from isthmus.search.aggregations import combine, parse_aggregations

DAY = 86_400_000
PROPERTIES = {
    "word": {"type": "keyword"},
    "long": {"type": "long"},
    "real": {"type": "double"},
    "flag": {"type": "boolean"},
    "when": {"type": "date"},
    "ip": {"type": "ip"},
}
DOCUMENTS = [
    {"word": "a", "long": 1, "real": 0.5, "flag": True, "when": "2024-01-31", "ip": "10.0.0.1"},
    {
        "word": ["a", "b"],
        "long": [1, 7],
        "real": 2.5,
        "flag": False,
        "when": "2024-02-01",
        "ip": "10.0.0.200",
    },
    {"word": "b", "long": 7, "real": 2.5, "when": "2024-02-01T12:00", "ip": "192.168.0.1"},
    {"word": "c", "long": 10, "flag": True, "when": "2025-03-01"},
    {"word": "a", "real": [0.5, 10.0], "ip": ["::1", "10.0.0.1"]},
    {"long": -3},
]
WORD = {"word": {"terms": {"field": "word"}}}


@functools.lru_cache(maxsize=100)
def index_of(documents: bytes) -> AggregatedIndex:
    """Answer an index of some documents, in several segments."""
    return aggregated_index(orjson.loads(documents), PROPERTIES, commit_every=2)


def answer(
    requests: dict[str, Any],
    parts: list[list[dict[str, Any]]],
) -> dict[str, Any]:
    """Answer aggregations over clusters with these documents, each in several segments."""
    tree = parse_aggregations(requests)
    asked = tree.ask()
    # what a cluster is asked for it has to understand itself
    assert parse_aggregations(asked).ask() == asked
    indices = [index_of(orjson.dumps(part)) for part in parts]
    return combine(tree, [run_aggregations([index], asked) for index in indices])


def one(request: dict[str, Any], documents: list[dict[str, Any]] = DOCUMENTS, **names: Any) -> dict[str, Any]:
    """Answer one aggregation over one cluster, over two, and over one a document; all are the same."""
    requests = {"x": request, **names}
    whole = answer(requests, [documents])
    halves = answer(requests, [documents[::2], documents[1::2]])
    assert halves == whole
    assert answer(requests, [[each] for each in documents]) == whole
    found: dict[str, Any] = whole["x"]
    return found


def rows(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Answer key and count of each bucket; the values alone of a key that is an object."""
    return [
        (*each["key"].values(), each["doc_count"])
        if isinstance(each["key"], dict)
        else (each["key"], each["doc_count"])
        for each in found["buckets"]
    ]
