"""How dates are shown that hits were sorted by.

Several clusters are asked for raw values, which compare as numbers; the format that the caller
wants is applied to what is answered in the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from isthmus.errors import Failure, illegal_argument
from isthmus.exchange import Hit, SortKey, SortValue
from isthmus.names.date_math import format_moment

_ISO: Final = "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"
#: Elasticsearch's named formats, as they print; those that print words or weeks are not here
_NAMED: Final = {
    "strict_date_optional_time": _ISO,
    "strict_date_optional_time_nanos": _ISO,
    "date_optional_time": _ISO,
    "iso8601": _ISO,
    "strict_date_time": _ISO,
    "date_time": _ISO,
    "strict_date_time_no_millis": "yyyy-MM-dd'T'HH:mm:ss'Z'",
    "date_time_no_millis": "yyyy-MM-dd'T'HH:mm:ss'Z'",
    "strict_date_hour_minute_second": "yyyy-MM-dd'T'HH:mm:ss",
    "date_hour_minute_second": "yyyy-MM-dd'T'HH:mm:ss",
    "strict_date": "yyyy-MM-dd",
    "date": "yyyy-MM-dd",
    "strict_year_month": "yyyy-MM",
    "strict_year": "yyyy",
    "basic_date": "yyyyMMdd",
    "basic_date_time": "yyyyMMdd'T'HHmmss.SSS'Z'",
    "basic_date_time_no_millis": "yyyyMMdd'T'HHmmss'Z'",
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


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
    name = date_format.partition("||")[0]
    if name == "epoch_millis":
        return str(int(value))
    if name == "epoch_second":
        return str(int(value) // 1000)
    try:
        moment = _EPOCH + timedelta(milliseconds=value)
    except (OverflowError, ValueError):
        return value  # stands for "missing" at either end of all longs: no calendar has it
    return format_moment(moment, _NAMED.get(name, name))


def require_date_format(date_format: str) -> None:
    """Return if a date can be written in this format; raises a 400 failure otherwise."""
    try:
        format_date(0, date_format)
    except Failure as failure:
        raise illegal_argument(f"unsupported date format [{date_format}] for sorting") from failure
