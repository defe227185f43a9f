"""Trust relationships in SQL: a row a relationship, its members as one JSON document."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, Select, delete, insert, select

from isthmus.control.trust_records import TrustRelationship
from isthmus.store.database import Database
from isthmus.store.environment_tables import TRUST_RELATIONSHIPS


class SqlTrustRelationshipRecords:
    """An environment's database as :class:`isthmus.control.trust_records.TrustRelationshipRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> tuple[TrustRelationship, ...]:
        """Answer all relationships, by name."""
        found = await self._select(select(TRUST_RELATIONSHIPS.c.document))
        return tuple(sorted(found, key=lambda each: (each.name, each.id)))

    async def find_or_none(self, relationship_id: str) -> TrustRelationship | None:
        """Answer the relationship of that id."""
        query = select(TRUST_RELATIONSHIPS.c.document).where(TRUST_RELATIONSHIPS.c.id == relationship_id)
        return next(iter(await self._select(query)), None)

    async def put(self, relationship: TrustRelationship) -> None:
        """Keep this relationship in place of any of the same id."""
        document = msgspec.json.encode(relationship)

        def replace(connection: Connection) -> None:
            connection.execute(delete(TRUST_RELATIONSHIPS).where(TRUST_RELATIONSHIPS.c.id == relationship.id))
            connection.execute(insert(TRUST_RELATIONSHIPS).values(id=relationship.id, document=document))

        await self._database.write(replace)

    async def remove(self, relationship_id: str) -> bool:
        """Forget the relationship; False where there was none."""
        statement = delete(TRUST_RELATIONSHIPS).where(TRUST_RELATIONSHIPS.c.id == relationship_id)
        return await self._database.write(lambda connection: connection.execute(statement).rowcount == 1)

    async def _select(self, query: Select[tuple[bytes]]) -> tuple[TrustRelationship, ...]:
        def documents(connection: Connection) -> list[bytes]:
            return [row.document for row in connection.execute(query)]

        found = await self._database.read(documents)
        return tuple(msgspec.json.decode(document, type=TrustRelationship) for document in found)
