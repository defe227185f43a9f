"""``rescore`` of a search's body."""

from __future__ import annotations

from typing import Any, Final

from isthmus.errors import illegal_argument, parsing_failure
from isthmus.exchange import Rescore
from isthmus.rest.elasticsearch.search_values import integer, json_object, number, token_of, unsupported

_SCORE_MODES: Final = frozenset({"total", "multiply", "avg", "max", "min"})
_ELSEWHERE: Final = frozenset({"learning_to_rank", "script"})
_MEMBERS: Final = frozenset({"rescore_query", "query_weight", "rescore_query_weight", "score_mode"})


def rescore_of_body(_name: str, value: Any) -> tuple[Rescore, ...]:
    """Read one rescorer or several, which are applied in their order; raises 400 failures."""
    if value is None:
        return ()
    listed = value if isinstance(value, list) else [value]
    return tuple(_rescore(each) for each in listed)


def _rescore(value: Any) -> Rescore:
    if not isinstance(value, dict):
        raise parsing_failure(f"[rescore] must be an object, found {token_of(value)}")
    members: dict[str, Any] = {}
    for name, given in value.items():
        if name == "window_size":
            members[name] = integer(name, given)
            if members[name] < 1:
                raise illegal_argument(f"[window_size] must be at least 1, but was [{members[name]}]")
        elif name == "query":
            members |= _query_rescorer(given)
        elif name in _ELSEWHERE:
            raise unsupported(f"rescore.{name}")
        else:
            raise parsing_failure(f"unknown field [{name[:200]}] in [rescore]")
    if "query" not in members:
        raise parsing_failure("missing rescore type")
    return Rescore(**members)


def _query_rescorer(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise parsing_failure(f"[rescore] query malformed, no start_object, found {token_of(value)}")
    members: dict[str, Any] = {}
    for name, given in value.items():
        if name not in _MEMBERS:
            raise parsing_failure(f"[query] unknown field [{name[:200]}]")
        if name == "rescore_query":
            members["query"] = json_object(name, given)
        elif name == "score_mode":
            mode = given.lower() if isinstance(given, str) else None
            if mode not in _SCORE_MODES:
                raise illegal_argument(f"illegal score_mode [{str(given)[:100]}]")
            members[name] = mode
        else:
            members[name] = number(name, given)
    if "query" not in members:
        raise parsing_failure("[query] requires a [rescore_query]")
    return members
