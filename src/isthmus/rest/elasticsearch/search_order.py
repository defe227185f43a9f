"""A request's path, query string and body to what is searched and how it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from isthmus.errors import illegal_argument, parsing_failure
from isthmus.exchange import SearchRequest
from isthmus.rest.elasticsearch.search_body import members_of_body, terminate_after
from isthmus.rest.elasticsearch.search_fields import joined
from isthmus.rest.elasticsearch.search_parameters import (
    gathers_statistics,
    indices_options,
    members_of_parameters,
    refuse_unsupported,
    strict_boolean,
)
from isthmus.rest.elasticsearch.search_pit import require_fitting_point_in_time
from isthmus.rest.elasticsearch.search_rendering import search_object
from isthmus.rest.elasticsearch.search_suggest import MEMBERS, with_typed_names
from isthmus.rest.elasticsearch.search_uri import query_of_parameters
from isthmus.rest.elasticsearch.search_values import json_object, number, token_of
from isthmus.rest.http import boolean_parameter
from isthmus.search.aggregations import parse_aggregations, with_typed_keys
from isthmus.search.aggregations.sort_keys import without_default
from isthmus.search.merge import SearchAnswer
from isthmus.search.plan import SearchOrder
from isthmus.search.point_in_time_id import encoded
from isthmus.search.shard_doc import with_tie_breaker
from isthmus.security.principal import Principal


class Searcher(Protocol):
    """What answers searches: :class:`isthmus.search.coordinator.SearchCoordinator`."""

    async def search(self, principal: Principal, order: SearchOrder) -> SearchAnswer:
        """Answer the search as this caller may see it; raises only failures."""
        ...


@dataclass(frozen=True, slots=True)
class SearchQuestion:
    """A search and the form in which its answer is wanted."""

    order: SearchOrder
    total_as_integer: bool = False
    typed_keys: bool = False

    def rendered(self, answer: SearchAnswer) -> dict[str, Any]:
        """Answer the response body."""
        described = search_object(answer, total_as_integer=self.total_as_integer)
        if self.order.held is not None:
            described = {"pit_id": encoded(self.order.held.point), **described}
        if self.typed_keys and answer.result.aggregations:
            tree = parse_aggregations(self.order.request.aggregations)
            described["aggregations"] = with_typed_keys(tree, answer.result.aggregations)
        if self.typed_keys and answer.result.suggestions:
            described["suggest"] = with_typed_names(self.order.request, described["suggest"])
        return described


def search_question(expressions: tuple[str, ...], parameters: Mapping[str, str], body: Any) -> SearchQuestion:
    """Answer what a search asks for; raises 400 failures that name what is wrong or unsupported."""
    refuse_unsupported(parameters)
    members = joined(members_of_body(body), members_of_parameters(parameters))
    total_as_integer = boolean_parameter(parameters, "rest_total_hits_as_int", default=False)
    if total_as_integer:
        tracked = members.setdefault("track_total_hits", True)
        if not isinstance(tracked, bool):
            raise illegal_argument(
                "[rest_total_hits_as_int] cannot be used if the tracking of total hits is not accurate, "
                f"got {tracked}"
            )
    held = members.pop("pit", None)
    require_fitting_point_in_time(held, members.get("sort", ()), expressions, parameters)
    if held is None and "sort" in members and "search_after" not in members:
        members["sort"] = without_default(members["sort"])
    named = members.keys()
    if named & MEMBERS and not named & {"query", "post_filter", "aggregations"}:
        members["query"] = {"match_none": {}}  # as in Elasticsearch: who only wants suggestions gets no hits
    request = SearchRequest(**members)
    if held is not None:
        expressions, request = held.point.expressions, with_tie_breaker(request)
    order = SearchOrder(
        expressions=expressions,
        request=request,
        options=indices_options(parameters),
        allow_partial_results=_flag_or_none(parameters, "allow_partial_search_results"),
        skip_unavailable=strict_boolean(parameters, "skip_unavailable"),
        hops=strict_boolean(parameters, "hops") or False,
        gathers_statistics=gathers_statistics(parameters),
        held=held,
    )
    typed_keys = boolean_parameter(parameters, "typed_keys", default=False)
    return SearchQuestion(order, total_as_integer, typed_keys)


def count_order(expressions: tuple[str, ...], parameters: Mapping[str, str], body: Any) -> SearchOrder:
    """Answer what a count asks for: a search without hits that counts exactly.

    That is what Elasticsearch makes of it too, and why a count may name other clusters.
    """
    query = query_of_parameters(parameters) if body is None else query_of_body(body)
    request = SearchRequest(size=0, track_total_hits=True, query=query)
    if "min_score" in parameters:
        request = msgspec.structs.replace(request, min_score=number("min_score", parameters["min_score"]))
    if "terminate_after" in parameters:
        limit = terminate_after("terminate_after", parameters["terminate_after"])
        request = msgspec.structs.replace(request, terminate_after=limit)
    return SearchOrder(
        expressions,
        request,
        indices_options(parameters),
        skip_unavailable=strict_boolean(parameters, "skip_unavailable"),
        hops=strict_boolean(parameters, "hops") or False,
    )


def _flag_or_none(parameters: Mapping[str, str], name: str) -> bool | None:
    return boolean_parameter(parameters, name, default=True) if name in parameters else None


def query_of_body(body: Any) -> Any:
    """Answer the query of a body that may hold nothing else; raises a 400 failure for another member."""
    if not isinstance(body, dict):
        raise parsing_failure(f"Expected [START_OBJECT] but found [{token_of(body)}]")
    for name in body:
        if name != "query":
            raise parsing_failure(f"request does not support [{name[:200]}]")
    return json_object("query", body["query"]) if body else None
