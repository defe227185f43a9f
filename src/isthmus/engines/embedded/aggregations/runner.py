"""What a run over one index offers to those who carry out one kind of aggregation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tantivy import Query

from isthmus.engines.embedded.aggregations.scope import AggregatedIndex
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.contract import Node


class Runner(Protocol):
    """Searches of one index that count against the budget of one request."""

    @property
    def index(self) -> AggregatedIndex:
        """Answer the index."""
        ...

    def run(self, query: Query, nodes: Sequence[Node]) -> JsonObject:
        """Answer sibling aggregations over the documents of a query, in combinable form."""
        ...

    def bucket(self, query: Query, children: Sequence[Node]) -> JsonObject:
        """Answer the documents of a query as one bucket: their number, and what is asked about them."""
        ...

    def compiled(self, query: Json) -> Query:
        """Compile a filter once, however many buckets it is used in."""
        ...
