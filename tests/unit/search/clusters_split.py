"""The same documents twice: in one index, and spread over the clusters that a search names."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from clusters_harness import user, write

from isthmus.clock import SystemClock
from isthmus.engines.embedded.engine import EmbeddedEngine
from isthmus.exchange import SearchRequest, SearchResult, SearchTarget, TermStatistics
from isthmus.names import ClusterAlias, IndicesOptions
from isthmus.remotes.protocol import Decoders, encode
from isthmus.rest.elasticsearch.search_order import search_question
from isthmus.search.coordinator import coordinate
from isthmus.search.local import LocalCluster
from isthmus.search.merge import SearchAnswer

Document = dict[str, Any]
INDEX = "docs"


@dataclass
class OverTheWire:
    """A cluster that is asked, and answers, in bytes."""

    cluster: LocalCluster

    async def search(
        self, expressions: tuple[str, ...], options: IndicesOptions, request: SearchRequest
    ) -> SearchResult:
        """Search over there."""
        asked = Decoders().decode(SearchRequest, encode(request))
        found = await self.cluster.search(expressions, options, asked)
        return Decoders().decode(SearchResult, encode(found))

    async def term_statistics(
        self, expressions: tuple[str, ...], options: IndicesOptions, request: SearchRequest
    ) -> TermStatistics:
        """Tell what scores are made of over there."""
        asked = Decoders().decode(SearchRequest, encode(request))
        told = await self.cluster.term_statistics(expressions, options, asked)
        return Decoders().decode(TermStatistics, encode(told))


class SplitClusters:
    """One cluster with everything, and several with parts of it: this one, and others of these aliases."""

    def __init__(self, directory: Path, *aliases: str) -> None:
        self._runner = asyncio.Runner()
        self._clock = SystemClock()
        self.aliases: tuple[ClusterAlias | None, ...] = (None, *(ClusterAlias(alias) for alias in aliases))
        self._whole = self._runner.run(_made(directory / "whole"))
        self._parts = {
            alias: self._runner.run(_made(directory / (alias or "local"))) for alias in self.aliases
        }

    def write(
        self,
        documents: Mapping[str, Document],
        mappings: Mapping[str, Any],
        mappings_of: Mapping[ClusterAlias | None, Mapping[str, Any]] | None = None,
    ) -> None:
        """Write documents into the one index, and in turn into those of the clusters."""
        self._runner.run(write(self._whole, INDEX, documents, {"properties": mappings}))
        names = list(documents)
        for number, alias in enumerate(self.aliases):
            mine = {name: documents[name] for name in names[number :: len(self.aliases)]}
            own = (mappings_of or {}).get(alias, mappings)
            self._runner.run(write(self._parts[alias], INDEX, mine, {"properties": own}))

    def whole(self, body: Document, **parameters: str) -> Document:
        """Search the one index; the answer's body as JSON has it."""
        return self._search({None: LocalCluster(self._whole, user())}, (INDEX,), body, parameters)

    def split(self, body: Document, **parameters: str) -> Document:
        """Search all clusters."""
        targets: dict[ClusterAlias | None, SearchTarget] = {}
        for alias, engine in self._parts.items():
            cluster = LocalCluster(engine, user(), f"node-of-{alias or 'local'}")
            targets[alias] = cluster if alias is None else OverTheWire(cluster)
        return self._search(targets, self.expressions, body, parameters)

    def part(self, alias: ClusterAlias | None, body: Document) -> Document:
        """Search one of the clusters as those who live there do."""
        return self._search({None: LocalCluster(self._parts[alias], user())}, (INDEX,), body, {})

    @property
    def expressions(self) -> tuple[str, ...]:
        """What names the index in every cluster."""
        return tuple(INDEX if alias is None else f"{alias}:{INDEX}" for alias in self.aliases)

    def _search(
        self,
        targets: Mapping[ClusterAlias | None, SearchTarget],
        expressions: Sequence[str],
        body: Document,
        parameters: Mapping[str, str],
    ) -> Document:
        question = search_question(tuple(expressions), parameters, body)
        skip = {alias: False for alias in targets if alias is not None}
        answer: SearchAnswer = self._runner.run(coordinate(question.order, targets, skip, self._clock))
        rendered: Document = orjson.loads(orjson.dumps(question.rendered(answer)))
        return rendered

    def close(self) -> None:
        """Close every engine."""
        for engine in (self._whole, *self._parts.values()):
            self._runner.run(engine.close())
        self._runner.close()


async def _made(directory: Path) -> EmbeddedEngine:
    return EmbeddedEngine(directory)


def shown(answer: Document, *members: str) -> list[tuple[Any, ...]]:
    """Answer these members of each hit: its id and its sort values unless named."""
    return [tuple(hit.get(member) for member in members or ("_id", "sort")) for hit in answer["hits"]["hits"]]
