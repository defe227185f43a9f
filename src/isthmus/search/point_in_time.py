"""Points in time over several clusters: how they are opened, searched and closed.

Each cluster holds a view of its own (:mod:`isthmus.search.views`); the id of a point in time names all of
them (:mod:`isthmus.search.point_in_time_id`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.exchange import (
    Json,
    SearchRequest,
    SearchResult,
    SearchTarget,
    ShardCounts,
    TermStatistics,
)
from isthmus.names import ClusterAlias, IndicesOptions, group_by_cluster
from isthmus.remotes.failure_reports import failure_of, report_of
from isthmus.remotes.questions import (
    HOLD,
    RELEASE,
    SEARCH_HELD,
    HoldCall,
    ReleaseCall,
    SearchHeldCall,
)
from isthmus.remotes.terms import USUAL_TERMS, CallTerms
from isthmus.search.askable import AskableRemotes
from isthmus.search.clusters import ClusterDetail, ClusterStatus, wrapped_for_caller
from isthmus.search.merge import SearchAnswer
from isthmus.search.point_in_time_id import FORM, HeldPart, HeldSearch, PointInTime
from isthmus.search.shard_doc import MOST_CLUSTERS, answered_by_cluster, asked_of_cluster, position_of
from isthmus.search.views import CONTEXT_MISSING, HeldViews
from isthmus.security.principal import Principal

#: how long opening or releasing a view may take in another cluster
_REMOTE_SECONDS: Final = 30.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OpenedPointInTime:
    """A point in time that was opened. ``clusters`` is empty where only this one takes part."""

    point: PointInTime
    shards: ShardCounts
    clusters: tuple[ClusterDetail, ...] = ()


@dataclass(frozen=True, slots=True)
class Opening:
    """What a point in time is to be of, and for how long.

    ``index_filter``: only of indices with a document that matches it. ``skip_unavailable`` None leaves
    that to each remote's settings.
    """

    expressions: tuple[str, ...]
    options: IndicesOptions
    keep_alive_milliseconds: int
    index_filter: Json = None
    skip_unavailable: bool | None = None


class PointsInTime:
    """Opens and closes points in time for callers, and says where searches of one go."""

    def __init__(self, views: HeldViews, remotes: AskableRemotes) -> None:
        self.views: Final = views
        self._remotes = remotes

    async def open(self, principal: Principal, opening: Opening) -> OpenedPointInTime:
        """Have every cluster hold what it has, at once, and answer what holds it all together.

        A cluster that cannot and may be skipped takes no part. Raises the failure of one that may not
        be skipped, or the first one where none is left; nothing is held then.
        """
        groups = group_by_cluster(opening.expressions, self._remotes.aliases())
        aliases = sorted(groups, key=lambda alias: alias or "")
        if len(aliases) > MOST_CLUSTERS:
            raise illegal_argument(f"a point in time can be over [{MOST_CLUSTERS}] clusters at most")
        outcomes = await asyncio.gather(
            *(self._open_one(principal, alias, groups[alias], opening) for alias in aliases),
            return_exceptions=True,
        )
        parts: list[HeldPart] = []
        details: list[ClusterDetail] = []
        fatal: BaseException | None = None
        skipped: Failure | None = None
        for alias, outcome in zip(aliases, outcomes, strict=True):
            if isinstance(outcome, HeldPart):
                parts.append(outcome)
                details.append(_opened_detail(alias, outcome))
            elif isinstance(outcome, Failure) and self._may_be_skipped(alias, opening):
                skipped = skipped or wrapped_for_caller(alias, outcome)
                failures = (report_of(outcome),)
                details.append(ClusterDetail(alias, ClusterStatus.SKIPPED, groups[alias], failures=failures))
            else:
                fatal = fatal or (
                    wrapped_for_caller(alias, outcome) if isinstance(outcome, Failure) else outcome
                )
        if not parts:
            fatal = fatal or skipped
        point = PointInTime(FORM, tuple(parts))
        if fatal is not None:
            await self.close(principal, point)
            raise fatal
        total = sum(part.indices for part in parts)
        crosses = any(alias is not None for alias in aliases)
        return OpenedPointInTime(
            point, ShardCounts(total=total, successful=total), tuple(details) if crosses else ()
        )

    async def close(self, principal: Principal, point: PointInTime) -> int:
        """Have every cluster let go; answer how many indices were held until now.

        A cluster that cannot be reached lets go by itself when the keep-alive is over.
        """
        freed = await asyncio.gather(
            *(self._close_one(principal, part) for part in point.parts), return_exceptions=True
        )
        return sum(number for number in freed if isinstance(number, int))

    def targets(
        self, principal: Principal, search: HeldSearch, terms: CallTerms | None
    ) -> Mapping[ClusterAlias | None, SearchTarget]:
        """Answer the clusters of a point in time as what to search, for this caller."""
        return _HeldTargets(self, self._remotes, principal, search, terms or USUAL_TERMS)

    async def _open_one(
        self,
        principal: Principal,
        alias: ClusterAlias | None,
        expressions: tuple[str, ...],
        opening: Opening,
    ) -> HeldPart:
        if alias is None:
            opened = await self.views.open(
                principal,
                expressions,
                opening.options,
                opening.keep_alive_milliseconds,
                index_filter=opening.index_filter,
            )
            return HeldPart("", opened.id, opened.indices, expressions)
        answer = await self._remotes.get(alias).ask(
            principal,
            HOLD,
            lambda subject: HoldCall(
                caller=subject,
                expressions=expressions,
                options=opening.options,
                keep_alive_milliseconds=opening.keep_alive_milliseconds,
                index_filter=opening.index_filter,
            ),
            CallTerms(timeout_seconds=_REMOTE_SECONDS),
        )
        return HeldPart(alias, answer.view, answer.indices, expressions)

    async def _close_one(self, principal: Principal, part: HeldPart) -> int:
        if not part.alias:
            return part.indices if self.views.release(principal, (part.view,)) else 0
        answer = await self._remotes.get(ClusterAlias(part.alias)).ask(
            principal,
            RELEASE,
            lambda subject: ReleaseCall(caller=subject, views=(part.view,)),
            CallTerms(may_be_skipped=True, timeout_seconds=_REMOTE_SECONDS),
        )
        return part.indices if answer.released else 0

    def _may_be_skipped(self, alias: ClusterAlias | None, opening: Opening) -> bool:
        if alias is None:
            return False
        if opening.skip_unavailable is not None:
            return opening.skip_unavailable
        try:
            return self._remotes.get(alias).skip_unavailable
        except Failure:  # it was removed meanwhile
            return False


@dataclass(frozen=True, slots=True)
class _HeldTargets(Mapping[ClusterAlias | None, SearchTarget]):
    """The clusters of a point in time bound to one caller."""

    points: PointsInTime
    remotes: AskableRemotes
    principal: Principal
    search: HeldSearch
    terms: CallTerms

    def __getitem__(self, alias: ClusterAlias | None) -> SearchTarget:
        parts = self.search.point.parts
        for ordinal, part in enumerate(parts):
            if part.alias == (alias or ""):
                return _HeldTarget(self, part, ordinal)
        raise KeyError(alias)

    def __iter__(self) -> Iterator[ClusterAlias | None]:
        return iter([ClusterAlias(part.alias) if part.alias else None for part in self.search.point.parts])

    def __len__(self) -> int:
        return len(self.search.point.parts)


@dataclass(frozen=True, slots=True)
class _HeldTarget:
    """One cluster's view as something to search. A ``SearchTarget`` for which expressions are settled."""

    targets: _HeldTargets
    part: HeldPart
    ordinal: int

    async def search(
        self, _expressions: tuple[str, ...], _options: IndicesOptions, request: SearchRequest
    ) -> SearchResult:
        asked = asked_of_cluster(request, self.ordinal)
        found = await (self._search_far(asked) if self.part.alias else self._search_here(asked))
        result = answered_by_cluster(found, request.sort, self.ordinal)
        seen, position = self.targets.search.seen, position_of(request.sort)
        if seen is not None and position is not None:
            seen.update({hit.sort[position]: hit.sort for hit in result.hits if hit.sort})
        return result

    async def term_statistics(
        self, _expressions: tuple[str, ...], _options: IndicesOptions, _request: SearchRequest
    ) -> TermStatistics:
        raise illegal_argument("[search_type=dfs_query_then_fetch] is not supported with [pit] or [scroll]")

    async def _search_here(self, request: SearchRequest) -> SearchResult:
        search = self.targets.search
        return await self.targets.points.views.search(
            self.targets.principal,
            self.part.view,
            search.keep_alive_milliseconds,
            request,
            in_batches=search.in_batches,
        )

    async def _search_far(self, request: SearchRequest) -> SearchResult:
        search, terms = self.targets.search, self.targets.terms
        return await self.targets.remotes.get(ClusterAlias(self.part.alias)).ask(
            self.targets.principal,
            SEARCH_HELD,
            lambda subject: SearchHeldCall(
                caller=subject,
                view=self.part.view,
                keep_alive_milliseconds=search.keep_alive_milliseconds,
                request=request,
                timed=terms.timed,
                in_batches=search.in_batches,
            ),
            terms,
        )


def require_contexts(answer: SearchAnswer) -> SearchAnswer:
    """Answer the answer; raises a 404 failure where a cluster has no view any more.

    Such a cluster never has it again, so skipping it would go on for ever as if it had no documents.
    """
    for detail in answer.clusters:
        for report in detail.failures:
            if detail.status is ClusterStatus.SKIPPED and report.index is None:
                failure = failure_of(report)
                if failure.kind is FailureKind.NOT_FOUND and _is_about_context(failure):
                    raise wrapped_for_caller(detail.alias, failure)
    return answer


def _is_about_context(failure: Failure) -> bool:
    cause: Failure | None = failure
    while cause is not None:
        if cause.error_type == CONTEXT_MISSING:
            return True
        cause = cause.caused_by
    return False


def _opened_detail(alias: ClusterAlias | None, part: HeldPart) -> ClusterDetail:
    shards = ShardCounts(total=part.indices, successful=part.indices)
    return ClusterDetail(alias, ClusterStatus.SUCCESSFUL, part.expressions, shards=shards)
