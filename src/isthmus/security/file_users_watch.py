"""Operators' users as a running node has them: read from their files, and again when those change."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from isthmus.clock import Clock
from isthmus.security.file_users import FileRealm, FileUser, parse_file_realm
from isthmus.security.principal import RoleDescriptor
from isthmus.security.role_lookup import FindsRoles

logger = logging.getLogger(__name__)

#: by these names the files lie in their folder
FILE_NAMES: Final = ("users", "users_roles", "roles.json")
_LOOK_SECONDS: Final = 1.0
_LARGEST_FILE_BYTES: Final = 4 * 1024 * 1024

_Signature: TypeAlias = tuple[tuple[int, int, int] | None, ...]


class FileUsers:
    """The users and roles in a folder's files; none where there are no files.

    A look costs three calls of the operating system and happens once a second at most. Files that
    cannot be read leave things as they were.
    """

    def __init__(self, folder: Path | None, clock: Clock, changed: Callable[[], None]) -> None:
        self._folder = folder
        self._clock = clock
        self._changed = changed
        self._realm = FileRealm()
        self._signature: _Signature | None = None
        self._look_at_seconds = float("-inf")

    def look(self) -> None:
        """Take up what has changed; ``changed`` is called after."""
        if self._folder is None or self._clock.monotonic_seconds() < self._look_at_seconds:
            return
        self._look_at_seconds = self._clock.monotonic_seconds() + _LOOK_SECONDS
        try:
            signature = tuple(_signature_of(self._folder / name) for name in FILE_NAMES)
            if signature == self._signature:
                return
            self._signature = signature
            realm = parse_file_realm(*(_text_of(self._folder / name) for name in FILE_NAMES))
        except (OSError, ValueError) as error:
            logger.warning(
                "users in files cannot be read and stay as they were", extra={"reason": type(error).__name__}
            )
            return
        for problem in realm.problems:
            logger.warning("line of a users file left out", extra={"problem": problem})
        if realm != self._realm:
            logger.info("users in files read", extra={"users": len(realm.users), "roles": len(realm.roles)})
            self._realm = realm
            self._changed()

    def find(self, username: str) -> FileUser | None:
        """Answer the user of exactly this name, None where there is none."""
        return self._realm.users.get(username)

    def roles_and(self, records: FindsRoles) -> FindsRoles:
        """Answer the roles in files before those of ``records``, which are asked for what is missing only."""
        return _RolesOfFilesFirst(self, records)

    def role(self, name: str) -> RoleDescriptor | None:
        """Answer the role of this name, None where the files have none."""
        return self._realm.roles.get(name)


class _RolesOfFilesFirst:
    def __init__(self, files: FileUsers, records: FindsRoles) -> None:
        self._files = files
        self._records = records

    async def find_roles(self, names: Collection[str]) -> Sequence[RoleDescriptor]:
        found = {name: role for name in names if (role := self._files.role(name)) is not None}
        missing = [name for name in names if name not in found]
        if missing:
            found |= {role.name: role for role in await self._records.find_roles(missing)}
        return [found[name] for name in sorted(found)]


def _signature_of(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


def _text_of(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_LARGEST_FILE_BYTES)
    except FileNotFoundError:
        return ""
    return text
