"""``_async_search``: searches that go on without their callers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from isthmus.errors import validation_failure
from isthmus.rest.elasticsearch.async_search_rendering import search_response, status_response
from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter
from isthmus.rest.elasticsearch.search_order import SearchQuestion, search_question
from isthmus.rest.elasticsearch.search_parameters import SEARCH_PARAMETERS, expressions_of
from isthmus.rest.elasticsearch.search_values import time_milliseconds
from isthmus.rest.http import Response, boolean_parameter, json_response, json_text
from isthmus.search.async_searches import AsyncSearches, Submission
from isthmus.search.merge import SearchAnswer

_DEFAULT_WAIT_SECONDS: Final = 1.0
_DEFAULT_KEEP_ALIVE: Final = "5d"
_LEAST_KEEP_ALIVE_MILLISECONDS: Final = 1_000

SUBMIT_PARAMETERS: Final = SEARCH_PARAMETERS | {
    "keep_alive",
    "keep_on_completion",
    "wait_for_completion_timeout",
}
"""What submitting takes in a query string."""


def register(router: ElasticsearchRouter, searches: AsyncSearches) -> None:
    """Serve submitting, looking at and deleting searches."""

    async def submit(call: Call) -> Response:
        body = call.request.json_or_none()
        _require_possible(call.parameters, body)
        expressions = expressions_of(call.path.get("index"))
        question = search_question(expressions, call.parameters, body)
        submission = Submission(
            keep_alive_milliseconds=_keep_alive(call.parameters, _DEFAULT_KEEP_ALIVE),
            wait_seconds=_wait_seconds(call.parameters, _DEFAULT_WAIT_SECONDS),
            keep_on_completion=boolean_parameter(call.parameters, "keep_on_completion", default=False),
        )
        write = _written(question)
        search, is_kept = await searches.submit(call.principal, question.order, submission, write)
        return search_response(search, is_kept=is_kept, typed_keys=question.typed_keys)

    async def get(call: Call) -> Response:
        search = await searches.get(
            call.principal,
            call.path["id"],
            wait_seconds=_wait_seconds(call.parameters, 0.0),
            keep_alive_milliseconds=_keep_alive_or_none(call.parameters),
            with_intermediate_hits=boolean_parameter(
                call.parameters, "return_intermediate_results", default=True
            ),
        )
        typed_keys = boolean_parameter(call.parameters, "typed_keys", default=False)
        return search_response(search, is_kept=True, typed_keys=typed_keys)

    async def status(call: Call) -> Response:
        keep_alive = _keep_alive_or_none(call.parameters)
        return status_response(await searches.status(call.principal, call.path["id"], keep_alive))

    async def delete(call: Call) -> Response:
        await searches.delete(call.principal, call.path["id"])
        return json_response({"acknowledged": True})

    for prefix in ("", "/{index}"):
        router.add("POST", f"{prefix}/_async_search", submit, SUBMIT_PARAMETERS)
    router.add(
        "GET",
        "/_async_search/{id}",
        get,
        ("keep_alive", "return_intermediate_results", "typed_keys", "wait_for_completion_timeout"),
    )
    router.add("DELETE", "/_async_search/{id}", delete, ())
    router.add("GET", "/_async_search/status/{id}", status, ("keep_alive",))


class _written:  # noqa: N801 - reads as the function that it is
    """Writes answers as this question wants them."""

    def __init__(self, question: SearchQuestion) -> None:
        self._question = question

    def __call__(self, answer: SearchAnswer, *, typed_keys: bool) -> bytes:
        return json_text(replace(self._question, typed_keys=typed_keys).rendered(answer))


def _require_possible(parameters: Mapping[str, str], body: Any) -> None:
    """Refuse, all at once, what cannot be searched for without a caller."""
    problems = []
    if "scroll" in parameters:
        problems.append("[scroll] queries are not supported")
    if isinstance(body, dict) and body.get("suggest") and not _SEARCHES.intersection(body):
        problems.append("suggest-only queries are not supported")
    keep_alive = parameters.get("keep_alive")
    if keep_alive is not None and _too_short(time_milliseconds("keep_alive", keep_alive)):
        problems.append(_too_short_text(keep_alive))
    if parameters.get("pre_filter_shard_size", "1") != "1":
        problems.append("[pre_filter_shard_size] cannot be changed for async search queries")
    if problems:
        raise validation_failure(*problems)


#: what makes more of a body than suggestions
_SEARCHES: Final = frozenset({"query", "aggs", "aggregations", "knn"})


def _too_short(milliseconds: int | None) -> bool:
    return milliseconds is None or milliseconds < _LEAST_KEEP_ALIVE_MILLISECONDS


def _too_short_text(text: str) -> str:
    return f"[keep_alive] must be greater or equals than 1 second, got:{text[:100]}"


def _keep_alive(parameters: Mapping[str, str], default: str) -> int:
    text = parameters.get("keep_alive", default)
    milliseconds = time_milliseconds("keep_alive", text)
    if milliseconds is None or _too_short(milliseconds):
        raise validation_failure(_too_short_text(text))
    return milliseconds


def _keep_alive_or_none(parameters: Mapping[str, str]) -> int | None:
    """Read by how much a search is to be kept longer; ``-1`` changes nothing, as in Elasticsearch."""
    if parameters.get("keep_alive") in (None, "-1"):
        return None
    return _keep_alive(parameters, _DEFAULT_KEEP_ALIVE)


def _wait_seconds(parameters: Mapping[str, str], default: float) -> float:
    text = parameters.get("wait_for_completion_timeout")
    if text is None:
        return default
    milliseconds = time_milliseconds("wait_for_completion_timeout", text)
    return 0.0 if milliseconds is None else milliseconds / 1000
