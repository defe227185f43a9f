"""The ``*`` of index expressions and cluster aliases."""

from __future__ import annotations


def is_wildcard(pattern: str) -> bool:
    """Say whether the text names a set; Elasticsearch knows no ``?`` in index expressions."""
    return "*" in pattern


def wildcard_matches(pattern: str, name: str) -> bool:
    """Say whether ``name`` matches a pattern in which ``*`` stands for any text, also none.

    Every literal piece is looked for once, from left to right, so that a hostile pattern such
    as ``*a*a*a*b`` costs no more than a friendly one. Never translated to a regular expression.
    """
    first, *pieces = pattern.split("*")
    if not pieces:
        return pattern == name
    last = pieces.pop()
    if len(name) < len(first) + len(last) or not (name.startswith(first) and name.endswith(last)):
        return False
    position, end = len(first), len(name) - len(last)
    for piece in pieces:
        # The leftmost place is always right: it leaves the most text to the pieces that follow.
        found = name.find(piece, position, end)
        if found < 0:
            return False
        position = found + len(piece)
    return True
