"""Runs one search on an engine: over indices, or over what a point in time holds of one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec
import orjson

from isthmus.engines.attached.aggregating import Aggregating
from isthmus.engines.attached.answers import (
    failure_of_answer,
    kind_of_status,
    not_understood,
    read_answer,
    read_object,
)
from isthmus.engines.attached.calls import LONGEST_PATH, Calls, of_several, path_of
from isthmus.engines.attached.dialect import Dialect
from isthmus.engines.attached.field_types import FieldType
from isthmus.engines.attached.limits import Limits
from isthmus.engines.attached.requests import search_body
from isthmus.engines.attached.results import (
    EngineAnswer,
    failure_unhidden,
    read_search,
    result_of,
    result_of_failure,
)
from isthmus.engines.attached.shard_documents import ShardDocuments
from isthmus.engines.attached.sorting import require_sortable
from isthmus.errors import Failure
from isthmus.exchange import JsonObject, SearchRequest, SearchResult

_PARTIAL: Final = {"allow_partial_search_results": "true"}
_FAILED: Final = 300

Send: TypeAlias = Callable[[JsonObject], Awaitable[tuple[int, bytes]]]
"""Sends the body of a search to where it is to be searched; answers status and body."""


class _Many(msgspec.Struct):
    responses: list[msgspec.Raw]


@dataclass(frozen=True, slots=True)
class Target:
    """What is searched at once: indices of which a caller sees the same, and how to reach them."""

    send: Send
    limits: Limits
    types: Mapping[str, FieldType]
    dialect: Dialect
    boosts: tuple[tuple[str, float], ...] = ()

    async def search(self, request: SearchRequest, numbering: ShardDocuments | None = None) -> SearchResult:
        """Search. Raises the failure of a request that the engine refuses as a whole.

        What single shards refuse is in ``failures``, also where it is all of them.
        """
        require_sortable(request, self.types)
        body = search_body(request, self.limits, self.types, self.dialect)
        if self.boosts:
            body["indices_boost"] = [{name: boost} for name, boost in self.boosts]
        aggregating = None
        if request.aggregations:
            aggregating = Aggregating.of(request, self.limits, self.types, self.ask)
            body["aggs"] = aggregating.asked
        answer = await self._first(body, aggregating)
        if isinstance(answer, SearchResult):
            return answer
        result = result_of(answer, request, self.limits, self.types)
        if numbering is not None:
            result = _numbered(result, answer, numbering)
        if aggregating is None:
            return result
        aggregating.failed_shards = answer.shards.failed
        combinable = await aggregating.read(answer.aggregations, body)
        late = result.timed_out or aggregating.timed_out
        return msgspec.structs.replace(result, aggregations=combinable, timed_out=late)

    async def ask(self, body: JsonObject) -> EngineAnswer:
        """Ask for something of the same documents. Raises the failure of a request that is refused."""
        status, answer = await self.send(body)
        if status >= _FAILED:
            raise failure_unhidden(failure_of_answer(status, answer))
        return read_search(answer)

    async def _first(self, body: JsonObject, aggregating: Aggregating | None) -> EngineAnswer | SearchResult:
        status, answer = await self.send(body)
        if status >= _FAILED and aggregating is not None and aggregating.may_be_asked_for_less(answer):
            body["aggs"] = aggregating.asked_for_less()
            status, answer = await self.send(body)
        if status < _FAILED:
            return read_search(answer)
        failed = _all_shards_failed(status, answer)
        if failed is None:
            raise failure_unhidden(failure_of_answer(status, answer))
        return failed


def _all_shards_failed(status: int, body: bytes) -> SearchResult | None:
    try:
        error = read_object(body).get("error")
    except Failure:
        return None
    return result_of_failure(error, kind_of_status(status)) if isinstance(error, dict) else None


def _numbered(result: SearchResult, answer: EngineAnswer, numbering: ShardDocuments) -> SearchResult:
    try:
        routings = [each.routing for each in answer.hits.hits]
        hits = numbering.chosen(list(zip(result.hits, routings, strict=True)))
    except (TypeError, ValueError, IndexError) as problem:
        raise not_understood(repr(problem)) from problem
    return msgspec.structs.replace(result, hits=hits)


def over_indices(calls: Calls, names: Sequence[str]) -> Send:
    """Answer how to search these indices; of many that are too long for a path as one of several searches."""
    path = path_of(names, "_search")
    if len(path) <= LONGEST_PATH:

        async def send(body: JsonObject) -> tuple[int, bytes]:
            response = await calls.send("POST", path, body, {**_PARTIAL, **of_several(names)})
            return response.status, response.body

        return send
    header = orjson.dumps(
        {"index": list(names), "allow_partial_search_results": True, "ignore_unavailable": True}
    )

    async def send_listed(body: JsonObject) -> tuple[int, bytes]:
        lines = header + b"\n" + orjson.dumps(body) + b"\n"
        answer = read_answer(await calls.ask_lines("/_msearch", lines), _Many)
        if len(answer.responses) != 1:
            raise not_understood("another number of answers than of searches")
        only = bytes(answer.responses[0])
        status = msgspec.json.decode(only, type=_Status)
        return status.status if status.error is not msgspec.UNSET else 200, only

    return send_listed


class _Status(msgspec.Struct):
    status: int = 200
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def over_point_in_time(
    calls: Calls, current: Callable[[], str], renewed: Callable[[str], None], keep: str
) -> Send:
    """Answer how to search what a point in time holds; each search keeps it for as long again."""

    async def send(body: JsonObject) -> tuple[int, bytes]:
        pit = {"id": current(), "keep_alive": keep}
        response = await calls.send("POST", "/_search", {**body, "pit": pit}, _PARTIAL)
        if response.status < _FAILED:
            read = read_answer(response.body, _Renewed)
            if read.pit_id is not None:
                renewed(read.pit_id)
        return response.status, response.body

    return send


class _Renewed(msgspec.Struct):
    pit_id: str | None = None
