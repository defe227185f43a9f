"""Links with two keys, over real TLS: a rotation under load, a bad next key, a key changed over there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from remotes_harness import ALIAS, SERVER_NAME, FarCluster, Near, NearFactory, reader, until

from isthmus.clock import SystemClock
from isthmus.exchange import SearchRequest
from isthmus.names import IndicesOptions
from isthmus.remotes.settings import next_credentials_name
from isthmus.security.api_key_secrets import encode_credentials
from isthmus.security.secret import Secret

OLD = encode_credentials("old", Secret("s3cret-1"))
NEW = encode_credentials("new", Secret("s3cret-2"))


def put_next(near: Near, encoded: str | None) -> None:
    """Put the next key into the keystore, or take it out."""
    if encoded is None:
        near.keystore.entries.pop(next_credentials_name(ALIAS), None)
    else:
        near.keystore.entries[next_credentials_name(ALIAS)] = Secret(encoded)


def keys(near: Near) -> dict[str, Any]:
    """Answer what is told of the keys."""
    described: dict[str, Any] = near.state["isthmus"]["keys"]
    assert "s3cret" not in str(near.state)
    return described


async def search(near: Near) -> list[str]:
    """Answer the ids that a search over there finds."""
    target = near.remotes.get(ALIAS).search_target(reader("*"))
    result = await target.search(("*",), IndicesOptions(), SearchRequest())
    return [hit.id for hit in result.hits]


async def connected(near: Near, far: FarCluster) -> None:
    """Connect, and wait until that is done."""
    near.connect(far.address, server_name=SERVER_NAME)
    await until(lambda: near.remotes.get(ALIAS).connected)


async def test_a_rotation_by_overlap_refuses_no_request(near_of: NearFactory, far: FarCluster) -> None:
    """Searches go on while the next key comes, is taken into use, becomes the only one; none is refused."""
    far.keys.access = {OLD: ("logs-*",), NEW: ("logs-*",)}
    async with near_of(key=OLD) as near:
        await connected(near, far)
        stop = asyncio.Event()

        async def load() -> None:
            while not stop.is_set():
                assert await search(near) == ["1", "2", "3"]

        workers = [asyncio.create_task(load()) for _ in range(6)]
        await until(lambda: keys(near)["requests"].get("old", {}).get("sent", 0) > 20)
        put_next(near, NEW)
        await until(lambda: keys(near)["in_use"] == "new")
        await until(lambda: set(keys(near)["connections"]) == {"new"})
        await until(lambda: keys(near)["requests"]["old"]["under_way"] == 0)
        sent_with_old = keys(near)["requests"]["old"]["sent"]
        near.keystore.put_key(NEW)
        put_next(near, None)
        await until(lambda: "next" not in keys(near))
        del far.keys.access[OLD]
        await until(lambda: keys(near)["requests"]["new"]["sent"] > 50)
        stop.set()
        await asyncio.gather(*workers)
        uses = keys(near)["requests"]
        assert uses["old"] == {"sent": sent_with_old, "refused": 0, "under_way": 0}
        assert uses["new"]["refused"] == 0
        assert keys(near)["current"] == {"id": "new"}


async def test_a_bad_next_key_leaves_the_old_one_working(near_of: NearFactory, far: FarCluster) -> None:
    """It is refused in its trial, says why, and no search ever carries it."""
    far.keys.access = {OLD: ("logs-*",)}
    async with near_of(key=OLD) as near:
        await connected(near, far)
        put_next(near, NEW)
        await until(lambda: keys(near).get("next", {}).get("state") == "refused")
        assert "unable to authenticate" in keys(near)["next"]["reason"]
        for _ in range(10):
            assert await search(near) == ["1", "2", "3"]
        assert keys(near)["in_use"] == "old"
        assert "new" not in keys(near)["requests"]
        assert near.state["connected"]
        far.keys.access[NEW] = ("logs-*",)  # it is tried again by itself
        await until(lambda: keys(near)["in_use"] == "new")


async def test_a_next_key_that_stops_working_gives_way_without_a_failed_search(
    near_of: NearFactory, far: FarCluster
) -> None:
    """As long as the old one is there, its refusal is no search's."""
    far.keys.access = {OLD: ("logs-*",), NEW: ("logs-*",)}
    async with near_of(key=OLD) as near:
        await connected(near, far)
        put_next(near, NEW)
        await until(lambda: keys(near)["in_use"] == "new")
        del far.keys.access[NEW]
        assert await search(near) == ["1", "2", "3"]
        assert keys(near)["in_use"] == "old"
        assert keys(near)["requests"]["new"]["refused"] == 1


async def test_an_old_key_that_ends_early_gives_way_to_the_next(
    near_of: NearFactory, far: FarCluster
) -> None:
    """A link whose key was invalidated before its successor came connects with that at once."""
    far.keys.access = {OLD: ("logs-*",)}
    async with near_of(key=OLD) as near:
        await connected(near, far)
        far.keys.access = {NEW: ("logs-*",)}
        put_next(near, NEW)
        near.remotes.look_for_changes()
        await until(lambda: keys(near)["in_use"] == "new" and near.state["connected"])
        assert await search(near) == ["1", "2", "3"]


async def test_only_a_next_key_is_used_as_the_key(near_of: NearFactory, far: FarCluster) -> None:
    """Whoever removes the current entry first still has a link by API key."""
    far.keys.access = {NEW: ("logs-*",)}
    async with near_of(key=None) as near:
        put_next(near, NEW)
        await connected(near, far)
        assert await search(near) == ["1", "2", "3"]
        assert near.state["cluster_credentials"] == "::es_redacted::"


async def test_an_expiration_that_is_set_over_there_shows_and_is_warned_of(
    near_of: NearFactory, far: FarCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """A ping brings it; _remote/info tells how long is left, and the log warns once."""
    far.keys.access = {OLD: ("logs-*",)}
    async with near_of(key=OLD) as near:
        near.connect(far.address, server_name=SERVER_NAME, ping_interval_seconds=0.1)
        await until(lambda: near.remotes.get(ALIAS).connected)
        assert "expiration" not in near.state["isthmus"]["remote"]["api_key"]
        far.keys.expires_milliseconds = now_milliseconds() + 3 * 86_400_000
        await until(lambda: "expiration" in near.state["isthmus"]["remote"]["api_key"])
        shown = near.state["isthmus"]["remote"]["api_key"]
        assert 0 < shown["expires_in_millis"] <= 3 * 86_400_000
        assert shown["expires_soon"] is True
        await asyncio.sleep(0.3)
    warnings = [record for record in caplog.records if record.message == "remote cluster key expires soon"]
    assert len(warnings) == 1
    assert "isthmus remote rotate" in str(vars(warnings[0])["remedy"])


def now_milliseconds() -> int:
    """Answer the time as links see it."""
    return SystemClock().now_milliseconds()
