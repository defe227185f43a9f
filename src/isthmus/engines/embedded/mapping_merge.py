"""Two mappings into one: what ``PUT _mapping`` and a dynamic field do. Nothing is ever removed."""

from __future__ import annotations

from typing import Final

from isthmus.engines.embedded.mapping import FieldMapping, Mapping, ObjectMapping
from isthmus.errors import Failure, illegal_argument
from isthmus.exchange import Json

_CHANGEABLE: Final = frozenset(
    {
        "ignore_above",
        "search_analyzer",
        "meta",
        "coerce",
        "ignore_malformed",
        "eager_global_ordinals",
        "norms",
        "store",
        "fielddata",
    }
)
#: what a parameter is when it is not given, where that is not the same for every type
_DEFAULTS: Final[dict[str, Json]] = {"index": True, "doc_values": True, "analyzer": "default"}


def merge_mappings(current: Mapping, addition: Mapping) -> Mapping:
    """Answer the mapping with the addition's fields; raise a 400 on a conflict, naming the field."""
    if current.source_enabled and not addition.source_enabled:
        raise _conflict("_source", ("enabled", True, False))
    return Mapping(
        _merge_objects(current.root, addition.root),
        source_enabled=current.source_enabled,
        date_detection=current.date_detection and addition.date_detection,
        numeric_detection=current.numeric_detection or addition.numeric_detection,
        meta=addition.meta or current.meta,
    )


def check_field_limit(before: Mapping | None, after: Mapping, limit: int) -> None:
    """Raise a 400 when a mapping has more fields than ``index.mapping.total_fields.limit`` allows."""
    if after.total_fields <= limit or (before is not None and after.total_fields <= before.total_fields):
        return
    adding = after.total_fields - (before.total_fields if before else 0)
    raise illegal_argument(
        f"Limit of total fields [{limit}] has been exceeded while adding new fields [{adding}]"
    )


def _merge_objects(current: ObjectMapping, addition: ObjectMapping) -> ObjectMapping:
    switched_off = current.enabled and not addition.enabled
    if switched_off or (not current.enabled and addition.children):
        raise illegal_argument(
            f"the [enabled] parameter can't be updated for the object mapping [{current.path}]"
        )
    children = dict(current.children)
    for name, node in addition.children.items():
        before = children.get(name)
        children[name] = node if before is None else _merge_nodes(before, node)
    dynamic = addition.dynamic if addition.dynamic is not None else current.dynamic
    return ObjectMapping(current.path, dynamic, current.enabled, children)


def _merge_nodes(
    current: FieldMapping | ObjectMapping, addition: FieldMapping | ObjectMapping
) -> FieldMapping | ObjectMapping:
    if isinstance(current, ObjectMapping) and isinstance(addition, ObjectMapping):
        return _merge_objects(current, addition)
    if isinstance(current, FieldMapping) and isinstance(addition, FieldMapping):
        return _merge_fields(current, addition)
    if isinstance(current, ObjectMapping):
        raise illegal_argument(f"can't merge a non object mapping [{current.path}] with an object mapping")
    raise illegal_argument(f"can't merge an object mapping [{current.path}] with a non object mapping")


def _merge_fields(current: FieldMapping, addition: FieldMapping) -> FieldMapping:
    if current.type != addition.type:
        raise illegal_argument(
            f"mapper [{current.path}] cannot be changed from type [{current.type}] to [{addition.type}]"
        )
    conflicts = []
    for key in sorted({*current.explicit, *addition.explicit} - _CHANGEABLE):
        before = _parameter(current, key)
        after = _parameter(addition, key)
        if before != after:
            conflicts.append((key, before, after))
    if conflicts:
        raise _conflict(current.path, *conflicts)
    subfields = {each.name: each for each in current.subfields}
    for each in addition.subfields:
        before_field = subfields.get(each.name)
        subfields[each.name] = each if before_field is None else _merge_fields(before_field, each)
    kept = {key: value for key, value in current.explicit.items() if key not in _CHANGEABLE}
    return FieldMapping(
        current.path,
        current.type,
        {**kept, **addition.explicit},
        tuple(subfields[name] for name in sorted(subfields)),
        current.parent,
    )


def _parameter(field: FieldMapping, key: str) -> Json:
    if key == "format":
        return field.date_format
    return field.explicit.get(key, _DEFAULTS.get(key))


def _conflict(path: str, *conflicts: tuple[str, Json, Json]) -> Failure:
    lines = "".join(
        f"\n\tCannot update parameter [{key}] from [{_show(before)}] to [{_show(after)}]"
        for key, before, after in conflicts
    )
    return illegal_argument(f"Mapper for [{path}] conflicts with existing mapper:{lines}")


def _show(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)
