"""Security as one part: what a node builds once and hands to whoever needs some of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from isthmus.clock import Clock
from isthmus.security.api_keys import ApiKeys
from isthmus.security.authenticate import Authenticator
from isthmus.security.changes import Changes
from isthmus.security.file_users_watch import FileUsers
from isthmus.security.passwords import Passwords
from isthmus.security.records import SecurityRecords
from isthmus.security.roles import Roles
from isthmus.security.users import Users, bootstrap_elastic


@dataclass(frozen=True, slots=True)
class Security:
    """The use cases of security over one store; they tell each other what has changed."""

    authenticator: Authenticator
    users: Users
    roles: Roles
    api_keys: ApiKeys
    #: rung also by whoever hears that another process has changed records
    changes: Changes


def build_security(
    records: SecurityRecords,
    clock: Clock,
    passwords: Passwords | None = None,
    file_users_folder: Path | None = None,
) -> Security:
    """Answer everything of security, on this store; operators' users are read from the folder's files."""
    changes = Changes()
    passwords = passwords or Passwords()
    return Security(
        authenticator=Authenticator(
            records, passwords, clock, changes, FileUsers(file_users_folder, clock, changes.ring)
        ),
        users=Users(records, passwords, changes),
        roles=Roles(records, changes),
        api_keys=ApiKeys(records, changes, clock),
        changes=changes,
    )


__all__ = ["Security", "bootstrap_elastic", "build_security"]
