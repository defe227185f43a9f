"""The platform's API keys in SQL."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from sqlalchemy import Connection, Select, delete, insert, select

from isthmus.control.platform_keys import PlatformKey
from isthmus.store.database import Database
from isthmus.store.environment_platform_tables import PLATFORM_KEYS

#: SQLite takes 32,766 parameters in a statement, older ones 999
_IDS_IN_A_STATEMENT = 500


class SqlPlatformKeyRecords:
    """An environment's database as :class:`isthmus.control.platform_keys.PlatformKeyRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> tuple[PlatformKey, ...]:
        """Answer all keys, the oldest first."""
        order = (PLATFORM_KEYS.c.created_milliseconds, PLATFORM_KEYS.c.id)
        return await self._select(select(PLATFORM_KEYS.c.document).order_by(*order))

    async def find_or_none(self, key_id: str) -> PlatformKey | None:
        """Answer the key of that id."""
        query = select(PLATFORM_KEYS.c.document).where(PLATFORM_KEYS.c.id == key_id)
        return next(iter(await self._select(query)), None)

    async def add(self, key: PlatformKey) -> None:
        """Keep a new key."""
        statement = insert(PLATFORM_KEYS).values(
            id=key.id, created_milliseconds=key.created_milliseconds, document=msgspec.json.encode(key)
        )
        await self._database.write(lambda connection: connection.execute(statement))

    async def remove(self, key_ids: Collection[str]) -> None:
        """Forget these keys; one that is not there is no error."""
        ids = list(key_ids)

        def remove(connection: Connection) -> None:
            for start in range(0, len(ids), _IDS_IN_A_STATEMENT):
                some = ids[start : start + _IDS_IN_A_STATEMENT]
                connection.execute(delete(PLATFORM_KEYS).where(PLATFORM_KEYS.c.id.in_(some)))

        await self._database.write(remove)

    async def _select(self, query: Select[tuple[bytes]]) -> tuple[PlatformKey, ...]:
        def documents(connection: Connection) -> list[bytes]:
            return [row.document for row in connection.execute(query)]

        found = await self._database.read(documents)
        return tuple(msgspec.json.decode(document, type=PlatformKey) for document in found)
