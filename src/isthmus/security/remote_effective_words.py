"""What is missing before a caller may search or replicate over there, in words that say what to do. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from isthmus.security.has_privileges import holds_cluster_privilege
from isthmus.security.principal import Principal
from isthmus.security.remote_effective import EffectiveEntry, grants_somewhere


@dataclass(frozen=True, slots=True)
class _Purpose:
    """One thing that people do with a remote: what must be held, and what grants it on either side."""

    needed: str
    privileges: tuple[str, ...]
    access: str


SEARCH: Final = _Purpose("indices:data/read/search", ("read", "read_cross_cluster"), "search")
REPLICATION: Final = _Purpose("cross_cluster_replication", ("cross_cluster_replication",), "replication")
_MANAGE_REPLICATION: Final = "manage_ccr"


@dataclass(frozen=True, slots=True)
class Sides:
    """What stands on either side and what is left of both. ``key`` None: not known."""

    alias: str
    roles: Sequence[Sequence[EffectiveEntry]]
    key: Sequence[EffectiveEntry] | None
    effective: Sequence[EffectiveEntry]


def missing_for(purpose: _Purpose, sides: Sides, principal: Principal) -> tuple[str, ...]:
    """Answer what is missing, nothing where it is allowed on some name at least."""
    missing = []
    if purpose is REPLICATION and not holds_cluster_privilege(principal, _MANAGE_REPLICATION):
        missing.append(f"the cluster privilege [{_MANAGE_REPLICATION}] here, in a role of the caller")
    by_roles = True
    for position, entries in enumerate(sides.roles):
        if not grants_somewhere(entries, purpose.needed):
            by_roles = False
            missing.append(_missing_in_roles(purpose, sides, whose_set(position, principal)))
    if sides.key is None:
        return tuple(missing)
    by_key = grants_somewhere(sides.key, purpose.needed)
    if not by_key:
        missing.append(
            f"access to [{purpose.access}] in the cross-cluster API key of [{sides.alias}]: on the remote, "
            f"update its [access], or make another key and put it into the keystore here"
        )
    if by_roles and by_key and not grants_somewhere(sides.effective, purpose.needed):
        missing.append(
            "a name that both sides allow: no index matches the names in the caller's [remote_indices] and "
            f"those in the key's [access] for [{purpose.access}]"
        )
    return tuple(missing)


def whose_set(position: int, principal: Principal) -> str:
    """Answer whose roles a role set of this caller holds: ``user``, ``api_key`` or ``owner``."""
    if principal.api_key_id is None or principal.run_by is not None:
        return "user"
    return "api_key" if position == 0 and len(principal.role_sets) > 1 else "owner"


def _missing_in_roles(purpose: _Purpose, sides: Sides, whose: str) -> str:
    entry = {"clusters": [sides.alias], "names": ["<index>"], "privileges": list(purpose.privileges)}
    return f"an entry of [remote_indices] in {_OWNERS[whose]}: {json.dumps(entry)}"


_OWNERS: Final = {
    "user": "a role of the caller",
    "api_key": "the role descriptors of the caller's API key",
    "owner": "a role of the API key's owner (who must then update the key, which holds what they had)",
}
