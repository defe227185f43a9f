"""How deep JSON nests, told without recursion: what is too deep is refused before anything recurses."""

from __future__ import annotations

from typing import Final

from isthmus.exchange import Json

DEEPEST: Final = 100
"""Levels of objects and lists that a mapping, settings, an alias or an update may have.

The JSON library writes 254 levels and reads 1,024; the interpreter itself recurses some 1,000 deep.
"""


def is_too_deep(value: Json, levels: int = DEEPEST) -> bool:
    """Tell whether a JSON value has more levels of objects and lists than that."""
    layer = [value]
    for _ in range(levels + 1):
        inner: list[Json] = []
        for each in layer:
            if isinstance(each, dict):
                inner.extend(each.values())
            elif isinstance(each, list):
                inner.extend(each)
        if not inner:
            return False
        layer = inner
    return True
