"""Operators' users in files: what is read, what is left out, and who comes in by them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from isthmus.errors import Failure, FailureKind
from isthmus.security.file_users import (
    FileUser,
    file_username_problem,
    parse_file_realm,
    render_users,
    render_users_roles,
)
from isthmus.security.passwords import Passwords
from isthmus.security.secret import Secret
from isthmus.security.service import Security, build_security
from isthmus.security.users import UserChange
from isthmus.store.database import Database, Line, sqlite_url
from isthmus.store.security_records import SqlSecurityRecords

HASH = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$aGFzaA"


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def now_milliseconds(self) -> int:
        return int(self.seconds * 1_000)

    def monotonic_seconds(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def test_files_say_who_and_which_roles() -> None:
    """Names, hashes and roles are read; comments and empty lines are not."""
    realm = parse_file_realm(
        f"# operators\n\nann:{HASH}\nbob : {HASH}\n",
        "superuser:ann\nmonitor_role:bob, ann,bob\n",
        '{"monitor_role": {"cluster": ["monitor"]}}',
    )
    assert realm.problems == ()
    assert {name: user.roles for name, user in realm.users.items()} == {
        "ann": ("superuser", "monitor_role"),
        "bob": ("monitor_role",),
    }
    assert realm.roles["monitor_role"].cluster == ("monitor",)


@pytest.mark.parametrize(
    ("users", "users_roles", "roles", "text"),
    [
        ("ann", "", "", "users:1: a line is [name:value]"),
        (f":{HASH}", "", "", "users:1"),
        ("ann:$2a$10$bcrypt", "", "", "users:1: the hash of [ann] is not one of argon2id"),
        (f"elastic:{HASH}", "", "", "users:1: Username [elastic] is reserved"),
        (f"ok:{HASH}\nok:{HASH}", "", "", "users:2: [ok] is there twice"),
        ("", "superuser", "", "users_roles:1"),
        ("", "", "[1]", "roles.json: must be an object"),
        ("", "", "{", "roles.json: not JSON"),
        ("", "", '{"superuser": {}}', "roles.json: role [superuser]: Role [superuser] is reserved"),
        ("", "", '{"r": {"cluster": ["nonsense"]}}', "roles.json: role [r]: unknown cluster privilege"),
        ("", "", '{"r": {"clusters": []}}', "roles.json: role [r]"),
    ],
)
def test_a_line_that_cannot_be_read_is_left_out(users: str, users_roles: str, roles: str, text: str) -> None:
    """One slip of a hand is told of without the hash, and the others still come in."""
    realm = parse_file_realm(f"good:{HASH}\n{users}", users_roles, roles)
    assert "good" in realm.users
    assert len(realm.problems) == 1
    shifted = text.replace("users:2", "users:3").replace("users:1", "users:2")
    assert shifted in realm.problems[0]
    assert HASH not in "".join(realm.problems)


def test_what_is_written_is_read_again() -> None:
    """Writing and reading are each other's opposite."""
    users = [FileUser("bob", HASH), FileUser("ann", HASH, ("superuser", "viewer"))]
    realm = parse_file_realm(render_users(users), render_users_roles(users))
    assert realm.problems == ()
    assert realm.users == {user.username: user for user in users}
    assert HASH not in repr(users)


@pytest.mark.parametrize("name", ["", "elastic", "a:b", "a,b", "#a", " a", "ü", "x" * 508])
def test_names_that_no_file_can_hold_are_refused(name: str) -> None:
    """A name that would be read as something else cannot be written."""
    assert file_username_problem(name) is not None


class Realm:
    """Security over a real store and real files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.passwords = Passwords(time_cost=1, memory_kibibytes=64)
        self.database = Database.open(sqlite_url(folder / "node.sqlite"), Line.NODE)
        self.files = folder / "config"
        self.security: Security = build_security(
            SqlSecurityRecords(self.database), self.clock, self.passwords, self.files
        )

    async def write(self, **passwords: str) -> None:
        """Write these operators, all superusers, and let the next look come."""
        self.files.mkdir(exist_ok=True)
        users = [
            FileUser(name, await self.passwords.hash(Secret(password)), ("superuser",))
            for name, password in passwords.items()
        ]
        (self.files / "users").write_text(render_users(users))
        (self.files / "users_roles").write_text(render_users_roles(users))
        await self.clock.sleep(2)

    async def realm_of(self, name: str, password: str, run_as: str | None = None) -> str:
        """Answer the realm in which this user was found."""
        encoded = base64.b64encode(f"{name}:{password}".encode()).decode()
        headers = {"authorization": f"Basic {encoded}"}
        if run_as is not None:
            headers["es-security-runas-user"] = run_as
        principal = await self.security.authenticator.authenticate(headers)
        return principal.realm_type


@pytest.fixture
def realm(tmp_path: Path) -> Iterator[Realm]:
    """Give security with a folder for operators that is not there yet."""
    made = Realm(tmp_path)
    yield made
    made.database.close()


async def refused(realm: Realm, name: str, password: str) -> None:
    """Assert that these credentials are refused."""
    with pytest.raises(Failure) as failure:
        await realm.realm_of(name, password)
    assert failure.value.kind is FailureKind.UNAUTHENTICATED


async def test_operators_come_and_go_with_the_files(realm: Realm) -> None:
    """A change of the files counts at the next look, also for whoever was verified just before."""
    await refused(realm, "ops", "break the glass")
    await realm.write(ops="break the glass")
    assert await realm.realm_of("ops", "break the glass") == "file"
    await refused(realm, "ops", "wrong password")
    await realm.write(other="another one")
    await refused(realm, "ops", "break the glass")
    assert await realm.realm_of("other", "another one") == "file"


async def test_an_operator_needs_no_database(realm: Realm) -> None:
    """An operator comes in with all their rights when the store cannot be read; others do not."""
    await realm.write(ops="break the glass")
    realm.database.close()
    for path in (realm.folder / "node.sqlite").parent.glob("node.sqlite*"):
        path.write_bytes(b"not a database" * 1_000)
    assert await realm.realm_of("ops", "break the glass") == "file"


async def test_a_native_user_of_the_same_name_still_comes_in(realm: Realm) -> None:
    """Files come first; a password that is not the operator's may be the native user's."""
    change = UserChange(username="ann", roles=("viewer",), password=Secret("native password"))
    await realm.security.users.put(change)
    await realm.write(ann="file password")
    assert await realm.realm_of("ann", "file password") == "file"
    assert await realm.realm_of("ann", "native password") == "native"


async def test_operators_can_be_acted_as_and_act(realm: Realm) -> None:
    """Acting as another works from and to users in files."""
    await realm.security.users.put(
        UserChange(username="ann", roles=("viewer",), password=Secret("native password"))
    )
    await realm.write(ops="break the glass", deputy="second password")
    assert await realm.realm_of("ops", "break the glass", run_as="ann") == "native"
    assert await realm.realm_of("ops", "break the glass", run_as="deputy") == "file"


async def test_roles_in_the_file_are_for_native_users_too(realm: Realm) -> None:
    """As in Elasticsearch, a role in a file goes before a stored one of its name."""
    await realm.security.users.put(
        UserChange(username="ann", roles=("watch",), password=Secret("native password"))
    )
    realm.files.mkdir()
    (realm.files / "roles.json").write_text('{"watch": {"cluster": ["monitor"]}}')
    encoded = base64.b64encode(b"ann:native password").decode()
    principal = await realm.security.authenticator.authenticate({"authorization": f"Basic {encoded}"})
    assert [[role.cluster for role in roles] for roles in principal.role_sets] == [[("monitor",)]]
