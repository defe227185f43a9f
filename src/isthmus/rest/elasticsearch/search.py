"""``_search``, ``_msearch`` and ``_count``: parse strictly, search, render."""

from __future__ import annotations

from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter
from isthmus.rest.elasticsearch.scroll import begin_scroll
from isthmus.rest.elasticsearch.search_multi import MULTI_SEARCH_PARAMETERS, MultiSearch
from isthmus.rest.elasticsearch.search_order import Searcher, count_order, search_question
from isthmus.rest.elasticsearch.search_parameters import COUNT_PARAMETERS, SEARCH_PARAMETERS, expressions_of
from isthmus.rest.elasticsearch.search_rendering import count_object
from isthmus.rest.elasticsearch.search_values import unsupported
from isthmus.rest.elasticsearch.search_warnings import warnings_of
from isthmus.rest.http import Response, json_response
from isthmus.search.progress import is_partial
from isthmus.search.running import RunningTasks
from isthmus.search.scroll import Scrolls


def register(
    router: ElasticsearchRouter,
    searcher: Searcher,
    running: RunningTasks | None = None,
    scrolls: Scrolls | None = None,
) -> None:
    """Serve everything that searches; ``running`` is where several searches in one are seen as one task.

    Without ``scrolls`` a search that is to begin one is refused.
    """

    async def search(call: Call) -> Response:
        expressions = expressions_of(call.path.get("index"))
        question = search_question(expressions, call.parameters, call.request.json_or_none())
        if "scroll" in call.parameters:
            if scrolls is None:
                raise unsupported("scroll")
            return await begin_scroll(scrolls, call.principal, call.parameters, question)
        answer = await searcher.search(call.principal, question.order)
        body = question.rendered(answer)
        return json_response(body, headers=warnings_of(body) if is_partial(answer) else ())

    async def count(call: Call) -> Response:
        expressions = expressions_of(call.path.get("index"))
        order = count_order(expressions, call.parameters, call.request.json_or_none())
        answer = await searcher.search(call.principal, order)
        body = count_object(answer)
        return json_response(body, headers=warnings_of(body) if is_partial(answer) else ())

    multi_search = MultiSearch(searcher, running or RunningTasks()).handle
    for prefix in ("", "/{index}"):
        router.add("GET POST", f"{prefix}/_search", search, SEARCH_PARAMETERS)
        router.add("GET POST", f"{prefix}/_msearch", multi_search, MULTI_SEARCH_PARAMETERS)
        router.add("GET POST", f"{prefix}/_count", count, COUNT_PARAMETERS)
