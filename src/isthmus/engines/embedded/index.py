"""One index as the rest of the engine uses it: writes in order, refreshes by itself, rests when idle."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from typing import Any, Final, TypeVar

from isthmus.engines.embedded.index_settings import write_block
from isthmus.engines.embedded.snapshot import Snapshot
from isthmus.engines.embedded.store_records import Operation, SourceRow, is_possible_id
from isthmus.engines.embedded.writer import IndexState, IndexWriter
from isthmus.errors import Failure, index_closed, index_not_found
from isthmus.exchange import (
    FailureReport,
    IndexDescription,
    IndexStatistics,
    JsonObject,
    RefreshPolicy,
    StoredDocument,
    WriteOperation,
    WriteOutcome,
)
from isthmus.settings import COMPATIBLE_VERSION

__all__ = ["EmbeddedIndex", "Snapshot", "SourceRow"]

logger = logging.getLogger(__name__)

IDLE_SECONDS: Final = 30.0
"""How long after the last write the library's writer, with its threads, is kept."""

#: after a refresh failed (a full disk), so that it is not tried over and over
_RETRY_SECONDS: Final = 5.0

T = TypeVar("T")


class EmbeddedIndex:
    """One index. Its methods are called on one event loop; blocking work runs in ``workers``."""

    def __init__(self, writer: IndexWriter, workers: Executor) -> None:
        self._writer = writer
        self._workers = workers
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._refresh_timer: asyncio.TimerHandle | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._refresh_waiters: list[asyncio.Future[None]] = []
        self._closed = False
        self._described: tuple[IndexState, IndexDescription] | None = None

    @property
    def state(self) -> IndexState:
        """Answer metadata, settings and analyzers as they are now."""
        return self._writer.state

    def description(self) -> IndexDescription:
        """Answer the index as its owner sees it. Cheap."""
        state = self._writer.state
        if self._described is None or self._described[0] is not state:
            self._described = (state, _describe(state))
        return self._described[1]

    @property
    def is_closed(self) -> bool:
        """Tell whether a caller closed the index: it keeps its documents and serves none."""
        return self._writer.state.metadata.closed

    async def open(self) -> None:
        """Open the files, recovering what a crash left. Needed before :meth:`snapshot` only.

        Raises ``index_closed_exception`` for an index that a caller closed, as do all methods that
        need its documents.
        """
        if not self._writer.is_open:
            await self._exclusively(self._open)

    async def close_to_callers(self) -> None:
        """Refresh, release the files and serve no documents until :meth:`open_to_callers`."""

        def work() -> None:
            self._writer.close()
            self._writer.put_closed(closed=True)

        if self.is_closed:
            return
        self._cancel_timers()
        await self._exclusively(work)

    async def open_to_callers(self) -> None:
        """Serve documents again."""

        def work() -> None:
            self._writer.open()
            self._writer.put_closed(closed=False)

        if self.is_closed:
            await self._exclusively(work)
            self._schedule_rest()

    async def write(self, operations: Sequence[WriteOperation], refresh: RefreshPolicy) -> list[WriteOutcome]:
        """Apply the operations in order, as the engine's contract says.

        Cancelling the call does not undo a batch that has begun. WAIT_UNTIL waits for the next
        refresh; where the index never refreshes by itself it makes one, rather than wait for ever.
        """
        metadata = self.state.metadata
        if self.is_closed:
            block: Failure | None = index_closed(metadata.name, metadata.uuid)
        else:
            block = write_block(metadata.name, self.state.settings)
        if block is not None:
            return [_blocked(each, block) for each in operations]

        def work() -> list[WriteOutcome]:
            self._open()
            outcomes = self._writer.apply(operations)
            if refresh is RefreshPolicy.IMMEDIATE:
                self._writer.refresh()
            return outcomes

        outcomes = await self._exclusively(work)
        self._after_write()
        if refresh is RefreshPolicy.WAIT_UNTIL and self._writer.is_dirty:
            await self._wait_for_refresh()
        return outcomes

    async def get(self, document_id: str) -> StoredDocument | None:
        """Answer the document as last written."""
        await self.open()
        if not is_possible_id(document_id):
            return None

        def work() -> Operation | None:
            with self._writer.store.reading() as transaction:
                current = transaction.current(document_id)
                if current is None or not current.live:
                    return None
                return transaction.operation(current.seq_no)

        operation = work()  # some microseconds: not worth a thread
        if operation is None:
            return None
        return StoredDocument(
            id=operation.id,
            version=operation.version,
            seq_no=operation.seq_no,
            primary_term=operation.primary_term,
            source=operation.source if self.state.metadata.mapping.source_enabled else b"",
        )

    async def refresh(self) -> None:
        """Make every write acknowledged before this call visible."""

        def work() -> None:
            self._open()
            self._writer.refresh()

        await self._exclusively(work)

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Open a snapshot of the last refresh; :meth:`open` was awaited before. Any thread may exit it."""
        return self._writer.snapshot()

    async def operations(self, first_seq_no: int, limit: int) -> list[Operation]:
        """Answer up to ``limit`` operations of the history from a number on, in order.

        Those that a later operation on the same id replaced may be missing.
        """
        await self.open()

        def work() -> list[Operation]:
            found: list[Operation] = []
            with self._writer.store.reading() as transaction:
                for operation in transaction.operations(first_seq_no):
                    if len(found) >= limit:
                        break
                    found.append(operation)
            return found

        return await asyncio.get_running_loop().run_in_executor(self._workers, work)

    async def put_mapping(self, mappings: JsonObject) -> None:
        """Merge into the mapping; a conflict changes nothing and is a failure."""

        def work() -> None:
            self._writer.open()
            self._writer.put_mapping(mappings)
            if self.is_closed:
                self._writer.close()

        await self._exclusively(work)

    async def put_settings(self, settings: JsonObject) -> None:
        """Change dynamic settings; a wrong one changes nothing and is a failure."""
        await self._exclusively(lambda: self._writer.put_settings(settings))
        self._cancel_refresh_timer()
        self._after_write()

    def restore_aliases(self, aliases: JsonObject) -> None:
        """Replace the aliases while nothing runs yet: the end of a change that a crash cut short."""
        self._writer.put_aliases(aliases)

    async def put_aliases(self, aliases: JsonObject) -> None:
        """Replace the aliases."""
        await self._exclusively(lambda: self._writer.put_aliases(aliases))

    async def statistics(self) -> IndexStatistics:
        """Answer the counts as of the last refresh, without opening the index for it where that can be."""
        if not self._writer.is_open:
            at_rest = await self._exclusively(self._writer.statistics_at_rest)
            if at_rest is not None:
                return at_rest
        await self.open()

        def work() -> IndexStatistics:
            with self._writer.snapshot() as snapshot:
                return IndexStatistics(
                    documents=snapshot.searcher.num_docs,
                    deleted_documents=self._writer.deleted_documents(),
                    size_bytes=self._writer.size_bytes(),
                    max_seq_no=self._writer.store.read(lambda transaction: transaction.next_seq_no) - 1,
                )

        return await asyncio.get_running_loop().run_in_executor(self._workers, work)

    async def close(self, *, discard: bool = False) -> None:
        """Refresh and release everything; ``discard`` skips the refresh, for an index to be removed."""
        self._closed = True
        self._cancel_timers()
        async with self._lock:
            work = self._writer.discard if discard else self._writer.close
            await asyncio.get_running_loop().run_in_executor(self._workers, work)
        for waiter in self._refresh_waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._refresh_waiters.clear()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _exclusively(self, work: Callable[[], T]) -> T:
        """Run blocking work that changes the index, alone; it goes on when the caller is cancelled."""
        return await asyncio.shield(self._begin(self._locked(work)))

    async def _locked(self, work: Callable[[], T]) -> T:
        async with self._lock:
            if self._closed:
                raise index_not_found(self.state.metadata.name)
            answer = await asyncio.get_running_loop().run_in_executor(self._workers, work)
            if not self._writer.is_dirty:
                self._resolve_refresh_waiters(None)
            return answer

    def _begin(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved here too: the caller may have gone

    def _after_write(self) -> None:
        interval = self.state.settings.refresh_interval_seconds
        if self._writer.is_dirty and not self._closed and self._refresh_timer is None and interval >= 0:
            self._schedule_refresh(interval)
        self._schedule_rest()

    def _schedule_refresh(self, delay_seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._refresh_timer = loop.call_later(
            delay_seconds, lambda: self._begin(self._refresh_in_background())
        )

    async def _refresh_in_background(self) -> None:
        self._refresh_timer = None
        try:
            await self._locked(self._writer.refresh)
        except Failure as failure:
            if self._closed or self.is_closed:
                return
            logger.warning(
                "refresh failed", extra={"index": self.state.metadata.name, "reason": failure.reason}
            )
            self._resolve_refresh_waiters(failure)
            if self._refresh_timer is None:
                self._schedule_refresh(_RETRY_SECONDS)
            return
        except Exception:
            logger.exception("refresh failed", extra={"index": self.state.metadata.name})
            raise
        self._after_write()

    def _open(self) -> None:
        if self.is_closed:
            raise index_closed(self.state.metadata.name, self.state.metadata.uuid)
        self._writer.open()

    def _cancel_timers(self) -> None:
        self._cancel_refresh_timer()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    def _cancel_refresh_timer(self) -> None:
        if self._refresh_timer is not None:
            self._refresh_timer.cancel()
            self._refresh_timer = None

    def _schedule_rest(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        if not (self._closed or self.is_closed):
            self._idle_timer = asyncio.get_running_loop().call_later(
                IDLE_SECONDS, lambda: self._begin(self._locked(self._writer.release))
            )

    async def _wait_for_refresh(self) -> None:
        if self._refresh_timer is None and self.state.settings.refresh_interval_seconds < 0:
            await self.refresh()
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._refresh_waiters.append(waiter)
        await waiter

    def _resolve_refresh_waiters(self, failure: Failure | None) -> None:
        waiters, self._refresh_waiters = self._refresh_waiters, []
        for waiter in waiters:
            if waiter.done():
                continue
            if failure is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(failure)


def _describe(state: IndexState) -> IndexDescription:
    metadata = state.metadata
    return IndexDescription(
        name=metadata.name,
        uuid=metadata.uuid,
        created_milliseconds=metadata.created_milliseconds,
        settings={
            **metadata.settings,
            "index.creation_date": str(metadata.created_milliseconds),
            "index.provided_name": metadata.name,
            "index.uuid": metadata.uuid,
            "index.version.created": _version_number(COMPATIBLE_VERSION),
        },
        mappings=metadata.mapping.to_json(),
        aliases=metadata.aliases,
        hidden=state.settings.hidden,
        closed=metadata.closed,
    )


def _version_number(version: str) -> str:
    """Answer a version the way Elasticsearch shows an index's: 9.2.0 is 9020099."""
    major, minor, patch = (int(each) for each in version.split("."))
    return str(major * 1_000_000 + minor * 10_000 + patch * 100 + 99)


def _blocked(operation: WriteOperation, block: Failure) -> WriteOutcome:
    return WriteOutcome(
        id=operation.id or "",
        failure=FailureReport(
            kind=block.kind.name,
            error_type=block.error_type,
            reason=block.reason,
            fault=block.fault.value,
            metadata=dict(block.metadata),
        ),
    )
