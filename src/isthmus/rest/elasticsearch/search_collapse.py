"""``collapse`` of a search's body, with the inner hits of each group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from isthmus.errors import Failure, FailureKind, illegal_argument, parsing_failure
from isthmus.exchange import Collapse, InnerHits, SearchRequest
from isthmus.rest.elasticsearch.search_fields import joined
from isthmus.rest.elasticsearch.search_values import integer, token_of, unsupported

_DEFAULT_INNER_SIZE: Final = 3
_MEMBERS: Final = frozenset({"field", "inner_hits", "max_concurrent_group_searches"})
#: what inner hits take of the body of a search, read as there
_OF_A_SEARCH: Final = frozenset(
    {
        "_source",
        "docvalue_fields",
        "explain",
        "fields",
        "from",
        "highlight",
        "seq_no_primary_term",
        "size",
        "sort",
        "stored_fields",
        "track_scores",
        "version",
    }
)

ReadMembers = Callable[[Any], dict[str, Any]]
"""Reads the body of a search: :func:`isthmus.rest.elasticsearch.search_body.members_of_body`."""


def collapse_of_body(value: Any, read_members: ReadMembers) -> Collapse | None:
    """Read ``collapse``; null is None. Raises 400 failures that name what is not understood."""
    if value is None:
        return None
    return _collapse(value, read_members)


def _collapse(value: Any, read_members: ReadMembers) -> Collapse:
    if not isinstance(value, dict):
        raise parsing_failure(f"[collapse] must be an object, found {token_of(value)}")
    _require_known("collapse", value, _MEMBERS)
    concurrent = value.get("max_concurrent_group_searches")
    if concurrent is not None:
        concurrent = integer("max_concurrent_group_searches", concurrent)
        if concurrent < 1:
            raise illegal_argument("maxConcurrentGroupRequests` must be positive")
    field = _field(value)
    return Collapse(
        field=field,
        inner_hits=_inner_hits(value.get("inner_hits"), field, read_members),
        max_concurrent_group_searches=concurrent,
    )


def _field(value: dict[str, Any]) -> str:
    field = value.get("field")
    if not isinstance(field, str) or not field:
        raise illegal_argument("[collapse] requires a [field]")
    return field


def _inner_hits(value: Any, field: str, read_members: ReadMembers) -> tuple[InnerHits, ...]:
    listed = [] if value is None else value if isinstance(value, list) else [value]
    found: dict[str, InnerHits] = {}
    for each in listed:
        inner = _inner(each, field, read_members)
        if inner.name in found:
            raise illegal_argument(f"[inner_hits] already contains an entry for key [{inner.name}]")
        found[inner.name] = inner
    return tuple(found.values())


def _inner(value: Any, field: str, read_members: ReadMembers) -> InnerHits:
    if not isinstance(value, dict):
        raise parsing_failure(f"[inner_hits] must be an object, found {token_of(value)}")
    name = field
    members: dict[str, Any] = {"size": _DEFAULT_INNER_SIZE}
    of_search: dict[str, Any] = {}
    for key, given in value.items():
        if key == "name":
            if not isinstance(given, str) or not given:
                raise parsing_failure(f"[name] must be a string, found {token_of(given)}")
            name = given
        elif key == "collapse":
            members["collapse"] = _second_level(given)
        elif key in _OF_A_SEARCH:
            of_search[key] = given
        elif key in ("script_fields", "ignore_unmapped"):
            raise unsupported(f"collapse.inner_hits.{key}")
        else:
            raise parsing_failure(f"[inner_hits] unknown field [{key[:200]}]")
    members |= joined(read_members(of_search), {})
    return InnerHits(name=name, request=SearchRequest(**members))


def _second_level(value: Any) -> Collapse:
    """Read ``collapse`` of inner hits, below which there is no further level."""
    if not isinstance(value, dict):
        raise parsing_failure(f"[collapse] must be an object, found {token_of(value)}")
    for name in value:
        if name != "field":
            reason = (
                f"[collapse] failed to parse field [inner_hits]: inner collapse cannot have [{name[:200]}]"
            )
            raise Failure(FailureKind.INVALID_REQUEST, "parse_exception", reason)
    return Collapse(field=_field(value))


def _require_known(parser: str, value: dict[str, Any], known: frozenset[str]) -> None:
    for name in value:
        if name not in known:
            raise parsing_failure(f"[{parser}] unknown field [{name[:200]}]")
