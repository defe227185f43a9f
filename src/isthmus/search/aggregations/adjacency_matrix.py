"""Buckets of documents that match a query, or two of some queries at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar, Final

from isthmus.errors import illegal_argument
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.buckets import Buckets
from isthmus.search.aggregations.contract import BucketBudget, Node
from isthmus.search.aggregations.fields import Parameters
from isthmus.search.aggregations.filters import check_query
from isthmus.search.aggregations.keyed import finished_bucket, merged_buckets

_DEFAULT_SEPARATOR: Final = "&"
#: A pair of filters takes a search of its own: of so many filters there are 5,050 buckets.
_MAXIMUM_FILTERS: Final = 100


@dataclass(frozen=True, slots=True)
class AdjacencyMatrix(Buckets):
    """The parameters of ``adjacency_matrix``; the names are in order."""

    names: tuple[str, ...]
    queries: tuple[Json, ...]
    separator: str = _DEFAULT_SEPARATOR

    kind: ClassVar[str] = "adjacency_matrix"

    @classmethod
    def parse(cls, parameters: Parameters) -> AdjacencyMatrix:
        """Read the parameters."""
        filters = parameters.take("filters")
        if not isinstance(filters, dict):
            if filters is not None:
                raise parameters.wrong_type("filters", filters)
            raise illegal_argument(f"[filters] is missing in [{parameters.name}]")
        if not filters:
            raise illegal_argument("[filters] cannot be empty.")
        if len(filters) > _MAXIMUM_FILTERS:
            raise illegal_argument(
                f"Number of filters is too large, must be less than or equal to: [{_MAXIMUM_FILTERS}] but "
                f"was [{len(filters)}]"
            )
        for query in filters.values():
            check_query(parameters.name, query)
        separator = parameters.text("separator")
        names = tuple(sorted(filters))
        queries = tuple(filters[name] for name in names)
        return cls(names, queries, _DEFAULT_SEPARATOR if separator is None else separator)

    def pairs(self) -> list[tuple[str, int, int]]:
        """Answer the key of each possible bucket and the places of its two queries, or of its one twice."""
        alone = [(name, place, place) for place, name in enumerate(self.names)]
        both = [
            (f"{self.names[one]}{self.separator}{self.names[other]}", one, other)
            for one, other in combinations(range(len(self.names)), 2)
        ]
        return alone + both

    def ask(self, children: Sequence[Node]) -> JsonObject:  # noqa: ARG002 - the contract's
        """Ask for the same."""
        filters = dict(zip(self.names, self.queries, strict=True))
        return {self.kind: {"filters": filters, "separator": self.separator}}

    def combine(self, parts: Sequence[JsonObject], children: Sequence[Node]) -> JsonObject:
        """Merge by the key; what no part has stays away."""
        return {"buckets": merged_buckets(parts, children, str)}

    def finish(self, combined: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:
        """Answer the buckets in order of their keys."""
        budget.take(len(combined["buckets"]))
        return {"buckets": [finished_bucket(bucket, children, budget) for bucket in combined["buckets"]]}
