"""What a caller may really do on another cluster: their roles for it ∩ what the key gives. Pure.

Patterns are compared, not indices: which indices there are over there is not known here, nor the caller's
business. Where it cannot be told whether two patterns have names in common it is taken that they may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from isthmus.errors import Failure
from isthmus.security.patterns import covers, may_overlap
from isthmus.security.principal import IndexPrivileges, RoleDescriptor
from isthmus.security.privileges import (
    implied_by_cluster_privileges,
    implied_by_index_privileges,
)

#: the larger of two role sets may have thousands of patterns; nobody reads more lines than this
_MOST_ENTRIES: Final = 1_000


@dataclass(frozen=True, slots=True)
class EffectiveEntry:
    """Privileges on the names that match **all** of ``patterns``.

    ``documents_by`` and ``fields_by`` tell who narrows what is seen of them: ``roles``, ``key`` or both.
    """

    patterns: tuple[str, ...]
    privileges: tuple[str, ...]
    documents_by: tuple[str, ...] = ()
    fields_by: tuple[str, ...] = ()
    allow_restricted_indices: bool = False

    def grants(self, privilege: str) -> bool:
        """Tell whether this holds everything that an index privilege (or action) grants."""
        return _implied(implied_by_index_privileges, privilege, self.privileges)


def entries_of(roles: Iterable[RoleDescriptor], source: str) -> tuple[EffectiveEntry, ...]:
    """Answer what these roles give on indices, a pattern at a time; ``source``: ``roles`` or ``key``."""
    return _distinct(
        _entry(entry, pattern, source) for role in roles for entry in role.indices for pattern in entry.names
    )


def intersection(
    first: Sequence[EffectiveEntry], second: Sequence[EffectiveEntry]
) -> tuple[EffectiveEntry, ...]:
    """Answer what both give."""
    return _distinct(
        met for one in first for other in second if (met := _met_or_none(one, other)) is not None
    )


def intersection_of_cluster(granted: Iterable[str], ceiling: Iterable[str]) -> tuple[str, ...]:
    """Answer those of the granted cluster privileges that the ceiling allows as well."""
    ceiling = tuple(ceiling)
    return tuple(name for name in granted if _implied(implied_by_cluster_privileges, name, ceiling))


def grants_somewhere(entries: Iterable[EffectiveEntry], privilege: str) -> bool:
    """Tell whether the privilege is held on any name at all."""
    return any(entry.grants(privilege) for entry in entries)


def _entry(entry: IndexPrivileges, pattern: str, source: str) -> EffectiveEntry:
    return EffectiveEntry(
        patterns=(pattern,),
        privileges=entry.privileges,
        documents_by=(source,) if entry.query is not None else (),
        fields_by=(source,) if entry.field_security is not None else (),
        allow_restricted_indices=entry.allow_restricted_indices,
    )


def _met_or_none(one: EffectiveEntry, other: EffectiveEntry) -> EffectiveEntry | None:
    patterns = _met_patterns((*one.patterns, *other.patterns))
    if patterns is None:
        return None
    privileges = _met_privileges(one.privileges, other.privileges)
    if not privileges:
        return None
    return EffectiveEntry(
        patterns=patterns,
        privileges=privileges,
        documents_by=tuple(dict.fromkeys((*one.documents_by, *other.documents_by))),
        fields_by=tuple(dict.fromkeys((*one.fields_by, *other.fields_by))),
        allow_restricted_indices=one.allow_restricted_indices and other.allow_restricted_indices,
    )


def _met_patterns(patterns: tuple[str, ...]) -> tuple[str, ...] | None:
    """Answer the fewest patterns that together mean all of these; None where no name matches them all."""
    distinct = tuple(dict.fromkeys(patterns))
    for position, one in enumerate(distinct):
        if not all(may_overlap(one, other) for other in distinct[position + 1 :]):
            return None
    return tuple(
        pattern
        for pattern in distinct
        if not any(other != pattern and _is_narrower(other, pattern) for other in distinct)
    )


def _is_narrower(pattern: str, wider: str) -> bool:
    return covers(wider, pattern) and not covers(pattern, wider)


def _met_privileges(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    common = [name for name in one if _implied(implied_by_index_privileges, name, other)]
    common += [name for name in other if _implied(implied_by_index_privileges, name, one)]
    distinct = list(dict.fromkeys(name for name in common if name != "none"))
    kept: list[str] = []
    for name in distinct:
        others = [each for each in distinct if each != name]
        redundant = any(
            _implied(implied_by_index_privileges, name, (each,))
            and (not _implied(implied_by_index_privileges, each, (name,)) or each in kept)
            for each in others
        )
        if not redundant:
            kept.append(name)
    return tuple(kept)


def _implied(decide: Callable[[str, Iterable[str]], bool], name: str, granted: tuple[str, ...]) -> bool:
    try:
        return decide(name, granted)
    except Failure:
        return name in granted  # a privilege of a newer version means itself


def _distinct(entries: Iterable[EffectiveEntry]) -> tuple[EffectiveEntry, ...]:
    """Answer these without repetitions, those that differ in their privileges only put together."""
    merged: dict[EffectiveEntry, dict[str, None]] = {}
    for entry in entries:
        bare = replace(entry, privileges=())
        if bare not in merged and len(merged) >= _MOST_ENTRIES:
            break
        merged.setdefault(bare, {}).update(dict.fromkeys(entry.privileges))
    return tuple(replace(bare, privileges=tuple(privileges)) for bare, privileges in merged.items())
