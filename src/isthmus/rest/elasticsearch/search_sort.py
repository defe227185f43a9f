"""``sort`` in a query string; in a body it is read by :mod:`isthmus.search.aggregations.sort_keys`."""

from __future__ import annotations

from isthmus.exchange import SortKey
from isthmus.search.aggregations.sort_keys import sort_key


def sort_of_parameter(text: str) -> tuple[SortKey, ...]:
    """Read ``field:direction,field2``."""
    keys = []
    for item in text.split(","):
        name, colon, direction = item.rpartition(":")
        keys.append(sort_key(name, {"order": direction}) if colon else sort_key(item, {}))
    return tuple(keys)
