"""The cluster settings that say how this node searches. Pure."""

from __future__ import annotations

import re
from typing import Final

from isthmus.errors import illegal_argument
from isthmus.remotes.flat_settings import SettingValue

#: whether an answer may be partial where a search does not say -> default
ALLOW_PARTIAL_RESULTS: Final = "search.default_allow_partial_results"
#: how large the response of a submitted search may be that is to be kept -> default
MAXIMUM_ASYNC_RESPONSE_SIZE: Final = "search.max_async_search_response_size"
SEARCH_SETTINGS: Final = {ALLOW_PARTIAL_RESULTS: "true", MAXIMUM_ASYNC_RESPONSE_SIZE: "10mb"}

_UNITS: Final = {"b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}
_SIZE: Final = re.compile(r"([0-9]{1,12})(b|kb|mb|gb)", re.ASCII | re.IGNORECASE)


def read_size_bytes(key: str, value: SettingValue) -> int:
    """Read ``10mb`` and the like, as Elasticsearch: a whole number and a unit; raises a 400 failure."""
    if value == "0":
        return 0
    matched = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if matched is None:
        shown = value if isinstance(value, str) else ",".join(value)
        raise illegal_argument(
            f"failed to parse setting [{key}] with value [{shown[:100]}] as a size in bytes:"
            " unit is missing or unrecognized"
        )
    return int(matched[1]) * _UNITS[matched[2].lower()]
