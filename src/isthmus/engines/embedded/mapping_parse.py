"""From a mapping's JSON to a :class:`Mapping`, with Elasticsearch's messages for what is wrong.

Every failure is a 400 of type ``mapper_parsing_exception`` whose cause says what was wrong.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any, Final

from isthmus.engines.embedded.analysis import unknown_analyzer
from isthmus.engines.embedded.document_depth import DEEPEST, is_too_deep
from isthmus.engines.embedded.field_types import COMPLETION_DEFAULTS, FIELD_TYPES, UNSUPPORTED_TYPES
from isthmus.engines.embedded.field_types_dates import check_date_format
from isthmus.engines.embedded.field_types_values import parse_value
from isthmus.engines.embedded.mapping import Dynamic, FieldMapping, Mapping, ObjectMapping
from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.exchange import Json, JsonObject

MAXIMUM_DEPTH: Final = 20
"""How deep objects may nest: the default of ``index.mapping.depth.limit``."""

_KNOWN_BUT_UNSUPPORTED: Final = frozenset(
    {
        "boost",
        "contexts",
        "copy_to",
        "dynamic_templates",
        "fielddata_frequency_filter",
        "ignore_z_value",
        "include_in_all",
        "index_phrases",
        "index_prefixes",
        "normalizer",
        "on_script_error",
        "position_increment_gap",
        "runtime",
        "script",
        "search_quote_analyzer",
        "similarity",
        "split_queries_on_whitespace",
        "subobjects",
        "synthetic_source_keep",
        "time_series_dimension",
        "time_series_metric",
    }
)
_BOOLEANS: Final = frozenset(
    {
        "index",
        "doc_values",
        "store",
        "norms",
        "fielddata",
        "eager_global_ordinals",
        "coerce",
        "ignore_malformed",
        "preserve_position_increments",
        "preserve_separators",
    }
)
#: parameters whose only accepted value is the one that changes nothing here
_ONLY: Final[dict[str, Json]] = {"fielddata": False}
#: what a text field keeps beside its terms is always positions; offsets are found out when they are wanted
_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "index_options": ("positions", "offsets"),
    "term_vector": (
        "no",
        "yes",
        "with_positions",
        "with_offsets",
        "with_positions_offsets",
        "with_positions_payloads",
        "with_positions_offsets_payloads",
    ),
}
WITHOUT_EFFECT: Final = frozenset({"eager_global_ordinals", "norms", *_ONLY, *_CHOICES})
"""Parameters of fields that are kept and shown and change nothing; some have one possible value."""

#: with its form, an input has to fit into one term
_LONGEST_INPUT: Final = 4_000
_LOCALES: Final = ("", "ROOT", "en", "en_US")
_ROOT_KEYS: Final = frozenset(
    {"properties", "dynamic", "_source", "_meta", "date_detection", "numeric_detection"}
)


def parse_mapping(json: Json, analyzers: Container[str] | None = None) -> Mapping:
    """Read the JSON below ``mappings``; ``analyzers`` holds the names that a text field may use.

    Raises a failure of type ``mapper_parsing_exception``. None and ``{}`` are the empty mapping.
    """
    if is_too_deep(json):
        raise mapping_failure(f"Failed to parse mapping: it has more than {DEEPEST} levels")
    try:
        return _root(_as_object(json or {}, "mappings"), analyzers)
    except Failure as failure:
        raise mapping_failure(f"Failed to parse mapping: {failure.reason}", failure) from failure


def mapping_failure(reason: str, cause: Failure | None = None) -> Failure:
    """Answer the failure for a mapping that cannot be used."""
    return Failure(FailureKind.INVALID_REQUEST, "mapper_parsing_exception", reason, caused_by=cause)


def _root(json: JsonObject, analyzers: Container[str] | None) -> Mapping:
    unknown = {key: value for key, value in json.items() if key not in _ROOT_KEYS}
    for key in unknown:
        if key in _KNOWN_BUT_UNSUPPORTED or key in {"_routing", "dynamic_date_formats"}:
            raise _unsupported(key, "the root")
    if unknown:
        listed = ", ".join(f"{key} : {_show(value)}" for key, value in unknown.items())
        raise mapping_failure(f"Root mapping definition has unsupported parameters:  [{listed}]")
    source = _as_object(json.get("_source", {}), "_source")
    for key in source:
        if key != "enabled":
            raise _unsupported(key, "[_source]")
    return Mapping(
        ObjectMapping(
            "",
            _dynamic(json["dynamic"]) if "dynamic" in json else None,
            children=_properties(json.get("properties", {}), "", 1, analyzers),
        ),
        source_enabled=_boolean(source.get("enabled", True), "enabled", "_source"),
        date_detection=_boolean(json.get("date_detection", True), "date_detection", "_doc"),
        numeric_detection=_boolean(json.get("numeric_detection", False), "numeric_detection", "_doc"),
        meta=_as_object(json.get("_meta", {}), "_meta"),
    )


def _properties(
    json: Json, parent: str, depth: int, analyzers: Container[str] | None
) -> dict[str, FieldMapping | ObjectMapping]:
    if depth > MAXIMUM_DEPTH:
        raise mapping_failure(
            f"Limit of mapping depth [{MAXIMUM_DEPTH}] has been exceeded due to object field [{parent}]"
        )
    children: dict[str, FieldMapping | ObjectMapping] = {}
    for name, body in _as_object(json, "properties").items():
        first, dot, rest = name.partition(".")
        if not first.strip() or (dot and not rest.strip()):
            raise mapping_failure(
                "field name cannot be an empty string",
                illegal_argument("field name cannot be an empty string"),
            )
        path = f"{parent}.{first}" if parent else first
        wrapped = {"properties": {rest: body}} if dot else body
        node = _node(path, _as_object(wrapped, path), depth, analyzers)
        before = children.get(first)
        if isinstance(before, ObjectMapping) and isinstance(node, ObjectMapping):
            node = _joined(before, node)
        elif before is not None:
            raise mapping_failure(f"field [{path}] is defined twice")
        children[first] = node
    return children


def _joined(left: ObjectMapping, right: ObjectMapping) -> ObjectMapping:
    """Answer one object out of two dotted definitions of it, such as ``a.b`` and ``a.c``."""
    children = dict(left.children)
    for name, node in right.children.items():
        before = children.get(name)
        if isinstance(before, ObjectMapping) and isinstance(node, ObjectMapping):
            children[name] = _joined(before, node)
        elif before is not None:
            raise mapping_failure(f"field [{node.path}] is defined twice")
        else:
            children[name] = node
    dynamic = right.dynamic if right.dynamic is not None else left.dynamic
    return ObjectMapping(left.path, dynamic, left.enabled and right.enabled, children)


def _node(
    path: str, json: JsonObject, depth: int, analyzers: Container[str] | None
) -> FieldMapping | ObjectMapping:
    declared = json.get("type")
    if declared is None and ("properties" in json or "dynamic" in json or "enabled" in json):
        declared = "object"
    if declared is None:
        raise mapping_failure(f"No type specified for field [{path.rpartition('.')[2]}]")
    if declared == "object":
        return _object(path, json, depth, analyzers)
    return _field(path, str(declared), json, analyzers, parent=None)


def _object(path: str, json: JsonObject, depth: int, analyzers: Container[str] | None) -> ObjectMapping:
    for key in json:
        if key not in {"type", "properties", "dynamic", "enabled"}:
            raise _wrong_parameter(key, path, "object")
    return ObjectMapping(
        path,
        _dynamic(json["dynamic"]) if "dynamic" in json else None,
        _boolean(json.get("enabled", True), "enabled", path),
        _properties(json.get("properties", {}), path, depth + 1, analyzers),
    )


def _field(
    path: str, declared: str, json: JsonObject, analyzers: Container[str] | None, *, parent: str | None
) -> FieldMapping:
    name = path.rpartition(".")[2]
    if declared in UNSUPPORTED_TYPES or (parent is not None and declared == "object"):
        raise mapping_failure(f"field [{name}] of type [{declared}] is not supported by the embedded engine")
    known = FIELD_TYPES.get(declared)
    if known is None:
        raise mapping_failure(
            f"The mapper type [{declared}] declared on field [{name}] does not exist. It might have been "
            "created within a future version or requires a plugin to be installed. Check the documentation."
        )
    explicit: dict[str, Json] = dict(COMPLETION_DEFAULTS) if declared == "completion" else {}
    for key, value in json.items():
        if key in {"type", "fields"}:
            continue
        if key in _KNOWN_BUT_UNSUPPORTED or key not in known.parameters:
            raise _wrong_parameter(key, name, declared)
        explicit[key] = _parameter(key, value, name, declared, analyzers)
    if declared == "scaled_float" and "scaling_factor" not in explicit:
        raise mapping_failure(f"Field [{name}] misses required parameter [scaling_factor]")
    field = FieldMapping(path, declared, explicit, parent=parent)
    if field.null_value is not None:
        parse_value(field, field.null_value)
    subfields = _as_object(json.get("fields", {}), "fields")
    if not subfields:
        return field
    if parent is not None:
        raise mapping_failure(f"fields of fields are not supported: field [{name}]")
    return FieldMapping(
        path,
        declared,
        explicit,
        tuple(
            _field(f"{path}.{each}", _subfield_type(each, body), body, analyzers, parent=path)
            for each, body in sorted(subfields.items())
        ),
    )


def _subfield_type(name: str, body: Json) -> str:
    declared = _as_object(body, name).get("type")
    if declared is None:
        raise mapping_failure(f"No type specified for field [{name}]")
    if not name.strip() or "." in name:
        raise mapping_failure(f"Field name [{name}] which is a multi field of another cannot contain '.'")
    return str(declared)


def _parameter(key: str, value: Json, name: str, declared: str, analyzers: Container[str] | None) -> Json:
    """Check one parameter and answer the form in which it is kept."""
    if key in _BOOLEANS:
        value = _boolean(value, key, name)
    turned_off = key == "norms" and declared == "text" and value is False
    if (
        turned_off
        or (key in _ONLY and value != _ONLY[key])
        or (key in _CHOICES and value not in _CHOICES[key])
    ):
        raise mapping_failure(
            f"[{key}] of [{_show(value)}] on field [{name}] is not supported by the embedded engine"
        )
    if key in {"analyzer", "search_analyzer"}:
        _check_analyzer(key, value, name, analyzers)
    elif key in {"ignore_above", "max_input_length"}:
        _check_length(key, value)
    elif key == "scaling_factor":
        factor = value if isinstance(value, int | float) and not isinstance(value, bool) else 0
        if factor <= 0:
            raise mapping_failure(f"[scaling_factor] must be a positive number, got [{_show(value)}]")
    elif key == "format":
        check_date_format(_text(value, key, name))
    elif key == "locale" and value not in _LOCALES:
        raise mapping_failure(f"[locale] of [{_show(value)}] on field [{name}] is not supported")
    elif key == "meta":
        return _as_object(value, "meta")
    return value


def _check_analyzer(key: str, value: Json, name: str, analyzers: Container[str] | None) -> None:
    analyzer = _text(value, key, name)
    if analyzers is not None and analyzer not in analyzers:
        cause = unknown_analyzer(analyzer)
        raise mapping_failure(f"analyzer [{analyzer}] has not been configured in mappings", cause)


def _check_length(key: str, value: Json) -> None:
    if key == "ignore_above":
        if not _is_whole(value) or value < 0:
            raise mapping_failure(f"[{key}] must be positive, got [{_show(value)}]")
    elif not _is_whole(value) or value <= 0:
        raise mapping_failure(f"[{key}] must be > 0 but was [{_show(value)}]")
    elif value > _LONGEST_INPUT:
        raise mapping_failure(
            f"[{key}] of [{value}] is not supported by the embedded engine: [{_LONGEST_INPUT}] is the most"
        )


def _text(value: Json, key: str, name: str) -> str:
    if isinstance(value, str):
        return value
    raise mapping_failure(f"[{key}] on field [{name}] must be a string")


def _wrong_parameter(key: str, name: str, declared: str) -> Failure:
    if key in _KNOWN_BUT_UNSUPPORTED:
        return _unsupported(key, f"field [{name}] of type [{declared}]")
    return mapping_failure(f"unknown parameter [{key}] on mapper [{name}] of type [{declared}]")


def _unsupported(key: str, where: str) -> Failure:
    return mapping_failure(f"parameter [{key}] on {where} is not supported by the embedded engine")


def _dynamic(value: Json) -> Dynamic:
    text = _show(value)
    try:
        return Dynamic(text)
    except ValueError:
        raise mapping_failure(f"[dynamic] of [{text}] is not supported: use true, false or strict") from None


def _boolean(value: Json, key: str, name: str) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise mapping_failure(
        f"Could not convert [{name}.{key}] to boolean: Failed to parse value [{_show(value)}] as only "
        "[true] or [false] are allowed."
    )


def _as_object(value: Json, name: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise mapping_failure(f"Expected map for property [{name}] but got [{_show(value)}]")


def _is_whole(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _show(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
