"""How long the steps of a search took in each index, in Elasticsearch's form.

The library carries a query out in one go: what is measured is compiling it, matching with ordering, the
aggregations and fetching, and not the clauses one by one.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Any, Final

import orjson

from isthmus.exchange import Json, JsonObject, SearchRequest

#: a query may list thousands of values
_MOST_CHARACTERS: Final = 2_000


class Step(Enum):
    """A step of a search in one index."""

    COMPILE = "create_weight"
    MATCH = "match"
    AGGREGATE = "collect"
    FETCH = "load_source"


class Profile:
    """Measures the steps of one search. Not frozen: it goes along with the search."""

    def __init__(self, request: SearchRequest) -> None:
        self._request = request
        self._nanoseconds: dict[tuple[str, Step], int] = defaultdict(int)
        self._counts: dict[tuple[str, Step], int] = defaultdict(int)

    @contextmanager
    def measured(self, index: str, step: Step) -> Iterator[None]:
        """Count what is done inside of this as a step in an index."""
        started = time.perf_counter_ns()
        try:
            yield
        finally:
            self._nanoseconds[index, step] += time.perf_counter_ns() - started
            self._counts[index, step] += 1

    def rendered(self, indices: Sequence[str]) -> tuple[JsonObject, ...]:
        """Answer an object for each of these indices: each is a shard."""
        return tuple(self._of_index(index) for index in indices)

    def _of_index(self, index: str) -> JsonObject:
        query = {"match_all": {}} if self._request.query is None else self._request.query
        described = {
            "type": _type_of(query),
            "description": _text_of(query),
            **self._steps(index, Step.COMPILE, Step.MATCH),
        }
        collector = {
            "name": "Collapsing"
            if self._request.collapse
            else "Sorting"
            if self._request.sort
            else "Scoring",
            "reason": "search_top_hits" if self._request.size else "search_count",
            "time_in_nanos": self._nanoseconds[index, Step.MATCH],
        }
        profile: dict[str, Any] = {
            "shard_id": 0,
            "index": index,
            "searches": [{"query": [described], "rewrite_time": 0, "collector": [collector]}],
            "aggregations": [],
        }
        if self._request.aggregations:
            profile["aggregations"] = [
                {
                    "type": "aggregations",
                    "description": ",".join(self._request.aggregations)[:_MOST_CHARACTERS],
                    **self._steps(index, Step.AGGREGATE),
                }
            ]
        if self._counts[index, Step.FETCH]:
            profile["fetch"] = {"type": "fetch", "description": "", **self._steps(index, Step.FETCH)}
        return profile

    def _steps(self, index: str, *steps: Step) -> JsonObject:
        breakdown: dict[str, int] = {}
        for step in steps:
            breakdown[step.value] = self._nanoseconds[index, step]
            breakdown[f"{step.value}_count"] = self._counts[index, step]
        taken = sum(self._nanoseconds[index, step] for step in steps)
        return {"time_in_nanos": taken, "breakdown": breakdown}


def _type_of(query: Json) -> str:
    return next(iter(query), "") if isinstance(query, dict) else ""


def _text_of(query: Json) -> str:
    return orjson.dumps(query, default=str).decode()[:_MOST_CHARACTERS]
