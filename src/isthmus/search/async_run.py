"""One submitted search while it runs: what has come in so far, and how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import msgspec

from isthmus.clock import Clock
from isthmus.errors import Failure
from isthmus.exchange import FailureReport
from isthmus.search.async_search import AsyncSearch, AsyncSearchOwner, WritesAnswers, wrapped
from isthmus.search.clusters import clusters_object
from isthmus.search.merge import SearchAnswer
from isthmus.search.outcome import Outcome
from isthmus.search.plan import Plan
from isthmus.search.progress import answer_so_far, is_partial


class AsyncRun:
    """Sees a search get on (a ``SearchProgress``) and answers what is known of it at any time."""

    def __init__(
        self,
        search_id: str,
        owner: AsyncSearchOwner,
        expires_milliseconds: int,
        write: WritesAnswers,
        clock: Clock,
    ) -> None:
        self.id: Final = search_id
        self.owner: Final = owner
        self.expires_milliseconds = expires_milliseconds
        self.done: Final = asyncio.Event()
        #: held while it is stored, so that its beginning is never stored over its end
        self.storing: Final = asyncio.Lock()
        #: whether it is in the records
        self.kept = False
        self.ended: AsyncSearch | None = None
        self.work: asyncio.Task[None] | None = None
        self._write = write
        self._clock = clock
        self.started_milliseconds: Final = clock.now_milliseconds()
        self._started_seconds = clock.monotonic_seconds()
        self._plan: Plan | None = None
        self._outcomes: list[Outcome] = []

    def planned(self, plan: Plan) -> None:
        """Learn which clusters will be asked."""
        self._plan = plan

    def answered(self, outcome: Outcome) -> None:
        """Learn what one of them said."""
        self._outcomes.append(outcome)

    def now(self, *, with_hits: bool = True) -> AsyncSearch:
        """Answer the search as it stands: how it ended, or what the clusters have answered until now.

        ``with_hits`` False leaves hits and aggregations out of what is not final.
        """
        if self.ended is not None:
            return msgspec.structs.replace(self.ended, expires_milliseconds=self.expires_milliseconds)
        return self._described(self._so_far(with_hits=with_hits))

    def succeed(self, answer: SearchAnswer) -> None:
        """Take the whole answer."""
        self._end(self._described(answer, partial=is_partial(answer)))

    def fail(self, failure: Failure) -> None:
        """Take it that there will be no whole answer; what has come in stays beside the failure."""
        self.break_off(wrapped(failure))

    def break_off(self, error: FailureReport) -> None:
        """Take it that nothing more will come, for this reason."""
        answer = self._so_far() if self._outcomes else None
        self._end(msgspec.structs.replace(self._described(answer), error=error))

    def _end(self, search: AsyncSearch) -> None:
        completed = self.started_milliseconds + self._elapsed_milliseconds()
        self.ended = msgspec.structs.replace(search, completed_milliseconds=completed)
        self._outcomes.clear()
        self.done.set()

    def _elapsed_milliseconds(self) -> int:
        return int((self._clock.monotonic_seconds() - self._started_seconds) * 1000)

    def _so_far(self, *, with_hits: bool = True) -> SearchAnswer | None:
        if self._plan is None:
            return None
        try:
            answer = answer_so_far(self._plan, self._outcomes, self._elapsed_milliseconds())
        except Failure:  # what cannot be merged: the search itself is about to fail for that reason
            return None
        if with_hits:
            return answer
        return replace(answer, result=msgspec.structs.replace(answer.result, hits=(), aggregations={}))

    def _described(self, answer: SearchAnswer | None, *, partial: bool = True) -> AsyncSearch:
        search = AsyncSearch(
            id=self.id,
            owner=self.owner,
            started_milliseconds=self.started_milliseconds,
            expires_milliseconds=self.expires_milliseconds,
            is_partial=partial,
        )
        if answer is None:
            return search
        response, typed = _both_forms(self._write, answer)
        return msgspec.structs.replace(
            search,
            response=response,
            typed_response=typed,
            shards=answer.result.shards,
            clusters=clusters_object(answer.clusters) if answer.clusters else None,
        )


def _both_forms(write: Callable[..., bytes], answer: SearchAnswer) -> tuple[bytes, bytes | None]:
    """Answer the JSON text without and with typed keys, None for the second where it is the same."""
    response: bytes = write(answer, typed_keys=False)
    typed: bytes = write(answer, typed_keys=True)
    return response, None if typed == response else typed
