"""``_field_caps``: what the fields of this cluster's indices can be used for."""

from __future__ import annotations

from typing import Any, Final

from isthmus.errors import illegal_argument, validation_failure
from isthmus.exchange import Engine, IndexSelection
from isthmus.names import is_cross_cluster
from isthmus.rest.elasticsearch.call import (
    INDICES_OPTIONS_PARAMETERS,
    Call,
    ElasticsearchRouter,
    index_expressions,
    indices_options,
    json_object,
    require_only_members,
)
from isthmus.rest.elasticsearch.field_caps_merge import (
    Capability,
    capabilities_of,
    is_visible,
    merged_capabilities,
)
from isthmus.rest.elasticsearch.indices_known import select
from isthmus.rest.elasticsearch.search_values import text_list
from isthmus.rest.http import Response, boolean_parameter, json_response

_ACTION: Final = "indices:data/read/field_caps"
_PARAMETERS: Final = ("fields", "include_unmapped", *INDICES_OPTIONS_PARAMETERS)


def _patterns(call: Call, body: dict[str, Any]) -> list[str]:
    """Answer the fields asked for: in the query string or, which wins, in the body."""
    given = body.get("fields", call.parameters.get("fields", "").split(","))
    patterns = [each for each in text_list("fields", given) if each]
    if not patterns:
        raise validation_failure("no fields specified")
    return patterns


def register(router: ElasticsearchRouter, engine: Engine) -> None:
    """Serve ``_field_caps`` for this cluster; names of other clusters are refused."""

    async def field_caps(call: Call) -> Response:
        body = json_object(call)
        require_only_members(body, ("fields", "index_filter"), "field capabilities")
        for expression in index_expressions(call):
            if is_cross_cluster(expression):
                raise illegal_argument(
                    f"[_field_caps] of remote clusters is not supported: [{expression[:200]}]"
                )
        patterns = _patterns(call, body)
        selections = select(call, engine, _ACTION, indices_options(call, forbid_closed=True))
        index_filter = body.get("index_filter")
        if index_filter is not None:
            selections = tuple([each for each in selections if await engine.count([each], index_filter)])
        by_index = {
            str(selection.index): _visible(engine, selection)
            for selection in sorted(selections, key=lambda each: each.index)
        }
        fields = merged_capabilities(
            by_index,
            patterns,
            include_unmapped=boolean_parameter(call.parameters, "include_unmapped", default=False),
        )
        return json_response({"indices": list(by_index), "fields": fields})

    for prefix in ("", "/{index}"):
        router.add("GET POST", f"{prefix}/_field_caps", field_caps, _PARAMETERS)


def _visible(engine: Engine, selection: IndexSelection) -> dict[str, Capability]:
    mappings = engine.indices()[selection.index].mappings
    return {
        path: capability
        for path, capability in capabilities_of(mappings).items()
        if is_visible(path, selection.field_access)
    }
