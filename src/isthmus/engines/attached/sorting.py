"""Sort keys as an engine is asked for them, and the values that it answers as clusters compare them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec

from isthmus.engines.attached.field_types import DATES, NUMBERS, WHOLE_NUMBERS, FieldType
from isthmus.engines.attached.limits import Limits
from isthmus.errors import illegal_argument
from isthmus.exchange import Json, JsonObject, SearchRequest, SortKey, SortValue
from isthmus.search.aggregations.date_format import DateFormat

SHARD_DOC: Final = "_shard_doc"
SEQUENCE: Final = "_seq_no"
_OF_THE_SEARCH: Final = frozenset({"_score", "_doc"})
_SENTINELS: Final = frozenset({"_last", "_first"})
_AS_ADDRESSES: Final = "ip"
_MOST: Final = (1 << 63) - 1
_LEAST: Final = -(1 << 63)
_MOST_INTEGER: Final = (1 << 31) - 1
_LEAST_INTEGER: Final = -(1 << 31)
_EXTREMES: Final = (_MOST, _LEAST, "Infinity", "-Infinity")
_INTEGER_EXTREMES: Final = (_MOST_INTEGER, _LEAST_INTEGER)
#: types that some engines sort in 32 bits
_SMALL: Final = frozenset({"boolean", "integer", "short", "byte"})


def sort_of(request: SearchRequest, limits: Limits, types: Mapping[str, FieldType]) -> list[JsonObject]:
    """Answer the member ``sort``. ``_shard_doc`` is the sequence number: see :mod:`.shard_documents`."""
    return [_asked(key, limits, types.get(key.field)) for key in request.sort]


def _asked(key: SortKey, limits: Limits, field: FieldType | None) -> JsonObject:
    order = "desc" if key.descending else "asc"
    if key.field in _OF_THE_SEARCH:
        return {key.field: {"order": order}}
    if key.field == SHARD_DOC:
        return {SEQUENCE: {"order": order}}
    asked: JsonObject = {"order": order}
    if key.missing is not None:
        asked["missing"] = _read_date(key, key.missing)
    for member, value in (
        ("unmapped_type", key.unmapped_type),
        ("mode", key.mode),
        ("numeric_type", key.numeric_type),
    ):
        if value is not None:
            asked[member] = value
    if field is not None and field.type == "date_nanos" and key.numeric_type is None:
        asked["numeric_type"] = "date"
    return {limits.field(key.field): asked}


def search_after_of(
    request: SearchRequest, types: Mapping[str, FieldType], small: Collection[str]
) -> list[SortValue] | None:
    """Answer the member ``search_after``, with dates as milliseconds; ``small``: sorted in 32 bits."""
    if request.search_after is None:
        return None
    return [
        _after_nothing(key, types.get(key.field), small) if value is None else _read_date(key, value)
        for key, value in zip(request.sort, request.search_after, strict=True)
    ]


def with_dates_read(request: SearchRequest) -> SearchRequest:
    """Answer the request with the dates of ``search_after`` as milliseconds, as hits have them."""
    if request.search_after is None or not any(key.date_format for key in request.sort):
        return request
    after = tuple(
        _read_date(key, value) for key, value in zip(request.sort, request.search_after, strict=True)
    )
    return msgspec.structs.replace(request, search_after=after)


def _after_nothing(key: SortKey, field: FieldType | None, small: Collection[str]) -> SortValue:
    """Answer what an engine calls the value of a document without one: numbers have an extreme for it."""
    if field is None or not _is_number(key, field):
        return None
    is_highest = (key.missing == "_first") is key.descending
    if field.type in small and key.numeric_type is None:
        return _MOST_INTEGER if is_highest else _LEAST_INTEGER
    if field.type in WHOLE_NUMBERS or field.is_date or field.type == "boolean":
        return _MOST if is_highest else _LEAST
    return "Infinity" if is_highest else "-Infinity"


def _is_number(key: SortKey, field: FieldType) -> bool:
    return key.numeric_type is not None or field.type in NUMBERS or field.is_date or field.type == "boolean"


def _read_date(key: SortKey, value: SortValue) -> SortValue:
    """Answer a value that the caller wrote as a date of the key's format as milliseconds."""
    if key.date_format is None or not isinstance(value, str) or value in _SENTINELS:
        return value
    return DateFormat.parse(key.date_format).read(value)


def sort_kinds(sort: Sequence[SortKey], types: Mapping[str, FieldType]) -> tuple[str, ...]:
    """Answer ``ip`` for each key of addresses, else an empty text; nothing where no key is one."""
    kinds = tuple(
        _AS_ADDRESSES if key.field in types and types[key.field].type == "ip" else "" for key in sort
    )
    return kinds if any(kinds) else ()


def read_values(
    sort: Sequence[SortKey], values: Sequence[Json], types: Mapping[str, FieldType]
) -> tuple[SortValue, ...]:
    """Answer the sort values of a hit. Raises ValueError or TypeError for values that are none."""
    if len(values) != len(sort):
        raise ValueError("as many sort values as keys")
    return tuple(
        [_read_value(key, value, types.get(key.field)) for key, value in zip(sort, values, strict=True)]
    )


def _read_value(key: SortKey, value: Json, field: FieldType | None) -> SortValue:
    if value is not None and not isinstance(value, str | int | float):
        raise TypeError("a sort value is one value")
    if value in _extremes(field) and not isinstance(value, bool) and _stands_for_nothing(key, field):
        return None
    if field is not None and field.type == "boolean" and value in ("true", "false"):
        return int(value == "true")
    return value


def _extremes(field: FieldType | None) -> tuple[SortValue, ...]:
    small = field is not None and field.type in _SMALL
    return (*_EXTREMES, *_INTEGER_EXTREMES) if small else _EXTREMES


def _stands_for_nothing(key: SortKey, field: FieldType | None) -> bool:
    if key.field in _OF_THE_SEARCH or key.missing not in _SENTINELS:
        return False
    return field is None or _is_number(key, field)


def require_sortable(request: SearchRequest, types: Mapping[str, FieldType]) -> None:
    """Raise a 400 failure for a key with a date format whose field is no date."""
    for key in request.sort:
        field = types.get(key.field)
        if key.date_format is not None and field is not None and field.type not in DATES:
            raise illegal_argument(f"Field [{key.field}] of type [{field.type}] does not support format")
