"""Users, roles and API keys in SQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, Table, delete, insert, or_, select, update

from isthmus.security.principal import RoleDescriptor
from isthmus.security.records import ApiKeyType, StoredApiKey, StoredUser
from isthmus.store.change_watch import Topic
from isthmus.store.database import Database
from isthmus.store.security_tables import API_KEYS, ROLES, USERS


class SqlSecurityRecords:
    """A node's database as :class:`isthmus.security.records.SecurityRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_user(self, username: str) -> StoredUser | None:
        """Answer the user of exactly this name, None where there is none."""
        query = select(USERS).where(USERS.c.username == username)
        row = await self._database.read(lambda connection: connection.execute(query).mappings().first())
        return None if row is None else _user(row)

    async def all_users(self) -> Sequence[StoredUser]:
        """Answer every user, ordered by name."""
        query = select(USERS)
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        # Ordered here: databases order by the rules of a language, each by its own.
        return sorted((_user(row) for row in rows), key=lambda user: user.username)

    async def put_user(self, user: StoredUser) -> bool:
        """Store this user in place of any of the same name; True when there was none."""
        values = {
            "username": user.username,
            "password_hash": user.password_hash,
            "roles": list(user.roles),
            "full_name": user.full_name,
            "email": user.email,
            "metadata": user.metadata,
            "enabled": user.enabled,
        }
        return await self._database.write(
            lambda connection: _put(connection, USERS, "username", values), topic=Topic.SECURITY
        )

    async def delete_user(self, username: str) -> bool:
        """Remove the user; False when there was none."""
        statement = delete(USERS).where(USERS.c.username == username)
        return await self._database.write(
            lambda connection: connection.execute(statement).rowcount > 0, topic=Topic.SECURITY
        )

    async def find_roles(self, names: Collection[str]) -> Sequence[RoleDescriptor]:
        """Answer those of these roles that exist, ordered by name."""
        query = select(ROLES).where(ROLES.c.name.in_(names))
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return sorted((_descriptor(row["descriptor"]) for row in rows), key=lambda role: role.name)

    async def all_roles(self) -> Sequence[RoleDescriptor]:
        """Answer every role, ordered by name."""
        query = select(ROLES)
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return sorted((_descriptor(row["descriptor"]) for row in rows), key=lambda role: role.name)

    async def put_role(self, role: RoleDescriptor) -> bool:
        """Store this role in place of any of the same name; True when there was none."""
        values = {"name": role.name, "descriptor": msgspec.to_builtins(role)}
        return await self._database.write(
            lambda connection: _put(connection, ROLES, "name", values), topic=Topic.SECURITY
        )

    async def delete_role(self, name: str) -> bool:
        """Remove the role; False when there was none."""
        statement = delete(ROLES).where(ROLES.c.name == name)
        return await self._database.write(
            lambda connection: connection.execute(statement).rowcount > 0, topic=Topic.SECURITY
        )

    async def find_api_key(self, key_id: str) -> StoredApiKey | None:
        """Answer the key of exactly this id, invalidated or not; None where there is none."""
        query = select(API_KEYS).where(API_KEYS.c.id == key_id)
        row = await self._database.read(lambda connection: connection.execute(query).mappings().first())
        return None if row is None else _api_key(row)

    async def all_api_keys(
        self, *, owner_username: str | None = None, owner_realm: str | None = None
    ) -> Sequence[StoredApiKey]:
        """Answer the keys of this owner (None: of any), the oldest first, invalidated ones too."""
        query = select(API_KEYS).order_by(API_KEYS.c.created_milliseconds, API_KEYS.c.id)
        if owner_username is not None:
            query = query.where(API_KEYS.c.owner_username == owner_username)
        if owner_realm is not None:
            query = query.where(API_KEYS.c.owner_realm == owner_realm)
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [_api_key(row) for row in rows]

    async def add_api_key(self, key: StoredApiKey) -> None:
        """Store a new key; its id must be new."""
        statement = insert(API_KEYS).values(**_api_key_values(key))
        await self._database.write(
            lambda connection: connection.execute(statement).rowcount, topic=Topic.SECURITY
        )

    async def replace_api_key(self, key: StoredApiKey) -> bool:
        """Store this key in place of the one of its id; False when there is none, then nothing is stored.

        A key that is stored as invalidated stays invalidated, whatever this one says.
        """
        values = _api_key_values(key)
        del values["invalidated_milliseconds"]
        statement = update(API_KEYS).where(API_KEYS.c.id == key.id).values(**values)
        return await self._database.write(
            lambda connection: connection.execute(statement).rowcount > 0, topic=Topic.SECURITY
        )

    async def invalidate_api_keys(self, key_ids: Collection[str], at_milliseconds: int) -> Sequence[str]:
        """Mark these keys invalidated; answer the ids of those that were not so before."""
        still_valid = API_KEYS.c.id.in_(key_ids) & API_KEYS.c.invalidated_milliseconds.is_(None)

        def invalidate(connection: Connection) -> list[str]:
            ids = list(connection.execute(select(API_KEYS.c.id).where(still_valid)).scalars())
            change = update(API_KEYS).where(still_valid).values(invalidated_milliseconds=at_milliseconds)
            connection.execute(change)
            return ids

        return await self._database.write(invalidate, topic=Topic.SECURITY)

    async def delete_api_keys_ended_before(self, milliseconds: int) -> int:
        """Remove the keys that expired or were invalidated before this time; answer how many."""
        statement = delete(API_KEYS).where(
            or_(
                API_KEYS.c.expires_milliseconds < milliseconds,
                API_KEYS.c.invalidated_milliseconds < milliseconds,
            )
        )
        return await self._database.write(
            lambda connection: connection.execute(statement).rowcount, topic=Topic.SECURITY
        )


def _put(connection: Connection, table: Table, key: str, values: dict[str, Any]) -> bool:
    """Update the row of this key or insert it; the transaction makes that one step on every database."""
    changed = connection.execute(update(table).where(table.c[key] == values[key]).values(**values)).rowcount
    if changed:
        return False
    connection.execute(insert(table).values(**values))
    return True


def _user(row: RowMapping) -> StoredUser:
    return StoredUser(
        username=row["username"],
        password_hash=row["password_hash"],
        roles=tuple(row["roles"]),
        full_name=row["full_name"],
        email=row["email"],
        metadata=row["metadata"],
        enabled=row["enabled"],
    )


def _descriptor(stored: Any) -> RoleDescriptor:
    return msgspec.convert(stored, RoleDescriptor)


def _api_key(row: RowMapping) -> StoredApiKey:
    values = dict(row)
    values["type"] = ApiKeyType(values["type"])
    for name in ("role_descriptors", "limited_by"):
        values[name] = tuple(_descriptor(descriptor) for descriptor in values[name])
    return StoredApiKey(**values)


def _api_key_values(key: StoredApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "type": key.type.value,
        "secret_hash": key.secret_hash,
        "created_milliseconds": key.created_milliseconds,
        "expires_milliseconds": key.expires_milliseconds,
        "invalidated_milliseconds": key.invalidated_milliseconds,
        "owner_username": key.owner_username,
        "owner_realm": key.owner_realm,
        "owner_realm_type": key.owner_realm_type,
        "role_descriptors": msgspec.to_builtins(key.role_descriptors),
        "limited_by": msgspec.to_builtins(key.limited_by),
        "metadata": key.metadata,
        "access": key.access,
        "certificate_identity": key.certificate_identity,
    }
