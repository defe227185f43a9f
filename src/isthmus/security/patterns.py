"""Name patterns of roles: exact names, ``*`` and ``?`` wildcards, ``/regular expressions/``.

Every matcher takes time proportional to pattern times name whatever the pattern is: whoever may
write a role must not be able to stall a node with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeAlias

from isthmus.security.lucene_regex import compile_lucene_regex

Matcher: TypeAlias = Callable[[str], bool]

_WILDCARDS: Final = frozenset("*?")


def is_regex(pattern: str) -> bool:
    """Tell whether this is a ``/regular expression/``."""
    return len(pattern) > 1 and pattern.startswith("/") and pattern.endswith("/")


def has_wildcard(pattern: str) -> bool:
    """Tell whether this stands for more than one exact name."""
    return is_regex(pattern) or not _WILDCARDS.isdisjoint(pattern)


@lru_cache(maxsize=4096)
def matcher(pattern: str) -> Matcher:
    """Answer the test for one pattern, over the whole name and case-sensitive.

    Raises an ``illegal_argument_exception`` failure for a regular expression that cannot be used.
    """
    if is_regex(pattern):
        return compile_lucene_regex(pattern[1:-1])
    if not has_wildcard(pattern):
        return pattern.__eq__
    if pattern == "*":
        return _anything
    return _wildcard_expression(pattern)


@lru_cache(maxsize=4096)
def matcher_of_any(patterns: tuple[str, ...]) -> Matcher:
    """Answer the test whether a name matches at least one of these patterns."""
    if "*" in patterns:
        return _anything
    exact = frozenset(pattern for pattern in patterns if not has_wildcard(pattern))
    others = tuple(matcher(pattern) for pattern in patterns if has_wildcard(pattern))

    def matches(name: str) -> bool:
        return name in exact or any(other(name) for other in others)

    return matches


def covers(wider: str, narrower: str) -> bool:
    """Tell whether every name that ``narrower`` matches is surely matched by ``wider``.

    For regular expressions only equality and ``*`` are recognised: False then means "not proven".
    """
    if wider in ("*", narrower):
        return True
    if is_regex(wider):
        return not has_wildcard(narrower) and matcher(wider)(narrower)
    if is_regex(narrower):
        return False
    # A `*` or `?` of the narrower pattern is an ordinary character here: it can only be consumed
    # by a wildcard of the wider one, which then takes whatever it stands for. A `?` must not take
    # a `*` though, which may stand for nothing or for much.
    return _wildcard_expression(wider, single="[^*]")(narrower)


def may_overlap(first: str, second: str) -> bool:
    """Tell whether some name may match both patterns; True where it cannot be excluded cheaply."""
    if is_regex(first) or is_regex(second):
        if not has_wildcard(first):
            return matcher(second)(first)
        if not has_wildcard(second):
            return matcher(first)(second)
        return True
    return _wildcards_overlap(first, second)


def _anything(_name: str) -> bool:
    return True


@lru_cache(maxsize=4096)
def _wildcard_expression(pattern: str, single: str = ".") -> Matcher:
    """Translate to a regular expression that never backtracks into an earlier ``*``.

    The leftmost place for each fixed piece is as good as any other, so each is an atomic group.
    """
    pieces = re.split(r"\*+", pattern)
    fixed = ["".join(single if letter == "?" else re.escape(letter) for letter in piece) for piece in pieces]
    if len(fixed) == 1:
        expression = fixed[0]
    else:
        middle = "".join(f"(?>.*?{piece})" for piece in fixed[1:-1])
        expression = f"{fixed[0]}{middle}.*{fixed[-1]}"
    compiled = re.compile(rf"(?s:{expression})\Z")

    def matches(name: str) -> bool:
        return compiled.match(name) is not None

    return matches


def _wildcards_overlap(first: str, second: str) -> bool:
    """Run both patterns against each other; the reachable pairs of positions are at most their product."""
    pending = [(0, 0)]
    seen = {(0, 0)}
    while pending:
        i, j = pending.pop()
        if i == len(first) and j == len(second):
            return True
        for pair in _next_positions(first, i, second, j):
            if pair not in seen:
                seen.add(pair)
                pending.append(pair)
    return False


def _next_positions(first: str, i: int, second: str, j: int) -> list[tuple[int, int]]:
    following = []
    left = first[i] if i < len(first) else None
    right = second[j] if j < len(second) else None
    if left == "*":
        following.append((i + 1, j))
    if right == "*":
        following.append((i, j + 1))
    if left is not None and right is not None and (left == right or left in "*?" or right in "*?"):
        following.append((i if left == "*" else i + 1, j if right == "*" else j + 1))
    return following
