"""``_search`` and ``_count``: parse strictly, search, render."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from isthmus.errors import illegal_argument, parsing_failure
from isthmus.exchange import SearchRequest
from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter
from isthmus.rest.elasticsearch.search_body import members_of_body, terminate_after
from isthmus.rest.elasticsearch.search_parameters import (
    COUNT_PARAMETERS,
    SEARCH_PARAMETERS,
    expressions_of,
    indices_options,
    members_of_parameters,
    refuse_unsupported,
)
from isthmus.rest.elasticsearch.search_rendering import count_object, search_object
from isthmus.rest.elasticsearch.search_sort import without_default
from isthmus.rest.elasticsearch.search_values import json_object, number, token_of, unsupported
from isthmus.rest.http import Response, boolean_parameter, json_response
from isthmus.search.merge import SearchAnswer
from isthmus.search.plan import SearchOrder
from isthmus.security.principal import Principal


class Searcher(Protocol):
    """What answers searches: :class:`isthmus.search.coordinator.SearchCoordinator`."""

    async def search(self, principal: Principal, order: SearchOrder) -> SearchAnswer:
        """Answer the search as this caller may see it; raises only failures."""
        ...


def register(router: ElasticsearchRouter, searcher: Searcher) -> None:
    """Serve ``_search`` and ``_count``."""

    async def search(call: Call) -> Response:
        order = search_order(call.path.get("index"), call.parameters, call.request.json_or_none())
        answer = await searcher.search(call.principal, order)
        as_integer = boolean_parameter(call.parameters, "rest_total_hits_as_int", default=False)
        return json_response(search_object(answer, total_as_integer=as_integer))

    async def count(call: Call) -> Response:
        order = count_order(call.path.get("index"), call.parameters, call.request.json_or_none())
        return json_response(count_object(await searcher.search(call.principal, order)))

    for template in ("/_search", "/{index}/_search"):
        router.add("GET POST", template, search, SEARCH_PARAMETERS)
    for template in ("/_count", "/{index}/_count"):
        router.add("GET POST", template, count, COUNT_PARAMETERS)


def search_order(index: str | None, parameters: Mapping[str, str], body: Any) -> SearchOrder:
    """Answer what a search asks for; raises 400 failures that name what is wrong or unsupported."""
    refuse_unsupported(parameters)
    members = members_of_body(body) | members_of_parameters(parameters)
    if boolean_parameter(parameters, "rest_total_hits_as_int", default=False):
        tracked = members.setdefault("track_total_hits", True)
        if not isinstance(tracked, bool):
            raise illegal_argument(
                "[rest_total_hits_as_int] cannot be used if the tracking of total hits is not accurate, "
                f"got {tracked}"
            )
    if "sort" in members and "search_after" not in members:
        members["sort"] = without_default(members["sort"])
    return SearchOrder(
        expressions=expressions_of(index),
        request=SearchRequest(**members),
        options=indices_options(parameters),
        allow_partial_results=boolean_parameter(parameters, "allow_partial_search_results", default=True),
    )


def count_order(index: str | None, parameters: Mapping[str, str], body: Any) -> SearchOrder:
    """Answer what a count asks for: a search without hits that counts exactly."""
    for name in ("q", "df", "analyzer", "analyze_wildcard", "default_operator", "lenient"):
        if name in parameters:
            raise unsupported(name)
    request = SearchRequest(size=0, track_total_hits=True, query=_query_of_count(body))
    if "min_score" in parameters:
        request = msgspec.structs.replace(request, min_score=number("min_score", parameters["min_score"]))
    if "terminate_after" in parameters:
        limit = terminate_after("terminate_after", parameters["terminate_after"])
        request = msgspec.structs.replace(request, terminate_after=limit)
    return SearchOrder(expressions_of(index), request, indices_options(parameters))


def _query_of_count(body: Any) -> Any:
    if body is None:
        return None
    if not isinstance(body, dict):
        raise parsing_failure(f"Expected [START_OBJECT] but found [{token_of(body)}]")
    for name in body:
        if name != "query":
            raise parsing_failure(f"request does not support [{name[:200]}]")
    return json_object("query", body["query"]) if body else None
