"""The platform's records in SQL: a row a deployment, its members as one JSON document."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, Select, and_, delete, insert, select, update

from isthmus.control.records import Deployment
from isthmus.store.database import Database
from isthmus.store.environment_tables import DEPLOYMENTS


class SqlDeploymentRecords:
    """An environment's database as :class:`isthmus.control.records.DeploymentRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> tuple[Deployment, ...]:
        """Answer all deployments, the oldest first."""
        order = (DEPLOYMENTS.c.created_milliseconds, DEPLOYMENTS.c.id)
        return await self._select(select(DEPLOYMENTS.c.document).order_by(*order))

    async def find_or_none(self, deployment_id: str) -> Deployment | None:
        """Answer the deployment of that id."""
        query = select(DEPLOYMENTS.c.document).where(DEPLOYMENTS.c.id == deployment_id)
        return next(iter(await self._select(query)), None)

    async def find_by_request_or_none(self, request_id: str) -> Deployment | None:
        """Answer the deployment that was created with that request id."""
        query = select(DEPLOYMENTS.c.document).where(DEPLOYMENTS.c.request_id == request_id)
        return next(iter(await self._select(query)), None)

    async def add(self, deployment: Deployment) -> None:
        """Keep a new deployment."""
        statement = insert(DEPLOYMENTS).values(
            id=deployment.id,
            created_milliseconds=deployment.created_milliseconds,
            request_id=deployment.request_id,
            revision=deployment.revision,
            document=msgspec.json.encode(deployment),
        )
        await self._database.write(lambda connection: connection.execute(statement))

    async def replace(self, deployment: Deployment) -> bool:
        """Keep the next revision; answer False, and change nothing, unless the one before is kept now."""
        is_previous = and_(
            DEPLOYMENTS.c.id == deployment.id, DEPLOYMENTS.c.revision == deployment.revision - 1
        )
        statement = (
            update(DEPLOYMENTS)
            .where(is_previous)
            .values(revision=deployment.revision, document=msgspec.json.encode(deployment))
        )
        return await self._database.write(lambda connection: connection.execute(statement).rowcount == 1)

    async def remove(self, deployment_id: str) -> None:
        """Forget the deployment; one that is not there is no error."""
        statement = delete(DEPLOYMENTS).where(DEPLOYMENTS.c.id == deployment_id)
        await self._database.write(lambda connection: connection.execute(statement))

    async def _select(self, query: Select[tuple[bytes]]) -> tuple[Deployment, ...]:
        def documents(connection: Connection) -> list[bytes]:
            return [row.document for row in connection.execute(query)]

        found = await self._database.read(documents)
        return tuple(msgspec.json.decode(document, type=Deployment) for document in found)
