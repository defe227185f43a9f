"""Index expressions to the indices of one cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from isthmus.errors import Failure, FailureKind, illegal_argument, index_not_found
from isthmus.names.date_math import resolve_date_math
from isthmus.names.options import IndicesOptions
from isthmus.names.spelling import IndexName, invalid_index_name
from isthmus.names.wildcards import is_wildcard, wildcard_matches

_EVERYTHING: Final = ((), ("_all",), ("*",))


@dataclass(frozen=True, slots=True)
class KnownIndex:
    """What resolving an expression needs to know of an index.

    ``aliases`` holds the parameters of each alias; one with ``is_hidden`` needs to be asked for.
    """

    name: IndexName
    hidden: bool = False
    closed: bool = False
    aliases: Mapping[str, Any] = field(default_factory=dict)


def resolve_expressions(
    expressions: Sequence[str],
    known: Mapping[IndexName, KnownIndex],
    options: IndicesOptions,
    now_milliseconds: int | None = None,
) -> tuple[IndexName, ...]:
    """Answer the indices that these expressions name, each once.

    Names, aliases, ``*`` wildcards, ``-exclusions`` after a wildcard, date math, and ``_all``
    (as no expression at all). Raises ``index_not_found_exception`` for a name that is not
    there unless ``ignore_unavailable``, and for an empty result unless ``allow_no_indices``.
    ``now_milliseconds`` is for date math; None reads the system's clock.
    """
    if tuple(expressions) in _EVERYTHING:
        found = dict.fromkeys(_expand("*", known, options)) if options.expand_wildcards else {}
        if not found and not options.allow_no_indices:
            raise index_not_found("_all")
        return _usable(found, known, options)
    resolved: dict[IndexName, None] = {}
    wildcard_seen = False
    for expression in expressions:
        excluding = wildcard_seen and expression.startswith("-")
        pattern = without_selector(expression.removeprefix("-") if excluding else expression)
        pattern = resolve_date_math(pattern, now_milliseconds)
        require_addressable(pattern, expression)
        if is_wildcard(pattern):
            wildcard_seen = True
            indices = tuple(_expand(pattern, known, options))
            if not indices and not excluding and not options.allow_no_indices:
                raise index_not_found(expression)
        else:
            indices = _exact(pattern, known)
            if not indices and not excluding and not options.ignore_unavailable:
                raise index_not_found(pattern)
        for name in indices:
            if excluding:
                resolved.pop(name, None)
            else:
                resolved[name] = None
    if not resolved and not options.allow_no_indices:
        raise index_not_found(",".join(expressions))
    return _usable(resolved, known, options)


def _usable(
    names: Mapping[IndexName, None], known: Mapping[IndexName, KnownIndex], options: IndicesOptions
) -> tuple[IndexName, ...]:
    if not options.forbid_closed:
        return tuple(names)
    closed = [name for name in names if known[name].closed]
    if closed and not options.ignore_unavailable:
        raise Failure(
            FailureKind.INVALID_REQUEST,
            "index_closed_exception",
            "closed",
            metadata={"index_uuid": "_na_", "index": closed[0]},
        )
    return tuple(name for name in names if not known[name].closed)


def _expand(
    pattern: str, known: Mapping[IndexName, KnownIndex], options: IndicesOptions
) -> Iterator[IndexName]:
    """Yield the indices that a wildcard names, by their own name or by an alias, in their order."""
    states = options.expand_wildcards
    for name in sorted(known):
        index = known[name]
        if ("closed" if index.closed else "open") not in states:
            continue
        if visible_match(pattern, name, index.hidden, states) or any(
            visible_match(pattern, alias, is_hidden_alias(parameters), states)
            for alias, parameters in index.aliases.items()
        ):
            yield name


def visible_match(pattern: str, name: str, hidden: bool, states: Sequence[str]) -> bool:  # noqa: FBT001 - a fact
    """Say whether a wildcard reaches a name: a hidden one only when asked for, or dot for dot."""
    if hidden and "hidden" not in states and not (name.startswith(".") and pattern.startswith(".")):
        return False
    return wildcard_matches(pattern, name)


def is_hidden_alias(parameters: Any) -> bool:
    """Tell whether an alias with these parameters needs to be asked for."""
    return isinstance(parameters, Mapping) and parameters.get("is_hidden") is True


def _exact(name: str, known: Mapping[IndexName, KnownIndex]) -> tuple[IndexName, ...]:
    if name in known:
        return (IndexName(name),)
    return tuple(sorted(index.name for index in known.values() if name in index.aliases))


def require_addressable(pattern: str, expression: str) -> None:
    """Return if an expression can name something here; raises a 400 failure otherwise."""
    if pattern.startswith("_"):
        raise invalid_index_name(expression, "must not start with '_'.")


def without_selector(expression: str) -> str:
    """Take off ``::data``, which is what an index consists of; other components do not exist here."""
    if expression.startswith("<"):
        return expression
    name, separator, selector = expression.partition("::")
    if separator and selector not in {"data", "*"}:
        if selector == "failures":
            raise illegal_argument(f"component selector [::failures] is not supported: [{expression}]")
        raise invalid_index_name(
            expression, f"invalid usage of :: separator, [{selector}] is not a recognized selector"
        )
    return name
