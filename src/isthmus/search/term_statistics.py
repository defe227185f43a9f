"""The phase before a search whose scores are to be those of one index that holds all documents.

Every cluster is asked what the scores of its hits are made of; all of it together goes with the search.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec

from isthmus.clock import Clock
from isthmus.errors import Failure, FailureKind, Fault
from isthmus.exchange import SearchTarget, TermStatistics
from isthmus.names import ClusterAlias
from isthmus.search.outcome import Outcome
from isthmus.search.plan import Part, Plan


@dataclass(frozen=True, slots=True)
class Gathered:
    """What is left to ask, with the statistics in it, and the clusters that have already failed."""

    plan: Plan
    failed: tuple[Outcome, ...] = ()

    def together(self, plan: Plan, outcomes: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
        """Answer how every part of the whole plan ended, in their order."""
        by_alias = {outcome.part.alias: outcome for outcome in (*self.failed, *outcomes)}
        return tuple(by_alias[part.alias] for part in plan.parts if part.alias in by_alias)


async def gather_statistics(
    plan: Plan, targets: Mapping[ClusterAlias | None, SearchTarget], clock: Clock
) -> Gathered:
    """Ask every cluster for its statistics.

    One that fails is asked no more: its failure is its outcome, and its documents count for nothing in the
    scores of the others. Cancelling this cancels what was asked.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_ask(part, targets[part.alias], plan, clock)) for part in plan.parts]
    answers = [task.result() for task in tasks]
    statistics = TermStatistics.total(each for each in answers if isinstance(each, TermStatistics))
    parts = tuple(
        msgspec.structs.replace(part, request=msgspec.structs.replace(part.request, statistics=statistics))
        for part, answer in zip(plan.parts, answers, strict=True)
        if isinstance(answer, TermStatistics)
    )
    failed = tuple(each for each in answers if isinstance(each, Outcome))
    return Gathered(replace(plan, parts=() if any(each.is_fatal for each in failed) else parts), failed)


async def _ask(part: Part, target: SearchTarget, plan: Plan, clock: Clock) -> TermStatistics | Outcome:
    started_seconds = clock.monotonic_seconds()
    try:
        async with asyncio.timeout(part.timeout_seconds):
            return await target.term_statistics(part.expressions, plan.options, part.request)
    except Failure as failure:
        took = int((clock.monotonic_seconds() - started_seconds) * 1000)
        return Outcome(part, failure=failure, took_milliseconds=took)
    except TimeoutError:
        took = int((clock.monotonic_seconds() - started_seconds) * 1000)
        no_answer = Failure(
            FailureKind.TIMED_OUT,
            "receive_timeout_transport_exception",
            f"[{part.alias}][indices:data/read/search[phase/dfs]] timed out after [{took}ms]",
            fault=Fault.REMOTE,
        )
        return Outcome(part, failure=no_answer, took_milliseconds=took, timed_out=True)
