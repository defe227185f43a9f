"""Submitted searches in a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from isthmus.exchange import FailureReport, ShardCounts
from isthmus.search.async_search import AsyncSearch, AsyncSearchOwner, KeptAmount
from isthmus.store.async_search_records import SqlAsyncSearchRecords
from isthmus.store.database import Database, Line

OWNER = AsyncSearchOwner(username="ann", realm_name="native1", realm_type="native", api_key_id="k")
BEGUN = AsyncSearch(id="a" * 32, owner=OWNER, started_milliseconds=1_000, expires_milliseconds=9_000)
LOST = FailureReport(kind="UNAVAILABLE", error_type="node_closed_exception", reason="lost")
ENDED = msgspec.structs.replace(
    BEGUN,
    completed_milliseconds=2_000,
    is_partial=False,
    response=b'{"hits":{}}',
    typed_response=b'{"typed":{}}',
    shards=ShardCounts(total=3, successful=2, failed=1),
    clusters={"total": 1, "details": {"eu": {"status": "partial"}}},
    error=msgspec.structs.replace(LOST, caused_by=LOST, metadata={"n": 1}),
)


@pytest.fixture
async def records(database_url: str) -> AsyncIterator[SqlAsyncSearchRecords]:
    """Open an empty database."""
    database = await asyncio.to_thread(Database.open, database_url, Line.NODE)
    yield SqlAsyncSearchRecords(database)
    database.close()


async def test_what_is_put_is_found(records: SqlAsyncSearchRecords) -> None:
    """All of it, or all but the responses."""
    for search in (BEGUN, ENDED):
        await records.put(search)
        assert await records.find(search.id) == search
    bare = await records.find(ENDED.id, with_response=False)
    assert bare == msgspec.structs.replace(ENDED, response=None, typed_response=None)
    assert await records.find("b" * 32) is None


async def test_the_end_is_stored_but_not_over_a_new_expiry(records: SqlAsyncSearchRecords) -> None:
    """Somebody may have had it kept longer meanwhile; one that was deleted does not come back."""
    await records.put(BEGUN)
    await records.expire_at(BEGUN.id, 20_000)
    assert await records.complete(ENDED)
    assert await records.find(BEGUN.id) == msgspec.structs.replace(ENDED, expires_milliseconds=20_000)
    assert await records.delete(BEGUN.id)
    assert not await records.delete(BEGUN.id)
    assert not await records.complete(ENDED)
    assert await records.find(BEGUN.id) is None


async def test_what_has_expired_is_removed(records: SqlAsyncSearchRecords) -> None:
    """And nothing else."""
    later = msgspec.structs.replace(ENDED, id="b" * 32, expires_milliseconds=9_001)
    for search in (BEGUN, later):
        await records.put(search)
    assert await records.delete_expired(8_999) == 0
    assert await records.delete_expired(9_000) == 1
    assert await records.find(BEGUN.id) is None
    assert await records.kept() == KeptAmount(searches=1, size_bytes=23)


async def test_only_what_had_not_ended_is_lost(records: SqlAsyncSearchRecords) -> None:
    """An answer that was stored stays as it is."""
    ended = msgspec.structs.replace(ENDED, id="b" * 32)
    for search in (BEGUN, ended):
        await records.put(search)
    assert await records.fail_unfinished(5_000, LOST) == 1
    lost = await records.find(BEGUN.id)
    assert lost == msgspec.structs.replace(BEGUN, completed_milliseconds=5_000, error=LOST)
    assert await records.find(ended.id) == ended
    assert await records.fail_unfinished(5_000, LOST) == 0
