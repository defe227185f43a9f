"""Ask every cluster at once: the second of the three steps plan, ask, merge.

A cluster that is down, slow or refuses is an outcome like any other: data, never an exception.
What it means for the whole answer is decided by :mod:`isthmus.search.merge`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

from isthmus.clock import Clock
from isthmus.errors import Failure, FailureKind, Fault
from isthmus.exchange import SearchTarget
from isthmus.names import ClusterAlias
from isthmus.search.outcome import Outcome
from isthmus.search.plan import Part, Plan
from isthmus.search.progress import SearchProgress
from isthmus.search.shard_failures import every_shard_failed


async def ask_all(
    plan: Plan,
    targets: Mapping[ClusterAlias | None, SearchTarget],
    clock: Clock,
    progress: SearchProgress | None = None,
) -> tuple[Outcome, ...]:
    """Answer one outcome for every part, in their order; fewer when one of them is fatal.

    The remote clusters are asked, and their requests are on the way, before the search here starts:
    they have the longer way, and a short search here keeps the event loop busy. A fatal outcome ends the
    waiting at once. Cancelling this cancels every part. ``progress`` is told of each outcome as it comes.
    """
    if not plan.is_shared:
        return tuple([await _ask(part, targets[part.alias], plan, clock) for part in plan.parts])
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    unfinished: set[asyncio.Task[Outcome]] = set()

    def has_ended(task: asyncio.Task[Outcome]) -> None:
        unfinished.discard(task)
        if over.done() or task.cancelled():
            return
        error = task.exception()
        if error is not None:  # a bug: no outcome
            over.set_exception(error)
            return
        outcome = task.result()
        if progress is not None:
            progress.answered(outcome)
        if not unfinished or outcome.is_fatal:
            over.set_result(None)

    # Tasks start in the order in which they are made, and a request to a cluster leaves as its task starts.
    tasks: dict[ClusterAlias | None, asyncio.Task[Outcome]] = {}
    for part in sorted(plan.parts, key=lambda part: part.alias is None):
        task = loop.create_task(_ask(part, targets[part.alias], plan, clock))
        tasks[part.alias] = task
        unfinished.add(task)
        task.add_done_callback(has_ended)
    try:
        await over
    finally:
        abandoned = frozenset(unfinished)
        if abandoned:
            await _abandon(abandoned)
    finished = [tasks[part.alias] for part in plan.parts if tasks[part.alias] not in abandoned]
    return tuple([task.result() for task in finished])


async def _ask(part: Part, target: SearchTarget, plan: Plan, clock: Clock) -> Outcome:
    started = clock.monotonic_seconds()
    try:
        if part.timeout_seconds is None:
            result = await target.search(part.expressions, plan.options, part.request)
        else:
            async with asyncio.timeout(part.timeout_seconds):
                result = await target.search(part.expressions, plan.options, part.request)
    except Failure as failure:
        return Outcome(part, failure=failure, took_milliseconds=_milliseconds_since(started, clock))
    except TimeoutError:
        took = _milliseconds_since(started, clock)
        return Outcome(part, failure=_no_answer(part, took), took_milliseconds=took, timed_out=True)
    took_seconds = clock.monotonic_seconds() - started
    of_all_shards = every_shard_failed(result, Fault.HERE if part.alias is None else Fault.REMOTE)
    return Outcome(
        part,
        result=result,
        failure=of_all_shards,
        took_milliseconds=int(took_seconds * 1000),
        took_seconds=took_seconds,
    )


async def _abandon(tasks: Collection[asyncio.Task[Outcome]]) -> None:
    """Cancel and wait, so that nothing runs on behind the answer's back."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _milliseconds_since(started_seconds: float, clock: Clock) -> int:
    return int((clock.monotonic_seconds() - started_seconds) * 1000)


def _no_answer(part: Part, took_milliseconds: int) -> Failure:
    return Failure(
        FailureKind.TIMED_OUT,
        "receive_timeout_transport_exception",
        f"[{part.alias}][indices:data/read/search] timed out after [{took_milliseconds}ms]",
        fault=Fault.REMOTE,
    )
