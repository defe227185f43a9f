"""Plans: every change of a deployment is an attempt that begins, is pending, and ends well or not.

Clients poll a deployment until it has no pending attempt and then read how the last one ended. An
attempt has ended well once the deployment's node does what was wanted of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import Enum
from typing import Final, Protocol

import msgspec

from isthmus.clock import Clock
from isthmus.control.identity import new_hex_id
from isthmus.control.nodes import Nodes, NodeState, NodeStatus
from isthmus.control.records import Deployment, WantedState
from isthmus.errors import Failure, FailureKind
from isthmus.exchange import JsonObject, Record

#: a node that failed to start so often has failed; it is tried again all the same
FAILURES_THAT_END_AN_ATTEMPT: Final = 4
#: older attempts of a deployment are forgotten
KEPT_ATTEMPTS: Final = 50
_POLL_SECONDS: Final = 0.1
_STATUS_OF_WANTED: Final = {
    WantedState.STARTED: NodeStatus.STARTED,
    WantedState.STOPPED: NodeStatus.STOPPED,
}


class PlanAction(Enum):
    """What a change does; the values are told as the plan's ``source.action``."""

    CREATE = "deployments.create-deployment"
    UPDATE = "deployments.update-deployment"
    SHUT_DOWN = "deployments.shutdown-deployment"
    RESTORE = "deployments.restore-deployment"
    RESTART = "deployments.restart-deployment-es-resource"


class PlanAttempt(Record, frozen=True, kw_only=True):
    """One attempt. It is pending while ``ended_milliseconds`` is None; ``error`` None is a good end."""

    id: str
    deployment_id: str
    action: PlanAction
    wanted: WantedState
    plan: JsonObject
    version: str
    started_milliseconds: int
    ended_milliseconds: int | None = None
    error: str | None = None

    def ended(self, now_milliseconds: int, error: str | None = None) -> PlanAttempt:
        """Answer the attempt after its end."""
        return msgspec.structs.replace(self, ended_milliseconds=now_milliseconds, error=error)


class PlanRecords(Protocol):
    """Where attempts are kept. Every write is durable once it returns."""

    async def all(self) -> Mapping[str, tuple[PlanAttempt, ...]]:
        """Answer the attempts of every deployment, the oldest first."""
        ...

    async def of_deployment(self, deployment_id: str) -> tuple[PlanAttempt, ...]:
        """Answer the attempts of one deployment, the oldest first."""
        ...

    async def pending(self) -> tuple[PlanAttempt, ...]:
        """Answer the attempts that have not ended, of all deployments."""
        ...

    async def add(self, attempt: PlanAttempt, kept: int) -> None:
        """Keep a new attempt, and of its deployment's no more than the last ``kept``."""
        ...

    async def replace(self, attempt: PlanAttempt) -> None:
        """Keep the attempt in place of the one with its id; one that is not there is no error."""
        ...

    async def remove(self, deployment_id: str) -> None:
        """Forget the attempts of a deployment."""
        ...


def outcome(attempt: PlanAttempt, state: NodeState, now_milliseconds: int) -> PlanAttempt | None:
    """Answer the attempt with its end, None while it has not ended. Pure."""
    if state.status is _STATUS_OF_WANTED[attempt.wanted]:
        return attempt.ended(now_milliseconds)
    if state.failures >= FAILURES_THAT_END_AN_ATTEMPT and attempt.wanted is WantedState.STARTED:
        reason = f"the node ended {state.failures} times in a row before it was ready; its log says why"
        return attempt.ended(now_milliseconds, reason)
    return None


def first_attempt(deployment: Deployment) -> PlanAttempt:
    """Answer what stands for the past of a deployment from before attempts were kept."""
    return PlanAttempt(
        id=deployment.id,
        deployment_id=deployment.id,
        action=PlanAction.CREATE,
        wanted=deployment.wanted,
        plan=deployment.plan,
        version=deployment.version,
        started_milliseconds=deployment.created_milliseconds,
        ended_milliseconds=deployment.created_milliseconds,
    )


class Plans:
    """The attempts of one environment's deployments."""

    def __init__(self, records: PlanRecords, nodes: Nodes, clock: Clock) -> None:
        self._records = records
        self._nodes = nodes
        self._clock = clock
        self._changing = asyncio.Lock()
        self._begun = asyncio.Event()

    async def all(self) -> Mapping[str, tuple[PlanAttempt, ...]]:
        """Answer the attempts of every deployment that has some, the oldest first."""
        return await self._records.all()

    async def of(self, deployment: Deployment) -> tuple[PlanAttempt, ...]:
        """Answer the attempts of a deployment, the oldest first: one at least."""
        return await self._records.of_deployment(deployment.id) or (first_attempt(deployment),)

    async def begin(self, deployment: Deployment, action: PlanAction) -> None:
        """Keep that a change has begun; what was pending before is over with."""
        now_milliseconds = self._clock.now_milliseconds()
        attempt = PlanAttempt(
            id=new_hex_id(),
            deployment_id=deployment.id,
            action=action,
            wanted=deployment.wanted,
            plan=deployment.plan,
            version=deployment.version,
            started_milliseconds=now_milliseconds,
        )
        async with self._changing:
            await self._end_pending(deployment.id, "another change took its place")
            # Where there is nothing to wait for, it never was pending.
            ended = outcome(attempt, self._nodes.state(deployment.id), now_milliseconds)
            await self._records.add(ended or attempt, KEPT_ATTEMPTS)
        self._begun.set()

    async def cancel(self, deployment_id: str) -> bool:
        """End what is pending; False where nothing is."""
        async with self._changing:
            return await self._end_pending(deployment_id, "the plan was cancelled")

    async def forget(self, deployment_id: str) -> None:
        """Forget a deployment that was deleted."""
        await self._records.remove(deployment_id)

    async def settle(self) -> bool:
        """End the attempts whose nodes have come to where they were wanted; tell if others are left."""
        async with self._changing:
            pending = await self._records.pending()
            left = False
            for attempt in pending:
                state = self._nodes.state(attempt.deployment_id)
                ended = outcome(attempt, state, self._clock.now_milliseconds())
                if ended is None:
                    left = True
                else:
                    await self._records.replace(ended)
        return left

    async def run(self) -> None:
        """Settle attempts as they come to their end, until cancelled."""
        while True:
            self._begun.clear()
            if await self.settle():
                await self._clock.sleep(_POLL_SECONDS)
            else:
                await self._begun.wait()

    async def _end_pending(self, deployment_id: str, error: str) -> bool:
        attempts = await self._records.of_deployment(deployment_id)
        pending = [attempt for attempt in attempts if attempt.ended_milliseconds is None]
        for attempt in pending:
            await self._records.replace(attempt.ended(self._clock.now_milliseconds(), error))
        return bool(pending)


def no_pending_plan(deployment_id: str) -> Failure:
    """Answer the failure for a plan to be cancelled that is not there (400)."""
    return Failure(
        FailureKind.INVALID_REQUEST,
        "deployments.resource_does_not_have_a_pending_plan",
        f"no plan of deployment [{deployment_id}] is pending",
    )
