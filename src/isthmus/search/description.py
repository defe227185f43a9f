"""A search in one line, as the list of tasks shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import orjson

from isthmus.exchange import SearchRequest

#: the members of a request that Elasticsearch calls otherwise
_NAMES: Final = {
    "offset": "from",
    "source": "_source",
    "aggregations": "aggs",
    "timeout_milliseconds": "timeout",
}
#: enough to recognise a search by; a query may hold thousands of terms
_MOST_CHARACTERS: Final = 4_000


def describe_search(expressions: Sequence[str], request: SearchRequest, search_type: str) -> str:
    """Answer what is searched and how, in Elasticsearch's form."""
    source = _source(request)[:_MOST_CHARACTERS]
    return f"indices[{','.join(expressions)}], search_type[{search_type}], source[{source}]"


def _source(request: SearchRequest) -> str:
    try:
        asked: dict[str, Any] = {
            _NAMES.get(name, name): value for name, value in msgspec.to_builtins(request).items()
        }
        if "timeout" in asked:
            asked["timeout"] = f"{asked['timeout']}ms"
        return orjson.dumps(asked).decode()
    except (orjson.JSONEncodeError, RecursionError):  # it is listed while it waits to be refused
        return "nested too deeply to be shown"
