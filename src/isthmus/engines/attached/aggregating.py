"""Carries out the aggregations of one search on an engine: with it, and what is left open after it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

import msgspec

from isthmus.engines.attached.aggregation_answers import (
    AggregationAnswers,
    Gap,
    require_single_values,
)
from isthmus.engines.attached.aggregation_requests import FOUND, AggregationRequests, Listing, listing_of
from isthmus.engines.attached.aggregation_scopes import BucketQueries, Scope
from isthmus.engines.attached.answers import not_understood
from isthmus.engines.attached.field_types import FieldTypes
from isthmus.engines.attached.limits import Limits
from isthmus.engines.attached.results import EngineAnswer, shards_failed
from isthmus.engines.embedded.source_filter import read_source
from isthmus.errors import Failure, illegal_argument
from isthmus.exchange import Json, JsonObject, SearchRequest
from isthmus.search.aggregations import parse_aggregations
from isthmus.search.aggregations.auto_date_histogram import UNITS, AutoDateHistogram
from isthmus.search.aggregations.contract import Node, too_many_buckets
from isthmus.search.aggregations.date_histogram import DateHistogram

Ask: TypeAlias = Callable[[JsonObject], Awaitable[EngineAnswer]]
"""Asks for more of the same documents."""

_PAGE: Final = 10_000
#: values that one search goes through beyond those that come with it, and questions that it takes
MOST_VALUES: Final = 1_000_000
MOST_QUESTIONS: Final = 1_000
_LEAST_PAGE: Final = 8
_VALUES: Final = "values"
_CHECKED: Final = "checked"
_TOO_MANY: Final = b"too_many_buckets_exception"


@dataclass(slots=True)
class Aggregating:
    """The aggregations of one search. ``asked`` goes with it as ``aggs``."""

    nodes: tuple[Node, ...]
    requests: AggregationRequests
    limits: Limits
    types: FieldTypes
    ask: Ask
    asked: JsonObject
    questions: int = 0
    values: int = 0
    page: int = field(default_factory=lambda: _PAGE)
    #: shards that have failed the search itself: they fail what is asked after it, too
    failed_shards: int = 0
    #: some of what was asked after the search took too long
    timed_out: bool = False

    @classmethod
    def of(cls, request: SearchRequest, limits: Limits, types: FieldTypes, ask: Ask) -> Aggregating:
        """Translate a request's aggregations. Raises a 400 failure that names what cannot be had."""
        nodes = parse_aggregations(request.aggregations).nodes
        requests = AggregationRequests(limits, types)
        return cls(nodes, requests, limits, types, ask, requests.asked(nodes))

    def may_be_asked_for_less(self, answer: bytes) -> bool:
        """Tell whether the engine refused because of the lists of values that come with the search."""
        return self.requests.lists and _TOO_MANY in answer

    def asked_for_less(self) -> JsonObject:
        """Answer ``aggs`` without lists of values: they are asked for afterwards."""
        self.requests = replace(self.requests, lists=False)
        self.asked = self.requests.asked(self.nodes)
        return self.asked

    async def read(self, aggregations: msgspec.Raw, body: JsonObject) -> JsonObject:
        """Answer the combinable form; asks for what is open. ``body`` is that of the search.

        Raises a 400 failure for more than an engine can be asked for.
        """
        if not bytes(aggregations):
            return {}
        try:
            return await self._read(bytes(aggregations), body)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as problem:
            raise not_understood(repr(problem)) from problem

    async def _read(self, text: bytes, body: JsonObject) -> JsonObject:
        answers = AggregationAnswers(self.limits, self.types, BucketQueries(self.limits, self.types))
        combinable = answers.read(self.nodes, read_source(text), Scope())
        # filling one may leave others open, inside of it
        while answers.gaps:
            gap = answers.gaps.pop()
            query = gap.scope.query(body["query"], self.limits)
            question: JsonObject = {"size": 0, "track_total_hits": False, "query": query}
            if "min_score" in body and not gap.scope.everything:
                question["min_score"] = body["min_score"]
            if "timeout" in body:
                question["timeout"] = body["timeout"]
            if isinstance(gap.node.aggregation, AutoDateHistogram):
                gap.into[gap.node.name] = await self._buckets(gap, gap.node.aggregation, question, answers)
            else:
                gap.into[gap.node.name] = await self._values(gap, question, answers)
        return combinable

    async def _question(self, body: JsonObject) -> JsonObject:
        self.questions += 1
        if self.questions > MOST_QUESTIONS:
            raise _too_many(self.nodes[0], f"[{MOST_QUESTIONS}] questions")
        answer = await self.ask(body)
        self.timed_out = self.timed_out or answer.timed_out
        if answer.shards.failed > self.failed_shards:
            raise shards_failed(answer)
        return read_source(bytes(answer.aggregations))

    async def _buckets(
        self, gap: Gap, aggregation: AutoDateHistogram, question: JsonObject, answers: AggregationAnswers
    ) -> JsonObject:
        """Answer the buckets of the unit that the first and the last instant call for."""
        first, last = gap.extent or (0.0, 0.0)
        place = aggregation.place(round(first), round(last), aggregation.least)
        histogram = DateHistogram(
            field=aggregation.field,
            rounding=aggregation.rounding(place),
            interval={"calendar_interval": UNITS[place].name},
            min_doc_count=1,
            missing=aggregation.missing,
            format=aggregation.format,
        )
        node = Node(gap.node.name, histogram, gap.node.children)
        answer = await self._question({**question, "aggs": self.requests.asked([node])})
        read = answers.read([node], answer, gap.scope)[node.name]
        return {"buckets": read["buckets"], "interval": f"1{UNITS[place].letter}"}

    async def _values(self, gap: Gap, question: JsonObject, answers: AggregationAnswers) -> JsonObject:
        """Answer a metric out of all values, in pages."""
        listing = listing_of(gap.node.aggregation)
        if listing is None:
            raise TypeError(gap.node.aggregation.kind)
        pages = await self._pages(gap.node, listing, question)
        return answers.summed_up(gap.node, pages)

    async def _pages(self, node: Node, listing: Listing, question: JsonObject) -> list[list[JsonObject]]:
        path = self.requests.field(listing.path)
        terms: JsonObject = {"field": path}
        if listing.missing is not None:
            terms["missing_bucket"] = True
        composite: JsonObject = {"sources": [{_VALUES: {"terms": terms}}]}
        asked: JsonObject = {_VALUES: {"composite": composite, **self.requests.below(listing)}}
        if listing.below is not None:
            asked[_CHECKED] = {"filter": {"exists": {"field": path}}}
        pages: list[list[JsonObject]] = []
        documents = None
        while True:
            composite["size"] = self.page
            try:
                answer = await self._question({**question, "aggs": asked})
            except Failure as failure:
                if not _is_of_too_many_buckets(failure) or self.page < _LEAST_PAGE:
                    raise
                self.page //= 8  # the engine allows fewer buckets than is usual
                continue
            given = answer[_VALUES]["buckets"]
            if documents is None and listing.below is not None:
                documents = answer.pop(_CHECKED)["doc_count"]
                asked.pop(_CHECKED)
            pages.append([_with_missing(bucket, listing) for bucket in given])
            self.values += len(given)
            if self.values > MOST_VALUES:
                raise _too_many(node, f"[{MOST_VALUES}] different values")
            if len(given) < self.page:
                break
            composite["after"] = answer[_VALUES]["after_key"]
        if documents is not None:
            present = [each for page in pages for each in page if not each.get("nothing")]
            require_single_values(node, present, documents)
        return pages


def _is_of_too_many_buckets(failure: Failure) -> bool:
    cause: Failure | None = failure
    while cause is not None:
        if cause.error_type == too_many_buckets().error_type:
            return True
        cause = cause.caused_by
    return False


def _with_missing(bucket: JsonObject, listing: Listing) -> JsonObject:
    """Answer a bucket of a page as one of a list: by its key alone."""
    key: Json = bucket["key"][_VALUES]
    known: JsonObject = {"doc_count": bucket["doc_count"]}
    if FOUND in bucket:
        known[FOUND] = bucket[FOUND]
    if key is None:
        return {**known, "key": listing.missing, "nothing": True}
    return {**known, "key": int(key) if isinstance(key, bool) else key}


def _too_many(node: Node, what: str) -> Failure:
    return illegal_argument(
        f"the aggregation [{node.name}] of type [{node.aggregation.kind}] would take more than {what} of an "
        "attached engine"
    )
