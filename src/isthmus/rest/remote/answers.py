"""What other clusters ask besides a search: the answering side of :mod:`isthmus.remotes.questions`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

import msgspec

from isthmus.exchange import Engine, Record, TermStatistics
from isthmus.remotes.protocol import Action, Decoders
from isthmus.remotes.questions import (
    FIELD_CAPS,
    HOLD,
    RELEASE,
    RESOLVE_INDEX,
    SEARCH_HELD,
    TERM_STATISTICS,
    FieldCapsAnswer,
    FieldCapsCall,
    HoldAnswer,
    HoldCall,
    ReleaseAnswer,
    ReleaseCall,
    ResolveIndexAnswer,
    ResolveIndexCall,
    SearchHeldCall,
    TermStatisticsCall,
)
from isthmus.rest.remote.gates import Visitor
from isthmus.search.local import SEARCH_ACTION, LocalCluster
from isthmus.search.local_metadata import LocalMetadata
from isthmus.search.plan import SearchOrder
from isthmus.search.running import RunningTasks
from isthmus.search.views import HeldViews
from isthmus.security.audit_notes import note_principal
from isthmus.security.principal import Principal
from isthmus.security.remote_caller import RemoteSubject

Handler: TypeAlias = Callable[[Visitor, bytes], Awaitable[Record]]

#: how messages call each action: by Elasticsearch's name
ANSWERED_ACTIONS: Final[Mapping[Action, str]] = {
    question.action: question.elasticsearch_action
    for question in (HOLD, SEARCH_HELD, RELEASE, FIELD_CAPS, RESOLVE_INDEX, TERM_STATISTICS)
}


class Answers:
    """Answers on behalf of callers of another cluster. ``views`` are what they hold open here."""

    def __init__(self, engine: Engine, views: HeldViews, running: RunningTasks) -> None:
        self.views: Final = views
        self._engine = engine
        self._running = running
        self._decoders = Decoders()
        self.handlers: Final[Mapping[Action, Handler]] = {
            Action.HOLD: self._hold,
            Action.SEARCH_HELD: self._search_held,
            Action.RELEASE: self._release,
            Action.FIELD_CAPS: self._field_caps,
            Action.RESOLVE_INDEX: self._resolve_index,
            Action.TERM_STATISTICS: self._term_statistics,
        }

    async def _hold(self, visitor: Visitor, body: bytes) -> HoldAnswer:
        call = self._decoders.decode(HoldCall, body)
        opened = await self.views.open(
            await _principal(visitor, call.caller),
            call.expressions,
            call.options,
            call.keep_alive_milliseconds,
            index_filter=call.index_filter,
            visitor=visitor.identity,
        )
        return HoldAnswer(view=opened.id, indices=opened.indices)

    async def _search_held(self, visitor: Visitor, body: bytes) -> Record:
        since_nanoseconds = time.monotonic_ns()
        call = self._decoders.decode(SearchHeldCall, body)
        principal = await _principal(visitor, call.caller)
        task = self._running.begin(SEARCH_ACTION, SearchOrder((), call.request))
        try:
            result = await self.views.search(
                principal,
                call.view,
                call.keep_alive_milliseconds,
                call.request,
                visitor.identity,
                in_batches=call.in_batches,
            )
        except asyncio.CancelledError:
            cancellation = task.cancellation()
            if cancellation is None:  # the asking side went away, or its time is over
                raise
            raise cancellation from None
        finally:
            self._running.end(task)
        if not call.timed:
            return result
        return msgspec.structs.replace(result, served_nanoseconds=time.monotonic_ns() - since_nanoseconds)

    async def _release(self, visitor: Visitor, body: bytes) -> ReleaseAnswer:
        call = self._decoders.decode(ReleaseCall, body)
        principal = await _principal(visitor, call.caller)
        return ReleaseAnswer(released=self.views.release(principal, call.views, visitor.identity))

    async def _field_caps(self, visitor: Visitor, body: bytes) -> FieldCapsAnswer:
        call = self._decoders.decode(FieldCapsCall, body)
        metadata = LocalMetadata(self._engine, await _principal(visitor, call.caller))
        indices = await metadata.field_capabilities(
            call.expressions, call.options, call.fields, call.index_filter
        )
        return FieldCapsAnswer(indices=indices)

    async def _resolve_index(self, visitor: Visitor, body: bytes) -> ResolveIndexAnswer:
        call = self._decoders.decode(ResolveIndexCall, body)
        metadata = LocalMetadata(self._engine, await _principal(visitor, call.caller))
        return metadata.resolve(call.expressions, call.options)

    async def _term_statistics(self, visitor: Visitor, body: bytes) -> TermStatistics:
        call = self._decoders.decode(TermStatisticsCall, body)
        local = LocalCluster(self._engine, await _principal(visitor, call.caller))
        return await local.term_statistics(call.expressions, call.options, call.request)


async def _principal(visitor: Visitor, caller: RemoteSubject) -> Principal:
    """Answer this caller of that cluster as this one sees them."""
    principal = await visitor.principal(caller)
    note_principal(principal)
    return principal
