"""What carries out aggregations that the library has not: one function a kind, over the searches of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from tantivy import Query

from isthmus.engines.embedded.aggregations.runner import Runner
from isthmus.exchange import JsonObject
from isthmus.search.aggregations.contract import Node

#: class of an aggregation's parameters -> answers its combinable form over the documents of a query
EXECUTORS: Final[Mapping[type, Callable[[Runner, Query, Node], JsonObject]]] = MappingProxyType({})
