"""Path to handler, with the precedence of Elasticsearch's own path trie.

A literal segment wins over a parameter, and a path that no method serves is told apart from
a path that another method serves (405 with ``Allow``): no web framework's router does both.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from isthmus.rest.http import percent_decoded

HandlerT = TypeVar("HandlerT", bound=Callable[..., Awaitable[object]])


@dataclass(frozen=True, slots=True)
class Match(Generic[HandlerT]):
    """A handler and the path's parameters, percent-decoded.

    ``parameters`` are the names that the handler takes in a query string; None where it checks
    them itself.
    """

    handler: HandlerT
    path_parameters: Mapping[str, str]
    parameters: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class _Route(Generic[HandlerT]):
    path_names: tuple[str, ...]
    handler: HandlerT
    parameters: frozenset[str] | None


@dataclass(slots=True)
class _Node(Generic[HandlerT]):
    literals: dict[str, _Node[HandlerT]] = field(default_factory=dict)
    parameter: _Node[HandlerT] | None = None
    #: by method
    routes: dict[str, _Route[HandlerT]] = field(default_factory=dict)


class Router(Generic[HandlerT]):
    """A set of routes such as ``GET /{index}/_doc/{id}``."""

    def __init__(self) -> None:
        self._root: _Node[HandlerT] = _Node()

    def add(
        self, methods: str, template: str, handler: HandlerT, parameters: Collection[str] | None = None
    ) -> None:
        """Serve ``template`` for each method of a ``"GET POST"`` list; a route twice is a bug.

        ``parameters`` names what the handler takes in a query string besides the common ones, so
        that others can be refused by name; None leaves that to the handler.
        """
        taken = None if parameters is None else frozenset(parameters)
        node = self._root
        names = []
        for segment in _segments(template):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literals.setdefault(segment, _Node())
        for method in methods.split():
            if method in node.routes:
                raise ValueError(f"route {method} {template} is defined twice")
            node.routes[method] = _Route(tuple(names), handler, taken)

    def find(self, method: str, path: str) -> Match[HandlerT] | frozenset[str]:
        """Answer the match, or the methods that this path has (empty: no such path).

        HEAD is served by GET's handler where it has none of its own. Raises a 400 failure for a
        path that does not decode to UTF-8 text.
        """
        allowed: set[str] = set()
        segments = [percent_decoded(segment) for segment in _segments(path)]
        for node, values in _walk(self._root, segments, 0, ()):
            found = node.routes.get(method)
            if found is None and method == "HEAD":
                found = node.routes.get("GET")
            if found is not None:
                return Match(
                    found.handler, dict(zip(found.path_names, values, strict=True)), found.parameters
                )
            allowed.update(node.routes)
        return frozenset(allowed)


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]


def _walk(
    node: _Node[HandlerT], segments: list[str], position: int, values: tuple[str, ...]
) -> Iterator[tuple[_Node[HandlerT], tuple[str, ...]]]:
    """Yield the nodes that these segments lead to, the most literal first."""
    if position == len(segments):
        if node.routes:
            yield node, values
        return
    literal = node.literals.get(segments[position])
    if literal is not None:
        yield from _walk(literal, segments, position + 1, values)
    if node.parameter is not None:
        yield from _walk(node.parameter, segments, position + 1, (*values, segments[position]))
