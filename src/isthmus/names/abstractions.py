"""Index expressions to what they name: indices and aliases, each as itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from isthmus.errors import index_not_found
from isthmus.names.date_math import resolve_date_math
from isthmus.names.options import IndicesOptions
from isthmus.names.resolving import (
    KnownIndex,
    is_hidden_alias,
    require_addressable,
    visible_match,
    without_selector,
)
from isthmus.names.spelling import IndexName
from isthmus.names.wildcards import is_wildcard


@dataclass(frozen=True, slots=True)
class Abstractions:
    """What some expressions name. Both are in the order of their names."""

    indices: tuple[IndexName, ...] = ()
    aliases: tuple[str, ...] = ()


def resolve_abstractions(
    expressions: Sequence[str],
    known: Mapping[IndexName, KnownIndex],
    options: IndicesOptions,
    now_milliseconds: int | None = None,
) -> Abstractions:
    """Answer the indices and aliases that these expressions name.

    Unlike :func:`isthmus.names.resolve_expressions` an alias stands for itself: the indices behind it are
    not named by it. No expression names nothing. Raises the same failures.
    """
    named: dict[str, bool] = {}  # name -> is it an alias
    aliases = frozenset(alias for index in known.values() for alias in index.aliases)
    wildcard_seen = False
    for expression in ("*",) if tuple(expressions) == ("_all",) else expressions:
        excluding = wildcard_seen and expression.startswith("-")
        pattern = without_selector(expression.removeprefix("-") if excluding else expression)
        pattern = resolve_date_math(pattern, now_milliseconds)
        require_addressable(pattern, expression)
        found: dict[str, bool] = {}
        if is_wildcard(pattern):
            wildcard_seen = True
            found = dict(_expanded(pattern, known, options))
            if not found and not excluding and not options.allow_no_indices:
                raise index_not_found(expression)
        elif pattern in known:
            found = {pattern: False}
        elif pattern in aliases:
            found = {pattern: True}
        elif not excluding and not options.ignore_unavailable:
            raise index_not_found(pattern)
        for name, is_alias in found.items():
            if excluding:
                named.pop(name, None)
            else:
                named[name] = is_alias
    return Abstractions(
        tuple(sorted(IndexName(name) for name, is_alias in named.items() if not is_alias)),
        tuple(sorted(name for name, is_alias in named.items() if is_alias)),
    )


def _expanded(
    pattern: str, known: Mapping[IndexName, KnownIndex], options: IndicesOptions
) -> Iterator[tuple[str, bool]]:
    states = options.expand_wildcards
    for name, index in known.items():
        if ("closed" if index.closed else "open") not in states:
            continue
        if visible_match(pattern, name, index.hidden, states):
            yield name, False
        for alias, parameters in index.aliases.items():
            if visible_match(pattern, alias, is_hidden_alias(parameters), states):
                yield alias, True
