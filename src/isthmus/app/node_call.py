"""One request of the platform to a node's control socket."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson

from isthmus.control.failures import node_unavailable
from isthmus.errors import Failure, FailureKind

_TIMEOUT: Final = aiohttp.ClientTimeout(total=10.0)


async def call_node(socket: Path, deployment_id: str, method: str, path: str, body: Any) -> Any:
    """Answer the parsed body; see :meth:`isthmus.control.nodes.Nodes.call` for what it raises."""
    try:
        # A session a call: calls are few, and a node that was restarted has another socket.
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket)), timeout=_TIMEOUT) as session,
            session.request(
                method,
                f"http://node{path}",
                data=None if body is None else orjson.dumps(body),
                headers={"Content-Type": "application/json"},
            ) as response,
        ):
            status, content = response.status, await response.read()
    except (OSError, aiohttp.ClientError, TimeoutError) as error:
        raise node_unavailable(deployment_id) from error
    try:
        answer = orjson.loads(content) if content else None
    except orjson.JSONDecodeError:
        raise _refusal(deployment_id, path, status, "it is no JSON") from None
    if status >= HTTPStatus.BAD_REQUEST:
        raise _refusal(deployment_id, path, status, _reason(answer))
    return answer


def _refusal(deployment_id: str, path: str, status: int, reason: str) -> Failure:
    kind = FailureKind.NOT_FOUND if status == HTTPStatus.NOT_FOUND else FailureKind.INTERNAL
    text = f"deployment [{deployment_id}] answered [{status}] to [{path}]: {reason}"
    return Failure(kind, "deployments.node_refused", text)


def _reason(answer: Any) -> str:
    error = answer.get("error") if isinstance(answer, dict) else None
    return str(error.get("reason") if isinstance(error, dict) else error)[:500]
