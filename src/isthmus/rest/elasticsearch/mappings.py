"""Mappings: ``_mapping`` and ``_mapping/field``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from isthmus.errors import illegal_argument, validation_failure
from isthmus.exchange import Engine, FieldAccess, JsonObject
from isthmus.names import wildcard_matches
from isthmus.rest.elasticsearch.call import (
    CLUSTER_WAIT_PARAMETERS,
    INDICES_OPTIONS_PARAMETERS,
    Call,
    ElasticsearchRouter,
    index_expressions,
    indices_options,
    json_object,
)
from isthmus.rest.elasticsearch.indices_known import described, select
from isthmus.rest.http import Response, boolean_parameter, json_response
from isthmus.search.field_capabilities import is_visible

_GET_PARAMETERS: Final = ("local", "master_timeout", *INDICES_OPTIONS_PARAMETERS)
_FIELD_PARAMETERS: Final = ("local", "include_defaults", *INDICES_OPTIONS_PARAMETERS)
_PUT_PARAMETERS: Final = ("write_index_only", *CLUSTER_WAIT_PARAMETERS, *INDICES_OPTIONS_PARAMETERS)


def field_mappings(mappings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str, JsonObject]]:
    """Yield full name, own name and mapping of every leaf field, multi-fields included."""
    for name, mapping in mappings.get("properties", {}).items():
        path = f"{prefix}{name}"
        if "properties" in mapping or mapping.get("type") in {"object", "nested"}:
            yield from field_mappings(mapping, f"{path}.")
            continue
        yield path, name, mapping
        for sub_name, sub_mapping in mapping.get("fields", {}).items():
            yield f"{path}.{sub_name}", sub_name, sub_mapping


def visible_mappings(mappings: JsonObject, access: Sequence[FieldAccess]) -> JsonObject:
    """Answer mappings without the fields that a caller may not see: not even their names are shown."""
    if not access:
        return mappings
    return _visible(mappings, access, "", "properties")


def _visible(mapping: JsonObject, access: Sequence[FieldAccess], prefix: str, member: str) -> JsonObject:
    children = mapping.get(member)
    if not children:
        return mapping
    shown: JsonObject = {}
    for name, child in children.items():
        path = f"{prefix}{name}"
        below = _visible(child, access, f"{path}.", "properties")
        below = _visible(below, access, f"{path}.", "fields")
        # An object is shown for what can be seen of it.
        if is_visible(path, access) or below.get("properties") or below.get("fields"):
            shown[name] = below
    kept = {name: value for name, value in mapping.items() if name != member}
    return {**kept, member: shown} if shown else kept


def register(router: ElasticsearchRouter, engine: Engine) -> None:
    """Serve the mapping routes."""

    async def get(call: Call) -> Response:
        options = indices_options(call)
        selections = select(call, engine, "indices:admin/mappings/get", options)
        access = {one.index: one.field_access for one in selections}
        return json_response(
            {
                str(one.name): {"mappings": visible_mappings(one.mappings, access[one.name])}
                for one in described(engine, selections)
            }
        )

    async def get_fields(call: Call) -> Response:
        selections = select(call, engine, "indices:admin/mappings/fields/get", indices_options(call))
        patterns = index_expressions(call, "fields")
        if boolean_parameter(call.parameters, "include_defaults", default=False):
            raise illegal_argument("[include_defaults] is not supported for field mappings")
        answer = {}
        access = {one.index: one.field_access for one in selections}
        for description in described(engine, selections):
            mappings = visible_mappings(description.mappings, access[description.name])
            found = {
                path: {"full_name": path, "mapping": {name: mapping}}
                for path, name, mapping in field_mappings(mappings)
                if any(wildcard_matches(pattern, path) for pattern in patterns)
            }
            answer[str(description.name)] = {"mappings": found}
        return json_response(answer)

    async def put(call: Call) -> Response:
        body = json_object(call)
        if not body:
            raise validation_failure("mapping source is empty")
        if "_doc" in body:
            raise illegal_argument(
                "Types cannot be provided in put mapping requests, unless the include_type_name parameter is "
                "set to true."
            )
        options = indices_options(call, expand_wildcards="open,closed")
        selections = select(call, engine, "indices:admin/mapping/put", options)
        for description in described(engine, selections):
            await engine.put_mapping(description.name, body)
        return json_response({"acknowledged": True})

    for word in ("_mapping", "_mappings"):
        router.add("GET", f"/{word}", get, _GET_PARAMETERS)
        router.add("GET", f"/{{index}}/{word}", get, _GET_PARAMETERS)
        router.add("PUT POST", f"/{{index}}/{word}", put, _PUT_PARAMETERS)
    router.add("GET", "/_mapping/field/{fields}", get_fields, _FIELD_PARAMETERS)
    router.add("GET", "/{index}/_mapping/field/{fields}", get_fields, _FIELD_PARAMETERS)
