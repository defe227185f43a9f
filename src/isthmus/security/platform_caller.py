"""The platform as a caller of its own deployments: over a socket that only their owner can open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from isthmus.security.audit_notes import note_principal
from isthmus.security.builtin_roles import BUILT_IN_ROLES, SUPERUSER
from isthmus.security.principal import Principal

#: with a leading underscore no native user can have this name
PLATFORM_USER: Final = "_platform"
_PLATFORM: Final = Principal(
    username=PLATFORM_USER,
    role_names=(SUPERUSER,),
    role_sets=((BUILT_IN_ROLES[SUPERUSER],),),
    realm_name="__platform",
    realm_type="platform",
)


class PlatformCaller:
    """Takes every caller for the platform: who can open the socket owns the deployment's files."""

    async def authenticate(self, headers: Mapping[str, str], path: str = "/") -> Principal:
        """Answer the platform's principal, whatever the headers: the socket says who it is."""
        del headers, path
        note_principal(_PLATFORM)
        return _PLATFORM
