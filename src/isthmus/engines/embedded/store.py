"""The documents of one index: an LMDB environment that is the truth, and the history of operations.

Everything else (the search library's directory) can be made again from here. Tables:

* ``current``: id -> last operation on it (number, version, term, alive or a tombstone);
* ``operations``: sequence number -> operation, in order. A document's source is in here;
* ``superseded``: number of an operation -> number of the one before on the same id, so that what
  was replaced can be dropped in order, once nobody can see it any more;
* ``tombstones``: number of a delete -> when it happened;
* ``state``: a few numbers, by name.

A transaction is on disk (fdatasync) before :meth:`DocumentStore.write` returns.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import lmdb

from isthmus.engines.embedded.store_records import (
    Current,
    Operation,
    OperationKind,
    SourceRow,
    id_key,
    pack_current,
    pack_operation,
    sequence_key,
    sequence_of,
    unpack_current,
    unpack_operation,
    unpack_source_row,
)
from isthmus.errors import Failure, FailureKind

logger = logging.getLogger(__name__)

INITIAL_MAP_BYTES: Final = 1 << 34
"""Address space for one index, not disk or memory: 16 GiB, doubled when it is full."""

#: with less than this left a disk is as good as full
_FULL_DISK_BYTES: Final = 1 << 20
_TABLES: Final = ("current", "operations", "superseded", "tombstones", "state")
_MAXIMUM_READERS: Final = 510
_NEXT_SEQUENCE: Final = b"next_seq_no"
_CHECKPOINT: Final = b"checkpoint"
_HISTORY_START: Final = b"history_start"
_DOCUMENTS: Final = b"documents"

T = TypeVar("T")


class StoreTransaction:
    """One transaction. Only valid inside the function that it was given to."""

    def __init__(self, transaction: lmdb.Transaction, tables: dict[str, Any]) -> None:
        self._transaction = transaction
        self._tables = tables
        self._numbers: dict[bytes, int] = {}
        self._changed: set[bytes] = set()

    def current(self, document_id: str) -> Current | None:
        """Answer the last operation on an id, or None if there never was one that is remembered."""
        packed = self._transaction.get(id_key(document_id), db=self._tables["current"])
        return None if packed is None else unpack_current(bytes(packed))

    def operation(self, seq_no: int) -> Operation | None:
        """Answer one operation of the history, or None if it was never made or is gone."""
        packed = self._transaction.get(sequence_key(seq_no), db=self._tables["operations"])
        return None if packed is None else unpack_operation(seq_no, bytes(packed))

    def sources(self, sequence_numbers: Sequence[int]) -> list[SourceRow]:
        """Answer what these operations wrote, in the order asked; INTERNAL failure if one is gone."""
        get, table = self._transaction.get, self._tables["operations"]
        rows = []
        for seq_no in sequence_numbers:
            packed = get(sequence_key(seq_no), db=table)
            if packed is None:
                raise Failure(
                    FailureKind.INTERNAL, "illegal_state_exception", f"operation [{seq_no}] is gone"
                )
            rows.append(unpack_source_row(seq_no, bytes(packed)))
        return rows

    def operations(self, first_seq_no: int) -> Iterator[Operation]:
        """Yield the operations from this number on, in order."""
        cursor = self._transaction.cursor(db=self._tables["operations"])
        if cursor.set_range(sequence_key(first_seq_no)):
            for key, packed in cursor:
                yield unpack_operation(sequence_of(bytes(key)), bytes(packed))

    def live_operations(self) -> Iterator[Operation]:
        """Yield, in order, the operation that wrote each document there is."""
        for operation in self.operations(0):
            if operation.kind is OperationKind.INDEX:
                current = self.current(operation.id)
                if current is not None and current.seq_no == operation.seq_no:
                    yield operation

    def append(self, operation: Operation, before: Current | None) -> None:
        """Add an operation to the history; ``before`` is the last one on the same id."""
        put = self._transaction.put
        key = sequence_key(operation.seq_no)
        live = operation.kind is OperationKind.INDEX
        put(key, pack_operation(operation), db=self._tables["operations"], append=True)
        current = Current(operation.seq_no, operation.version, operation.primary_term, live)
        put(id_key(operation.id), pack_current(current), db=self._tables["current"])
        if before is not None:
            put(key, sequence_key(before.seq_no), db=self._tables["superseded"], append=True)
        if not live:
            stamp = sequence_key(operation.timestamp_milliseconds)
            put(key, stamp, db=self._tables["tombstones"], append=True)
        self._set(_NEXT_SEQUENCE, operation.seq_no + 1)
        was_live = before is not None and before.live
        if live != was_live:
            self._set(_DOCUMENTS, self.documents + (1 if live else -1))

    @property
    def next_seq_no(self) -> int:
        """Answer the number that the next operation gets."""
        return self._get(_NEXT_SEQUENCE)

    @property
    def documents(self) -> int:
        """Answer how many documents there are."""
        return self._get(_DOCUMENTS)

    @property
    def history_start(self) -> int:
        """Answer the first number from which on the history says everything that happened."""
        return self._get(_HISTORY_START)

    @property
    def checkpoint(self) -> int:
        """Answer the last operation that the search directory is known to hold; -1 for none."""
        return self._get(_CHECKPOINT) - 1

    def set_checkpoint(self, seq_no: int) -> None:
        """Remember that the search directory holds everything up to this operation."""
        self._set(_CHECKPOINT, seq_no + 1)

    def drop_superseded(self, may_drop: Callable[[int], bool], limit: int) -> int:
        """Forget operations that later ones replaced, oldest first, as far as the rule allows."""
        cursor = self._transaction.cursor(db=self._tables["superseded"])
        dropped = 0
        while dropped < limit and cursor.first() and may_drop(sequence_of(bytes(cursor.key()))):
            replaced = cursor.value()
            self._transaction.delete(replaced, db=self._tables["operations"])
            self._transaction.delete(replaced, db=self._tables["tombstones"])
            cursor.delete()
            dropped += 1
        return dropped

    def drop_tombstones(self, may_drop: Callable[[int, int], bool], limit: int) -> int:
        """Forget deletes, oldest first, as far as the rule allows; the history then starts later."""
        cursor = self._transaction.cursor(db=self._tables["tombstones"])
        dropped = 0
        while dropped < limit and cursor.first():
            seq_no = sequence_of(bytes(cursor.key()))
            if not may_drop(seq_no, sequence_of(bytes(cursor.value()))):
                break
            operation = self.operation(seq_no)
            current = None if operation is None else self.current(operation.id)
            if operation is not None and current is not None and current.seq_no == seq_no:
                self._transaction.delete(id_key(operation.id), db=self._tables["current"])
                self._transaction.delete(sequence_key(seq_no), db=self._tables["operations"])
                self._set(_HISTORY_START, seq_no + 1)
            cursor.delete()
            dropped += 1
        return dropped

    def flush(self) -> None:
        """Write the numbers that changed; the last thing to happen before a commit."""
        for name in self._changed:
            self._transaction.put(name, sequence_key(self._numbers[name]), db=self._tables["state"])

    def _get(self, name: bytes) -> int:
        number = self._numbers.get(name)
        if number is None:
            packed = self._transaction.get(name, db=self._tables["state"])
            number = self._numbers[name] = 0 if packed is None else sequence_of(bytes(packed))
        return number

    def _set(self, name: bytes, value: int) -> None:
        self._numbers[name] = value
        self._changed.add(name)


class DocumentStore:
    """The store of one index. Reads may come from any thread; writes from one at a time."""

    def __init__(self, path: Path, *, map_bytes: int = INITIAL_MAP_BYTES) -> None:
        """Open the store, making it where there is none. Raises ``lmdb.Error`` where that fails."""
        self._path = path
        data = path / "data.mdb"
        size = data.stat().st_size if data.exists() else 0
        self._map_bytes = max(map_bytes, 2 * size)
        self._environment = lmdb.open(
            str(path), map_size=self._map_bytes, max_dbs=len(_TABLES), max_readers=_MAXIMUM_READERS
        )
        self._tables = {name: self._environment.open_db(name.encode()) for name in _TABLES}
        # LMDB's map may only grow while no transaction is open in this process
        self._readers = 0
        self._growing = False
        self._closed = False
        self._gate = threading.Condition()

    def write(self, work: Callable[[StoreTransaction], T]) -> T:
        """Run the work in one transaction, and answer what it answers once it is on disk.

        ``work`` may be run again from the start when the map has to grow. Raises what ``work``
        raises, having changed nothing; a full disk is a failure of kind TOO_MANY_REQUESTS.
        """
        while True:
            try:
                with self._environment.begin(write=True) as transaction:
                    opened = StoreTransaction(transaction, self._tables)
                    answer = work(opened)
                    opened.flush()
                return answer  # noqa: TRY300 - what follows "try" here is another attempt
            except lmdb.MapFullError:
                self._grow()
            except lmdb.Error as error:
                raise storage_failure(error, free_bytes=shutil.disk_usage(self._path).free) from error

    def read(self, work: Callable[[StoreTransaction], T]) -> T:
        """Run the work on what is stored now."""
        with self.reading() as transaction:
            return work(transaction)

    @contextmanager
    def reading(self) -> Iterator[StoreTransaction]:
        """Open a read transaction: what it sees stays as it is. Keep it short."""
        with self._gate:
            while self._growing:
                self._gate.wait()
            if self._closed:
                raise Failure(FailureKind.UNAVAILABLE, "already_closed_exception", "the index is closed")
            self._readers += 1
        try:
            with self._environment.begin(buffers=False) as transaction:
                yield StoreTransaction(transaction, self._tables)
        except lmdb.Error as error:
            raise storage_failure(error) from error
        finally:
            with self._gate:
                self._readers -= 1
                self._gate.notify_all()

    def sources_at(self, sequence_numbers: Sequence[int]) -> list[SourceRow]:
        """Answer what these operations wrote, in the order asked; INTERNAL failure if one is gone."""
        with self.reading() as transaction:
            return transaction.sources(sequence_numbers)

    def size_bytes(self) -> int:
        """Answer how much of the disk the store uses."""
        information = self._environment.info()
        return int((information["last_pgno"] + 1) * self._environment.stat()["psize"])

    def close(self) -> None:
        """Release the files once the last read is over. No write may be running; reads fail from now on."""
        with self._gate:
            self._closed = True
            while self._readers:
                self._gate.wait()
        self._environment.close()

    def _grow(self) -> None:
        with self._gate:
            self._growing = True
            while self._readers:
                self._gate.wait()
            try:
                self._map_bytes *= 2
                self._environment.set_mapsize(self._map_bytes)
                logger.info("store map grown", extra={"map_bytes": self._map_bytes})
            finally:
                self._growing = False
                self._gate.notify_all()


def last_seq_no_at_rest(path: Path) -> int:
    """Answer the last operation's number of a store that nobody has open; raises ``lmdb.Error``."""
    environment = lmdb.open(str(path), readonly=True, lock=False, create=False, max_dbs=len(_TABLES))
    try:
        tables = {"state": environment.open_db(b"state", create=False)}
        with environment.begin() as transaction:
            return StoreTransaction(transaction, tables).next_seq_no - 1
    finally:
        environment.close()


def storage_failure(error: BaseException, *, free_bytes: int | None = None) -> Failure:
    """Answer the failure for a store or a disk that does not take what it is given.

    ``free_bytes``: what the disk has left, where known. LMDB calls a write that a full disk cut short an
    input/output error, so the text of the error alone does not tell.
    """
    full = ("No space left", "Disk quota exceeded", "File too large")
    cut_short = free_bytes is not None and free_bytes < _FULL_DISK_BYTES
    if isinstance(error, lmdb.DiskError) or cut_short or any(each in str(error) for each in full):
        return Failure(
            FailureKind.TOO_MANY_REQUESTS,
            "cluster_block_exception",
            "blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has "
            "read-only-allow-delete block]: no space left on device",
        )
    return Failure(FailureKind.INTERNAL, "i_o_exception", f"storage failed: {error}")
