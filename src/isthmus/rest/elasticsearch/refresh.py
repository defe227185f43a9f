"""``_refresh``, ``_flush`` and ``_forcemerge``, and the ``refresh`` parameter of writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from isthmus.errors import illegal_argument, validation_failure
from isthmus.exchange import Engine, IndexDescription, RefreshPolicy
from isthmus.names import IndicesOptions
from isthmus.rest.elasticsearch.call import (
    INDICES_OPTIONS_PARAMETERS,
    Call,
    ElasticsearchRouter,
    indices_options,
)
from isthmus.rest.elasticsearch.indices_known import described, select
from isthmus.rest.http import Response, boolean_parameter, integer_parameter, json_response

_FLUSH_PARAMETERS: Final = ("force", "wait_if_ongoing", *INDICES_OPTIONS_PARAMETERS)
_FORCE_MERGE_PARAMETERS: Final = (
    "max_num_segments",
    "only_expunge_deletes",
    "flush",
    "wait_for_completion",
    *INDICES_OPTIONS_PARAMETERS,
)


def refresh_policy(text: str | None) -> RefreshPolicy:
    """Read the parameter ``refresh`` of a write; ``?refresh`` alone means true."""
    if text is None or text == "false":
        return RefreshPolicy.NONE
    if text in {"", "true"}:
        return RefreshPolicy.IMMEDIATE
    if text == "wait_for":
        return RefreshPolicy.WAIT_UNTIL
    raise illegal_argument(f"Unknown value for refresh: [{text[:100]}].")


def copies_of(description: IndexDescription) -> int:
    """Answer how many copies of its one shard an index is meant to have: the primary and its replicas."""
    replicas = str(description.settings.get("index.number_of_replicas", "1"))
    return 1 + (int(replicas) if replicas.isdigit() else 0)


def primaries_of(description: IndexDescription) -> int:
    """Answer how many primary shards an index says it has; the embedded engine keeps them together."""
    shards = str(description.settings.get("index.number_of_shards", "1"))
    return int(shards) if shards.isdigit() else 1


def shards_header(descriptions: Sequence[IndexDescription]) -> dict[str, int]:
    """Answer ``_shards`` for an action on all shards of these indices: replicas are not assigned."""
    primaries = [primaries_of(description) for description in descriptions]
    copies = [copies_of(description) for description in descriptions]
    total = sum(shards * each for shards, each in zip(primaries, copies, strict=True))
    return {"total": total, "successful": sum(primaries), "failed": 0}


def _options(call: Call) -> IndicesOptions:
    return indices_options(call, forbid_closed=True)


def register(router: ElasticsearchRouter, engine: Engine) -> None:
    """Serve the three actions.

    ``_flush`` and ``_forcemerge`` answer without doing anything: every acknowledged write is already
    on disk, and segments are merged in the background.
    """

    async def refresh(call: Call) -> Response:
        selections = select(call, engine, "indices:admin/refresh", _options(call))
        await engine.refresh([selection.index for selection in selections])
        return json_response({"_shards": shards_header(described(engine, selections))})

    async def flush(call: Call) -> Response:
        force = boolean_parameter(call.parameters, "force", default=False)
        if force and not boolean_parameter(call.parameters, "wait_if_ongoing", default=True):
            raise validation_failure("wait_if_ongoing must be true for a force flush")
        selections = select(call, engine, "indices:admin/flush", _options(call))
        return json_response({"_shards": shards_header(described(engine, selections))})

    async def force_merge(call: Call) -> Response:
        integer_parameter(call.parameters, "max_num_segments", -1)
        if not boolean_parameter(call.parameters, "wait_for_completion", default=True):
            raise illegal_argument("[wait_for_completion=false] is not supported: there are no tasks to poll")
        selections = select(call, engine, "indices:admin/forcemerge", _options(call))
        return json_response({"_shards": shards_header(described(engine, selections))})

    for template in ("/_refresh", "/{index}/_refresh"):
        router.add("GET POST", template, refresh, INDICES_OPTIONS_PARAMETERS)
    for template in ("/_flush", "/{index}/_flush"):
        router.add("GET POST", template, flush, _FLUSH_PARAMETERS)
    for template in ("/_forcemerge", "/{index}/_forcemerge"):
        router.add("POST", template, force_merge, _FORCE_MERGE_PARAMETERS)
