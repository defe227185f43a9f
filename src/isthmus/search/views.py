"""The views that this cluster holds: some of its indices as they were, each for one caller and for a time.

A view is what a point in time or a scroll has in one cluster, whether the caller asked this cluster or
another one that searches here on their behalf. It is found by its id together with who asks: to everybody
else it does not exist. It goes when its keep-alive is over, when it is released, when nothing more
is heard of the cluster that it was opened for, and with the node.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec

from isthmus.clock import Clock
from isthmus.errors import Failure, FailureKind, Fault, illegal_argument
from isthmus.exchange import (
    Engine,
    FailureReport,
    HeldIndices,
    IndexSelection,
    Json,
    SearchRequest,
    SearchResult,
    ShardCounts,
)
from isthmus.names import IndexName, IndicesOptions
from isthmus.search.keep_alive import KeepAliveLimits, require_keep_alive
from isthmus.search.local import SEARCH_ACTION, LocalCluster, require_result_window
from isthmus.search.shard_doc import MOST_INDICES
from isthmus.search.shard_failures import search_phase_failure
from isthmus.security.authorize import require_index_action, selection_of
from isthmus.security.principal import Principal

logger = logging.getLogger(__name__)

#: how long a cluster that views were opened for may be silent: its link pings every few seconds, so after
#: this it is gone, and with it whoever would have released them
SILENCE_SECONDS: Final = 600.0
CONTEXT_MISSING: Final = "search_context_missing_exception"
_ID_BYTES: Final = 18
#: a burst of short views is cleared away at once rather than one by one
_TIMER_SLACK_SECONDS: Final = 1.0

Owner: TypeAlias = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class OpenedView:
    """A view that was opened: its id, and how many indices it is of."""

    id: str
    indices: int


@dataclass(slots=True, eq=False)
class _View:
    """One view. Not frozen: its end moves."""

    owner: Owner
    visitor: str
    expressions: tuple[str, ...]
    options: IndicesOptions
    opened_milliseconds: int
    names: tuple[IndexName, ...]
    held: HeldIndices
    ends_at_seconds: float


def _usual_limits() -> KeepAliveLimits:
    return KeepAliveLimits()


class HeldViews:
    """All views of this node. For one event loop.

    ``limits`` are read anew each time: settings change. ``node_id`` is what profiles call this node.
    """

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        limits: Callable[[], KeepAliveLimits] = _usual_limits,
        node_id: str = "",
    ) -> None:
        self._engine = engine
        self._node_id = node_id
        self._clock = clock
        self.limits: Final = limits
        self._views: dict[str, _View] = {}
        self._heard_of: dict[str, float] = {}
        self._opening = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def held_indices(self) -> int:
        """How many snapshots of indices are held now, or about to be."""
        return self._opening + sum(len(view.names) for view in self._views.values())

    @property
    def _contexts(self) -> int:
        """How much counts against the bound: a view of no index at all is one context too."""
        return self._opening + sum(max(len(view.names), 1) for view in self._views.values())

    async def open(
        self,
        principal: Principal,
        expressions: tuple[str, ...],
        options: IndicesOptions,
        keep_alive_milliseconds: int,
        *,
        index_filter: Json = None,
        visitor: str = "",
    ) -> OpenedView:
        """Hold what these expressions name now, as far as the caller may search it.

        ``visitor`` is the cluster that asks on the caller's behalf. Raises what a search raises for the
        expressions, 400 for a keep-alive that is too large, 429 where too much is held already.
        """
        limits = self.limits()
        require_keep_alive(keep_alive_milliseconds, limits)
        self.expire()
        now = self._clock.now_milliseconds()
        selections: Sequence[IndexSelection] = LocalCluster(self._engine, principal).select(
            SEARCH_ACTION, expressions, options, now
        )
        if index_filter is not None:
            selections = [each for each in selections if await self._engine.count([each], index_filter)]
        self._require_room(len(selections), limits)
        names = tuple(selection.index for selection in selections)
        # Counted before anything is awaited: any number of requests may be just here.
        contexts = max(len(names), 1)
        self._opening += contexts
        try:
            held = await self._engine.hold(names)
        finally:
            self._opening -= contexts
        view_id = secrets.token_urlsafe(_ID_BYTES)
        self._views[view_id] = _View(
            owner=owner_of(principal, visitor),
            visitor=visitor,
            expressions=expressions,
            options=options,
            opened_milliseconds=now,
            names=names,
            held=held,
            ends_at_seconds=self._clock.monotonic_seconds() + keep_alive_milliseconds / 1000,
        )
        if visitor:
            self._heard_of[visitor] = self._clock.monotonic_seconds()
        self._set_timer()
        return OpenedView(view_id, len(names))

    async def search(
        self,
        principal: Principal,
        view_id: str,
        keep_alive_milliseconds: int | None,
        request: SearchRequest,
        visitor: str = "",
        *,
        in_batches: bool = False,
    ) -> SearchResult:
        """Search a view of this caller, and keep it for this much longer (None: as long as it has).

        Privileges are those that the caller has now. Raises a 404 failure for a view that is not there or
        not theirs, and 403 where they may search one of its indices no longer.
        """
        if request.indices_boost:
            raise illegal_argument("[indices_boost] is not supported in a scroll or with a point in time")
        if keep_alive_milliseconds is not None:
            require_keep_alive(keep_alive_milliseconds, self.limits())
        view = self._find(principal, view_id, visitor)
        if keep_alive_milliseconds is not None:
            self._extend(view, keep_alive_milliseconds)
        present = frozenset(view.held.present())
        lost = [name for name in view.names if name not in present]
        selections = self._selections(principal, view, present)
        descriptions = self._engine.indices()
        for selection in selections:
            require_result_window(request, descriptions[selection.index], in_batches=in_batches)
        if selections or not lost:
            result = await view.held.search(selections, request)
        else:
            result = SearchResult()
        if request.profile:
            profile = tuple({"node_id": self._node_id, **shard} for shard in result.profile)
            result = msgspec.structs.replace(result, profile=profile)
        return _without(result, lost, view_id) if lost else result

    def release(self, principal: Principal, view_ids: Collection[str], visitor: str = "") -> int:
        """Let go of these views as far as they are this caller's; answer how many that were."""
        self.expire()
        released = 0
        for view_id in view_ids:
            view = self._views.get(view_id)
            if view is not None and view.owner == owner_of(principal, visitor):
                del self._views[view_id]
                view.held.close()
                released += 1
        return released

    def heard_of(self, visitor: str) -> None:
        """Take note that a cluster is there: it has sent something, be it a ping."""
        if visitor in self._heard_of:
            self._heard_of[visitor] = self._clock.monotonic_seconds()

    def expire(self) -> None:
        """Let go of the views whose time is over."""
        now = self._clock.monotonic_seconds()
        over = [view_id for view_id, view in self._views.items() if self._end_of(view) <= now]
        for view_id in over:
            self._views.pop(view_id).held.close()
        if over:
            logger.debug("search contexts expired", extra={"contexts": len(over)})
            visitors = {view.visitor for view in self._views.values()}
            self._heard_of = {name: at for name, at in self._heard_of.items() if name in visitors}

    def close(self) -> None:
        """Let go of everything."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for view in self._views.values():
            view.held.close()
        self._views.clear()

    def _find(self, principal: Principal, view_id: str, visitor: str) -> _View:
        self.expire()
        view = self._views.get(view_id)
        if view is None or view.owner != owner_of(principal, visitor):
            raise context_missing(view_id)
        return view

    def _selections(
        self, principal: Principal, view: _View, present: Collection[IndexName]
    ) -> list[IndexSelection]:
        """Answer the indices of a view as the caller may see them now."""
        forgiving = msgspec.structs.replace(view.options, ignore_unavailable=True, allow_no_indices=True)
        selected = {
            selection.index: selection
            for selection in LocalCluster(self._engine, principal).select(
                SEARCH_ACTION, view.expressions, forgiving, view.opened_milliseconds
            )
        }
        selections = []
        for ordinal, name in enumerate(view.names):
            if name not in present:
                continue
            if name not in selected:  # by an alias that is gone, or not allowed any more
                require_index_action(principal, SEARCH_ACTION, (name,))
                selected[name] = selection_of(principal, SEARCH_ACTION, name)
            selections.append(msgspec.structs.replace(selected[name], ordinal=ordinal))
        return selections

    def _require_room(self, indices: int, limits: KeepAliveLimits) -> None:
        if indices > MOST_INDICES:
            raise illegal_argument(f"one search context can hold [{MOST_INDICES}] indices at most")
        if self._contexts + max(indices, 1) > limits.most_contexts:
            raise too_many_contexts(limits.most_contexts)

    def _extend(self, view: _View, keep_alive_milliseconds: int) -> None:
        end = self._clock.monotonic_seconds() + keep_alive_milliseconds / 1000
        view.ends_at_seconds = max(view.ends_at_seconds, end)

    def _end_of(self, view: _View) -> float:
        if not view.visitor:
            return view.ends_at_seconds
        return min(view.ends_at_seconds, self._heard_of.get(view.visitor, 0.0) + SILENCE_SECONDS)

    def _set_timer(self) -> None:
        """Have expired views let go when nobody asks for any."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._views:
            first = min(self._end_of(view) for view in self._views.values())
            delay_seconds = max(first - self._clock.monotonic_seconds(), 0.0) + _TIMER_SLACK_SECONDS
            self._timer = asyncio.get_running_loop().call_later(delay_seconds, self._timer_rang)

    def _timer_rang(self) -> None:
        self._timer = None
        self.expire()
        self._set_timer()


def owner_of(principal: Principal, visitor: str = "") -> Owner:
    """Answer who may use what this caller opened: the user, or whoever has the same API key.

    A caller from another cluster is told by that cluster's own key or certificate (``visitor``) as well.
    """
    caller = principal.subject or principal
    if caller.api_key_id is not None:
        identity: Owner = ("key", caller.api_key_id)
    else:
        identity = ("user", caller.username, caller.realm_type, caller.realm_name)
    return (visitor, *identity)


def too_many_contexts(most: int) -> Failure:
    """Answer the failure of one context too many (429)."""
    return Failure(
        FailureKind.TOO_MANY_REQUESTS,
        "too_many_scroll_contexts_exception",
        f"Trying to create too many scroll contexts. Must be less than or equal to: [{most}]. This limit can "
        "be set by changing the [search.max_open_scroll_context] setting.",
    )


def context_missing(view_id: str) -> Failure:
    """Answer the failure of a search for whose view there is nothing any more (404)."""
    return search_phase_failure("all shards failed", [_missing_report(view_id, None)], Fault.CALLER)


def _missing_report(view_id: str, index: str | None) -> FailureReport:
    return FailureReport(
        kind=FailureKind.NOT_FOUND.name,
        error_type=CONTEXT_MISSING,
        reason=f"No search context found for id [{view_id[:100]}]",
        index=index,
    )


def _without(result: SearchResult, lost: Sequence[IndexName], view_id: str) -> SearchResult:
    shards = result.shards
    return msgspec.structs.replace(
        result,
        shards=ShardCounts(
            total=shards.total + len(lost),
            successful=shards.successful,
            skipped=shards.skipped,
            failed=shards.failed + len(lost),
        ),
        failures=(*result.failures, *(_missing_report(view_id, name) for name in lost)),
    )
