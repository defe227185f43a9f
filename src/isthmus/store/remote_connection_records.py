"""Connections between deployments of one environment in SQL."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection as SqlConnection
from sqlalchemy import Delete, and_, delete, insert, select

from isthmus.control.remote_clusters import Connection
from isthmus.store.database import Database
from isthmus.store.environment_platform_tables import REMOTE_CONNECTIONS


class SqlConnectionRecords:
    """An environment's database as :class:`isthmus.control.remote_clusters.ConnectionRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> tuple[Connection, ...]:
        """Answer all connections."""
        query = select(REMOTE_CONNECTIONS.c.document)

        def documents(connection: SqlConnection) -> list[bytes]:
            return [row.document for row in connection.execute(query)]

        found = await self._database.read(documents)
        return tuple(msgspec.json.decode(document, type=Connection) for document in found)

    async def put(self, connection: Connection) -> None:
        """Keep this connection in place of any of the same deployment and alias."""
        forget = _forget(connection.local_id, connection.alias)
        keep = insert(REMOTE_CONNECTIONS).values(
            local_id=connection.local_id, alias=connection.alias, document=msgspec.json.encode(connection)
        )

        def replace(database: SqlConnection) -> None:
            database.execute(forget)
            database.execute(keep)

        await self._database.write(replace)

    async def remove(self, local_id: str, alias: str) -> None:
        """Forget the connection; one that is not there is no error."""
        statement = _forget(local_id, alias)
        await self._database.write(lambda connection: connection.execute(statement))


def _forget(local_id: str, alias: str) -> Delete:
    table = REMOTE_CONNECTIONS
    return delete(table).where(and_(table.c.local_id == local_id, table.c.alias == alias))
