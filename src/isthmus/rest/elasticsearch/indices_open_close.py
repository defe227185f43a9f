"""``_open`` and ``_close``: a closed index keeps its documents and serves none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from isthmus.errors import validation_failure
from isthmus.exchange import Engine
from isthmus.rest.elasticsearch.call import (
    CLUSTER_WAIT_PARAMETERS,
    INDICES_OPTIONS_PARAMETERS,
    Call,
    ElasticsearchRouter,
    index_expressions,
    indices_options,
)
from isthmus.rest.elasticsearch.indices_destructive import require_names
from isthmus.rest.elasticsearch.indices_known import select
from isthmus.rest.http import Response, json_response

#: ``wait_for_active_shards`` is accepted: the one copy there is is there at once
_PARAMETERS: Final = ("wait_for_active_shards", *CLUSTER_WAIT_PARAMETERS, *INDICES_OPTIONS_PARAMETERS)


def register(
    router: ElasticsearchRouter, engine: Engine, destructive_requires_name: Callable[[], bool]
) -> None:
    """Serve the two actions."""

    async def close(call: Call) -> Response:
        _require_target(call)
        require_names(index_expressions(call), needed=destructive_requires_name())
        selections = select(call, engine, "indices:admin/close", indices_options(call))
        for selection in selections:
            await engine.close_index(selection.index)
        closed = {str(selection.index): {"closed": True} for selection in selections}
        return json_response({"acknowledged": True, "shards_acknowledged": bool(closed), "indices": closed})

    async def open_(call: Call) -> Response:
        _require_target(call)
        require_names(index_expressions(call), needed=destructive_requires_name())
        options = indices_options(call, expand_wildcards="closed")
        for selection in select(call, engine, "indices:admin/open", options):
            await engine.open_index(selection.index)
        return json_response({"acknowledged": True, "shards_acknowledged": True})

    for prefix in ("", "/{index}"):
        router.add("POST", f"{prefix}/_close", close, _PARAMETERS)
        router.add("POST", f"{prefix}/_open", open_, _PARAMETERS)


def _require_target(call: Call) -> None:
    if not index_expressions(call):
        raise validation_failure("index is missing")
