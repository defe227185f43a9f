"""Use cases of users."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from isthmus.errors import Failure, FailureKind, illegal_argument, validation_failure
from isthmus.exchange import JsonObject
from isthmus.security.builtin_users import BUILT_IN_USERS, elastic_user
from isthmus.security.changes import Changes
from isthmus.security.passwords import Passwords
from isthmus.security.principal import Principal
from isthmus.security.records import StoredUser, UserRecords
from isthmus.security.role_rules import has_reserved_metadata, name_problem
from isthmus.security.secret import Secret

_MINIMUM_PASSWORD_LENGTH: Final = 6
#: argon2 takes any length; nobody needs more, and it bounds what one request can make us hash
_MAXIMUM_PASSWORD_LENGTH: Final = 1_000


@dataclass(frozen=True, slots=True)
class UserChange:
    """What a user is to be. ``password`` None keeps the one there is; ``enabled`` None likewise."""

    username: str
    roles: tuple[str, ...] | None
    password: Secret | None = None
    full_name: str | None = None
    email: str | None = None
    metadata: JsonObject = field(default_factory=dict)
    enabled: bool | None = None


class Users:
    """Native users and the built-in one. Whether the caller may do this is checked before it is called."""

    def __init__(self, records: UserRecords, passwords: Passwords, changes: Changes) -> None:
        self._records = records
        self._passwords = passwords
        self._changes = changes
        #: a change reads what is there first: two at once must not undo each other
        self._changing = asyncio.Lock()

    async def put(self, change: UserChange) -> bool:
        """Store a user; True when there was none of this name. Raises a 400 failure with every problem."""
        problems = _problems(change)
        if problems:
            raise validation_failure(*problems)
        async with self._changing:
            existing = await self._records.find_user(change.username)
            created = await self._records.put_user(await self._changed(change, existing))
            self._changes.ring()
        return created

    async def get(self, names: Collection[str]) -> Sequence[StoredUser]:
        """Answer those of these users that exist; every user for no name at all."""
        if not names:
            return await self._records.all_users()
        found = [await self._records.find_user(name) for name in dict.fromkeys(names)]
        return [user for user in found if user is not None]

    async def delete(self, username: str) -> bool:
        """Remove a user; False when there is none. Raises a 400 failure for a built-in one."""
        if username in BUILT_IN_USERS:
            raise illegal_argument(f"user [{username}] is reserved and cannot be deleted")
        found = await self._records.delete_user(username)
        self._changes.ring()
        return found

    async def change_password(self, username: str, password: Secret) -> None:
        """Give a user, built-in or not, another password. Raises a 400 failure for one who does not exist."""
        problem = password_problem(password)
        if problem is not None:
            raise validation_failure(problem)
        async with self._changing:
            user = await self._records.find_user(username)
            if user is None:
                raise validation_failure("user must exist in order to change password")
            password_hash = await self._passwords.hash(password)
            await self._records.put_user(replace(user, password_hash=password_hash))
            self._changes.ring()

    async def set_enabled(self, caller: Principal, username: str, *, enabled: bool) -> None:
        """Let a user in or keep them out. Raises a 400 failure for oneself and for who does not exist."""
        if caller.username == username:
            raise illegal_argument("users may not update the enabled status of their own account")
        async with self._changing:
            user = await self._records.find_user(username)
            if user is None:
                verb = "enabled" if enabled else "disabled"
                raise validation_failure(f"only existing users can be {verb}")
            await self._records.put_user(replace(user, enabled=enabled))
            self._changes.ring()

    async def _changed(self, change: UserChange, existing: StoredUser | None) -> StoredUser:
        if change.password is not None:
            password_hash = await self._passwords.hash(change.password)
        elif existing is not None:
            password_hash = existing.password_hash
        else:
            raise validation_failure("password must be specified unless you are updating an existing user")
        enabled = change.enabled
        if enabled is None:
            enabled = True if existing is None else existing.enabled
        return StoredUser(
            username=change.username,
            password_hash=password_hash,
            roles=change.roles or (),
            full_name=change.full_name,
            email=change.email,
            metadata=change.metadata,
            enabled=enabled,
        )


async def bootstrap_elastic(
    records: UserRecords, password: Secret, passwords: Passwords | None = None
) -> None:
    """Make the built-in superuser, or give it this password where it is there; for a deployment's creation.

    A node that is running notices within seconds.
    """
    problem = password_problem(password)
    if problem is not None:
        raise Failure(FailureKind.INVALID_REQUEST, "illegal_argument_exception", problem)
    await records.put_user(elastic_user(await (passwords or Passwords()).hash(password)))


def _problems(change: UserChange) -> list[str]:
    problems = []
    problem = name_problem("User", change.username)
    if change.username in BUILT_IN_USERS:
        problem = f"Username [{change.username}] is reserved and may not be used."
    if problem is not None:
        problems.append(problem)
    if change.roles is None:
        problems.append("roles are missing")
    for role in change.roles or ():
        problem = name_problem("Role", role)
        if problem is not None:
            problems.append(problem)
    if has_reserved_metadata(change.metadata):
        problems.append("metadata keys may not start with [_]")
    if change.password is not None:
        problem = password_problem(change.password)
        if problem is not None:
            problems.append(problem)
    return problems


def password_problem(password: Secret) -> str | None:
    """Answer why this cannot be a password; None when it can."""
    length = len(password.reveal())
    if length < _MINIMUM_PASSWORD_LENGTH:
        return f"passwords must be at least [{_MINIMUM_PASSWORD_LENGTH}] characters long"
    if length > _MAXIMUM_PASSWORD_LENGTH:
        return f"passwords must be at most [{_MAXIMUM_PASSWORD_LENGTH}] characters long"
    return None
