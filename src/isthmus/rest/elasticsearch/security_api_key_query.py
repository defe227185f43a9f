"""Searching API keys: ``/_security/_query/api_key``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from isthmus.errors import illegal_argument
from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter
from isthmus.rest.elasticsearch.security_api_key_bodies import render_key
from isthmus.rest.http import Response, boolean_parameter, json_response
from isthmus.security.api_key_query import compile_key_query, queryable, sort_key
from isthmus.security.api_key_rules import KeyFilter, may_do_to_any_key
from isthmus.security.api_keys import ApiKeys
from isthmus.security.authorize import require_cluster_action
from isthmus.security.records import StoredApiKey
from isthmus.security.strict_json import content_failure, require_shallow, strict_object, wrong_type

_ACTION: Final = "cluster:admin/xpack/security/api_key/query"
_PARSER: Final = "query_api_key_request_payload"
_DEFAULT_SIZE: Final = 10
#: as of a search: further ones are for ``search_after``, which is not offered here
_MAXIMUM_WINDOW: Final = 10_000


def register(router: ElasticsearchRouter, api_keys: ApiKeys) -> None:
    """Serve the search over API keys."""

    async def query(call: Call) -> Response:
        require_cluster_action(call.principal, _ACTION)
        body = call.request.json_or_none()
        require_shallow(body)
        value = strict_object(_PARSER, {} if body is None else body, ("query", "from", "size", "sort"))
        matches = compile_key_query(value.get("query"))
        offset = _count(value, "from", 0)
        size = _count(value, "size", _DEFAULT_SIZE)
        if offset + size > _MAXIMUM_WINDOW:
            raise illegal_argument(
                f"Result window is too large, from + size must be less than or equal to: [{_MAXIMUM_WINDOW}] "
                f"but was [{offset + size}]."
            )
        orders = _read_sort(value.get("sort"))
        # Who may only manage their own keys is shown only those.
        wanted = KeyFilter(owner=not may_do_to_any_key(call.principal, _ACTION))
        keys = [key for key in await api_keys.find(call.principal, wanted) if matches(queryable(key))]
        for order, descending in reversed(orders):
            keys.sort(key=order, reverse=descending)
        page = keys[offset : offset + size]
        with_limited_by = boolean_parameter(call.parameters, "with_limited_by", default=False)
        described = [render_key(key, with_limited_by=with_limited_by) for key in page]
        return json_response({"total": len(keys), "count": len(page), "api_keys": described})

    router.add("GET POST", "/_security/_query/api_key", query, ("with_limited_by",))


def _count(value: dict[str, Any], name: str, default: int) -> int:
    count = value.get(name, default)
    if not isinstance(count, int) or isinstance(count, bool):
        raise wrong_type(_PARSER, name, "a whole number", count)
    if count < 0:
        raise illegal_argument(f"[{name}] parameter cannot be negative but was [{count}]")
    return count


def _read_sort(sort: Any) -> list[tuple[Callable[[StoredApiKey], tuple[bool, Any]], bool]]:
    orders = []
    for entry in sort if isinstance(sort, list) else [] if sort is None else [sort]:
        if isinstance(entry, str):
            name, direction = entry, "asc"
        elif isinstance(entry, dict) and len(entry) == 1:
            ((name, direction),) = entry.items()
            if isinstance(direction, dict) and set(direction) == {"order"}:
                direction = direction["order"]
        else:
            raise content_failure(f"[{_PARSER}] failed to parse field [sort]")
        if direction not in ("asc", "desc"):
            raise content_failure(f"[{_PARSER}] failed to parse field [sort]: expected [asc] or [desc]")
        orders.append((sort_key(name), direction == "desc"))
    return orders
