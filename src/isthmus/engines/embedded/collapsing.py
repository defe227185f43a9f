"""One hit of each group: the first of those that have the same value in a field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from tantivy import Query

from isthmus.engines.embedded.field_types import ColumnKind
from isthmus.engines.embedded.query.compiled import Compiled, constant, none_of, restricted
from isthmus.engines.embedded.query.context import QueryContext
from isthmus.engines.embedded.sorting import HeldValue, ResolvedKey, Sorted
from isthmus.engines.embedded.sorting_pages import Row
from isthmus.engines.embedded.sorting_values import FoundValues
from isthmus.errors import illegal_argument
from isthmus.exchange import SortValue

Group: TypeAlias = tuple[SortValue, ...]
"""The value that the hits of a group have in common; empty for those that have none."""

TakeBest: TypeAlias = Callable[[Compiled, int], Sequence[tuple[Row, float | None]]]
"""Answers so many of the best matches of a clause in their order, with their scores where known."""

#: how many more hits than groups are looked at at once: most groups are small
_SURPLUS: Final = 3
_NUMBERS: Final = frozenset(
    {"long", "integer", "short", "byte", "double", "float", "half_float", "scaled_float"}
)


@dataclass(frozen=True, slots=True)
class Grouped:
    """A hit that stands for its group."""

    row: Row
    score: float | None
    group: Group


class Collapsing:
    """Collapses the hits of one index by a field.

    Raises 400 failures in Elasticsearch's words for a field that this index does not have or that cannot
    tell groups apart.
    """

    def __init__(self, path: str, context: QueryContext) -> None:
        mapped = context.mapping.field(path)
        field = context.field(path) if mapped is not None and context.is_visible(path) else None
        if mapped is None or field is None:
            raise illegal_argument(f"no mapping found for `{path}` in order to collapse on")
        if mapped.type != "keyword" and mapped.type not in _NUMBERS:
            raise illegal_argument(
                f"collapse is not supported for the field [{path}] of the type [{mapped.type}]"
            )
        if not mapped.doc_values:
            raise illegal_argument(f"cannot collapse on field `{path}` without `doc_values`")
        self._key = ResolvedKey(path, Sorted.FIELD, descending=False, mapped=mapped, field=field)
        self._column = field.columns.main
        self._several = field.columns.maximum
        self._is_float = mapped.field_type.kind is ColumnKind.FLOAT
        self._context = context

    def first_of_groups(
        self, clause: Compiled, need: int, take: TakeBest, found: FoundValues
    ) -> list[Grouped]:
        """Answer the best match of each group, the best groups first, so many at most.

        After each look those groups are left out that were found, so what is found next is the best of
        another one.
        """
        self._require_single_values(clause, take)
        chosen: dict[Group, Grouped] = {}
        rest = clause
        while len(chosen) < need:
            wanted = (need - len(chosen)) * _SURPLUS + 1
            hits = take(rest, wanted)
            if not hits:
                break
            values = found.values([row.address for row, _ in hits], self._key, rest)
            for (row, score), value in zip(hits, values, strict=True):
                group = self._group(value)
                if group not in chosen and len(chosen) < need:
                    chosen[group] = Grouped(row, score, group)
            if len(hits) < wanted:
                break
            rest = restricted(rest, none_of(self._with_any(set(values))))
        return list(chosen.values())

    def _group(self, value: HeldValue) -> Group:
        return () if value is None else (self._key.shown(value),)

    def _with_any(self, values: Iterable[HeldValue]) -> Compiled:
        """Answer the documents that have one of these values."""
        given = [value for value in values if value is not None]
        exists = constant(self._context.exists(self._key.name))
        among = constant(Query.term_set_query(self._context.schema, self._column, given))
        if len(given) == len(set(values)):
            return among
        lacking = none_of(exists)
        if not given:
            return lacking
        return none_of(restricted(exists, none_of(among)))

    def _require_single_values(self, clause: Compiled, take: TakeBest) -> None:
        if self._several is None:
            return
        if take(restricted(clause, constant(Query.exists_query(self._several))), 1):
            raise illegal_argument(
                f"failed to collapse on [{self._key.name}], the collapse field must be single valued"
            )
