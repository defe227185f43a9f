"""One search over this cluster and others: plan, ask, merge."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

from isthmus.clock import Clock, SystemClock
from isthmus.errors import Failure, illegal_argument
from isthmus.exchange import Engine, SearchRequest, SearchResult, SearchTarget, TermStatistics
from isthmus.names import ClusterAlias, IndicesOptions
from isthmus.remotes.terms import CallTerms
from isthmus.search.ask import ask_all
from isthmus.search.collapsing import with_inner_hits
from isthmus.search.local import LocalCluster
from isthmus.search.merge import SearchAnswer, merge
from isthmus.search.outcome import Outcome
from isthmus.search.plan import DEFAULT_REMOTE_TIMEOUT_SECONDS, Plan, SearchOrder, plan_search
from isthmus.search.point_in_time import PointsInTime, require_contexts
from isthmus.search.progress import SearchProgress
from isthmus.search.running import SEARCH_ACTION, RunningTasks
from isthmus.search.term_statistics import gather_statistics
from isthmus.security.principal import Principal


class SearchableRemote(Protocol):
    """What searching needs of a remote cluster."""

    @property
    def skip_unavailable(self) -> bool:
        """Say whether a search goes on without this cluster when it fails."""
        ...

    def search_target(self, principal: Principal, terms: CallTerms = ...) -> SearchTarget:
        """Answer the cluster as this caller may search it; raises a 403 failure who may not."""
        ...


class SearchableRemotes(Protocol):
    """The remote clusters that are configured now."""

    def aliases(self) -> Collection[ClusterAlias]:
        """Answer the alias of every remote cluster."""
        ...

    def get(self, alias: ClusterAlias) -> SearchableRemote:
        """Answer one of them; raises ``no_such_remote_cluster_exception`` (404) for another alias."""
        ...


async def coordinate(
    order: SearchOrder,
    targets: Mapping[ClusterAlias | None, SearchTarget],
    skip_unavailable: Mapping[ClusterAlias, bool],
    clock: Clock,
    remote_timeout_seconds: float = DEFAULT_REMOTE_TIMEOUT_SECONDS,
    progress: SearchProgress | None = None,
) -> SearchAnswer:
    """Answer one search over clusters that are already bound to the caller (None: this one).

    Raises :class:`isthmus.errors.Failure` where there can be no answer; anything else is a bug.
    """
    started = clock.monotonic_seconds()
    plan = plan_search(order, skip_unavailable, remote_timeout_seconds)
    if progress is not None:
        progress.planned(plan)
    if order.gathers_statistics:
        outcomes = await _ask_with_statistics(plan, targets, clock, progress)
    else:
        outcomes = await ask_all(plan, targets, clock, progress)
    answer = merge(plan, outcomes, int((clock.monotonic_seconds() - started) * 1000))
    if order.request.collapse is None:
        return answer

    def search_groups(inner: SearchOrder) -> Awaitable[SearchAnswer]:
        return coordinate(inner, targets, skip_unavailable, clock, remote_timeout_seconds)

    return await with_inner_hits(answer, order, search_groups)


async def _ask_with_statistics(
    plan: Plan,
    targets: Mapping[ClusterAlias | None, SearchTarget],
    clock: Clock,
    progress: SearchProgress | None,
) -> tuple[Outcome, ...]:
    gathered = await gather_statistics(plan, targets, clock)
    if progress is not None:
        for outcome in gathered.failed:
            progress.answered(outcome)
    return gathered.together(plan, await ask_all(gathered.plan, targets, clock, progress))


def _always() -> bool:
    return True


class SearchCoordinator:
    """Searches for callers, over the engine here and the remote clusters as they are configured.

    ``allows_partial_results`` says what is done where a search leaves that open. ``running`` is where
    searches can be seen and cancelled while they run. ``points`` is what searches of a point in time go to.
    """

    def __init__(  # noqa: PLR0913 - what a node is made of, and what has defaults
        self,
        engine: Engine,
        remotes: SearchableRemotes,
        clock: Clock | None = None,
        remote_timeout_seconds: float = DEFAULT_REMOTE_TIMEOUT_SECONDS,
        allows_partial_results: Callable[[], bool] = _always,
        running: RunningTasks | None = None,
        *,
        points: PointsInTime | None = None,
        node_id: str = "",
    ) -> None:
        self._node_id = node_id
        self._points = points
        self._engine = engine
        self._remotes = remotes
        self._clock: Final = clock or SystemClock()
        self._remote_timeout_seconds = remote_timeout_seconds
        self._allows_partial_results = allows_partial_results
        self.running: Final = running or RunningTasks()

    async def search(
        self,
        principal: Principal,
        order: SearchOrder,
        progress: SearchProgress | None = None,
        action: str = SEARCH_ACTION,
    ) -> SearchAnswer:
        """Answer the search as this caller may see it; raises only :class:`isthmus.errors.Failure`.

        While it runs it is a task of this action. ``progress`` is told how it gets on.
        """
        if order.allow_partial_results is None and not self._allows_partial_results():
            order = replace(order, allow_partial_results=False)
        remotes = {alias: self._remotes.get(alias) for alias in self._remotes.aliases()}
        task = self.running.begin(action, order)
        try:
            answer = await coordinate(
                order,
                self._targets(principal, order, remotes),
                {alias: remote.skip_unavailable for alias, remote in remotes.items()},
                self._clock,
                self._remote_timeout_seconds,
                progress,
            )
            return answer if order.held is None else require_contexts(answer)
        except asyncio.CancelledError:
            cancellation = task.cancellation()
            if cancellation is None:  # the caller went away
                raise
            raise cancellation from None
        finally:
            self.running.end(task)

    def _targets(
        self, principal: Principal, order: SearchOrder, remotes: Mapping[ClusterAlias, SearchableRemote]
    ) -> Mapping[ClusterAlias | None, SearchTarget]:
        terms = _terms_of(order)
        if order.held is None:
            return _Targets(LocalCluster(self._engine, principal, self._node_id), remotes, principal, terms)
        if self._points is None:
            raise illegal_argument("[pit] is not supported by this node")
        return self._points.targets(principal, order.held, terms)


def _terms_of(order: SearchOrder) -> CallTerms | None:
    """Answer on which terms remotes are asked; None for the usual ones."""
    if order.skip_unavailable is None and not order.hops and order.remote_timeout_seconds is None:
        return None
    return CallTerms(order.skip_unavailable, order.remote_timeout_seconds, order.hops)


class _Targets(Mapping[ClusterAlias | None, SearchTarget]):
    """The clusters bound to one caller; a remote one is bound only when it is asked."""

    def __init__(
        self,
        local: LocalCluster,
        remotes: Mapping[ClusterAlias, SearchableRemote],
        principal: Principal,
        terms: CallTerms | None,
    ) -> None:
        self._local = local
        self._remotes = remotes
        self._principal = principal
        self._terms = terms

    def __getitem__(self, alias: ClusterAlias | None) -> SearchTarget:
        if alias is None:
            return self._local
        try:
            remote = self._remotes[alias]
            if self._terms is None:
                return remote.search_target(self._principal)
            return remote.search_target(self._principal, self._terms)
        except Failure as failure:  # one cluster's refusal is that cluster's outcome
            return _Refusing(failure)

    def __iter__(self) -> Iterator[ClusterAlias | None]:
        return iter((None, *self._remotes))

    def __len__(self) -> int:
        return 1 + len(self._remotes)


@dataclass(frozen=True, slots=True)
class _Refusing:
    """A cluster that this caller may not search at all."""

    failure: Failure

    async def search(
        self, _expressions: tuple[str, ...], _options: IndicesOptions, _request: SearchRequest
    ) -> SearchResult:
        raise self.failure

    async def term_statistics(
        self, _expressions: tuple[str, ...], _options: IndicesOptions, _request: SearchRequest
    ) -> TermStatistics:
        raise self.failure
