"""What is stored about users, roles and keys, and the stores that security needs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from isthmus.exchange import JsonObject
from isthmus.security.principal import RoleDescriptor


@dataclass(frozen=True, slots=True)
class StoredUser:
    """A native user, or the record of a built-in one. ``password_hash`` is argon2id's own text form."""

    username: str
    password_hash: str = field(repr=False)
    roles: tuple[str, ...] = ()
    full_name: str | None = None
    email: str | None = None
    metadata: JsonObject = field(default_factory=dict)
    enabled: bool = True


class ApiKeyType(Enum):
    """What a key is for; never both."""

    REST = "rest"
    CROSS_CLUSTER = "cross_cluster"


@dataclass(frozen=True, slots=True)
class StoredApiKey:
    """One API key. Times are milliseconds since 1970; None: never, or not yet.

    ``role_descriptors`` empty on a REST key means "as its owner"; ``limited_by`` is what the owner
    could do when the key was made or last updated, and is always empty on a cross-cluster key.
    ``access`` is the cross-cluster key's access as its creator wrote it.
    """

    id: str
    name: str
    type: ApiKeyType
    secret_hash: str = field(repr=False)
    created_milliseconds: int
    owner_username: str
    owner_realm: str
    owner_realm_type: str
    expires_milliseconds: int | None = None
    invalidated_milliseconds: int | None = None
    role_descriptors: tuple[RoleDescriptor, ...] = ()
    limited_by: tuple[RoleDescriptor, ...] = ()
    metadata: JsonObject = field(default_factory=dict)
    access: JsonObject | None = None
    certificate_identity: str | None = None


class UserRecords(Protocol):
    """Users by name."""

    async def find_user(self, username: str) -> StoredUser | None:
        """Answer the user of exactly this name, None where there is none."""
        ...

    async def all_users(self) -> Sequence[StoredUser]:
        """Answer every user, ordered by name."""
        ...

    async def put_user(self, user: StoredUser) -> bool:
        """Store this user in place of any of the same name; True when there was none."""
        ...

    async def delete_user(self, username: str) -> bool:
        """Remove the user; False when there was none."""
        ...


class RoleRecords(Protocol):
    """Roles by name; built-in ones are not stored."""

    async def find_roles(self, names: Collection[str]) -> Sequence[RoleDescriptor]:
        """Answer those of these roles that exist, ordered by name."""
        ...

    async def all_roles(self) -> Sequence[RoleDescriptor]:
        """Answer every role, ordered by name."""
        ...

    async def put_role(self, role: RoleDescriptor) -> bool:
        """Store this role in place of any of the same name; True when there was none."""
        ...

    async def delete_role(self, name: str) -> bool:
        """Remove the role; False when there was none."""
        ...


class ApiKeyRecords(Protocol):
    """API keys by id."""

    async def find_api_key(self, key_id: str) -> StoredApiKey | None:
        """Answer the key of exactly this id, invalidated or not; None where there is none."""
        ...

    async def all_api_keys(
        self, *, owner_username: str | None = None, owner_realm: str | None = None
    ) -> Sequence[StoredApiKey]:
        """Answer the keys of this owner (None: of any), the oldest first, invalidated ones too."""
        ...

    async def add_api_key(self, key: StoredApiKey) -> None:
        """Store a new key; its id must be new."""
        ...

    async def replace_api_key(self, key: StoredApiKey) -> bool:
        """Store this key in place of the one of its id; False when there is none, then nothing is stored.

        A key that is stored as invalidated stays invalidated, whatever this one says.
        """
        ...

    async def invalidate_api_keys(self, key_ids: Collection[str], at_milliseconds: int) -> Sequence[str]:
        """Mark these keys invalidated; answer the ids of those that were not so before."""
        ...

    async def delete_api_keys_ended_before(self, milliseconds: int) -> int:
        """Remove the keys that expired or were invalidated before this time; answer how many."""
        ...


class SecurityRecords(UserRecords, RoleRecords, ApiKeyRecords, Protocol):
    """All of security's records in one store."""
