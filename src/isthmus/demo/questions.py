"""What the demonstration asks, and how it knows that the answer is right.

Every question carries a second, dumb way to its answer: a loop over the data set in memory.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from isthmus.demo.airports import Airport

Rows = list[tuple[Any, ...]]

PAGE: Final = 8
ELEVATION_STEP_FEET: Final = 3000
#: a cluster tells only its top terms; with all of them counts are exact (the USA are on both sides)
EVERY_COUNTRY: Final = 300


@dataclass(frozen=True, slots=True)
class Question:
    """One search over both clusters.

    ``rows`` reads an answer into table rows; ``expected`` computes the same rows from the data.
    """

    title: str
    body: dict[str, Any]
    columns: tuple[str, ...]
    rows: Callable[[dict[str, Any]], Rows]
    expected: Callable[[Sequence[Airport]], Rows]

    def is_answered_right(self, answer: dict[str, Any], airports: Sequence[Airport], clusters: int) -> bool:
        """Tell whether every cluster answered and the rows are those that the data says."""
        return answer["_clusters"]["successful"] == clusters and self.rows(answer) == self.expected(airports)


def questions(remote_alias: str) -> tuple[Question, ...]:
    """Answer the demonstration's questions, in the order in which they are asked."""

    def index_of(airport: Airport) -> str:
        return "airports" if airport.is_american else f"{remote_alias}:airports"

    def highest_expected(airports: Sequence[Airport]) -> Rows:
        ordered = sorted(airports, key=lambda airport: (-airport.elevation_feet, airport.name))
        return [(index_of(a), a.name, a.country, a.elevation_feet) for a in ordered[:PAGE]]

    def named_expected(airports: Sequence[Airport]) -> Rows:
        found = [airport for airport in airports if "london" in _words_of(airport.city)]
        found.sort(key=lambda airport: (airport.country, airport.name))
        return [(index_of(a), a.name, a.city, a.country) for a in found]

    return (
        Question(
            title="The highest airports of the world",
            body={
                "size": PAGE,
                "sort": [{"elevation_feet": "desc"}, {"name.keyword": "asc"}],
                "_source": ["name", "country", "elevation_feet"],
            },
            columns=("_index", "name", "country", "elevation (feet)"),
            rows=lambda answer: _hit_rows(answer, "name", "country", "elevation_feet"),
            expected=highest_expected,
        ),
        Question(
            title="Airports of places called London, wherever they are",
            body={
                "size": 50,
                "query": {"match": {"city": "london"}},
                "sort": [{"country": "asc"}, {"name.keyword": "asc"}],
                "_source": ["name", "city", "country"],
            },
            columns=("_index", "name", "city", "country"),
            rows=lambda answer: _hit_rows(answer, "name", "city", "country"),
            expected=named_expected,
        ),
        Question(
            title="Countries with the most airports, and how high these lie on average",
            body={
                "size": 0,
                "aggs": {
                    "countries": {
                        "terms": {"field": "country", "size": PAGE, "shard_size": EVERY_COUNTRY},
                        "aggs": {"elevation": {"avg": {"field": "elevation_feet"}}},
                    }
                },
            },
            columns=("country", "airports", "average elevation (feet)"),
            rows=lambda answer: [
                (bucket["key"], bucket["doc_count"], round(bucket["elevation"]["value"]))
                for bucket in answer["aggregations"]["countries"]["buckets"]
            ],
            expected=_countries_expected,
        ),
        Question(
            title="All airports by elevation: every bar is the sum of both clusters",
            body={
                "size": 0,
                "aggs": {
                    "elevation": {"histogram": {"field": "elevation_feet", "interval": ELEVATION_STEP_FEET}}
                },
            },
            columns=("from (feet)", "airports"),
            rows=lambda answer: [
                (round(bucket["key"]), bucket["doc_count"])
                for bucket in answer["aggregations"]["elevation"]["buckets"]
            ],
            expected=_elevations_expected,
        ),
    )


def _words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _hit_rows(answer: dict[str, Any], *fields: str) -> Rows:
    return [(hit["_index"], *(hit["_source"][field] for field in fields)) for hit in answer["hits"]["hits"]]


def _countries_expected(airports: Sequence[Airport]) -> Rows:
    elevations: dict[str, list[int]] = defaultdict(list)
    for airport in airports:
        elevations[airport.country].append(airport.elevation_feet)
    ordered = sorted(elevations.items(), key=lambda item: (-len(item[1]), item[0]))
    return [(country, len(feet), round(sum(feet) / len(feet))) for country, feet in ordered[:PAGE]]


def _elevations_expected(airports: Sequence[Airport]) -> Rows:
    counts = Counter(airport.elevation_feet // ELEVATION_STEP_FEET for airport in airports)
    return [(step * ELEVATION_STEP_FEET, counts[step]) for step in range(min(counts), max(counts) + 1)]
