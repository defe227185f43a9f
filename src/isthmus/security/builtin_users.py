"""The users that exist without anybody creating them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from isthmus.exchange import JsonObject
from isthmus.security.builtin_roles import SUPERUSER
from isthmus.security.records import StoredUser

ELASTIC: Final = "elastic"
BUILT_IN_USERS: Final[Mapping[str, JsonObject]] = {ELASTIC: {"_reserved": True}}
NATIVE_REALM: Final = ("default_native", "native")
RESERVED_REALM: Final = ("reserved", "reserved")


def realm_of(username: str) -> tuple[str, str]:
    """Answer the name and the type of the realm that a stored user belongs to."""
    return RESERVED_REALM if username in BUILT_IN_USERS else NATIVE_REALM


def elastic_user(password_hash: str) -> StoredUser:
    """Answer the record of the built-in superuser."""
    return StoredUser(
        username=ELASTIC,
        password_hash=password_hash,
        roles=(SUPERUSER,),
        metadata=dict(BUILT_IN_USERS[ELASTIC]),
    )
