"""Submitted searches in SQL: one row a search, from the moment when its id is told."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import msgspec
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    LargeBinary,
    RowMapping,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    update,
)

from isthmus.exchange import FailureReport, ShardCounts
from isthmus.search.async_search import AsyncSearch, AsyncSearchOwner, KeptAmount
from isthmus.store.database import Database, node_metadata

ASYNC_SEARCHES: Final = Table(
    "async_searches",
    node_metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", JSON, nullable=False),
    Column("started_milliseconds", BigInteger, nullable=False),
    Column("expires_milliseconds", BigInteger, nullable=False),
    # NULL: it ran when the row was written
    Column("completed_milliseconds", BigInteger),
    Column("is_partial", Boolean, nullable=False),
    Column("shards", JSON, nullable=False),
    Column("clusters", JSON(none_as_null=True)),
    Column("error", JSON(none_as_null=True)),
    Column("size_bytes", BigInteger, nullable=False),
    Column("response", LargeBinary),
    Column("typed_response", LargeBinary),
    # whose memory has what was found so far; empty where that was before there could be several
    Column("node_id", String(64), nullable=False, server_default=""),
    Index("async_searches_expiry", "expires_milliseconds"),
)
_RESPONSES: Final = ("response", "typed_response")
_WITHOUT_RESPONSES: Final = tuple(column for column in ASYNC_SEARCHES.c if column.name not in _RESPONSES)


class SqlAsyncSearchRecords:
    """A node's database as :class:`isthmus.search.async_search.AsyncSearchRecords`."""

    def __init__(self, database: Database, node_id: str = "") -> None:
        self._database = database
        self._node_id = node_id

    async def put(self, search: AsyncSearch) -> None:
        """Store this search in place of any of the same id."""
        values = {**_values(search), "node_id": self._node_id}

        def replace(connection: Connection) -> None:
            connection.execute(delete(ASYNC_SEARCHES).where(ASYNC_SEARCHES.c.id == search.id))
            connection.execute(insert(ASYNC_SEARCHES).values(**values))

        await self._database.write(replace)

    async def complete(self, search: AsyncSearch) -> bool:
        """Store how it ended, but for the time of its expiry; False where it is not kept any longer."""
        values = _values(search)
        del values["expires_milliseconds"]
        statement = update(ASYNC_SEARCHES).where(ASYNC_SEARCHES.c.id == search.id).values(**values)
        return await self._database.write(lambda connection: connection.execute(statement).rowcount > 0)

    async def find(self, search_id: str, *, with_response: bool = True) -> AsyncSearch | None:
        """Answer the search of this id, expired or not; None where there is none."""
        columns = tuple(ASYNC_SEARCHES.c) if with_response else _WITHOUT_RESPONSES
        query = select(*columns).where(ASYNC_SEARCHES.c.id == search_id)
        row = await self._database.read(lambda connection: connection.execute(query).mappings().first())
        return None if row is None else _search(row)

    async def expire_at(self, search_id: str, milliseconds: int) -> None:
        """Keep it until then."""
        statement = (
            update(ASYNC_SEARCHES)
            .where(ASYNC_SEARCHES.c.id == search_id)
            .values(expires_milliseconds=milliseconds)
        )
        await self._database.write(lambda connection: connection.execute(statement).rowcount)

    async def delete(self, search_id: str) -> bool:
        """Remove it; False where there was none."""
        statement = delete(ASYNC_SEARCHES).where(ASYNC_SEARCHES.c.id == search_id)
        return await self._database.write(lambda connection: connection.execute(statement).rowcount > 0)

    async def delete_expired(self, now_milliseconds: int) -> int:
        """Remove those whose time is over; answer how many those were."""
        expired = ASYNC_SEARCHES.c.expires_milliseconds <= now_milliseconds
        # Looking costs nothing; a write transaction every few seconds would.
        query = select(func.count()).select_from(ASYNC_SEARCHES).where(expired)
        if not await self._database.read(lambda connection: connection.execute(query).scalar_one()):
            return 0
        statement = delete(ASYNC_SEARCHES).where(expired)
        return await self._database.write(lambda connection: connection.execute(statement).rowcount)

    async def fail_unfinished(self, now_milliseconds: int, error: FailureReport) -> int:
        """Take it that this node's that ran when stored ended now, for this reason; answer how many."""
        return await self.fail_unfinished_of(("", self._node_id), now_milliseconds, error)

    async def fail_unfinished_of(
        self, node_ids: Collection[str], now_milliseconds: int, error: FailureReport
    ) -> int:
        """Take it that those of these nodes ended now, for this reason; answer how many."""
        statement = (
            update(ASYNC_SEARCHES)
            .where(ASYNC_SEARCHES.c.completed_milliseconds.is_(None) & ASYNC_SEARCHES.c.node_id.in_(node_ids))
            .values(completed_milliseconds=now_milliseconds, error=msgspec.to_builtins(error))
        )
        return await self._database.write(lambda connection: connection.execute(statement).rowcount)

    async def kept(self) -> KeptAmount:
        """Answer how much there is."""
        query = select(func.count(), func.coalesce(func.sum(ASYNC_SEARCHES.c.size_bytes), 0))
        count, size = await self._database.read(lambda connection: connection.execute(query).one())
        return KeptAmount(searches=int(count), size_bytes=int(size))


def _values(search: AsyncSearch) -> dict[str, Any]:
    return {
        "id": search.id,
        "owner": msgspec.to_builtins(search.owner),
        "started_milliseconds": search.started_milliseconds,
        "expires_milliseconds": search.expires_milliseconds,
        "completed_milliseconds": search.completed_milliseconds,
        "is_partial": search.is_partial,
        "shards": msgspec.to_builtins(search.shards),
        "clusters": search.clusters,
        "error": None if search.error is None else msgspec.to_builtins(search.error),
        "size_bytes": search.size_bytes,
        "response": search.response,
        "typed_response": search.typed_response,
    }


def _search(row: RowMapping) -> AsyncSearch:
    error = row["error"]
    return AsyncSearch(
        id=row["id"],
        owner=msgspec.convert(row["owner"], AsyncSearchOwner),
        started_milliseconds=row["started_milliseconds"],
        expires_milliseconds=row["expires_milliseconds"],
        completed_milliseconds=row["completed_milliseconds"],
        is_partial=row["is_partial"],
        response=row.get("response"),
        typed_response=row.get("typed_response"),
        shards=msgspec.convert(row["shards"], ShardCounts),
        clusters=row["clusters"],
        error=None if error is None else msgspec.convert(error, FailureReport),
    )
