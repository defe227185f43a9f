"""What the fields of several indices can be used for, merged. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from isthmus.exchange import FieldAccess, JsonObject
from isthmus.names import wildcard_matches

#: the type of a field where an index has it not
_UNMAPPED: Final = "unmapped"
_OBJECTS: Final = ("object", "nested")


@dataclass(frozen=True, slots=True)
class Capability:
    """What one field of one index can be used for."""

    type: str
    searchable: bool
    aggregatable: bool
    is_metadata: bool = False
    meta: Mapping[str, str] = field(default_factory=dict)


_METADATA: Final[Mapping[str, Capability]] = {
    "_id": Capability("_id", searchable=True, aggregatable=False, is_metadata=True),
    "_index": Capability("_index", searchable=True, aggregatable=True, is_metadata=True),
    "_source": Capability("_source", searchable=False, aggregatable=False, is_metadata=True),
}


def capabilities_of(mappings: JsonObject) -> dict[str, Capability]:
    """Answer what each field of an index can be used for, objects and multi-fields included."""
    return {**_METADATA, **dict(_fields(mappings.get("properties", {}), ""))}


def _fields(properties: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Capability]]:
    for name, mapping in properties.items():
        path = f"{prefix}{name}"
        kind = mapping.get("type", "object")
        if kind in _OBJECTS:
            yield path, Capability(kind, searchable=False, aggregatable=False)
            yield from _fields(mapping.get("properties", {}), f"{path}.")
            continue
        yield path, _leaf(kind, mapping)
        for sub_name, sub_mapping in mapping.get("fields", {}).items():
            yield f"{path}.{sub_name}", _leaf(sub_mapping["type"], sub_mapping)


def _leaf(kind: str, mapping: Mapping[str, Any]) -> Capability:
    has_values = kind != "text" and mapping.get("doc_values", True) is not False
    is_indexed = mapping.get("index", True) is not False
    return Capability(
        kind,
        searchable=is_indexed or has_values,
        aggregatable=has_values,
        meta=mapping.get("meta", {}),
    )


def is_visible(path: str, access: Sequence[FieldAccess]) -> bool:
    """Tell whether every entry of a caller's field access lets it see a field."""
    return path in _METADATA or all(
        (each.granted is None or any(wildcard_matches(pattern, path) for pattern in each.granted))
        and not any(wildcard_matches(pattern, path) for pattern in each.excepted)
        for each in access
    )


def merged_capabilities(
    by_index: Mapping[str, Mapping[str, Capability]],
    patterns: Sequence[str],
    *,
    include_unmapped: bool = False,
) -> JsonObject:
    """Answer ``fields`` of ``_field_caps``: by field and type, with the indices that differ."""
    paths = sorted({path for fields in by_index.values() for path in fields})
    wanted = [path for path in paths if any(wildcard_matches(pattern, path) for pattern in patterns)]
    return {
        path: _by_type(
            {index: fields.get(path) for index, fields in by_index.items()},
            include_unmapped=include_unmapped,
        )
        for path in wanted
    }


def _by_type(found: Mapping[str, Capability | None], *, include_unmapped: bool) -> JsonObject:
    types: dict[str, dict[str, Capability]] = {}
    for index, capability in found.items():
        if capability is not None:
            types.setdefault(capability.type, {})[index] = capability
    missing = [index for index, capability in found.items() if capability is None]
    is_divided = len(types) > 1 or bool(missing and include_unmapped)
    answer = {kind: _merged(kind, having, is_divided=is_divided) for kind, having in sorted(types.items())}
    if missing and include_unmapped:
        unmapped = Capability(_UNMAPPED, searchable=False, aggregatable=False)
        answer[_UNMAPPED] = _merged(_UNMAPPED, dict.fromkeys(missing, unmapped), is_divided=True)
    return answer


def _merged(kind: str, having: Mapping[str, Capability], *, is_divided: bool) -> JsonObject:
    searchable = [index for index, each in having.items() if each.searchable]
    aggregatable = [index for index, each in having.items() if each.aggregatable]
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
