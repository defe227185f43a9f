"""Persistent cluster settings in SQL: one row a setting."""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, Column, Connection, String, Table, delete, insert, select

from isthmus.remotes.flat_settings import FlatSettings, SettingValue
from isthmus.store.change_watch import Topic
from isthmus.store.database import Database, node_metadata

CLUSTER_SETTINGS: Final = Table(
    "cluster_settings",
    node_metadata,
    Column("name", String(1024), primary_key=True),
    # A text, or a list of texts: what the settings API answers.
    Column("value", JSON, nullable=False),
)


class SqlClusterSettingsRecords:
    """A node's database as :class:`isthmus.remotes.records.ClusterSettingsRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, SettingValue] = {}

    async def load(self) -> FlatSettings:
        """Answer every persistent setting; empty where nothing was ever saved."""
        query = select(CLUSTER_SETTINGS.c.name, CLUSTER_SETTINGS.c.value)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        self._known = {str(name): _value(value) for name, value in rows}
        return dict(self._known)

    async def save(self, settings: FlatSettings) -> None:
        """Store what differs from what was last loaded or saved here, in one transaction.

        So nodes that change different settings at the same time undo nothing of each other's.
        """
        known, following = self._known, dict(settings)
        changed = {name: value for name, value in following.items() if known.get(name) != value}
        gone = [name for name in {*known, *changed} if name in changed or name not in following]
        rows = [
            {"name": name, "value": list(value) if isinstance(value, tuple) else value}
            for name, value in sorted(changed.items())
        ]

        def replace(connection: Connection) -> None:
            connection.execute(delete(CLUSTER_SETTINGS).where(CLUSTER_SETTINGS.c.name.in_(gone)))
            if rows:
                connection.execute(insert(CLUSTER_SETTINGS), rows)

        await self._database.write(replace, topic=Topic.SETTINGS)
        self._known = following


def _value(stored: object) -> SettingValue:
    return tuple(str(item) for item in stored) if isinstance(stored, list) else str(stored)
