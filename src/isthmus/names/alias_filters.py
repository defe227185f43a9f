"""Filtered aliases: an index that is reached only through them shows only what they let through."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from isthmus.names.date_math import resolve_date_math
from isthmus.names.resolving import KnownIndex
from isthmus.names.wildcards import is_wildcard, wildcard_matches


def alias_filters(
    expressions: Sequence[str],
    index: KnownIndex,
    is_allowed: Callable[[str], bool],
    now_milliseconds: int | None = None,
) -> tuple[Any, ...]:
    """Answer the queries of which a document must match at least one; none hides nothing.

    As in Elasticsearch a filter counts only where the index is reached neither by its own name
    nor by an alias without a filter. ``is_allowed`` says by which names the caller may reach it:
    what a wildcard covers is no way in where the caller has no right to it.
    """
    filters = {name: _filter_or_none(parameters) for name, parameters in index.aliases.items()}
    if not any(query is not None for query in filters.values()):
        return ()
    addressed = _addressed(expressions, (index.name, *filters), now_milliseconds)
    ways_in = [name for name in addressed if is_allowed(name)]
    # No way in is no reason to show everything: then all filtered aliases count.
    queries = [filters.get(name) for name in ways_in] or list(filters.values())
    if ways_in and any(query is None for query in queries):
        return ()
    return tuple(query for query in queries if query is not None)


def _filter_or_none(parameters: Any) -> Any:
    return parameters.get("filter") if isinstance(parameters, Mapping) else None


def _addressed(
    expressions: Sequence[str], names: Sequence[str], now_milliseconds: int | None
) -> dict[str, None]:
    """Answer which of one index's names the expressions mean."""
    if tuple(expressions) in ((), ("_all",)):
        return dict.fromkeys(names)
    addressed: dict[str, None] = {}
    wildcard_seen = False
    for expression in expressions:
        excluding = wildcard_seen and expression.startswith("-")
        pattern = expression.removeprefix("-") if excluding else expression
        pattern = resolve_date_math(pattern, now_milliseconds).partition("::")[0]
        wildcard_seen = wildcard_seen or is_wildcard(pattern)
        for name in names:
            if wildcard_matches(pattern, name):
                if excluding:
                    addressed.pop(name, None)
                else:
                    addressed[name] = None
    return addressed
