"""Searching the indices of one request: in a thread, within its time, and never with a crash.

A search of several indices is several searches whose results are merged, as if the indices were
the shards of one. An index that cannot answer is a failure in the result and not the end of it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeAlias, TypeVar

import msgspec

from isthmus.engines.embedded.aggregating import merge_aggregations
from isthmus.engines.embedded.aggregations.scope import AggregatedIndex
from isthmus.engines.embedded.profiling import Profile, Step
from isthmus.engines.embedded.query.compiled import Extent
from isthmus.engines.embedded.query.compiler import check_query, compiles_quickly, is_short
from isthmus.engines.embedded.searching_index import (
    IndexPart,
    SearchedIndex,
    count_matches,
    search_index,
    searched_index,
    statistics_of_request,
)
from isthmus.engines.embedded.searching_limits import check_request, require_windows
from isthmus.engines.embedded.searching_pool import SearchPool, Stop, Stopped
from isthmus.engines.embedded.searching_results import (
    hits_of,
    max_score_of,
    sort_kinds_of,
    terminated_early_of,
    total_of,
)
from isthmus.engines.embedded.snapshot import Snapshot
from isthmus.engines.embedded.suggest.running import suggested
from isthmus.errors import Failure, FailureKind
from isthmus.exchange import (
    FailureReport,
    Hit,
    IndexSelection,
    Json,
    JsonObject,
    SearchRequest,
    SearchResult,
    ShardCounts,
    TermStatistics,
)
from isthmus.remotes.failure_reports import report_of

logger = logging.getLogger(__name__)

OpenSnapshot: TypeAlias = Callable[[], AbstractContextManager[Snapshot]]
"""Opens a view of an index; the search closes it when it needs it no more, however it ends."""

Aggregate: TypeAlias = Callable[[Sequence[AggregatedIndex], JsonObject], JsonObject]
"""Computes aggregations, in the combinable form they were asked in, over some indices."""

Answer = TypeVar("Answer")

_UNMEASURED: Final = nullcontext()

#: a search over so few documents is done sooner than a thread is woken up
_INLINE_DOCUMENTS: Final = 10_000
_INLINE_SIZE: Final = 100
#: nor, in a larger index, is one that looks at few documents: the library scores about 100,000 a
#: millisecond, and sorts fewer
_INLINE_COST: Final = 20_000
_INLINE_COST_SORTED: Final = 2_000
#: how long after its timeout a search may still hand in what it has
_GRACE_SECONDS: Final = 0.05
#: the others are failures of the request, whatever the index
_FAILURES_OF_AN_INDEX: Final = frozenset({"query_shard_exception", "search_exception"})
_MATCH_ALL: Final[JsonObject] = {"match_all": {}}


@dataclass(frozen=True, slots=True)
class Searching:
    """Runs searches and counts for one engine."""

    pool: SearchPool
    aggregate: Aggregate
    now_milliseconds: Callable[[], int] = field(default=lambda: time.time_ns() // 1_000_000)

    async def search(
        self, targets: Sequence[tuple[IndexSelection, OpenSnapshot]], request: SearchRequest
    ) -> SearchResult:
        """Search these indices.

        Raises a 400 failure for a request that no index could answer; what a single index refuses
        is in ``failures``. Past the request's timeout it answers what was found until then.
        """
        check_request(request, has_targets=bool(targets))
        started = time.monotonic()
        timeout = None if request.timeout_milliseconds is None else request.timeout_milliseconds / 1_000
        stop = Stop(timeout)
        now = self.now_milliseconds()
        with ExitStack() as stack:
            opened = [(selection, stack.enter_context(open_it())) for selection, open_it in targets]
            job = _Search(opened, request, now, stop, self.aggregate)
            if job.is_quick():
                return _took(job.run(), started)
            closing = stack.pop_all()

        def work() -> SearchResult:
            with closing:
                return job.run()

        grace = None if timeout is None else timeout + _GRACE_SECONDS
        result = await self._in_pool(work, closing, stop, grace)
        return _took(job.nothing_in_time() if result is None else result, started)

    async def term_statistics(
        self, targets: Sequence[tuple[IndexSelection, OpenSnapshot]], request: SearchRequest
    ) -> TermStatistics:
        """Answer what the scores of a search of these indices are made of.

        An index that cannot serve the query counts for nothing: its failure is the search's.
        """
        check_request(request, has_targets=bool(targets))
        now = self.now_milliseconds()
        stop = Stop()
        with ExitStack() as stack:
            opened = [(selection, stack.enter_context(open_it())) for selection, open_it in targets]
            closing = stack.pop_all()

        def work() -> TermStatistics:
            with closing:
                return TermStatistics.total(_statistics_of(opened, request, now, stop))

        gathered = await self._in_pool(work, closing, stop, None)
        return gathered or TermStatistics()

    async def count(self, targets: Sequence[tuple[IndexSelection, OpenSnapshot]], query: Json) -> int:
        """Count the documents of these indices that match, exactly."""
        wanted = _MATCH_ALL if query is None else query
        check_query(wanted)
        now = self.now_milliseconds()
        stop = Stop()
        with ExitStack() as stack:
            opened = [(selection, stack.enter_context(open_it())) for selection, open_it in targets]
            closing = stack.pop_all()

        def work() -> int:
            with closing:
                total = 0
                for selection, snapshot in opened:
                    stop.check()
                    total += _guarded(partial(_count_one, snapshot, selection, wanted, now))
                return total

        documents = sum(snapshot.searcher.num_docs for _, snapshot in opened)
        if documents <= _INLINE_DOCUMENTS and is_short(wanted):
            return work()
        counted = await self._in_pool(work, closing, stop, None)
        return counted or 0

    async def _in_pool(
        self, work: Callable[[], Answer], closing: ExitStack, stop: Stop, grace_seconds: float | None
    ) -> Answer | None:
        try:
            return await self.pool.run(work, stop, grace_seconds, closing.close)
        except Stopped:
            return None

    def close(self) -> None:
        """Wait for the searches that run; refuse others."""
        self.pool.close()


def _statistics_of(
    opened: Sequence[tuple[IndexSelection, Snapshot]],
    request: SearchRequest,
    now_milliseconds: int,
    stop: Stop,
) -> Iterator[TermStatistics]:
    for selection, snapshot in opened:
        stop.check()
        try:
            yield _guarded(partial(statistics_of_request, snapshot, selection, request, now_milliseconds))
        except Failure as failure:
            if failure.error_type not in _FAILURES_OF_AN_INDEX:
                raise


def _count_one(snapshot: Snapshot, selection: IndexSelection, query: Json, now_milliseconds: int) -> int:
    searched = searched_index(snapshot, selection, SearchRequest(query=query), now_milliseconds)
    return count_matches(snapshot.searcher, searched.query)


def _took(result: SearchResult, started: float) -> SearchResult:
    return msgspec.structs.replace(result, took_milliseconds=int((time.monotonic() - started) * 1_000))


class _Search:
    """One request against the snapshots that were opened for it."""

    def __init__(
        self,
        opened: Sequence[tuple[IndexSelection, Snapshot]],
        request: SearchRequest,
        now_milliseconds: int,
        stop: Stop,
        aggregate: Aggregate,
    ) -> None:
        self._opened = opened
        self._request = request
        self._now_milliseconds = now_milliseconds
        self._stop = stop
        self._aggregate = aggregate
        self._compiled: list[SearchedIndex] = []
        self._failures: list[FailureReport] = []
        self._is_compiled = False
        self._profile = Profile(request) if request.profile else None

    def _measured(self, snapshot: Snapshot, step: Step) -> AbstractContextManager[None]:
        return _UNMEASURED if self._profile is None else self._profile.measured(snapshot.name, step)

    def is_quick(self) -> bool:
        """Tell whether the search is done sooner than a thread is woken up, compiling it if it seems so."""
        request = self._request
        if request.aggregations or request.fetch is not None or request.offset + request.size > _INLINE_SIZE:
            return False
        if request.statistics is not None or request.rescore or request.suggests:
            return False
        if sum(snapshot.searcher.num_docs for _, snapshot in self._opened) <= _INLINE_DOCUMENTS:
            return is_short(request.query) and is_short(request.post_filter)
        if not compiles_quickly(request.query) or request.post_filter is not None or request.collapse:
            return False
        self._compile()
        most = _INLINE_COST_SORTED if request.sort or request.min_score else _INLINE_COST
        cost = 0
        for searched in self._compiled:
            if searched.query.extent is Extent.EVERYTHING and not request.sort:
                continue
            if searched.query.cost is None:
                return False
            cost += searched.query.cost
        return cost <= most

    def _compile(self) -> None:
        """Compile the query for every index; one that an index cannot serve is that index's failure."""
        if self._is_compiled:
            return
        self._is_compiled = True
        for selection, snapshot in self._opened:
            require_windows(snapshot, self._request)
            try:
                with self._measured(snapshot, Step.COMPILE):
                    self._compiled.append(_guarded(partial(self._compile_one, selection, snapshot)))
            except Failure as failure:
                if failure.error_type not in _FAILURES_OF_AN_INDEX:
                    raise
                self._failures.append(report_of(failure, snapshot.name))

    def _compile_one(self, selection: IndexSelection, snapshot: Snapshot) -> SearchedIndex:
        return searched_index(snapshot, selection, self._request, self._now_milliseconds)

    def run(self) -> SearchResult:
        """Search index after index, then merge."""
        self._compile()
        parts: list[IndexPart] = []
        timed_out = False
        for searched in self._compiled:
            try:
                with self._measured(searched.snapshot, Step.MATCH):
                    parts.append(_guarded(partial(search_index, searched, self._request, self._stop.check)))
            except Stopped:
                if not self._stop.is_late:
                    raise
                timed_out = True
                break
            except Failure as failure:
                self._failures.append(report_of(failure, searched.snapshot.name))
        return _guarded(lambda: self._merged(parts, self._failures, timed_out=timed_out))

    def nothing_in_time(self) -> SearchResult:
        """Answer the result of a search whose time was over before anything was found."""
        return self._merged((), (), timed_out=True)

    def _merged(
        self, parts: Sequence[IndexPart], failures: Sequence[FailureReport], *, timed_out: bool
    ) -> SearchResult:
        request = self._request
        aggregations: JsonObject = {}
        # an answer without parts is one of a search that found nothing; one of failures is none
        if request.aggregations and (parts or not failures):
            check = _never if timed_out else self._stop.check
            try:
                parts, aggregations, refused = self._aggregated(parts, check)
                failures = [*failures, *refused]
            except Stopped:
                if not self._stop.is_late:
                    raise
                timed_out = True
                aggregations = self._aggregate((), request.aggregations)
        suggestions: JsonObject = {}
        if request.suggests and not timed_out:
            parts, suggestions, failures = self._suggested(parts, failures)
        hits, failures = self._hits(parts, failures)
        total = len(self._opened)
        return SearchResult(
            timed_out=timed_out,
            terminated_early=terminated_early_of(parts),
            shards=ShardCounts(total=total, successful=total - len(failures), failed=len(failures)),
            total=total_of(parts, request.track_total_hits),
            max_score=max_score_of(parts),
            hits=hits,
            aggregations=aggregations,
            failures=tuple(failures),
            sort_kinds=sort_kinds_of(parts),
            suggestions=suggestions,
            profile=()
            if self._profile is None
            else self._profile.rendered([snapshot.name for _, snapshot in self._opened]),
        )

    def _suggested(
        self, parts: Sequence[IndexPart], failures: Sequence[FailureReport]
    ) -> tuple[Sequence[IndexPart], JsonObject, Sequence[FailureReport]]:
        """Suggest; an index that cannot do it has failed as a whole."""
        kept, suggestions, refused = suggested(parts, self._request, self._stop.check_abandoned)
        return kept, suggestions, [*failures, *refused]

    def _hits(
        self, parts: Sequence[IndexPart], failures: Sequence[FailureReport]
    ) -> tuple[tuple[Hit, ...], Sequence[FailureReport]]:
        """Answer the hits, and the failures with those of indices that could not complete theirs."""
        refused: list[FailureReport] = []
        hits = hits_of(parts, self._request, refused, self._stop.check_abandoned, self._profile)
        return hits, [*failures, *refused] if refused else failures

    def _aggregated(
        self, parts: Sequence[IndexPart], check: Callable[[], None]
    ) -> tuple[list[IndexPart], JsonObject, list[FailureReport]]:
        """Aggregate index after index; one that cannot do it has failed as a whole, as a shard has."""
        asked = self._request.aggregations
        if not parts:
            return [], self._aggregate((), asked), []
        kept: list[IndexPart] = []
        answers: list[JsonObject] = []
        refused: list[FailureReport] = []
        for part in parts:
            try:
                with self._measured(part.searched.snapshot, Step.AGGREGATE):
                    index = part.searched.to_aggregate(check)
                    answers.append(_guarded(partial(self._aggregate, [index], asked)))
                kept.append(part)
            except Failure as failure:
                refused.append(report_of(failure, part.searched.snapshot.name))
        return kept, merge_aggregations(asked, answers), refused


def _never() -> None:
    """Do not stop."""


def _guarded(work: Callable[[], Answer]) -> Answer:
    """Do work that calls the library; what it throws becomes a failure that the caller may see.

    A panic of the library is no ``Exception``; it must end this search and nothing else.
    """
    try:
        return work()
    except (Failure, Stopped):
        raise
    except ValueError as error:
        raise Failure(
            FailureKind.INVALID_REQUEST,
            "query_shard_exception",
            f"failed to create query: {str(error)[:200]}",
        ) from error
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        logger.exception("search failed inside the index library")
        raise Failure(
            FailureKind.INTERNAL,
            "search_exception",
            "the embedded engine could not carry out this search",
        ) from error
