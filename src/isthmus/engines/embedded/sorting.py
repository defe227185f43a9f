"""Sort keys of one index: what they sort by, and how their values are compared and shown.

Within the engine a value is what a column holds (dates in milliseconds, addresses as sortable
text); None is a missing one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cmp_to_key
from typing import Any, Final, TypeAlias

from isthmus.engines.embedded.field_types import FIELD_TYPES, ColumnKind
from isthmus.engines.embedded.field_types_dates import parse_date
from isthmus.engines.embedded.field_types_values import ip_from_sortable, parse_value
from isthmus.engines.embedded.mapping import FieldMapping
from isthmus.engines.embedded.query.context import QueryContext, QueryField
from isthmus.engines.embedded.sorting_numbers import as_single, shortest_half, shortest_single
from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.exchange import ORDINAL_SHIFT, SortKey, SortValue

HeldValue: TypeAlias = str | int | float | None

_MODES: Final = frozenset({"min", "max", "sum", "avg", "median"})
_NUMBERS: Final = frozenset(
    {"long", "integer", "short", "byte", "double", "float", "half_float", "scaled_float"}
)
_EXTREME: Final = 1 << 63
_EXTREME_INTEGERS: Final = frozenset({_EXTREME - 1, -_EXTREME})
_EXTREME_TEXTS: Final = frozenset({"Infinity", "-Infinity"})


class Sorted(Enum):
    """What a key sorts by."""

    SCORE = "_score"
    SEQUENCE = "_doc"
    ID = "_id"
    FIELD = "a field"
    ABSENT = "a field that this index does not have"


@dataclass(frozen=True, slots=True)
class ResolvedKey:
    """One sort key of one index.

    ``substitute`` stands for a missing value where the caller gave one. ``by_maximum``: documents
    with several values count with the largest, else with the smallest. ``mapped`` is None for
    what is not a field.
    """

    name: str
    sorted_by: Sorted
    descending: bool
    missing_first: bool = False
    substitute: HeldValue = None
    by_maximum: bool = False
    mapped: FieldMapping | None = None
    field: QueryField | None = None
    date_format: str | None = None
    #: whole numbers are shown as fractions
    as_fraction: bool = False
    #: what is added to each value, so that those of several indices compare
    base: int = 0

    def shown(self, value: HeldValue) -> SortValue:
        """Answer a value as a caller sees it."""
        if self.sorted_by is Sorted.SCORE and value is not None:
            return shortest_single(float(value))
        if self.mapped is None or value is None:
            return value
        if self.as_fraction:
            return float(value)
        if self.mapped.type == "ip":
            return ip_from_sortable(str(value))
        if self.mapped.type == "float":
            return shortest_single(float(value))
        return shortest_half(float(value)) if self.mapped.type == "half_float" else value

    def compare(self, one: HeldValue, other: HeldValue) -> int:
        """Answer a negative number where ``one`` comes first, 0 for a tie."""
        if one is None or other is None:
            if one is other:
                return 0
            return -1 if (one is None) == self.missing_first else 1
        if isinstance(one, str) != isinstance(other, str):
            raise illegal_argument(
                f"Can't sort on field [{self.name}]; the field has incompatible sort types: "
                "[DOUBLE] and [STRING] across shards!"
            )
        if one == other:
            return 0
        is_before = one > other if self.descending else one < other  # type: ignore[operator]  # checked above
        return -1 if is_before else 1


def order_by(keys: Sequence[ResolvedKey]) -> Callable[[Sequence[HeldValue]], Any]:
    """Answer a key function that puts tuples of values in the order of these keys."""

    def compare(one: Sequence[HeldValue], other: Sequence[HeldValue]) -> int:
        return compare_values(keys, one, other)

    return cmp_to_key(compare)


def compare_values(keys: Sequence[ResolvedKey], one: Sequence[HeldValue], other: Sequence[HeldValue]) -> int:
    """Answer a negative number where ``one`` comes first, 0 where all keys tie."""
    for key, left, right in zip(keys, one, other, strict=False):
        order = key.compare(left, right)
        if order:
            return order
    return 0


def resolve_keys(keys: Sequence[SortKey], context: QueryContext, ordinal: int = 0) -> tuple[ResolvedKey, ...]:
    """Answer the keys as this index has them. ``ordinal`` is the index's own for ``_shard_doc``.

    Raises a 400 for a field that is not mapped here (unless the caller said which type to take it
    for) and for one that cannot be sorted by.
    """
    return tuple(_resolve(key, context, ordinal) for key in keys)


def _resolve(key: SortKey, context: QueryContext, ordinal: int) -> ResolvedKey:
    if key.mode is not None and key.mode not in _MODES:
        raise illegal_argument(f"Unknown SortMode [{key.mode}]")
    if key.field == "_score":
        return ResolvedKey("_score", Sorted.SCORE, key.descending)
    if key.field == "_doc":
        return ResolvedKey(key.field, Sorted.SEQUENCE, key.descending)
    if key.field == "_shard_doc":
        return ResolvedKey(key.field, Sorted.SEQUENCE, key.descending, base=ordinal << ORDINAL_SHIFT)
    if key.field == "_id":
        return ResolvedKey("_id", Sorted.ID, key.descending)
    mapped = context.mapping.field(key.field)
    if mapped is None or not context.is_visible(key.field):
        return _unmapped(key, context)
    _require_sortable(mapped, context)
    _require_options(key, mapped)
    field = context.field(key.field)
    if field is None:  # pragma: no cover - it is mapped and visible
        return _unmapped(key, context)
    many = field.columns.maximum is not None
    if many and key.mode in ("sum", "avg", "median"):
        raise illegal_argument(f"sort mode [{key.mode}] is not supported by the embedded engine")
    mode = key.mode if key.mode in ("min", "max") else ("max" if key.descending else "min")
    return ResolvedKey(
        key.field,
        Sorted.FIELD,
        key.descending,
        missing_first=key.missing == "_first",
        substitute=_substitute(key, mapped),
        by_maximum=many and mode == "max",
        mapped=mapped,
        field=field,
        date_format=key.date_format,
        as_fraction=_as_fraction(key, mapped),
    )


def _unmapped(key: SortKey, context: QueryContext) -> ResolvedKey:
    if key.unmapped_type is None:
        raise context.refused(f"No mapping found for [{key.field}] in order to sort on")
    if key.unmapped_type not in FIELD_TYPES:
        raise illegal_argument(f"No mapper found for type [{key.unmapped_type}]")
    mapped = FieldMapping(key.field, key.unmapped_type)
    _require_sortable(mapped, context)
    _require_options(key, mapped)
    return ResolvedKey(
        key.field,
        Sorted.ABSENT,
        key.descending,
        missing_first=key.missing == "_first",
        substitute=_substitute(key, mapped),
        mapped=mapped,
        date_format=key.date_format,
        as_fraction=_as_fraction(key, mapped),
    )


def _require_options(key: SortKey, mapped: FieldMapping) -> None:
    """Refuse what a key wants of its values where they are not of that type."""
    is_number = mapped.type in _NUMBERS
    if key.date_format is not None and mapped.type != "date":
        if is_number:
            raise illegal_argument(
                f"[sort.format] of the field [{key.field}] of type [{mapped.type}] is not supported by the "
                "embedded engine"
            )
        raise illegal_argument(f"Field [{key.field}] of type [{mapped.type}] doesn't support formats.")
    if key.numeric_type is None:
        return
    if not is_number and mapped.type not in ("date", "boolean"):
        raise illegal_argument(
            f"[numeric_type] option cannot be set on a non-numeric field, got {mapped.type}"
        )
    if mapped.field_type.kind is ColumnKind.FLOAT and key.numeric_type != "double":
        raise illegal_argument(
            f"[sort.numeric_type={key.numeric_type}] of the field [{key.field}] of type [{mapped.type}] is "
            "not supported by the embedded engine"
        )


def _as_fraction(key: SortKey, mapped: FieldMapping) -> bool:
    return key.numeric_type == "double" and mapped.field_type.kind is ColumnKind.INTEGER


def _require_sortable(mapped: FieldMapping, context: QueryContext) -> None:
    if mapped.type == "text":
        raise illegal_argument(
            f"Fielddata is disabled on [{mapped.path}] in [{context.index_name}]. Text fields are not "
            "optimised for operations that require per-document field data like aggregations and sorting, "
            "so these operations are disabled by default. Please use a keyword field instead. "
            f"Alternatively, set fielddata=true on [{mapped.path}] in order to load field data by "
            "uninverting the inverted index. Note that this can use significant memory."
        )
    if not mapped.doc_values:
        raise illegal_argument(
            f"Can't load fielddata on [{mapped.path}] because fielddata is unsupported on fields of type "
            f"[{mapped.type}]. Use doc values instead."
        )


def _substitute(key: SortKey, mapped: FieldMapping) -> HeldValue:
    if key.missing in ("_last", "_first", None):
        return None
    return _held(mapped, key.missing, key.date_format)


def held_after(keys: Sequence[ResolvedKey], after: Sequence[SortValue]) -> tuple[HeldValue, ...]:
    """Answer the values of ``search_after`` as the columns hold them; raises a 400 for bad ones."""
    if len(after) != len(keys):
        raise illegal_argument(f"search_after has {len(after)} value(s) but sort has {len(keys)}.")
    return tuple(_after(key, value) for key, value in zip(keys, after, strict=True))


def _after(key: ResolvedKey, value: SortValue) -> HeldValue:
    if value is None:
        return None
    if key.sorted_by is Sorted.ID:
        return str(value)
    if key.mapped is None:
        return _within_index(key, _number_after(key, value))
    kind = key.mapped.field_type.kind
    # how Elasticsearch shows a missing number
    if kind is ColumnKind.INTEGER and value in _EXTREME_INTEGERS:
        return None
    if kind is ColumnKind.FLOAT and value in _EXTREME_TEXTS:
        return None
    try:
        return _held(key.mapped, value, key.date_format)
    except Failure as failure:
        raise Failure(
            FailureKind.INVALID_REQUEST,
            "illegal_argument_exception",
            f"Failed to parse search_after value for field [{key.name}].",
            caused_by=failure,
        ) from None


def _within_index(key: ResolvedKey, value: float) -> float:
    """Answer a value of all indices as one of this index: before its first or after its last document."""
    if not key.base:
        return value
    return min(max(value - key.base, -1), 1 << ORDINAL_SHIFT)


def _number_after(key: ResolvedKey, value: SortValue) -> float | int:
    try:
        number = float(value or 0)
        if key.sorted_by is Sorted.SCORE and math.isfinite(number):
            return as_single(number)
        if -_EXTREME < number < _EXTREME:
            return int(value or 0)
    except ValueError:
        pass
    raise illegal_argument(f"Failed to parse search_after value for field [{key.name}].")


def _held(mapped: FieldMapping, value: SortValue, date_format: str | None) -> HeldValue:
    if mapped.type == "boolean" and isinstance(value, (int, float)) and value in (0, 1):
        return int(value)
    if mapped.type == "date" and isinstance(value, (int, float)) and -_EXTREME < value < _EXTREME:
        return int(value)
    if mapped.type == "date" and date_format is not None:
        return parse_date(value, date_format)
    held = parse_value(mapped, value)
    if held is None:
        raise illegal_argument(f"Cannot parse [{value}] as a value of type [{mapped.type}]")
    return held
