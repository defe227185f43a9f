"""Stored scripts in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import JSON, Column, Connection, String, Table, Text, delete, insert, select

from isthmus.search.stored_scripts import StoredScript
from isthmus.store.change_watch import Topic
from isthmus.store.database import Database, node_metadata

STORED_SCRIPTS: Final = Table(
    "stored_scripts",
    node_metadata,
    Column("id", String(512), primary_key=True),
    Column("source", Text, nullable=False),
    Column("options", JSON, nullable=False),
)


class SqlStoredScriptRecords:
    """A node's database as :class:`isthmus.search.stored_scripts.StoredScriptRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> Mapping[str, StoredScript]:
        """Answer all of them by id."""
        query = select(STORED_SCRIPTS)
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return {row["id"]: StoredScript(source=row["source"], options=row["options"]) for row in rows}

    async def put(self, script_id: str, script: StoredScript) -> None:
        """Store a script in place of any of the same id."""
        values = {"id": script_id, "source": script.source, "options": script.options}

        def replace(connection: Connection) -> None:
            connection.execute(delete(STORED_SCRIPTS).where(STORED_SCRIPTS.c.id == script_id))
            connection.execute(insert(STORED_SCRIPTS).values(**values))

        await self._database.write(replace, topic=Topic.SCRIPTS)

    async def delete(self, script_id: str) -> None:
        """Remove it."""
        statement = delete(STORED_SCRIPTS).where(STORED_SCRIPTS.c.id == script_id)
        await self._database.write(
            lambda connection: connection.execute(statement).rowcount, topic=Topic.SCRIPTS
        )
