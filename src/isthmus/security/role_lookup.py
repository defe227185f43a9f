"""Role names to what the roles allow."""

from __future__ import annotations

from collections.abc import Iterable

from isthmus.security.builtin_roles import BUILT_IN_ROLES
from isthmus.security.principal import RoleDescriptor
from isthmus.security.records import RoleRecords


async def find_roles(records: RoleRecords, names: Iterable[str]) -> tuple[RoleDescriptor, ...]:
    """Answer those of these roles that exist, built-in or stored, in the order of their names."""
    wanted = sorted(set(names))
    stored = [name for name in wanted if name not in BUILT_IN_ROLES]
    found = {role.name: role for role in (await records.find_roles(stored) if stored else ())}
    return tuple(role for name in wanted if (role := BUILT_IN_ROLES.get(name) or found.get(name)) is not None)
