"""What an API key may be called and say, which keys a request means, and who may ask for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from isthmus.errors import validation_failure
from isthmus.exchange import JsonObject
from isthmus.security.authorize import grants_cluster_action, may_do_cluster_action
from isthmus.security.denial import action_denied
from isthmus.security.principal import Principal, RoleDescriptor
from isthmus.security.privileges import implied_by_cluster_privileges
from isthmus.security.records import StoredApiKey
from isthmus.security.role_rules import has_reserved_metadata, role_problems

_MAXIMUM_NAME_LENGTH: Final = 256
_OWN_KEYS_PRIVILEGE: Final = "manage_own_api_key"


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """The user whose key it is; for a key made with a key, the user behind that one."""

    username: str
    realm_name: str
    realm_type: str


@dataclass(frozen=True, slots=True)
class KeyFilter:
    """Which keys a request means: those for which everything that is given holds."""

    ids: tuple[str, ...] = ()
    name: str | None = None
    realm_name: str | None = None
    username: str | None = None
    owner: bool = False
    active_only: bool = False


def owner_of(principal: Principal) -> KeyOwner:
    """Answer whose keys this caller makes."""
    if principal.api_key_id is not None and principal.run_by is None:
        return KeyOwner(
            principal.api_key_owner or principal.username,
            principal.api_key_owner_realm or principal.realm_name,
            principal.api_key_owner_realm_type or principal.realm_type,
        )
    return KeyOwner(principal.username, principal.realm_name, principal.realm_type)


def key_problems(
    name: str | None, metadata: JsonObject | None, roles: Sequence[RoleDescriptor] = ()
) -> list[str]:
    """Answer everything that is wrong with a new or changed key; ``name`` None: it is not changed."""
    problems = [] if name is None else _name_problems(name)
    if metadata is not None and has_reserved_metadata(metadata):
        problems.append("API key metadata keys may not start with [_]")
    for role in roles:
        problems += role_problems(role)
    return problems


def _name_problems(name: str) -> list[str]:
    if not name.strip():
        return ["api key name is required"]
    problems = []
    if len(name) > _MAXIMUM_NAME_LENGTH:
        problems.append(f"api key name may not be more than {_MAXIMUM_NAME_LENGTH} characters long")
    if name != name.strip():
        problems.append("api key name may not begin or end with whitespace")
    if name.startswith("_"):
        problems.append("api key name may not begin with an underscore")
    return problems


def check_filter(wanted: KeyFilter, purpose: str) -> None:
    """Return if the filter contradicts nothing; raises a 400 failure, in Elasticsearch's words.

    ``purpose`` is ``retrieving`` or ``invalidating``: the latter must say whose or which keys.
    """
    problems = []
    by_owner = wanted.username is not None or wanted.realm_name is not None
    by_key = bool(wanted.ids) or wanted.name is not None
    if purpose == "invalidating" and not (by_owner or by_key or wanted.owner):
        problems.append(
            "One of [api key id(s), api key name, username, realm name] must be specified if [owner] flag is "
            "false"
        )
    if by_owner and by_key:
        problems.append(
            "username or realm name must not be specified when the api key id(s) or api key name are "
            "specified"
        )
    if wanted.owner and by_owner:
        problems.append(f"neither username nor realm-name may be specified when {purpose} owned API keys")
    if wanted.ids and wanted.name is not None:
        problems.append("only one of [api key id(s), api key name] can be specified")
    if problems:
        raise validation_failure(*problems)


def matches_filter(key: StoredApiKey, wanted: KeyFilter, now_milliseconds: int) -> bool:
    """Tell whether the filter means this key; ``owner`` is not looked at here."""
    if wanted.ids and key.id not in wanted.ids:
        return False
    if wanted.name is not None and not _name_matches(wanted.name, key.name):
        return False
    if wanted.username is not None and key.owner_username != wanted.username:
        return False
    if wanted.realm_name is not None and key.owner_realm != wanted.realm_name:
        return False
    return not wanted.active_only or is_active(key, now_milliseconds)


def _name_matches(wanted: str, name: str) -> bool:
    # Only a `*` at the end is special here: any other sign may be part of a name.
    if wanted.endswith("*"):
        return name.startswith(wanted[:-1])
    return name == wanted


def is_active(key: StoredApiKey, now_milliseconds: int) -> bool:
    """Tell whether the key is neither invalidated nor expired."""
    expired = key.expires_milliseconds is not None and key.expires_milliseconds <= now_milliseconds
    return key.invalidated_milliseconds is None and not expired


def require_key_access(principal: Principal, action: str, wanted: KeyFilter) -> None:
    """Return if the caller may do this with the keys that the filter means.

    Who may only manage their own keys must say so in the filter. Raises a 403 ``security_exception``.
    """
    if may_do_to_any_key(principal, action):
        return
    owner = owner_of(principal)
    only_own = (
        wanted.owner
        or (wanted.username == owner.username and wanted.realm_name == owner.realm_name)
        or (principal.api_key_id is not None and wanted.ids == (principal.api_key_id,))
    )
    itself = action.endswith("/get") and wanted.ids == (principal.api_key_id,)
    if not itself and not (only_own and may_do_cluster_action(principal, action)):
        raise action_denied(principal, action)


def may_do_to_any_key(principal: Principal, action: str) -> bool:
    """Tell whether the caller may do this with everybody's keys."""
    return bool(principal.role_sets) and all(
        any(
            name.lower() != _OWN_KEYS_PRIVILEGE and grants_cluster_action(name, action)
            for role in roles
            for name in role.cluster
        )
        for roles in principal.role_sets
    )


def may_manage_security(principal: Principal) -> bool:
    """Tell whether the caller may do whatever ``manage_security`` allows."""
    return bool(principal.role_sets) and all(
        implied_by_cluster_privileges(
            "manage_security", tuple(name for role in roles for name in role.cluster)
        )
        for roles in principal.role_sets
    )
