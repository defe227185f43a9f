"""``pit`` in the body of a search, and what cannot be said beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from isthmus.errors import illegal_argument, parsing_failure, validation_failure
from isthmus.exchange import SortKey
from isthmus.names import IndicesOptions
from isthmus.rest.elasticsearch.search_values import time_milliseconds, token_of
from isthmus.rest.http import boolean_parameter
from isthmus.search.point_in_time_id import HeldSearch, decoded
from isthmus.search.shard_doc import SHARD_DOC

#: what says which indices a search is of, and how they are chosen
_OPTIONS: Final = frozenset(IndicesOptions.__struct_fields__)


def point_in_time_of_body(name: str, value: Any) -> HeldSearch | None:
    """Read ``{"id": ..., "keep_alive": ...}``, null for none; raises 400 failures."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise parsing_failure(f"Expected [START_OBJECT] in [{name}] but found [{token_of(value)}]")
    for key in value:
        if key not in {"id", "keep_alive"}:
            raise parsing_failure(f"[{name}] unknown field [{key[:200]}]")
    text = value.get("id")
    if not isinstance(text, str) or not text:
        raise illegal_argument("point in time id is not provided")
    keep_alive = value.get("keep_alive")
    return HeldSearch(decoded(text), None if keep_alive is None else keep_alive_milliseconds(keep_alive))


def keep_alive_milliseconds(value: Any, name: str = "keep_alive") -> int:
    """Read for how long something is kept; raises a 400 failure for what is no time above zero."""
    milliseconds = time_milliseconds(name, value)
    if not milliseconds:
        raise illegal_argument(f"[{name}] must be positive but was [{str(value)[:100]}]")
    return milliseconds


def require_fitting_point_in_time(
    held: HeldSearch | None,
    sort: Sequence[SortKey],
    expressions: Sequence[str],
    parameters: Mapping[str, str],
) -> None:
    """Return if a search says nothing that its point in time has settled; raises a 400 failure that lists it.

    Without a point in time there is no ``_shard_doc`` to sort by.
    """
    if held is None:
        if any(key.field == SHARD_DOC for key in sort):
            raise validation_failure(f"[{SHARD_DOC}] sort field cannot be used without [point in time]")
        return
    problems = []
    if "scroll" in parameters:
        problems.append("using [point in time] is not allowed in a scroll context")
    if boolean_parameter(parameters, "ccs_minimize_roundtrips", default=False):
        problems.append("[ccs_minimize_roundtrips] cannot be used with point in time")
    if expressions:
        problems.append(
            "[indices] cannot be used with point in time. Do not specify any index with point in time."
        )
    if not _OPTIONS.isdisjoint(parameters):
        problems.append("[indicesOptions] cannot be used with point in time")
    problems += [
        f"[{name}] cannot be used with point in time"
        for name in ("routing", "preference")
        if name in parameters
    ]
    if parameters.get("search_type") == "dfs_query_then_fetch":
        problems.append("[search_type=dfs_query_then_fetch] is not supported with point in time")
    if problems:
        raise validation_failure(*problems)
