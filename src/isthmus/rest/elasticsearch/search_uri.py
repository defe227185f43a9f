"""``q`` and what belongs to it: a query in Lucene's own syntax, given in a query string."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from isthmus.errors import illegal_argument
from isthmus.exchange import JsonObject
from isthmus.rest.http import boolean_parameter

#: what says how ``q`` is read -> the option of ``query_string`` that means the same
_OPTIONS: Final = {
    "df": "default_field",
    "analyzer": "analyzer",
    "default_operator": "default_operator",
}
_FLAGS: Final = ("analyze_wildcard", "lenient")

URI_QUERY_PARAMETERS: Final = frozenset({"q", *_OPTIONS, *_FLAGS})
"""The parameters that this module reads."""


def query_of_parameters(parameters: Mapping[str, str]) -> JsonObject | None:
    """Answer the query that ``q`` stands for, None where there is none.

    Raises a 400 failure for what belongs to ``q`` and stands alone, which would change nothing.
    """
    text = parameters.get("q")
    if text is None:
        for name in sorted(URI_QUERY_PARAMETERS):
            if name in parameters:
                raise illegal_argument(f"[{name}] is only understood together with [q]")
        return None
    body: JsonObject = {"query": text}
    for name, option in _OPTIONS.items():
        if name in parameters:
            body[option] = parameters[name]
    for name in _FLAGS:
        if name in parameters:
            body[name] = boolean_parameter(parameters, name, default=False)
    return {"query_string": body}
