"""How dates are shown that hits were sorted by.

Clusters answer epoch milliseconds, which compare as numbers; the format that the caller wants
is applied to what is answered in the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from isthmus.exchange import Hit, SortKey, SortValue
from isthmus.search.aggregations.date_format import DateFormat


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

    Text and missing values are answered as they are. Raises a 400 failure for a format that
    cannot be written.
    """
    if value is None or isinstance(value, str | bool):
        return value
    return _parsed(date_format).render(value)


def require_date_format(date_format: str) -> None:
    """Return if a date can be written in this format; raises a 400 failure otherwise."""
    _parsed(date_format)


@lru_cache(maxsize=256)
def _parsed(date_format: str) -> DateFormat:
    return DateFormat.parse(date_format)
