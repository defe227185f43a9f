"""Single values of the platform in SQL."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, delete, insert, select

from isthmus.exchange import JsonObject
from isthmus.store.database import Database
from isthmus.store.environment_platform_tables import PLATFORM_VALUES


class SqlPlatformValues:
    """An environment's database as :class:`isthmus.control.account.PlatformValues`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_or_none(self, name: str) -> JsonObject | None:
        """Answer the value of that name."""
        query = select(PLATFORM_VALUES.c.document).where(PLATFORM_VALUES.c.name == name)

        def document(connection: Connection) -> bytes | None:
            return connection.execute(query).scalar_one_or_none()

        found = await self._database.read(document)
        return None if found is None else msgspec.json.decode(found, type=JsonObject)

    async def put(self, name: str, value: JsonObject) -> None:
        """Keep the value in place of any of that name."""
        forget = delete(PLATFORM_VALUES).where(PLATFORM_VALUES.c.name == name)
        keep = insert(PLATFORM_VALUES).values(name=name, document=msgspec.json.encode(value))

        def replace(connection: Connection) -> None:
            connection.execute(forget)
            connection.execute(keep)

        await self._database.write(replace)
