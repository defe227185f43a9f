"""Pages of composite aggregations, over one index and over several: all must answer the same."""

from __future__ import annotations

from typing import Any

import pytest
from embedded_aggregations_buckets import WORD, one, rows


def pages(sources: list[dict[str, Any]], size: int, **more: Any) -> list[tuple[Any, ...]]:
    """Answer all buckets of a composite aggregation, a page after the other."""
    listed: list[tuple[Any, ...]] = []
    after: dict[str, Any] = {}
    while True:
        found = one({"composite": {"sources": sources, "size": size, **after}, **more})
        listed += rows(found)
        if len(found["buckets"]) < size:
            return listed
        after = {"after": found["after_key"]}


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_composite_pages_are_the_same_however_long_they_are(size: int) -> None:
    """Each page begins where the last one ended, over any number of clusters."""
    assert pages([WORD, {"n": {"terms": {"field": "long"}}}], size) == [
        ("a", 1, 2),
        ("a", 7, 1),
        ("b", 1, 1),
        ("b", 7, 2),
        ("c", 10, 1),
    ]
    steps = {"r": {"histogram": {"field": "real", "interval": 2, "order": "desc"}}}
    assert pages([steps, WORD], size) == [(10.0, "a", 1), (2.0, "a", 1), (2.0, "b", 2), (0.0, "a", 2)]
    months = {"m": {"date_histogram": {"field": "when", "calendar_interval": "month", "format": "yyyy-MM"}}}
    assert pages([months], size) == [("2024-01", 1), ("2024-02", 2), ("2025-03", 1)]
    flags = {"f": {"terms": {"field": "flag", "missing_bucket": True, "order": "desc"}}}
    assert pages([flags, {"w": {"terms": {"field": "word", "order": "desc"}}}], size) == [
        (True, "c", 1),
        (True, "a", 1),
        (False, "b", 1),
        (False, "a", 1),
        (None, "b", 1),
        (None, "a", 1),
    ]
    first = {"w": {"terms": {"field": "word", "missing_bucket": True, "missing_order": "last"}}}
    assert pages([first], size) == [("a", 3), ("b", 2), ("c", 1), (None, 1)]
    assert pages([{"w": {"terms": {"field": "word", "missing_bucket": True}}}], size)[0] == (None, 1)
    assert pages([{"i": {"terms": {"field": "ip", "order": "desc"}}}], size) == [
        ("192.168.0.1", 1),
        ("10.0.0.200", 1),
        ("10.0.0.1", 2),
        ("::1", 1),
    ]
    assert pages([{"r": {"terms": {"field": "real"}}}], size) == [(0.5, 2), (2.5, 2), (10.0, 1)]
    assert pages([{"d": {"terms": {"field": "when", "order": "desc"}}}], size)[0] == (1_740_787_200_000, 1)


def test_a_composite_bucket_has_sub_aggregations() -> None:
    """They are of the documents of all clusters with that key."""
    found = one({"composite": {"sources": [WORD]}, "aggs": {"n": {"avg": {"field": "real"}}}})
    assert [each["n"]["value"] for each in found["buckets"]] == [pytest.approx(13.5 / 4), 2.5, None]
    steps = {"r": {"histogram": {"field": "real", "interval": 2}}}
    below = {"t": {"terms": {"field": "word"}}}
    found = one({"composite": {"sources": [steps], "after": {"r": 0.0}}, "aggs": below})
    assert [rows(each["t"]) for each in found["buckets"]] == [[("b", 2), ("a", 1)], [("a", 1)]]
