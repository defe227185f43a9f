"""``_terms_enum``: the values of a field that begin with a text, here and in other clusters."""

from __future__ import annotations

from typing import Any, Final

from isthmus.errors import validation_failure
from isthmus.rest.elasticsearch.call import (
    INDICES_OPTIONS_PARAMETERS,
    Call,
    ElasticsearchRouter,
    json_object,
    require_only_members,
)
from isthmus.rest.elasticsearch.search_order import Searcher
from isthmus.rest.elasticsearch.search_parameters import expressions_of, indices_options
from isthmus.rest.elasticsearch.search_values import boolean, integer, time_milliseconds, token_of
from isthmus.rest.elasticsearch.search_values import json_object as read_object
from isthmus.rest.elasticsearch.search_warnings import warnings_of
from isthmus.rest.http import Response, json_response
from isthmus.search.clusters import clusters_object, shards_object
from isthmus.search.plan import SearchOrder
from isthmus.search.terms_enum import FoundTerms, TermsQuestion, found_terms, terms_request

_MEMBERS: Final = ("case_insensitive", "field", "index_filter", "search_after", "size", "string", "timeout")
_DEFAULT_TIMEOUT: Final = "1s"
_LONGEST_TIMEOUT_MILLISECONDS: Final = 60_000
_MOST_TERMS: Final = 10_000


def register(router: ElasticsearchRouter, searcher: Searcher) -> None:
    """Serve the listing of values."""

    async def terms_enum(call: Call) -> Response:
        question = _question(json_object(call))
        expressions = expressions_of(call.path["index"])
        options = indices_options(call.parameters)
        values = question.size
        while True:
            order = SearchOrder(expressions, terms_request(question, values), options)
            answer = await searcher.search(call.principal, order)
            found = found_terms(question, answer, values)
            if isinstance(found, FoundTerms):
                break
            values = found
        result = answer.result
        body: dict[str, Any] = {"_shards": shards_object(result.shards, result.failures)}
        if answer.clusters:
            body["_clusters"] = clusters_object(answer.clusters)
        body |= {"terms": found.terms, "complete": found.complete}
        return json_response(body, headers=() if found.complete else warnings_of(body))

    router.add("GET POST", "/{index}/_terms_enum", terms_enum, INDICES_OPTIONS_PARAMETERS)


def _question(body: dict[str, Any]) -> TermsQuestion:
    require_only_members(body, _MEMBERS, "a terms enum request")
    problems = []
    size = integer("size", body.get("size", 10))
    timeout = time_milliseconds("timeout", body.get("timeout", _DEFAULT_TIMEOUT))
    if not _text(body, "field"):
        problems.append("field cannot be null")
    if not 1 <= size <= _MOST_TERMS:
        problems.append(f"size must be between [1] and [{_MOST_TERMS}]")
    if timeout is None or timeout > _LONGEST_TIMEOUT_MILLISECONDS:
        problems.append("Timeout cannot be > 1 minute")
    if problems:
        raise validation_failure(*problems)
    index_filter = body.get("index_filter")
    return TermsQuestion(
        field=_text(body, "field") or "",
        prefix=_text(body, "string") or "",
        size=size,
        ignore_case=boolean("case_insensitive", body.get("case_insensitive", False)),
        after=_text(body, "search_after"),
        index_filter=None if index_filter is None else read_object("index_filter", index_filter),
        timeout_milliseconds=timeout,
    )


def _text(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise validation_failure(f"[{name}] must be a string, found {token_of(value)}")
    return value
