"""Use cases of roles."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from isthmus.errors import illegal_argument, validation_failure
from isthmus.security.builtin_roles import BUILT_IN_ROLES
from isthmus.security.changes import Changes
from isthmus.security.principal import RoleDescriptor
from isthmus.security.records import RoleRecords
from isthmus.security.role_lookup import find_roles
from isthmus.security.role_rules import role_name_problem, role_problems


class Roles:
    """Roles, stored and built-in. Whether the caller may do this is checked before it is called."""

    def __init__(self, records: RoleRecords, changes: Changes) -> None:
        self._records = records
        self._changes = changes

    async def put(self, role: RoleDescriptor) -> bool:
        """Store a role; True when there was none of its name. Raises a 400 failure with every problem."""
        name_problem = role_name_problem(role.name)
        problems = ([] if name_problem is None else [name_problem]) + role_problems(role)
        if problems:
            raise validation_failure(*problems)
        created = await self._records.put_role(role)
        self._changes.ring()
        return created

    async def get(self, names: Collection[str]) -> Sequence[RoleDescriptor]:
        """Answer those of these roles that exist; every role for no name at all."""
        if names:
            return await find_roles(self._records, names)
        return [*BUILT_IN_ROLES.values(), *await self._records.all_roles()]

    async def delete(self, name: str) -> bool:
        """Remove a role; False when there is none. Raises a 400 failure for a built-in one."""
        if name in BUILT_IN_ROLES:
            raise illegal_argument(f"role [{name}] is reserved and cannot be deleted")
        found = await self._records.delete_role(name)
        self._changes.ring()
        return found
