"""Hears of other nodes' changes to records in PostgreSQL, over one connection of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from isthmus.store.change_watch import ChangeWatch, Topic
from isthmus.store.database import Database
from isthmus.store.postgresql import CHANNEL

logger = logging.getLogger(__name__)

_RECONNECT_SECONDS: Final = 0.5
_CONNECT_SECONDS: Final = 3
_VERSIONS: Final = "SELECT topic, version FROM record_versions"

#: reads a topic again; a failure has it told again
ReadAgain = Callable[[Topic], Awaitable[None]]


class ChangeListener:
    """Calls ``read_again`` for each topic that any node has changed, and once for all at first."""

    def __init__(self, database: Database, node_id: str, read_again: ReadAgain) -> None:
        self._database = database
        self._watch = ChangeWatch(node_id)
        self._read_again = read_again
        self._is_lost = False

    async def run(self) -> None:
        """Listen until cancelled; a connection that is lost is made again for as long as it takes."""
        import psycopg  # only nodes whose records are in PostgreSQL have it

        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError, TimeoutError) as error:
                if not self._is_lost:
                    self._is_lost = True
                    logger.warning("changes of records are not heard", extra={"error": type(error).__name__})
                await asyncio.sleep(_RECONNECT_SECONDS)

    async def _listen(self) -> None:
        import psycopg

        connection = await psycopg.AsyncConnection.connect(
            self._database.connection_text(),
            autocommit=True,
            connect_timeout=_CONNECT_SECONDS,
            prepare_threshold=None,
            application_name="isthmus changes",
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            options="-c statement_timeout=5000",
        )
        async with connection:
            self._watch.connected()
            await connection.execute(f"LISTEN {CHANNEL}")
            await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, self._watch.probe))
            if self._is_lost:
                self._is_lost = False
                logger.info("changes of records are heard again")
            while True:
                cursor = await connection.execute(_VERSIONS)
                await self._take_up(self._watch.looked(dict(await cursor.fetchall())))
                async for notification in connection.notifies(timeout=self._watch.look_again_seconds):
                    await self._take_up(self._watch.notified(notification.payload))

    async def _take_up(self, topics: frozenset[Topic]) -> None:
        for topic in sorted(topics, key=lambda each: each.value):
            try:
                await self._read_again(topic)
            except Exception as error:  # noqa: BLE001 - one topic's trouble must not keep the others from being followed
                self._watch.missed(topic)
                logger.warning(
                    "changed records not read", extra={"topic": topic.value, "error": type(error).__name__}
                )
