"""The fields of a mapping by their paths, as an engine shows it: types, and how dates are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from isthmus.exchange import Json, JsonObject

#: Elasticsearch's way to write a date whose mapping says nothing.
DEFAULT_DATE_FORMAT: Final = "strict_date_optional_time||epoch_millis"
DATES: Final = frozenset({"date", "date_nanos"})
WHOLE_NUMBERS: Final = frozenset({"long", "integer", "short", "byte", "unsigned_long"})
NUMBERS: Final = WHOLE_NUMBERS | {"double", "float", "half_float", "scaled_float"}
TEXTS: Final = frozenset({"text", "match_only_text", "search_as_you_type", "annotated_text"})
_MOST_DEPTH: Final = 50


@dataclass(frozen=True, slots=True)
class FieldType:
    """One field: its type and what else of its mapping matters here."""

    path: str
    type: str
    format: str | None = None

    @property
    def is_date(self) -> bool:
        """Tell whether values are points in time."""
        return self.type in DATES

    @property
    def date_format(self) -> str:
        """Answer how dates are written."""
        return self.format or DEFAULT_DATE_FORMAT


FieldTypes: TypeAlias = Mapping[str, FieldType]
"""Fields by their paths."""


def field_types(mappings: JsonObject) -> Mapping[str, FieldType]:
    """Answer the fields of a mapping by path; field aliases are what they stand for."""
    found = dict(_fields(mappings, "", 0))
    return {
        path: found.get(each.format or "", each) if each.type == "alias" else each
        for path, each in found.items()
    }


def _fields(properties: JsonObject, prefix: str, depth: int) -> Iterator[tuple[str, FieldType]]:
    below: Json = properties.get("properties")
    if not isinstance(below, dict) or depth > _MOST_DEPTH:
        return
    for name, definition in below.items():
        if not isinstance(definition, dict):
            continue
        path = f"{prefix}{name}"
        kind = definition.get("type")
        if "properties" in definition:
            yield from _fields(definition, f"{path}.", depth + 1)
        if isinstance(kind, str) and kind not in ("object", "nested"):
            written = definition.get("path") if kind == "alias" else definition.get("format")
            yield path, FieldType(path, kind, written if isinstance(written, str) else None)
        multiple = definition.get("fields")
        if isinstance(multiple, dict):
            yield from _fields({"properties": multiple}, f"{path}.", depth + 1)
