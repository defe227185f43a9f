"""Role names to what the roles allow."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from isthmus.security.builtin_roles import BUILT_IN_ROLES
from isthmus.security.principal import RoleDescriptor


class FindsRoles(Protocol):
    """Stored roles by name."""

    async def find_roles(self, names: Collection[str]) -> Sequence[RoleDescriptor]:
        """Answer those of these roles that exist, ordered by name."""
        ...


async def find_roles(records: FindsRoles, names: Iterable[str]) -> tuple[RoleDescriptor, ...]:
    """Answer those of these roles that exist, built-in or stored, in the order of their names."""
    wanted = sorted(set(names))
    stored = [name for name in wanted if name not in BUILT_IN_ROLES]
    found = {role.name: role for role in (await records.find_roles(stored) if stored else ())}
    return tuple(role for name in wanted if (role := BUILT_IN_ROLES.get(name) or found.get(name)) is not None)
