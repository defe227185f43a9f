"""What the fields of several indices, here and in other clusters, can be used for. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from isthmus.errors import illegal_argument
from isthmus.exchange import FieldAccess, JsonObject
from isthmus.names import wildcard_matches
from isthmus.remotes.questions import FieldCapability

#: the type of a field where an index has it not
_UNMAPPED: Final = "unmapped"
_OBJECTS: Final = ("object", "nested")

_METADATA: Final[Mapping[str, FieldCapability]] = {
    "_id": FieldCapability("_id", searchable=True, aggregatable=False, is_metadata=True),
    "_index": FieldCapability("_index", searchable=True, aggregatable=True, is_metadata=True),
    "_source": FieldCapability("_source", searchable=False, aggregatable=False, is_metadata=True),
}

#: what each word of ``filters`` lets through
_FILTERS: Final[Mapping[str, Callable[[FieldCapability], bool]]] = {
    "+metadata": lambda field: field.is_metadata,
    "-metadata": lambda field: not field.is_metadata,
    "-parent": lambda field: field.type not in _OBJECTS,
    "parent": lambda field: field.type not in _OBJECTS,  # Elasticsearch takes it for the same
    "-nested": lambda field: field.type != "nested",
    "-multifield": lambda field: not field.is_multi_field,
}


@dataclass(frozen=True, slots=True)
class FieldQuestion:
    """Which fields are asked about: by name, by ``filters`` and by ``types`` (none: all)."""

    patterns: tuple[str, ...]
    filters: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for word in self.filters:
            if word not in _FILTERS:
                raise illegal_argument(f"Unknown field caps filter [{word[:100]}]")

    def wants(self, field: FieldCapability) -> bool:
        """Tell whether the filters and types let a field through."""
        if self.types and field.type not in self.types:
            return False
        return all(_FILTERS[word](field) for word in self.filters)


def visible_capabilities(mappings: JsonObject, access: Sequence[FieldAccess]) -> dict[str, FieldCapability]:
    """Answer what each field of an index can be used for, as far as a caller may see it."""
    return {
        path: capability for path, capability in capabilities_of(mappings).items() if is_visible(path, access)
    }


def capabilities_of(mappings: JsonObject) -> dict[str, FieldCapability]:
    """Answer what each field of an index can be used for, objects and multi-fields included."""
    return {**_METADATA, **dict(_fields(mappings.get("properties", {}), ""))}


def matching(fields: Mapping[str, FieldCapability], patterns: Sequence[str]) -> dict[str, FieldCapability]:
    """Answer the fields that match one of these patterns, and the objects that they are in."""
    wanted = {path for path in fields if any(wildcard_matches(pattern, path) for pattern in patterns)}
    parents = {
        parent
        for path in wanted
        for parent in _parents(path)
        if parent in fields and fields[parent].type in _OBJECTS
    }
    return {path: field for path, field in fields.items() if path in wanted or path in parents}


def is_visible(path: str, access: Sequence[FieldAccess]) -> bool:
    """Tell whether every entry of a caller's field access lets it see a field."""
    return path in _METADATA or all(
        (each.granted is None or any(wildcard_matches(pattern, path) for pattern in each.granted))
        and not any(wildcard_matches(pattern, path) for pattern in each.excepted)
        for each in access
    )


def merged_capabilities(
    by_index: Mapping[str, Mapping[str, FieldCapability]],
    question: FieldQuestion,
    *,
    include_unmapped: bool = False,
) -> JsonObject:
    """Answer ``fields`` of ``_field_caps``: by field and type, with the indices that differ.

    ``by_index`` has what matches the patterns; filters and types are applied here, so that clusters of
    every version filter alike.
    """
    kept = {
        index: {path: field for path, field in fields.items() if question.wants(field)}
        for index, fields in by_index.items()
    }
    paths = sorted({path for fields in kept.values() for path in fields})
    return {
        path: _by_type(
            {index: fields.get(path) for index, fields in kept.items()}, include_unmapped=include_unmapped
        )
        for path in paths
    }


def _parents(path: str) -> Iterator[str]:
    position = path.rfind(".")
    while position > 0:
        path = path[:position]
        yield path
        position = path.rfind(".")


def _fields(properties: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, FieldCapability]]:
    for name, mapping in properties.items():
        path = f"{prefix}{name}"
        kind = mapping.get("type", "object")
        if kind in _OBJECTS:
            yield path, FieldCapability(kind, searchable=False, aggregatable=False)
            yield from _fields(mapping.get("properties", {}), f"{path}.")
            continue
        yield path, _leaf(kind, mapping, is_multi_field=False)
        for sub_name, sub_mapping in mapping.get("fields", {}).items():
            yield f"{path}.{sub_name}", _leaf(sub_mapping["type"], sub_mapping, is_multi_field=True)


def _leaf(kind: str, mapping: Mapping[str, Any], *, is_multi_field: bool) -> FieldCapability:
    has_values = kind not in ("completion", "text") and mapping.get("doc_values", True) is not False
    is_indexed = mapping.get("index", True) is not False
    return FieldCapability(
        kind,
        searchable=is_indexed or has_values,
        aggregatable=has_values,
        meta=mapping.get("meta", {}),
        is_multi_field=is_multi_field,
    )


def _by_type(found: Mapping[str, FieldCapability | None], *, include_unmapped: bool) -> JsonObject:
    types: dict[str, dict[str, FieldCapability]] = {}
    for index, capability in found.items():
        if capability is not None:
            types.setdefault(capability.type, {})[index] = capability
    missing = [index for index, capability in found.items() if capability is None]
    is_divided = len(types) > 1 or bool(missing and include_unmapped)
    answer = {kind: _merged(kind, having, is_divided=is_divided) for kind, having in sorted(types.items())}
    if missing and include_unmapped:
        unmapped = FieldCapability(_UNMAPPED, searchable=False, aggregatable=False)
        answer[_UNMAPPED] = _merged(_UNMAPPED, dict.fromkeys(missing, unmapped), is_divided=True)
    return answer


def _merged(kind: str, having: Mapping[str, FieldCapability], *, is_divided: bool) -> JsonObject:
    searchable = {index for index, each in having.items() if each.searchable}
    aggregatable = {index for index, each in having.items() if each.aggregatable}
    merged: JsonObject = {
        "type": kind,
        "metadata_field": any(each.is_metadata for each in having.values()),
        "searchable": len(searchable) == len(having),
        "aggregatable": len(aggregatable) == len(having),
    }
    if is_divided:
        merged["indices"] = list(having)
    for name, able in (("non_searchable_indices", searchable), ("non_aggregatable_indices", aggregatable)):
        if 0 < len(able) < len(having):
            merged[name] = [index for index in having if index not in able]
    meta: dict[str, set[str]] = {}
    for each in having.values():
        for name, value in each.meta.items():
            meta.setdefault(name, set()).add(value)
    if meta:
        merged["meta"] = {name: sorted(values) for name, values in sorted(meta.items())}
    return merged
