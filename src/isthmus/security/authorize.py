"""May this caller do that? Every decision here is a function of values (and is noted for the audit log).

A caller's role sets are a conjunction: each of them must allow an action. Within a set roles add
up: one that allows it is enough, documents and fields that any of them shows are visible.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from isthmus.errors import Failure, index_not_found
from isthmus.exchange import FieldAccess, IndexSelection, Json
from isthmus.names import (
    Abstractions,
    IndexName,
    IndicesOptions,
    KnownIndex,
    is_wildcard,
    require_local,
    resolve_abstractions,
    resolve_expressions,
)
from isthmus.names.date_math import resolve_date_math
from isthmus.security.audit_notes import note_granted
from isthmus.security.denial import action_denied
from isthmus.security.field_security import union_of_documents, union_of_fields
from isthmus.security.patterns import matcher_of_any
from isthmus.security.principal import IndexPrivileges, Principal, RoleDescriptor
from isthmus.security.privileges import cluster_privilege, index_privilege
from isthmus.security.restricted import is_restricted

_LONGEST_NAME: Final = 255


def require_cluster_action(principal: Principal, action: str) -> None:
    """Return if every role set allows this cluster action; raises a 403 ``security_exception`` otherwise."""
    if not may_do_cluster_action(principal, action):
        raise action_denied(principal, action)
    note_granted(action)


def may_do_cluster_action(principal: Principal, action: str) -> bool:
    """Tell whether every role set allows this cluster action."""
    return bool(principal.role_sets) and all(
        any(grants_cluster_action(name, action) for role in roles for name in role.cluster)
        for roles in principal.role_sets
    )


def require_index_action(principal: Principal, action: str, names: Iterable[str]) -> None:
    """Return if the action is allowed on each of these names (indices or aliases, existing or not).

    Raises a 403 ``security_exception`` that names those on which it is not.
    """
    names = tuple(names)
    denied = [name for name in names if not may_do_index_action(principal, action, name)]
    if denied or not (names or _allowed_somewhere(principal, action)):
        raise action_denied(principal, action, denied)
    note_granted(action, names)


def may_do_index_action(principal: Principal, action: str, name: str) -> bool:
    """Tell whether every role set allows this action on the index or alias of this name."""
    for roles in principal.role_sets:
        if not _role_set_allows(roles, action, name):
            return False
    return bool(principal.role_sets)


def _role_set_allows(roles: Iterable[RoleDescriptor], action: str, name: str) -> bool:
    for role in roles:
        for entry in role.indices:
            if _entry_allows(entry, action, name):
                return True
    return False


def select_indices(
    principal: Principal,
    action: str,
    expressions: Sequence[str],
    options: IndicesOptions,
    known: Mapping[IndexName, KnownIndex],
    now_milliseconds: int | None = None,
) -> tuple[IndexSelection, ...]:
    """Answer the indices that these expressions name and this caller may see for this action.

    Wildcards silently narrow to what is allowed. Raises a 403 ``security_exception`` for a name
    that is not allowed (left out with ``ignore_unavailable``), ``index_not_found_exception`` (404)
    for one that does not exist, 400 for one of another cluster, and 403 for a caller who may do this nowhere
    at all.
    """
    if not _allowed_somewhere(principal, action):
        raise action_denied(principal, action, expressions)
    addressed = _allowed_expressions(principal, action, expressions, options, now_milliseconds)
    if not options.ignore_unavailable:
        require_local(addressed)
    if expressions and not addressed:
        if options.allow_no_indices:
            return ()
        raise index_not_found(",".join(expressions))
    reachable, stand_ins = _reachable(principal, action, _candidates(addressed, known))
    selections = []
    for name in resolve_expressions(addressed, reachable, options, now_milliseconds):
        index, names = stand_ins.get(name, (name, (str(name),)))
        selections.append(selection_of(principal, action, index, names))
    note_granted(action, [selection.index for selection in selections])
    return tuple(selections)


def select_names(
    principal: Principal,
    action: str,
    expressions: Sequence[str],
    options: IndicesOptions,
    known: Mapping[IndexName, KnownIndex],
) -> Abstractions:
    """Answer the indices and aliases that these expressions name and this caller may know of.

    Wildcards narrow and failures are raised as by :func:`select_indices`.
    """
    if not _allowed_somewhere(principal, action):
        raise action_denied(principal, action, expressions)
    addressed = _allowed_expressions(principal, action, expressions, options, None)
    if not options.ignore_unavailable:
        require_local(addressed)
    reachable, stand_ins = _reachable(principal, action, known)
    named = resolve_abstractions(addressed, reachable, options)
    indices = tuple(name for name in named.indices if name not in stand_ins)
    note_granted(action, (*indices, *named.aliases))
    return Abstractions(indices, named.aliases)


def selection_of(
    principal: Principal, action: str, index: IndexName, reached_as: Sequence[str] | None = None
) -> IndexSelection:
    """Answer what of this index the caller may see, reached by its own name or by these aliases.

    The caller must have been found allowed already: a role set without a matching entry hides
    nothing here.
    """
    document_filters: list[Json] = []
    field_access: list[FieldAccess] = []
    names = tuple(reached_as) if reached_as is not None else (str(index),)
    for roles in principal.role_sets:
        entries = [
            entry
            for role in roles
            for entry in role.indices
            if any(_entry_allows(entry, action, name) for name in names)
        ]
        documents = union_of_documents(entries)
        if documents is not None:
            document_filters.append(documents)
        fields = union_of_fields(entries)
        if fields is not None:
            field_access.append(fields)
    return IndexSelection(
        index=index, document_filters=tuple(document_filters), field_access=tuple(field_access)
    )


def _allowed_expressions(
    principal: Principal,
    action: str,
    expressions: Sequence[str],
    options: IndicesOptions,
    now_milliseconds: int | None,
) -> tuple[str, ...]:
    """Drop or refuse the exact names that are not allowed; wildcards narrow later."""
    allowed: list[str] = []
    denied: list[str] = []
    wildcard_seen = False
    for expression in expressions:
        name = resolve_date_math(expression, now_milliseconds).partition("::")[0]
        excluding = wildcard_seen and expression.startswith("-")
        if excluding or is_wildcard(name) or (expression == "_all" and len(expressions) == 1):
            wildcard_seen = True
            allowed.append(expression)
        elif may_do_index_action(principal, action, name):
            allowed.append(expression)
        elif not options.ignore_unavailable:
            denied.append(name)
    if denied:
        raise action_denied(principal, action, denied)
    return tuple(allowed)


def _candidates(
    expressions: Sequence[str], known: Mapping[IndexName, KnownIndex]
) -> Mapping[IndexName, KnownIndex]:
    """Answer the indices that matter: all of them, but for one plain name of an index only that one."""
    if len(expressions) != 1:
        return known
    index = known.get(IndexName(expressions[0]))
    return known if index is None else {index.name: index}


def _reachable(
    principal: Principal, action: str, known: Mapping[IndexName, KnownIndex]
) -> tuple[dict[IndexName, KnownIndex], dict[IndexName, tuple[IndexName, tuple[str, ...]]]]:
    """Answer the indices as this caller may address them, and the real names behind stand-ins.

    An index whose own name is not allowed but one of whose aliases is can be named by that alias
    only: it stands in the table under a name that nobody can ask for.
    """
    reachable: dict[IndexName, KnownIndex] = {}
    stand_ins: dict[IndexName, tuple[IndexName, tuple[str, ...]]] = {}
    for name, index in known.items():
        aliases = {
            alias: parameters
            for alias, parameters in index.aliases.items()
            if may_do_index_action(principal, action, alias)
        }
        key = name
        if not may_do_index_action(principal, action, name):
            if not aliases:
                continue
            key = IndexName("\0" * (len(stand_ins) + 1))
            stand_ins[key] = (name, tuple(aliases))
        reachable[key] = KnownIndex(name=key, hidden=index.hidden, closed=index.closed, aliases=aliases)
    return reachable, stand_ins


def _allowed_somewhere(principal: Principal, action: str) -> bool:
    for roles in principal.role_sets:
        if not _role_set_has_action(roles, action):
            return False
    return bool(principal.role_sets)


def _role_set_has_action(roles: Iterable[RoleDescriptor], action: str) -> bool:
    for role in roles:
        for entry in role.indices:
            if _entry_has_action(entry.privileges, action):
                return True
    return False


def _entry_allows(entry: IndexPrivileges, action: str, name: str) -> bool:
    # A longer name is no index's, and is not kept in memory.
    allows = _allows if len(name) <= _LONGEST_NAME else _allows.__wrapped__
    return allows(entry.names, entry.privileges, entry.allow_restricted_indices, action, name)


@lru_cache(maxsize=8192)
def _allows(
    names: tuple[str, ...],
    privileges: tuple[str, ...],
    allow_restricted_indices: bool,  # noqa: FBT001 - private
    action: str,
    name: str,
) -> bool:
    if is_restricted(name) and not allow_restricted_indices:
        return False
    return _entry_has_action(privileges, action) and matcher_of_any(names)(name)


@lru_cache(maxsize=8192)
def _entry_has_action(privileges: tuple[str, ...], action: str) -> bool:
    return any(_grants_index_action(name, action) for name in privileges)


@lru_cache(maxsize=8192)
def _grants_index_action(privilege: str, action: str) -> bool:
    try:
        return index_privilege(privilege).allow(action)
    except Failure:
        return False  # a role of a newer version may hold a privilege that this one does not know


@lru_cache(maxsize=8192)
def grants_cluster_action(privilege: str, action: str) -> bool:
    """Tell whether this cluster privilege allows the action; an unknown privilege allows nothing."""
    try:
        return cluster_privilege(privilege).allow(action)
    except Failure:
        return False
