"""How this package asks an engine: paths of index names, JSON there and back, failures in our words."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Final, Protocol
from urllib.parse import quote

import orjson

from isthmus.engines.attached.answers import failure_of_answer
from isthmus.exchange import Json

JSON: Final[Mapping[str, str]] = {"content-type": "application/json"}
NDJSON: Final[Mapping[str, str]] = {"content-type": "application/x-ndjson"}
#: engines take request lines of 4 KiB: names of more indices go another way
LONGEST_PATH: Final = 3_000
_NO_QUERY: Final[Mapping[str, str]] = {}


class EngineResponse(Protocol):
    """A whole answer of an engine."""

    @property
    def status(self) -> int:
        """Answer the HTTP status."""
        ...

    @property
    def body(self) -> bytes:
        """Answer the body."""
        ...


class EngineRequests(Protocol):
    """What sends requests to whichever host of the engine answers."""

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] = ...,
        headers: Mapping[str, str] = ...,
        body: bytes | None = None,
    ) -> Awaitable[EngineResponse]:
        """Send a request and answer what comes back, whatever its status.

        Raises a failure of kind UNAVAILABLE or TIMED_OUT when no host answers.
        """
        ...


class Calls:
    """Asks one engine. Every method raises only :class:`isthmus.errors.Failure`."""

    def __init__(self, client: EngineRequests) -> None:
        self._client = client

    async def send(
        self,
        method: str,
        path: str,
        body: Json = None,
        query: Mapping[str, str] = _NO_QUERY,
    ) -> EngineResponse:
        """Send a request and answer what comes back, whatever its status."""
        return await self._client.request(
            method,
            path,
            query,
            JSON if body is not None else {},
            None if body is None else orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS),
        )

    async def ask(
        self,
        method: str,
        path: str,
        body: Json = None,
        query: Mapping[str, str] = _NO_QUERY,
    ) -> bytes:
        """Send a request and answer the body of a success; raises the failure that any other tells of."""
        response = await self.send(method, path, body, query)
        return succeeded(response)

    async def ask_lines(self, path: str, lines: bytes, query: Mapping[str, str] = _NO_QUERY) -> bytes:
        """Post lines of JSON and answer the body of a success."""
        return succeeded(await self._client.request("POST", path, query, NDJSON, lines))


def succeeded(response: EngineResponse) -> bytes:
    """Answer the body of a success; raises the failure of anything else."""
    if not 200 <= response.status < 300:  # noqa: PLR2004 - the range of successes
        raise failure_of_answer(response.status, response.body)
    return response.body


def path_of(names: Sequence[str], *rest: str) -> str:
    """Answer the path of some indices, and of what is below: each part is written so that it is one."""
    parts = [",".join(quote(name, safe="") for name in names), *(quote(part, safe="_") for part in rest)]
    return "/" + "/".join(part for part in parts if part)


def of_several(names: Sequence[str]) -> Mapping[str, str]:
    """Answer the parameters with which one of several indices may be gone by now: somebody else removed it.

    Of a single one that is the failure that the caller wants to know.
    """
    return {"ignore_unavailable": "true"} if len(names) > 1 else {}


def in_paths(names: Sequence[str]) -> list[list[str]]:
    """Answer the names in lists that are each short enough for a path."""
    lists: list[list[str]] = []
    length = LONGEST_PATH
    for name in names:
        length += len(quote(name, safe="")) + 1
        if length > LONGEST_PATH:
            lists.append([])
            length = len(quote(name, safe="")) + 1
        lists[-1].append(name)
    return lists
