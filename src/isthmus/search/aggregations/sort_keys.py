"""Sort keys of searches, and of aggregations that answer documents: read, and their dates written.

Clusters answer epoch milliseconds, which compare as numbers; the format that the caller wants
is applied to what is answered in the end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from isthmus.errors import Failure, illegal_argument, parsing_failure
from isthmus.exchange import Hit, SortKey, SortValue
from isthmus.search.aggregations.date_format import DateFormat
from isthmus.search.aggregations.fields import token_name

_SCORE: Final = "_score"
_UNSUPPORTED_KEYS: Final = frozenset({"_script", "_geo_distance", "_geoDistance"})
_UNSUPPORTED_OPTIONS: Final = frozenset({"nested", "nested_path", "nested_filter", "filter"})
_OPTIONS: Final = frozenset({"order", "missing", "unmapped_type", "mode", "format", "numeric_type"})
_MODES: Final = frozenset({"min", "max", "sum", "avg", "median"})
_NUMERIC_TYPES: Final = ("long", "double", "date", "date_nanos")


def sort_of_body(value: Any) -> tuple[SortKey, ...]:
    """Read a field, an object or a list of both; raises a 400 failure that names what is not known."""
    items = value if isinstance(value, list) else [value]
    return tuple(key for item in items for key in _keys(item))


def without_default(sort: tuple[SortKey, ...]) -> tuple[SortKey, ...]:
    """Answer no key at all where the only one is what hits are ordered by anyway.

    As in Elasticsearch, such hits are answered without ``sort`` values.
    """
    return () if sort == (SortKey(field=_SCORE, descending=True),) else sort


def _keys(item: Any) -> list[SortKey]:
    if isinstance(item, str):
        return [sort_key(item, {})]
    if not isinstance(item, dict):
        raise parsing_failure(
            f"malformed sort format, within the sort array, an object, or an actual string are allowed, "
            f"found {token_name(item)}"
        )
    keys = []
    for name, options in item.items():
        if isinstance(options, str):
            keys.append(sort_key(name, {"order": options}))
        elif isinstance(options, dict):
            keys.append(sort_key(name, options))
        else:
            raise parsing_failure(f"[{name}] malformed sort format, found {token_name(options)}")
    return keys


def sort_key(name: str, options: dict[str, Any]) -> SortKey:
    """Read one key with its options; raises a 400 failure that names what is not known."""
    if name in _UNSUPPORTED_KEYS:
        raise _unsupported(f"sort by {name}")
    if not name:
        raise illegal_argument("field name cannot be empty in [sort]")
    for option in options:
        if option in _UNSUPPORTED_OPTIONS:
            raise _unsupported(f"sort.{option}")
        if option not in _OPTIONS:
            raise parsing_failure(f"[field_sort] unknown field [{option}]")
    missing = options.get("missing", "_last")
    if isinstance(missing, dict | list):
        raise parsing_failure(f"[missing] must be a value, found {token_name(missing)}")
    return SortKey(
        field=name,
        descending=_is_descending(options.get("order"), name),
        missing="_last" if missing is None else missing,
        unmapped_type=_text_or_none(options, "unmapped_type"),
        mode=_mode(options),
        date_format=_date_format(options),
        numeric_type=_numeric_type(options),
    )


def _is_descending(order: Any, field: str) -> bool:
    if order is None:
        return field == _SCORE
    direction = order.lower() if isinstance(order, str) else order
    if direction not in ("asc", "desc"):
        raise illegal_argument(f"Unknown SortOrder [{str(order)[:100]}]")
    return bool(direction == "desc")


def _mode(options: dict[str, Any]) -> str | None:
    mode = _text_or_none(options, "mode")
    if mode is None:
        return None
    if mode.lower() not in _MODES:
        raise illegal_argument(f"Unknown SortMode [{mode[:100]}]")
    return mode.lower()


def _numeric_type(options: dict[str, Any]) -> str | None:
    numeric_type = _text_or_none(options, "numeric_type")
    if numeric_type is None:
        return None
    if numeric_type not in _NUMERIC_TYPES:
        raise illegal_argument(
            f"Unknown numeric_type [{numeric_type[:100]}], expected one of: [{', '.join(_NUMERIC_TYPES)}]"
        )
    if numeric_type == "date_nanos":
        raise _unsupported("sort.numeric_type=date_nanos")
    return numeric_type


def _date_format(options: dict[str, Any]) -> str | None:
    date_format = _text_or_none(options, "format")
    if date_format is not None:
        _parsed(date_format)
    return date_format


def _text_or_none(options: dict[str, Any], name: str) -> str | None:
    value = options.get(name)
    if value is not None and not isinstance(value, str):
        raise parsing_failure(f"[{name}] must be a string, found {token_name(value)}")
    return value


def _unsupported(name: str) -> Failure:
    return illegal_argument(f"[{name}] is not supported by this deployment")


def formatted_sort(hit: Hit, sort: Sequence[SortKey]) -> Hit:
    """Answer the hit with the values of its date keys written as asked."""
    if hit.sort is None:
        return hit
    written = tuple(
        format_date(value, key.date_format) if key.date_format else value
        for key, value in zip(sort, hit.sort, strict=False)
    )
    return msgspec.structs.replace(hit, sort=written)


def format_date(value: SortValue, date_format: str) -> SortValue:
    """Write epoch milliseconds in a named format or by a Java pattern; of ``a||b`` the first counts.

    Text, missing values and what is no number at all are answered as they are. Raises a 400 failure for a
    format that cannot be written.
    """
    if value is None or isinstance(value, str | bool):
        return value
    if not math.isfinite(value):  # of a peer: no date of this cluster is one
        return value
    return _parsed(date_format).render(value)


@lru_cache(maxsize=256)
def _parsed(date_format: str) -> DateFormat:
    return DateFormat.parse(date_format)
