"""Attempts of plans in SQL: a row an attempt."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from sqlalchemy import Connection, Select, delete, insert, select, update

from isthmus.control.plans import PlanAttempt
from isthmus.store.database import Database
from isthmus.store.environment_platform_tables import PLAN_ATTEMPTS


class SqlPlanRecords:
    """An environment's database as :class:`isthmus.control.plans.PlanRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> Mapping[str, tuple[PlanAttempt, ...]]:
        """Answer the attempts of every deployment, the oldest first."""
        attempts = await self._select(select(PLAN_ATTEMPTS.c.document).order_by(PLAN_ATTEMPTS.c.number))
        found: dict[str, list[PlanAttempt]] = {}
        for attempt in attempts:
            found.setdefault(attempt.deployment_id, []).append(attempt)
        return {deployment_id: tuple(attempts) for deployment_id, attempts in found.items()}

    async def of_deployment(self, deployment_id: str) -> tuple[PlanAttempt, ...]:
        """Answer the attempts of one deployment, the oldest first."""
        query = select(PLAN_ATTEMPTS.c.document).where(PLAN_ATTEMPTS.c.deployment_id == deployment_id)
        return await self._select(query.order_by(PLAN_ATTEMPTS.c.number))

    async def pending(self) -> tuple[PlanAttempt, ...]:
        """Answer the attempts that have not ended, of all deployments."""
        query = select(PLAN_ATTEMPTS.c.document).where(PLAN_ATTEMPTS.c.pending)
        return await self._select(query.order_by(PLAN_ATTEMPTS.c.number))

    async def add(self, attempt: PlanAttempt, kept: int) -> None:
        """Keep a new attempt, and of its deployment's no more than the last ``kept``."""
        of_deployment = PLAN_ATTEMPTS.c.deployment_id == attempt.deployment_id
        newest = (
            select(PLAN_ATTEMPTS.c.number)
            .where(of_deployment)
            .order_by(PLAN_ATTEMPTS.c.number.desc())
            .limit(kept)
        )
        too_old = delete(PLAN_ATTEMPTS).where(of_deployment, PLAN_ATTEMPTS.c.number.not_in(newest))

        def add(connection: Connection) -> None:
            connection.execute(
                insert(PLAN_ATTEMPTS).values(
                    id=attempt.id, deployment_id=attempt.deployment_id, **_columns(attempt)
                )
            )
            connection.execute(too_old)

        await self._database.write(add)

    async def replace(self, attempt: PlanAttempt) -> None:
        """Keep the attempt in place of the one with its id; one that is not there is no error."""
        statement = update(PLAN_ATTEMPTS).where(PLAN_ATTEMPTS.c.id == attempt.id).values(**_columns(attempt))
        await self._database.write(lambda connection: connection.execute(statement))

    async def remove(self, deployment_id: str) -> None:
        """Forget the attempts of a deployment."""
        statement = delete(PLAN_ATTEMPTS).where(PLAN_ATTEMPTS.c.deployment_id == deployment_id)
        await self._database.write(lambda connection: connection.execute(statement))

    async def _select(self, query: Select[tuple[bytes]]) -> tuple[PlanAttempt, ...]:
        def documents(connection: Connection) -> list[bytes]:
            return [row.document for row in connection.execute(query)]

        found = await self._database.read(documents)
        return tuple(msgspec.json.decode(document, type=PlanAttempt) for document in found)


def _columns(attempt: PlanAttempt) -> dict[str, object]:
    return {"pending": attempt.ended_milliseconds is None, "document": msgspec.json.encode(attempt)}
