"""How index expressions are read."""

from __future__ import annotations

from typing import Final

import msgspec

from isthmus.errors import illegal_argument

_STATES: Final = ("open", "closed", "hidden")


class IndicesOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How index expressions are read (Elasticsearch's "multi-target syntax" parameters).

    ``expand_wildcards`` holds any of ``open``, ``closed``, ``hidden``; empty expands nothing.
    ``forbid_closed`` makes a closed index an error (or nothing, with ``ignore_unavailable``):
    what reads documents sets it, what reads metadata does not.
    """

    ignore_unavailable: bool = False
    allow_no_indices: bool = True
    expand_wildcards: tuple[str, ...] = ("open",)
    forbid_closed: bool = False


def parse_expand_wildcards(text: str) -> tuple[str, ...]:
    """Read the parameter ``expand_wildcards``: a list of open, closed, hidden, none and all.

    As in Elasticsearch the list is read from left to right, and ``none`` forgets what came before.
    """
    chosen: set[str] = set()
    for word in text.split(","):
        if word == "all":
            chosen.update(_STATES)
        elif word == "none":
            chosen.clear()
        elif word in _STATES:
            chosen.add(word)
        else:
            raise illegal_argument(f"No valid expand wildcard value [{word}]")
    return tuple(state for state in _STATES if state in chosen)
