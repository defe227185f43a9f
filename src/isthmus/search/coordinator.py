"""One search over this cluster and others: plan, ask, merge."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from isthmus.clock import Clock, SystemClock
from isthmus.errors import Failure
from isthmus.exchange import Engine, SearchRequest, SearchResult, SearchTarget
from isthmus.names import ClusterAlias, IndicesOptions
from isthmus.search.ask import ask_all
from isthmus.search.local import LocalCluster
from isthmus.search.merge import SearchAnswer, merge
from isthmus.search.plan import DEFAULT_REMOTE_TIMEOUT_SECONDS, SearchOrder, plan_search
from isthmus.security.principal import Principal


class SearchableRemote(Protocol):
    """What searching needs of a remote cluster."""

    @property
    def skip_unavailable(self) -> bool:
        """Say whether a search goes on without this cluster when it fails."""
        ...

    def search_target(self, principal: Principal) -> SearchTarget:
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
) -> SearchAnswer:
    """Answer one search over clusters that are already bound to the caller (None: this one).

    Raises :class:`isthmus.errors.Failure` where there can be no answer; anything else is a bug.
    """
    started = clock.monotonic_seconds()
    plan = plan_search(order, skip_unavailable, remote_timeout_seconds)
    outcomes = await ask_all(plan, targets, clock)
    return merge(plan, outcomes, int((clock.monotonic_seconds() - started) * 1000))


class SearchCoordinator:
    """Searches for callers, over the engine here and the remote clusters as they are configured."""

    def __init__(
        self,
        engine: Engine,
        remotes: SearchableRemotes,
        clock: Clock | None = None,
        remote_timeout_seconds: float = DEFAULT_REMOTE_TIMEOUT_SECONDS,
    ) -> None:
        self._engine = engine
        self._remotes = remotes
        self._clock: Final = clock or SystemClock()
        self._remote_timeout_seconds = remote_timeout_seconds

    async def search(self, principal: Principal, order: SearchOrder) -> SearchAnswer:
        """Answer the search as this caller may see it; raises only :class:`isthmus.errors.Failure`."""
        remotes = {alias: self._remotes.get(alias) for alias in self._remotes.aliases()}
        return await coordinate(
            order,
            _Targets(LocalCluster(self._engine, principal), remotes, principal),
            {alias: remote.skip_unavailable for alias, remote in remotes.items()},
            self._clock,
            self._remote_timeout_seconds,
        )


class _Targets(Mapping[ClusterAlias | None, SearchTarget]):
    """The clusters bound to one caller; a remote one is bound only when it is asked."""

    def __init__(
        self, local: LocalCluster, remotes: Mapping[ClusterAlias, SearchableRemote], principal: Principal
    ) -> None:
        self._local = local
        self._remotes = remotes
        self._principal = principal

    def __getitem__(self, alias: ClusterAlias | None) -> SearchTarget:
        if alias is None:
            return self._local
        try:
            return self._remotes[alias].search_target(self._principal)
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
