"""``_msearch``: several searches in one request, answered in their order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from isthmus.errors import Failure, illegal_argument, validation_failure
from isthmus.rest.elasticsearch.call import Call
from isthmus.rest.elasticsearch.errors import failure_body
from isthmus.rest.elasticsearch.search_order import Searcher, SearchQuestion, search_question
from isthmus.rest.elasticsearch.search_parameters import (
    IGNORED_PARAMETERS,
    INDICES_PARAMETERS,
    OWN_PARAMETERS,
    expressions_of,
)
from isthmus.rest.elasticsearch.search_values import text_list, token_of, unknown_key
from isthmus.rest.elasticsearch.search_warnings import warnings_of_many
from isthmus.rest.http import Response, integer_parameter, json_response, parse_json
from isthmus.search.running import MULTI_SEARCH_ACTION, RunningTasks
from isthmus.security.principal import Principal

#: Elasticsearch's default for one node whose search pool has this many threads or more
_DEFAULT_CONCURRENT_SEARCHES: Final = 10
#: a line can be two bytes long: without a limit one request could hold millions of searches
_MOST_SEARCHES: Final = 10_000
_HEADER_PARAMETERS: Final = (
    INDICES_PARAMETERS | IGNORED_PARAMETERS | OWN_PARAMETERS | {"allow_partial_search_results", "search_type"}
)
#: what says something of every search in the request
_SHARED_PARAMETERS: Final = (
    "rest_total_hits_as_int",
    "typed_keys",
    *sorted(INDICES_PARAMETERS),
    *sorted(OWN_PARAMETERS),
    "search_type",
)

MULTI_SEARCH_PARAMETERS: Final = (
    IGNORED_PARAMETERS | INDICES_PARAMETERS | {"max_concurrent_searches", *_SHARED_PARAMETERS}
)
"""What ``_msearch`` takes in a query string."""


@dataclass(frozen=True, slots=True)
class MultiSearch:
    """Answers ``_msearch`` requests.

    ``template`` makes the body of a search out of what is sent in its place; what it refuses is that
    search's error.
    """

    searcher: Searcher
    running: RunningTasks
    template: Callable[[Any], Any] | None = None

    async def handle(self, call: Call) -> Response:
        """Answer every search; one that fails has its error in its place, and the status is 200.

        Raises a 400 failure where all of it was cancelled.
        """
        task = self.running.begin_parent(MULTI_SEARCH_ACTION)
        try:
            return await self._handle(call)
        except asyncio.CancelledError:
            cancellation = task.cancellation()
            if cancellation is None:
                raise
            raise cancellation from None
        finally:
            self.running.end(task)

    async def _handle(self, call: Call) -> Response:
        started = time.monotonic()
        sent = searches_of(call.path.get("index"), call.parameters, call.request.body)
        questions = [self._question(*each) for each in sent]
        at_once = integer_parameter(call.parameters, "max_concurrent_searches", _DEFAULT_CONCURRENT_SEARCHES)
        if at_once < 1:
            raise illegal_argument("maxConcurrentSearchRequests must be positive")
        turn = asyncio.Semaphore(at_once)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._answer(call.principal, question, turn)) for question in questions
            ]
        took_milliseconds = int((time.monotonic() - started) * 1000)
        responses = [task.result() for task in tasks]
        body = {"took": took_milliseconds, "responses": responses}
        return json_response(body, headers=warnings_of_many(responses))

    def _question(
        self, expressions: tuple[str, ...], parameters: Mapping[str, str], source: Any
    ) -> SearchQuestion | Failure:
        if self.template is None:
            return search_question(expressions, parameters, source)
        try:
            return search_question(expressions, parameters, self.template(source))
        except Failure as failure:
            return failure

    async def _answer(
        self, principal: Principal, question: SearchQuestion | Failure, turn: asyncio.Semaphore
    ) -> dict[str, Any]:
        if isinstance(question, Failure):
            return failure_body(question)
        async with turn:
            try:
                answer = await self.searcher.search(principal, question.order)
                return {**question.rendered(answer), "status": 200}
            except Failure as failure:
                return failure_body(failure)


def questions_of(index: str | None, parameters: Mapping[str, str], body: bytes) -> Iterator[SearchQuestion]:
    """Yield the searches of a body of header and body lines; raises 400 failures for what is malformed."""
    for expressions, own, source in searches_of(index, parameters, body):
        yield search_question(expressions, own, source)


def searches_of(
    index: str | None, parameters: Mapping[str, str], body: bytes
) -> Iterator[tuple[tuple[str, ...], Mapping[str, str], Any]]:
    """Yield expressions, parameters and body of each search of a body of header and body lines.

    Raises 400 failures for what is malformed.
    """
    if not body.strip():
        raise validation_failure("no requests added")
    if not body.endswith(b"\n"):
        raise illegal_argument("The msearch request must be terminated by a newline [\n]")
    if body.count(b"\n") > 2 * _MOST_SEARCHES:
        raise illegal_argument(f"one request may hold [{_MOST_SEARCHES}] searches at most")
    shared = {name: parameters[name] for name in _SHARED_PARAMETERS if name in parameters}
    lines = iter(body.split(b"\n")[:-1])
    for header_line in lines:
        header = parse_json(header_line) if header_line.strip() else {}
        body_line = next(lines, None)
        if body_line is None:
            raise validation_failure("a search has a header and no body")
        if not isinstance(header, dict):
            raise illegal_argument("the header of a search must be an object")
        own, expressions = _read_header(header)
        if expressions is None:
            expressions = expressions_of(index)
        source = parse_json(body_line) if body_line.strip() else None
        yield expressions, {**shared, **own}, source


def _read_header(header: dict[str, Any]) -> tuple[dict[str, str], tuple[str, ...] | None]:
    """Answer a header as parameters, and its indices (None: those of the path)."""
    parameters: dict[str, str] = {}
    expressions: tuple[str, ...] | None = None
    for name, value in header.items():
        if name in {"index", "indices"}:
            if value is not None:
                listed = text_list(name, value)
                expressions = tuple(part for text in listed for part in expressions_of(text))
        elif name not in _HEADER_PARAMETERS:
            raise unknown_key(name, value)
        elif isinstance(value, bool):
            parameters[name] = "true" if value else "false"
        elif isinstance(value, list):
            parameters[name] = ",".join(text_list(name, value))
        elif isinstance(value, dict):
            raise illegal_argument(f"[{name}] must be a single value, found {token_of(value)}")
        elif value is not None:
            parameters[name] = str(value)
    return parameters, expressions
