"""``filter_path``: the parts of an answer that the caller wants.

A pattern is a dotted path in which ``*`` stands for any part of a name and ``**`` for any number
of names; one that starts with ``-`` takes away. Arrays are looked through: they are no level.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

from isthmus.errors import illegal_argument
from isthmus.names import wildcard_matches

Path: TypeAlias = tuple[str, ...]

_ANY_DEPTH: Final = "**"
_MOST_PATTERNS: Final = 200
#: marks a value of which nothing is left
_NOTHING: Final = object()


@dataclass(frozen=True, slots=True)
class ResponseFilter:
    """What to keep (nothing: everything) and what of that to take away."""

    included: tuple[Path, ...] = ()
    excluded: tuple[Path, ...] = ()

    def apply(self, value: Any) -> Any:
        """Answer the filtered value; what nothing is left of is ``{}`` or ``[]``.

        Raises a 400 failure for a value that is nested too deeply to be filtered.
        """
        was_list = isinstance(value, list)
        try:
            if self.included:
                value = _kept(value, self.included)
            if self.excluded and value is not _NOTHING:
                value = _without(value, self.excluded)
        except RecursionError:
            raise illegal_argument(
                "[filter_path] cannot be applied: the answer is nested too deeply"
            ) from None
        if value is _NOTHING:
            return [] if was_list else {}
        return value


@lru_cache(maxsize=128)
def parse_response_filter(text: str) -> ResponseFilter:
    """Read the parameter ``filter_path``. Raises a 400 failure for more patterns than are sensible."""
    patterns = [pattern.strip() for pattern in text.split(",") if pattern.strip()]
    if len(patterns) > _MOST_PATTERNS:
        raise illegal_argument(f"[filter_path] has more than {_MOST_PATTERNS} patterns")
    included = [_path(pattern) for pattern in patterns if not pattern.startswith("-")]
    excluded = [_path(pattern[1:]) for pattern in patterns if pattern.startswith("-")]
    return ResponseFilter(tuple(included), tuple(excluded))


def _path(pattern: str) -> Path:
    """Split at dots; a dot after a backslash belongs to the name."""
    names = pattern.replace("\\.", "\0").split(".")
    return tuple(name.replace("\0", ".") for name in names if name)


def _next(paths: tuple[Path, ...], name: str) -> tuple[tuple[Path, ...], bool]:
    """Answer what is left of the paths below ``name``, and whether one of them ends there."""
    left: dict[Path, None] = {}
    ends = False
    waiting = list(paths)
    while waiting:
        path = waiting.pop()
        if not path:
            continue
        first, rest = path[0], path[1:]
        if first == _ANY_DEPTH:
            left[path] = None
            if rest:
                waiting.append(rest)
            else:
                ends = True
        elif wildcard_matches(first, name):
            if rest and rest != (_ANY_DEPTH,):
                left[rest] = None
            else:
                ends = True
    return tuple(left), ends


def _kept(value: Any, paths: tuple[Path, ...]) -> Any:
    if isinstance(value, list):
        parts = [part for part in (_kept(item, paths) for item in value) if part is not _NOTHING]
        return parts or _NOTHING
    if not isinstance(value, dict):
        return _NOTHING
    kept = {}
    for name, member in value.items():
        left, ends = _next(paths, name)
        part = member if ends else _kept(member, left) if left else _NOTHING
        if part is not _NOTHING:
            kept[name] = part
    return kept or _NOTHING


def _without(value: Any, paths: tuple[Path, ...]) -> Any:
    if isinstance(value, list):
        parts = [part for part in (_without(item, paths) for item in value) if part is not _NOTHING]
        return parts if parts or not value else _NOTHING
    if not isinstance(value, dict):
        return value
    kept = {}
    for name, member in value.items():
        left, ends = _next(paths, name)
        if ends:
            continue
        part = _without(member, left) if left else member
        if part is not _NOTHING:
            kept[name] = part
    return kept if kept or not value else _NOTHING
