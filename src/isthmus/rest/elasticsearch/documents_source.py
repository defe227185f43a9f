"""``_source`` of one document: what of it the caller wants to see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from isthmus.errors import illegal_argument, parsing_failure
from isthmus.names import wildcard_matches
from isthmus.rest.http import json_text

#: the query parameters that :func:`source_filter_of` reads
SOURCE_PARAMETERS = ("_source", "_source_includes", "_source_excludes")


@dataclass(frozen=True, slots=True)
class SourceFilter:
    """What of a source is shown. A ``*`` in a pattern stands for any text, dots included.

    A pattern also covers everything below what it names. No ``includes`` means everything.
    """

    enabled: bool = True
    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()

    @property
    def shows_all(self) -> bool:
        """Whether the source is shown as it is."""
        return self.enabled and not self.includes and not self.excludes

    def apply(self, source: bytes) -> bytes:
        """Answer the wanted parts of a source, which must be the JSON text of an object."""
        if self.shows_all:
            return source
        try:
            return json_text(self._filtered(orjson.loads(source), "", not self.includes))
        except RecursionError:
            raise illegal_argument(
                "[_source] cannot be filtered: the document is nested too deeply"
            ) from None

    def _filtered(self, value: Mapping[str, Any], prefix: str, included: bool) -> dict[str, Any]:  # noqa: FBT001 - inherited from the parent
        kept: dict[str, Any] = {}
        for name, member in value.items():
            path = prefix + name
            if any(wildcard_matches(pattern, path) for pattern in self.excludes):
                continue
            wanted = included or any(wildcard_matches(pattern, path) for pattern in self.includes)
            if isinstance(member, dict):
                below = self._filtered(member, path + ".", wanted)
                if below or wanted:
                    kept[name] = below
            elif isinstance(member, list):
                items = self._filtered_list(member, path + ".", wanted)
                if items or wanted:
                    kept[name] = items
            elif wanted:
                kept[name] = member
        return kept

    def _filtered_list(self, items: list[Any], prefix: str, included: bool) -> list[Any]:  # noqa: FBT001 - likewise
        kept: list[Any] = []
        for item in items:
            if isinstance(item, dict):
                below = self._filtered(item, prefix, included)
                if below or included:
                    kept.append(below)
            elif isinstance(item, list):
                nested = self._filtered_list(item, prefix, included)
                if nested or included:
                    kept.append(nested)
            elif included:
                kept.append(item)
        return kept


def source_filter_of(parameters: Mapping[str, str]) -> SourceFilter | None:
    """Answer what the query string says about the source, None where it says nothing."""
    text = parameters.get("_source")
    includes = _names(parameters.get("_source_includes"))
    excludes = _names(parameters.get("_source_excludes"))
    enabled = True
    if text is not None:
        if text == "false":
            enabled = False
        elif text not in {"", "true"}:
            includes = _names(text)
    elif not includes and not excludes:
        return None
    return SourceFilter(enabled, includes, excludes)


def source_filter_of_json(value: Any) -> SourceFilter:
    """Read the member ``_source`` of a body: a flag, a pattern, a list, or includes and excludes."""
    if isinstance(value, bool):
        return SourceFilter(value)
    if isinstance(value, dict):
        for name in value:
            if name not in {"include", "includes", "exclude", "excludes"}:
                raise parsing_failure(f"Unknown key for a START_OBJECT in [{str(name)[:100]}].")
        includes = value.get("includes", value.get("include", ()))
        excludes = value.get("excludes", value.get("exclude", ()))
        return SourceFilter(includes=_patterns(includes), excludes=_patterns(excludes))
    return SourceFilter(includes=_patterns(value))


def _patterns(value: Any) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or not all(isinstance(one, str) for one in listed):
        raise parsing_failure(
            "[_source] must be a flag, a field name, a list of them, or includes and excludes"
        )
    return tuple(listed)


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name for name in (text or "").split(",") if name)
