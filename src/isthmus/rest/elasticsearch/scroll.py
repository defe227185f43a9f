"""Scrolls: beginning one with a search, reading on, and ending it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from isthmus.errors import illegal_argument, validation_failure
from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter, json_object, require_only_members
from isthmus.rest.elasticsearch.search_order import SearchQuestion
from isthmus.rest.elasticsearch.search_pit import keep_alive_milliseconds
from isthmus.rest.elasticsearch.search_rendering import search_object
from isthmus.rest.elasticsearch.search_values import text_list, unsupported
from isthmus.rest.elasticsearch.search_warnings import warnings_of
from isthmus.rest.http import Response, boolean_parameter, json_response
from isthmus.search.merge import SearchAnswer
from isthmus.search.progress import is_partial
from isthmus.search.scroll import Scrolls, require_scrollable
from isthmus.security.authorize import require_cluster_action
from isthmus.security.principal import Principal

_CLEAR_ALL_ACTION: Final = "cluster:admin/indices/scroll/clear_all"
_ALL: Final = ("_all",)
_NOT_FOUND: Final = 404


def register(router: ElasticsearchRouter, scrolls: Scrolls) -> None:
    """Serve reading on and ending."""

    async def read_on(call: Call) -> Response:
        scroll_id, keep_alive = _wanted_page(call)
        answer = await scrolls.next_page(call.principal, scroll_id, keep_alive)
        as_integer = boolean_parameter(call.parameters, "rest_total_hits_as_int", default=False)
        return _page(scroll_id, answer, search_object(answer, total_as_integer=as_integer))

    async def end(call: Call) -> Response:
        scroll_ids = _ended_ids(call)
        if tuple(scroll_ids) == _ALL:
            require_cluster_action(call.principal, _CLEAR_ALL_ACTION)
            freed = await scrolls.clear_all()
            return json_response({"succeeded": True, "num_freed": freed})
        freed = await scrolls.clear(call.principal, scroll_ids)
        return json_response({"succeeded": True, "num_freed": freed}, 200 if freed else _NOT_FOUND)

    reading = ("scroll", "scroll_id", "rest_total_hits_as_int")
    for suffix in ("", "/{scroll_id}"):
        router.add("GET POST", f"/_search/scroll{suffix}", read_on, reading)
        router.add("DELETE", f"/_search/scroll{suffix}", end, ("scroll_id",))


async def begin_scroll(
    scrolls: Scrolls, principal: Principal, parameters: Mapping[str, str], question: SearchQuestion
) -> Response:
    """Answer a search with ``?scroll=``: its first page and the id to read on with."""
    if boolean_parameter(parameters, "request_cache", default=False):
        require_scrollable(question.order.request, ["[request_cache] cannot be used in a scroll context"])
    if parameters.get("search_type") == "dfs_query_then_fetch":
        raise unsupported("search_type=dfs_query_then_fetch in a scroll context")
    text = parameters["scroll"]
    keep_alive = keep_alive_milliseconds(text, "scroll") if text else None
    scroll_id, answer = await scrolls.begin(principal, question.order, keep_alive)
    return _page(scroll_id, answer, question.rendered(answer))


def _page(scroll_id: str, answer: SearchAnswer, rendered: Mapping[str, Any]) -> Response:
    body = {"_scroll_id": scroll_id, **rendered}
    return json_response(body, headers=warnings_of(body) if is_partial(answer) else ())


def _wanted_page(call: Call) -> tuple[str, int | None]:
    """Answer which scroll is read on and for how long it is kept; the body wins."""
    body = json_object(call)
    require_only_members(body, ("scroll", "scroll_id"), "a scroll")
    scroll_id = body.get("scroll_id", call.path.get("scroll_id") or call.parameters.get("scroll_id"))
    if scroll_id is None:
        raise validation_failure("scrollId is missing")
    if not isinstance(scroll_id, str):
        raise illegal_argument("[scroll_id] must be a string")
    keep_alive = body.get("scroll", call.parameters.get("scroll"))
    return scroll_id, None if keep_alive is None else keep_alive_milliseconds(keep_alive, "scroll")


def _ended_ids(call: Call) -> Sequence[str]:
    """Answer which scrolls are to end; the body wins."""
    body = json_object(call)
    require_only_members(body, ("scroll_id",), "ending scrolls")
    if "scroll_id" in body:
        scroll_ids = text_list("scroll_id", body["scroll_id"])
    else:
        listed = call.path.get("scroll_id") or call.parameters.get("scroll_id") or ""
        scroll_ids = [each for each in listed.split(",") if each]
    if not scroll_ids:
        raise validation_failure("no scroll ids specified")
    return scroll_ids
