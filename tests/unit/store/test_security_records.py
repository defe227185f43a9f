"""The contract of security's stores, run on the real store in a temporary file."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from isthmus.errors import Failure, FailureKind
from isthmus.security.principal import (
    ApplicationPrivileges,
    IndexPrivileges,
    RemoteClusterPrivileges,
    RemoteIndexPrivileges,
    RoleDescriptor,
)
from isthmus.security.records import ApiKeyType, SecurityRecords, StoredApiKey, StoredUser
from isthmus.store.database import Database, Line, sqlite_url
from isthmus.store.security_records import SqlSecurityRecords

ROLE = RoleDescriptor(
    name="reader",
    cluster=("monitor",),
    indices=(
        IndexPrivileges(
            names=("logs-*",),
            privileges=("read",),
            field_security={"grant": ["*"], "except": ["salary"]},
            query={"term": {"team": "a"}},
        ),
    ),
    applications=(ApplicationPrivileges(application="app", privileges=("x",), resources=("*",)),),
    run_as=("bob",),
    remote_indices=(RemoteIndexPrivileges(clusters=("eu",), names=("*",), privileges=("read",)),),
    remote_cluster=(RemoteClusterPrivileges(clusters=("eu",), privileges=("monitor_enrich",)),),
    metadata={"a": {"b": [1, None]}},
    description="reads",
)
USER = StoredUser(
    username="ann",
    password_hash="$argon2id$x",
    roles=("reader", "other"),
    full_name="Ann",
    email="ann@example.org",
    metadata={"team": 7},
)
KEY = StoredApiKey(
    id="key-1",
    name="for eu",
    type=ApiKeyType.CROSS_CLUSTER,
    secret_hash="{SSHA256}x",
    created_milliseconds=1_700_000_000_000,
    owner_username="ann",
    owner_realm="default_native",
    owner_realm_type="native",
    role_descriptors=(ROLE,),
    metadata={"k": "v"},
    access={"search": [{"names": ["logs-*"]}]},
)


@pytest.fixture
def records(database_url: str) -> Iterator[SecurityRecords]:
    """Give the real store on a fresh database."""
    database = Database.open(database_url, Line.NODE)
    yield SqlSecurityRecords(database)
    database.close()


async def test_a_user_is_read_back_as_stored(records: SecurityRecords) -> None:
    """A user comes back equal, and only under exactly its own name."""
    assert await records.find_user("ann") is None
    assert await records.put_user(USER) is True
    assert await records.find_user("ann") == USER
    assert await records.find_user("Ann") is None


async def test_putting_a_user_again_replaces_it(records: SecurityRecords) -> None:
    """The second put tells that there was one, and everything of it is replaced."""
    await records.put_user(USER)
    changed = StoredUser(username="ann", password_hash="other", enabled=False)
    assert await records.put_user(changed) is False
    assert await records.all_users() == [changed]


async def test_users_are_listed_by_name_and_deleted_once(records: SecurityRecords) -> None:
    """Listing is ordered; the second delete finds nothing."""
    for username in ("zoe", "ann", "max"):
        await records.put_user(replace(USER, username=username))
    assert [user.username for user in await records.all_users()] == ["ann", "max", "zoe"]
    assert await records.delete_user("max") is True
    assert await records.delete_user("max") is False
    assert await records.find_user("max") is None


async def test_a_role_is_read_back_with_every_member(records: SecurityRecords) -> None:
    """A role with all that a role can have comes back equal."""
    assert await records.put_role(ROLE) is True
    assert await records.put_role(ROLE) is False
    assert await records.find_roles(["reader", "missing"]) == [ROLE]
    assert await records.find_roles([]) == []
    assert await records.all_roles() == [ROLE]
    assert await records.delete_role("reader") is True
    assert await records.delete_role("reader") is False


async def test_an_api_key_is_read_back_as_stored(records: SecurityRecords) -> None:
    """A key comes back equal, with and without its optional members."""
    bare = replace(
        KEY, id="key-2", type=ApiKeyType.REST, access=None, limited_by=(ROLE,), role_descriptors=()
    )
    await records.add_api_key(KEY)
    await records.add_api_key(bare)
    assert await records.find_api_key("key-1") == KEY
    assert await records.find_api_key("key-2") == bare
    assert await records.find_api_key("key-3") is None


async def test_an_id_is_never_stored_twice(records: SecurityRecords) -> None:
    """Adding a key of an id that is taken is a conflict and changes nothing."""
    await records.add_api_key(KEY)
    with pytest.raises(Failure) as caught:
        await records.add_api_key(replace(KEY, name="another"))
    assert caught.value.kind is FailureKind.CONFLICT
    assert await records.find_api_key("key-1") == KEY


async def test_keys_are_found_by_owner_the_oldest_first(records: SecurityRecords) -> None:
    """Owner name and realm narrow the list; order is by creation."""
    await records.add_api_key(replace(KEY, id="b", created_milliseconds=2))
    await records.add_api_key(replace(KEY, id="a", created_milliseconds=1))
    await records.add_api_key(replace(KEY, id="c", owner_username="bob"))
    await records.add_api_key(replace(KEY, id="d", owner_realm="reserved", created_milliseconds=3))
    assert [key.id for key in await records.all_api_keys()] == ["a", "b", "d", "c"]
    assert [key.id for key in await records.all_api_keys(owner_username="ann")] == ["a", "b", "d"]
    mine = await records.all_api_keys(owner_username="ann", owner_realm="default_native")
    assert [key.id for key in mine] == ["a", "b"]


async def test_invalidation_tells_new_from_old_and_cannot_be_undone(records: SecurityRecords) -> None:
    """A key is invalidated once, at the first time given, and replacing it does not revive it."""
    await records.add_api_key(KEY)
    assert await records.invalidate_api_keys(["key-1", "missing"], 5) == ["key-1"]
    assert await records.invalidate_api_keys(["key-1"], 9) == []
    assert await records.replace_api_key(replace(KEY, name="renamed")) is True
    stored = await records.find_api_key("key-1")
    assert stored == replace(KEY, name="renamed", invalidated_milliseconds=5)
    assert await records.replace_api_key(replace(KEY, id="missing")) is False


async def test_only_keys_that_ended_long_ago_are_removed(records: SecurityRecords) -> None:
    """Valid keys and those that ended recently stay."""
    await records.add_api_key(replace(KEY, id="expired", expires_milliseconds=10))
    await records.add_api_key(replace(KEY, id="recent", expires_milliseconds=100))
    await records.add_api_key(replace(KEY, id="invalidated"))
    await records.add_api_key(replace(KEY, id="valid"))
    await records.invalidate_api_keys(["invalidated"], 20)
    assert await records.delete_api_keys_ended_before(50) == 2
    assert {key.id for key in await records.all_api_keys()} == {"recent", "valid"}


async def test_hashes_are_in_no_listing_of_a_record() -> None:
    """What logs or a debugger print of a record holds no hash."""
    assert "argon2id" not in repr(USER)
    assert "SSHA256" not in repr(KEY)


async def test_records_outlive_the_process_and_are_private(tmp_path: Path) -> None:
    """A database that is opened again has everything, and its file is readable by its owner only."""
    path = tmp_path / "node.sqlite"
    first = Database.open(sqlite_url(path), Line.NODE)
    await SqlSecurityRecords(first).put_user(USER)
    first.close()
    second = Database.open(sqlite_url(path), Line.NODE)
    assert await SqlSecurityRecords(second).find_user("ann") == USER
    second.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
