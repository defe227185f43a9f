"""A search's body to a :class:`SearchRequest`: every key is understood or refused by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from isthmus.errors import Failure, illegal_argument, parsing_failure
from isthmus.exchange import Json
from isthmus.rest.elasticsearch.search_collapse import collapse_of_body
from isthmus.rest.elasticsearch.search_fields import (
    docvalue_fields_of_body,
    fields_of_body,
    stored_fields_of_body,
)
from isthmus.rest.elasticsearch.search_highlight import highlight_of_body
from isthmus.rest.elasticsearch.search_pit import point_in_time_of_body
from isthmus.rest.elasticsearch.search_rescore import rescore_of_body
from isthmus.rest.elasticsearch.search_suggest import suggest_of_body
from isthmus.rest.elasticsearch.search_values import (
    boolean,
    integer,
    json_object,
    not_negative,
    number,
    text_list,
    time_milliseconds,
    token_of,
    unknown_key,
    unsupported,
)
from isthmus.search.aggregations.sort_keys import sort_of_body

#: what Elasticsearch knows; refused unless the value asks for nothing (null, false or empty)
_UNSUPPORTED: Final = frozenset(
    {
        "ext",
        "knn",
        "min_compatible_shard_node",
        "rank",
        "retriever",
        "runtime_mappings",
        "script_fields",
        "slice",
        "stats",
        "sub_searches",
    }
)


def members_of_body(body: Any) -> dict[str, Any]:
    """Answer the members of a ``SearchRequest`` that a body sets; no body sets none.

    ``fetch`` holds by key of the body what :func:`isthmus.rest.elasticsearch.search_fields.joined` reads.

    Raises 400 failures in Elasticsearch's words: ``parsing_exception`` for what is not
    understood, ``illegal_argument_exception`` for values that cannot be.
    """
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise parsing_failure(f"Expected [START_OBJECT] but found [{token_of(body)}]")
    members: dict[str, Any] = {}
    fetch: dict[str, Any] = {}
    for name, value in body.items():
        reader = _READERS.get(name)
        if reader is not None:
            member, read = reader
            members[member] = read(name, value)
        elif name in FETCH_READERS:
            if value is not None:
                fetch[name] = FETCH_READERS[name](name, value)
        elif name not in _UNSUPPORTED:
            raise unknown_key(name, value)
        elif value not in (None, False, [], {}):
            raise _refusal(name)
    if fetch:
        members["fetch"] = fetch
    # one key of the body, a member for each kind of suggester
    members |= members.pop("suggest", {})
    return members


def _refusal(name: str) -> Failure:
    if name == "script_fields":
        return illegal_argument(f"{unsupported(name).reason}: cannot execute [inline] scripts")
    return unsupported(name)


def source_filter(name: str, value: Any) -> Json:
    """Read ``_source``: a flag, patterns, or an object of ``includes`` and ``excludes``."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str | list):
        return {"includes": text_list(name, value)}
    if not isinstance(value, dict):
        raise parsing_failure(
            f"Expected one of [VALUE_BOOLEAN, VALUE_STRING, START_ARRAY, START_OBJECT] but found "
            f"[{token_of(value)}]"
        )
    read: dict[str, list[str]] = {}
    for key, patterns in value.items():
        if key in {"include", "includes"}:
            read["includes"] = text_list(key, patterns)
        elif key in {"exclude", "excludes"}:
            read["excludes"] = text_list(key, patterns)
        else:
            raise unknown_key(key, patterns)
    return read or True


def track_total_hits(name: str, value: Any) -> bool | int:
    """Read ``track_total_hits``: a flag, or up to which number to count exactly; -1 is False."""
    if isinstance(value, bool) or value in ("true", "false"):
        return boolean(name, value)
    threshold = integer(name, value)
    if threshold < -1:
        raise illegal_argument(f"[{name}] parameter must be positive or equals to -1, got {threshold}")
    return False if threshold == -1 else threshold


def terminate_after(name: str, value: Any) -> int | None:
    """Read ``terminate_after``; 0 is None: no limit."""
    limit = integer(name, value)
    if limit < 0:
        raise illegal_argument("terminateAfter must be > 0")
    return limit or None


def _search_after(name: str, value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise parsing_failure(f"Expected [START_ARRAY] in [{name}] but found [{token_of(value)}]")
    if not value:
        raise illegal_argument("Values must contains at least one value.")
    for each in value:
        if isinstance(each, dict | list):
            raise parsing_failure(
                f"Expected [VALUE_STRING] or [VALUE_NUMBER] or [VALUE_BOOLEAN] or [VALUE_NULL] but found "
                f"[{token_of(each)}] inside search_after."
            )
    return tuple(value)


def _indices_boost(name: str, value: Any) -> tuple[tuple[str, float], ...]:
    """Read ``indices_boost``: objects of one index, alias or pattern each, or the older single object."""
    listed = [{key: each} for key, each in value.items()] if isinstance(value, dict) else value
    if listed is None:
        return ()
    if not isinstance(listed, list):
        raise parsing_failure(f"Expected [START_ARRAY] in [{name}] but found [{token_of(value)}]")
    boosts: list[tuple[str, float]] = []
    for each in listed:
        if not isinstance(each, dict) or len(each) != 1:
            raise parsing_failure(f"[{name}] must list objects of one index each, found {token_of(each)}")
        ((expression, boost),) = each.items()
        read = number(name, boost)
        if read < 0:
            raise illegal_argument(f"[{name}] of [{expression[:200]}] must not be negative, got [{read}]")
        boosts.append((expression, read))
    return tuple(boosts)


def _sort(_name: str, value: Any) -> Any:
    return sort_of_body(value)


def _collapse(_name: str, value: Any) -> Any:
    return collapse_of_body(value, members_of_body)


_Reader = Callable[[str, Any], Any]
FETCH_READERS: Final[Mapping[str, _Reader]] = {
    "fields": fields_of_body,
    "docvalue_fields": docvalue_fields_of_body,
    "stored_fields": stored_fields_of_body,
    "highlight": highlight_of_body,
    "explain": boolean,
}
"""Keys of the body that say what is shown of each hit besides its source, and how their values are read."""

#: key of the body -> member of the request, and how its value is read
_READERS: Final[Mapping[str, tuple[str, _Reader]]] = {
    "query": ("query", json_object),
    "post_filter": ("post_filter", json_object),
    "from": ("offset", not_negative),
    "size": ("size", not_negative),
    "sort": ("sort", _sort),
    "search_after": ("search_after", _search_after),
    "_source": ("source", source_filter),
    "aggs": ("aggregations", json_object),
    "aggregations": ("aggregations", json_object),
    "track_total_hits": ("track_total_hits", track_total_hits),
    "track_scores": ("track_scores", boolean),
    "min_score": ("min_score", number),
    "timeout": ("timeout_milliseconds", time_milliseconds),
    "terminate_after": ("terminate_after", terminate_after),
    "pit": ("pit", point_in_time_of_body),
    "version": ("version", boolean),
    "seq_no_primary_term": ("seq_no_primary_term", boolean),
    "indices_boost": ("indices_boost", _indices_boost),
    "suggest": ("suggest", lambda name, value: suggest_of_body(name, value or {})),
    "collapse": ("collapse", _collapse),
    "rescore": ("rescore", rescore_of_body),
    "profile": ("profile", boolean),
}
