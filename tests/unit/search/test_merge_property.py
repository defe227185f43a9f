"""Merging parts equals sorting everything."""

from __future__ import annotations

from collections.abc import Callable
from functools import cmp_to_key
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.exchange import Hit, SearchRequest, SearchResult, SortKey, TotalHits
from isthmus.names import ClusterAlias, IndicesOptions
from isthmus.search.merge import merge
from isthmus.search.outcome import Outcome
from isthmus.search.plan import Part, Plan

ALIASES = (None, ClusterAlias("a"), ClusterAlias("b"))

_NUMBERS = st.none() | st.integers(-3, 3) | st.sampled_from([0.5, -1.5])
_TEXTS = st.none() | st.sampled_from(["", "a", "b", "ab", "é"])
_KEYS = st.builds(
    SortKey, field=st.just("f"), descending=st.booleans(), missing=st.sampled_from(["_first", "_last"])
)


@st.composite
def _searches(draw: st.DrawFn) -> tuple[tuple[SortKey, ...], list[list[tuple[Any, ...]]], int, int]:
    keys = tuple(draw(st.lists(_KEYS, min_size=1, max_size=3)))
    columns = [draw(st.sampled_from([_NUMBERS, _TEXTS])) for _ in keys]
    parts = draw(st.lists(st.lists(st.tuples(*columns), max_size=8), min_size=2, max_size=len(ALIASES)))
    return keys, parts, draw(st.integers(0, 6)), draw(st.integers(0, 10))


def _in_order(keys: tuple[SortKey, ...]) -> Callable[[tuple[Any, ...]], Any]:
    def compare(left: tuple[Any, ...], right: tuple[Any, ...]) -> int:
        return _compare(keys, left, right)

    return cmp_to_key(compare)


def _compare(keys: tuple[SortKey, ...], left: tuple[Any, ...], right: tuple[Any, ...]) -> int:
    """Compare as the documentation says it, one key after the other."""
    for key, one, other in zip(keys, left, right, strict=True):
        if one == other:
            continue
        if one is None or other is None:
            first = -1 if one is None else 1
            return first if key.missing == "_first" else -first
        less = -1 if one < other else 1
        return -less if key.descending else less
    return 0


@settings(max_examples=200, deadline=None)
@given(_searches())
def test_merging_equals_sorting_everything(
    search: tuple[tuple[SortKey, ...], list[list[tuple[Any, ...]]], int, int],
) -> None:
    """Each cluster answers its own best; the window of the merged answer is that of one big cluster."""
    keys, rows, offset, size = search
    request = SearchRequest(sort=keys, offset=offset, size=size)
    ordered_rows = [sorted(part, key=_in_order(keys)) for part in rows]

    everything: list[tuple[int, int, tuple[Any, ...]]] = [
        (part, position, values)
        for part, values_of_part in enumerate(ordered_rows)
        for position, values in enumerate(values_of_part)
    ]
    in_order = _in_order(keys)
    everything.sort(key=lambda row: (in_order(row[2]), row[0], row[1]))
    expected = [(part, values) for part, _, values in everything][offset : offset + size]

    parts = [Part(alias, ("x",), request, may_be_skipped=False, timeout_seconds=None) for alias in ALIASES]
    outcomes = [
        Outcome(
            parts[number],
            result=SearchResult(
                total=TotalHits(value=len(values_of_part)),
                hits=tuple(
                    Hit("i", f"{number}", None, b"{}", values) for values in values_of_part[: offset + size]
                ),
            ),
        )
        for number, values_of_part in enumerate(ordered_rows)
    ]
    plan = Plan(request, IndicesOptions(), tuple(parts[: len(outcomes)]), None)
    answer = merge(plan, outcomes, 0)

    assert [(int(hit.id), hit.sort) for hit in answer.result.hits] == expected
    assert answer.result.total == TotalHits(value=len(everything))
