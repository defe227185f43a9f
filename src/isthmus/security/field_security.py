"""Fields and documents that roles leave visible, combined within one set of roles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from isthmus.errors import illegal_argument
from isthmus.exchange import FieldAccess, Json, JsonObject
from isthmus.security.patterns import covers, may_overlap
from isthmus.security.principal import IndexPrivileges


def field_access_of(field_security: JsonObject | None) -> FieldAccess | None:
    """Read ``{"grant": […], "except": […]}``; None when it leaves every field visible."""
    if field_security is None:
        return None
    granted = field_security.get("grant")
    excepted = tuple(field_security.get("except") or ())
    if (granted is None or "*" in granted) and not excepted:
        return None
    return FieldAccess(granted=None if granted is None else tuple(granted), excepted=excepted)


def require_field_security(field_security: JsonObject | None) -> None:
    """Return if this is ``{"grant": [texts], "except": [texts]}``; raises a 400 failure otherwise.

    For what another cluster sends: a member that is not understood would otherwise restrict nothing.
    """
    for member, names in (field_security or {}).items():
        texts = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
        if member not in ("grant", "except") or not (texts or names is None):
            raise illegal_argument(
                f"field_security member [{str(member)[:100]}] is not a list of field names under "
                "[grant] or [except]"
            )


def union_of_fields(entries: Iterable[IndexPrivileges]) -> FieldAccess | None:
    """Answer the fields that at least one entry grants; None when that is every field.

    Exact unless two entries' exceptions overlap partly: then what is doubtful stays hidden.
    """
    accesses = []
    for entry in entries:
        access = field_access_of(entry.field_security)
        if access is None:
            return None
        accesses.append(access)
    if not accesses:
        return None
    granted: tuple[str, ...] | None = ()
    excepted: dict[str, None] = {}
    for number, access in enumerate(accesses):
        others = accesses[:number] + accesses[number + 1 :]
        granted = None if granted is None or access.granted is None else granted + access.granted
        for pattern in access.excepted:
            if not any(_grants_all_of(other, pattern) for other in others):
                excepted[pattern] = None
    if granted is None and not excepted:
        return None
    return FieldAccess(
        granted=None if granted is None else tuple(dict.fromkeys(granted)), excepted=tuple(excepted)
    )


def _grants_all_of(access: FieldAccess, pattern: str) -> bool:
    if access.granted is not None and not any(covers(granted, pattern) for granted in access.granted):
        return False
    return not any(may_overlap(excepted, pattern) for excepted in access.excepted)


def union_of_documents(entries: Sequence[IndexPrivileges]) -> Json:
    """Answer the query for the documents that at least one entry shows; None when that is every one."""
    queries: list[Json] = []
    for entry in entries:
        if entry.query is None:
            return None
        if entry.query not in queries:
            queries.append(entry.query)
    if len(queries) <= 1:
        return queries[0] if queries else None
    return {"bool": {"should": queries, "minimum_should_match": 1}}
