"""Asking several clusters the same, for what is not a search: answers and failures side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

from isthmus.errors import Failure, FailureKind, Fault
from isthmus.names import ClusterAlias

T = TypeVar("T")

#: how long another cluster may take to tell what it has: as long as clients and Kibana wait by default
REMOTE_SECONDS: Final = 30.0


async def ask_clusters(
    groups: Mapping[ClusterAlias | None, tuple[str, ...]],
    here: Callable[[tuple[str, ...]], Awaitable[T]],
    there: Callable[[ClusterAlias, tuple[str, ...]], Awaitable[T]],
    timeout_seconds: float = REMOTE_SECONDS,
) -> dict[ClusterAlias | None, T | Failure]:
    """Answer what each cluster answered, or how it failed, this one first and then by alias.

    What fails here is raised. All are asked at once.
    """

    async def ask(alias: ClusterAlias) -> T | Failure:
        try:
            async with asyncio.timeout(timeout_seconds):
                return await there(alias, groups[alias])
        except Failure as failure:
            return failure
        except TimeoutError:
            return Failure(
                FailureKind.TIMED_OUT,
                "receive_timeout_transport_exception",
                f"[{alias}] did not answer within [{timeout_seconds:g}s]",
                fault=Fault.REMOTE,
            )

    aliases = sorted(alias for alias in groups if alias is not None)
    tasks = [asyncio.create_task(ask(alias)) for alias in aliases]
    answers: dict[ClusterAlias | None, T | Failure] = {}
    try:
        if None in groups:
            await asyncio.sleep(0)  # the others have the longer way: let their requests leave first
            answers[None] = await here(groups[None])
        for alias, task in zip(aliases, tasks, strict=True):
            answers[alias] = await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return answers
