"""Snapshots of several indices that outlive one request: what scrolls and points in time read from.

A held snapshot costs what the index would have dropped since: operations that later ones replaced, and the
files of merged segments. Nothing is copied.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from isthmus.engines.embedded.searching import OpenSnapshot, Searching
from isthmus.engines.embedded.snapshot import Snapshot
from isthmus.errors import Failure, FailureKind
from isthmus.exchange import IndexSelection, SearchRequest, SearchResult
from isthmus.names import IndexName


class HeldSnapshots:
    """Satisfies :class:`isthmus.exchange.HeldIndices`."""

    def __init__(self, searching: Searching, openers: Sequence[OpenSnapshot]) -> None:
        """Open every snapshot, or none of them where one cannot be."""
        self._searching = searching
        self._lock = threading.Lock()
        self._searches = 0
        self._closed = False
        with ExitStack() as stack:
            opened = [stack.enter_context(opener()) for opener in openers]
            self._opened = stack.pop_all()
        self._snapshots = {snapshot.name: snapshot for snapshot in opened}

    def present(self) -> Collection[IndexName]:
        """Answer the indices whose documents can still be read."""
        return [name for name, snapshot in self._snapshots.items() if _is_readable(snapshot)]

    async def search(self, selections: Sequence[IndexSelection], request: SearchRequest) -> SearchResult:
        """Search these of the indices, as they were."""
        snapshots = [self._snapshots[selection.index] for selection in selections]
        targets = [
            (selection, self._opener(snapshot))
            for selection, snapshot in zip(selections, snapshots, strict=True)
        ]
        return await self._searching.search(targets, request)

    def close(self) -> None:
        """Let go of the snapshots as soon as no search uses them."""
        with self._lock:
            self._closed = True
            idle = self._searches == 0
        if idle:
            self._opened.close()

    def _opener(self, snapshot: Snapshot) -> OpenSnapshot:
        @contextmanager
        def use() -> Iterator[Snapshot]:
            with self._lock:
                if self._closed:
                    raise Failure(FailureKind.UNAVAILABLE, "already_closed_exception", "the view is closed")
                self._searches += 1
            try:
                yield snapshot
            finally:
                with self._lock:
                    self._searches -= 1
                    last = self._closed and self._searches == 0
                if last:
                    self._opened.close()

        return use


def _is_readable(snapshot: Snapshot) -> bool:
    """Tell whether the store behind a snapshot is still open: an index may be deleted or closed meanwhile."""
    try:
        snapshot.source_by_seq(())
    except Failure:
        return False
    return True
