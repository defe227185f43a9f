"""Which parts of a document's source are shown: what the caller asked for and what it may see."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import orjson

from isthmus.errors import illegal_argument, parsing_failure
from isthmus.exchange import FieldAccess, Json

_NAMES_OF_LISTS: Final = {
    "includes": "includes",
    "include": "includes",
    "excludes": "excludes",
    "exclude": "excludes",
}
#: fields that every document has and that no access list hides
METADATA_FIELDS: Final = frozenset(
    {"_id", "_index", "_seq_no", "_version", "_source", "_primary_term", "_doc"}
)


#: more digits than 64 bits are sure to hold
_HUGE_NUMBER: Final = re.compile(rb"\d{19}")


@dataclass(frozen=True, slots=True)
class SourceFilter:
    """What of a source is asked for. Patterns name full paths; ``*`` spans dots. No includes is all."""

    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()

    @property
    def takes_everything(self) -> bool:
        """Tell whether nothing is left out."""
        return not self.excludes and (not self.includes or "*" in self.includes)


def parse_source_filter(given: Json) -> SourceFilter | None:
    """Answer the filter of a search's ``_source``; None where no source is to be shown.

    Accepts a boolean, a pattern, a list of patterns, or an object of ``includes`` and ``excludes``.
    """
    if given is None or given is True or given == "true":
        return SourceFilter()
    if given is False or given == "false":
        return None
    if isinstance(given, str | list):
        return SourceFilter(includes=_patterns(given))
    if not isinstance(given, dict):
        raise parsing_failure(f"Expected one of [VALUE_BOOLEAN, START_OBJECT] but found [{given}]")
    lists: dict[str, tuple[str, ...]] = {}
    for name, value in given.items():
        meant = _NAMES_OF_LISTS.get(name)
        if meant is None:
            raise parsing_failure(f"Unknown key for a VALUE in [{name}].")
        lists[meant] = lists.get(meant, ()) + _patterns(value)
    return SourceFilter(lists.get("includes", ()), lists.get("excludes", ()))


def _patterns(given: Json) -> tuple[str, ...]:
    listed = given if isinstance(given, list) else [given]
    for each in listed:
        if not isinstance(each, str):
            raise illegal_argument(f"a pattern of [_source] must be text but was [{each}]")
    return tuple(listed)


class VisibleFields:
    """The fields that a caller may see: what every entry of an access list lets it."""

    def __init__(self, entries: Sequence[FieldAccess]) -> None:
        self._entries = tuple(
            (
                None if entry.granted is None else _matcher(entry.granted),
                _matcher(entry.excepted),
            )
            for entry in entries
        )
        self.are_all = all(
            granted in _UNLIMITED and excepted is _matches_nothing for granted, excepted in self._entries
        )
        """Whether nothing is hidden."""

    def __call__(self, path: str) -> bool:
        """Tell whether the field of that full path is visible."""
        if path in METADATA_FIELDS:
            return True
        return all(
            (granted is None or granted(path)) and not excepted(path) for granted, excepted in self._entries
        )


def shown_source(source: bytes, wanted: SourceFilter, visible: VisibleFields) -> bytes:
    """Answer what is shown of a source; the very same bytes where nothing is left out."""
    if wanted.takes_everything and visible.are_all:
        return source
    loads, dumps = _codec(source)
    document = loads(source)
    if not visible.are_all:
        document = _visible_part(document, "", visible)
    if not wanted.takes_everything:
        includes = _matcher(wanted.includes) if wanted.includes else _matches_everything
        document = _Choice(includes, _matcher(wanted.excludes)).of_object(document, "", is_included=False)
    return dumps(document)


def read_source(source: bytes) -> dict[str, Any]:
    """Answer a source as an object; huge whole numbers stay exact."""
    document: dict[str, Any] = _codec(source)[0](source)
    return document


def _codec(source: bytes) -> tuple[Callable[[bytes], Any], Callable[[Any], bytes]]:
    """Answer how to read and write a source: quickly, or such that huge whole numbers stay exact."""
    if _HUGE_NUMBER.search(source) is None:
        return orjson.loads, orjson.dumps
    return json.loads, lambda document: json.dumps(
        document, ensure_ascii=False, separators=(",", ":")
    ).encode()


def _visible_part(document: dict[str, Any], prefix: str, visible: VisibleFields) -> dict[str, Any]:
    part: dict[str, Any] = {}
    for name, value in document.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict):
            below = _visible_part(value, f"{path}.", visible)
            if below or (not value and visible(path)):
                part[name] = below
        elif isinstance(value, list):
            items = _visible_items(value, path, visible)
            if items or (not value and visible(path)):
                part[name] = items
        elif visible(path):
            part[name] = value
    return part


def _visible_items(items: list[Any], path: str, visible: VisibleFields) -> list[Any]:
    kept: list[Any] = []
    for item in items:
        if isinstance(item, dict):
            below = _visible_part(item, f"{path}.", visible)
            if below:
                kept.append(below)
        elif isinstance(item, list):
            nested = _visible_items(item, path, visible)
            if nested:
                kept.append(nested)
        elif visible(path):
            kept.append(item)
    return kept


@dataclass(frozen=True, slots=True)
class _Choice:
    """Walking through a document with the patterns of a source filter."""

    includes: Callable[[str], bool]
    excludes: Callable[[str], bool]

    def of_object(self, document: dict[str, Any], prefix: str, *, is_included: bool) -> dict[str, Any]:
        chosen: dict[str, Any] = {}
        for name, value in document.items():
            path = f"{prefix}{name}"
            if self.excludes(path):
                continue
            included = is_included or self.includes(path)
            if isinstance(value, dict):
                below = self.of_object(value, f"{path}.", is_included=included)
                if below or included:
                    chosen[name] = below
            elif isinstance(value, list):
                items = self.of_list(value, path, is_included=included)
                if items or included:
                    chosen[name] = items
            elif included:
                chosen[name] = value
        return chosen

    def of_list(self, items: list[Any], path: str, *, is_included: bool) -> list[Any]:
        chosen: list[Any] = []
        for item in items:
            if isinstance(item, dict):
                below = self.of_object(item, f"{path}.", is_included=is_included)
                if below or is_included:
                    chosen.append(below)
            elif isinstance(item, list):
                nested = self.of_list(item, path, is_included=is_included)
                if nested or is_included:
                    chosen.append(nested)
            elif is_included:
                chosen.append(item)
        return chosen


def _matches_everything(_path: str) -> bool:
    return True


def _matches_nothing(_path: str) -> bool:
    return False


_UNLIMITED: Final = (None, _matches_everything)


@lru_cache(maxsize=1_024)
def _matcher(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """Answer the test whether a path matches one of the patterns."""
    if not patterns:
        return _matches_nothing
    if "*" in patterns:
        return _matches_everything
    alternatives = "|".join(".*".join(re.escape(part) for part in pattern.split("*")) for pattern in patterns)
    expression = re.compile(f"(?:{alternatives})", re.DOTALL)

    def matches(path: str) -> bool:
        return expression.fullmatch(path) is not None

    return matches
