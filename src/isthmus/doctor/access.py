"""Whose side a denial comes from: the roles here or the key there. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from isthmus.names import is_wildcard
from isthmus.remotes.cluster import SEARCH_ACTION
from isthmus.security.authorize import may_do_index_action
from isthmus.security.principal import Principal
from isthmus.security.remote_caller import RemoteSubject


def not_reached(subject: RemoteSubject, expressions: Iterable[str]) -> tuple[str, ...]:
    """Answer the names that the caller's own roles do not let them search on the remote.

    Wildcards are left out: they narrow to what is allowed and are never denied by name.
    """
    caller = Principal(
        username=subject.username,
        role_names=subject.role_names,
        role_sets=subject.role_sets,
        realm_name=subject.realm_name,
        realm_type=subject.realm_type,
    )
    return tuple(
        name
        for name in expressions
        if not (is_wildcard(name) or name == "_all" or name.startswith("-"))
        and not may_do_index_action(caller, SEARCH_ACTION, name)
    )
