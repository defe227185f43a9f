"""Callers across clusters in the certificate model: names travel, and each side has roles of its own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, Protocol

from isthmus.errors import illegal_argument, security_failure
from isthmus.security.field_security import require_field_security
from isthmus.security.principal import Principal, RoleDescriptor
from isthmus.security.records import StoredUser
from isthmus.security.remote_caller import RemoteSubject
from isthmus.security.role_lookup import find_roles

#: nobody has more roles than this; a peer may not make the store look for any number of names
_MAXIMUM_ROLE_NAMES: Final = 1000


class CertificateRecords(Protocol):
    """What the receiving side looks up about a caller."""

    async def find_roles(self, names: Collection[str]) -> Sequence[RoleDescriptor]:
        """Answer those of these roles that exist, ordered by name."""
        ...

    async def find_user(self, username: str) -> StoredUser | None:
        """Answer the user of exactly this name, None where there is none."""
        ...


def certificate_subject(principal: Principal) -> RemoteSubject:
    """Answer how this caller is presented over a link without an API key: by the names of their roles.

    ``remote_indices`` and ``remote_cluster`` count for nothing here. A caller who came with an API key
    has no roles but privileges: these travel, as far as they are about indices.
    """
    by_key = principal.api_key_id is not None and principal.run_by is None
    return RemoteSubject(
        username=principal.username,
        realm_name=principal.realm_name,
        realm_type=principal.realm_type,
        role_names=() if by_key else principal.role_names,
        role_sets=tuple(_index_privileges(roles) for roles in principal.role_sets) if by_key else (),
        api_key_id=principal.api_key_id if by_key else None,
        run_by=None if principal.run_by is None else principal.run_by.username,
    )


async def certificate_principal(subject: RemoteSubject, records: CertificateRecords) -> Principal:
    """Answer the caller by this cluster's own roles of the names that were sent.

    Raises a 403 ``security_exception`` for somebody who runs as a user that does not exist here.
    """
    if len(subject.role_names) > _MAXIMUM_ROLE_NAMES:
        raise illegal_argument(f"user [{subject.username[:100]}] has more than {_MAXIMUM_ROLE_NAMES} roles")
    by_key = subject.api_key_id is not None and subject.run_by is None
    if by_key:
        for entry in (entry for roles in subject.role_sets for role in roles for entry in role.indices):
            require_field_security(entry.field_security)
        role_sets = tuple(_index_privileges(roles) for roles in subject.role_sets) or ((),)
    elif subject.internal:
        role_sets = ((),)
    else:
        if subject.run_by is not None and not await _exists(subject.username, records):
            raise security_failure(
                f"user [{subject.run_by}] run as [{subject.username}] is unauthorized, because user"
                f" [{subject.username}] does not exist on this cluster"
            )
        role_sets = (await find_roles(records, subject.role_names),)
    return Principal(
        username=subject.username,
        role_names=subject.role_names,
        role_sets=role_sets,
        realm_name=subject.realm_name,
        realm_type=subject.realm_type,
        api_key_id=subject.api_key_id if by_key else None,
        api_key_owner=subject.username if by_key else None,
    )


async def _exists(username: str, records: CertificateRecords) -> bool:
    user = await records.find_user(username)
    return user is not None and user.enabled


def _index_privileges(roles: Sequence[RoleDescriptor]) -> tuple[RoleDescriptor, ...]:
    return tuple(RoleDescriptor(name=role.name, indices=role.indices) for role in roles)
