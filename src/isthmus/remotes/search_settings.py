"""The cluster settings that say how this node searches. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from isthmus.errors import illegal_argument
from isthmus.remotes.flat_settings import FlatSettings, SettingValue
from isthmus.remotes.setting_values import read_boolean, read_timeout_seconds

#: whether an answer may be partial where a search does not say -> default
ALLOW_PARTIAL_RESULTS: Final = "search.default_allow_partial_results"
#: how large the response of a submitted search may be that is to be kept -> default
MAXIMUM_ASYNC_RESPONSE_SIZE: Final = "search.max_async_search_response_size"
#: how long a scroll is kept that does not say -> default
DEFAULT_KEEP_ALIVE: Final = "search.default_keep_alive"
#: how long a scroll or point in time can be kept -> default
MAXIMUM_KEEP_ALIVE: Final = "search.max_keep_alive"
#: how many contexts of scrolls and points in time there can be at once, one for each index -> default
MAXIMUM_CONTEXTS: Final = "search.max_open_scroll_context"
SEARCH_SETTINGS: Final = {
    ALLOW_PARTIAL_RESULTS: "true",
    MAXIMUM_ASYNC_RESPONSE_SIZE: "10mb",
    DEFAULT_KEEP_ALIVE: "5m",
    MAXIMUM_KEEP_ALIVE: "24h",
    MAXIMUM_CONTEXTS: "500",
}

_NUMBER: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_UNITS: Final = {"b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}
_SIZE: Final = re.compile(r"([0-9]{1,12})(b|kb|mb|gb)", re.ASCII | re.IGNORECASE)


def read_keep_alive_milliseconds(key: str, value: SettingValue) -> int:
    """Read a time such as ``5m`` that is more than nothing; raises a 400 failure."""
    return max(1, int(read_timeout_seconds(key, value) * 1000))


def read_contexts(key: str, value: SettingValue) -> int:
    """Read how many contexts there can be; raises a 400 failure."""
    if not isinstance(value, str) or _NUMBER.fullmatch(value) is None:
        shown = value if isinstance(value, str) else ",".join(value)
        raise illegal_argument(f"Failed to parse value [{shown[:100]}] for setting [{key}] must be >= 0")
    return int(value)


def check_search_settings(settings: FlatSettings) -> None:
    """Return if these settings agree with each other; raises a 400 failure otherwise."""
    keep_alives = {
        key: settings.get(key, SEARCH_SETTINGS[key]) for key in (DEFAULT_KEEP_ALIVE, MAXIMUM_KEEP_ALIVE)
    }
    default, most = (read_keep_alive_milliseconds(key, value) for key, value in keep_alives.items())
    if default > most:
        raise illegal_argument(
            f"Default keep alive setting for request [{DEFAULT_KEEP_ALIVE}]"
            f"({keep_alives[DEFAULT_KEEP_ALIVE]}) should be smaller than max keep alive "
            f"[{MAXIMUM_KEEP_ALIVE}]({keep_alives[MAXIMUM_KEEP_ALIVE]})"
        )


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


#: how each of these settings is read
SEARCH_SETTING_READERS: Final[Mapping[str, Callable[[str, SettingValue], object]]] = {
    ALLOW_PARTIAL_RESULTS: read_boolean,
    MAXIMUM_ASYNC_RESPONSE_SIZE: read_size_bytes,
    DEFAULT_KEEP_ALIVE: read_keep_alive_milliseconds,
    MAXIMUM_KEEP_ALIVE: read_keep_alive_milliseconds,
    MAXIMUM_CONTEXTS: read_contexts,
}
