"""Takes the records of one database over into another, empty one."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, select

from isthmus.store.async_search_records import ASYNC_SEARCHES
from isthmus.store.cluster_settings import CLUSTER_SETTINGS
from isthmus.store.database import Database, Line
from isthmus.store.security_tables import API_KEYS, ROLES, USERS
from isthmus.store.stored_script_records import STORED_SCRIPTS

_TABLES = (USERS, ROLES, API_KEYS, CLUSTER_SETTINGS, STORED_SCRIPTS, ASYNC_SEARCHES)


async def copy_records(source_url: str, target: Database) -> int:
    """Put every record of a node's database in place of those of the target; answer how many there were.

    In one transaction: all of them or, on a failure, none.
    """
    source = await asyncio.to_thread(Database.open, source_url, Line.NODE)
    try:
        found = await source.read(_all_rows)
    finally:
        source.close()

    def replace(connection: Connection) -> int:
        for table, rows in found.items():
            connection.execute(delete(table))
            if rows:
                connection.execute(insert(table), rows)
        return sum(map(len, found.values()))

    return await target.write(replace)


def _all_rows(connection: Connection) -> dict[Table, list[dict[str, Any]]]:
    return {table: [dict(row) for row in connection.execute(select(table)).mappings()] for table in _TABLES}
