"""One batch of writes applied inside one transaction of the store.

Nothing in here has an effect outside the transaction it is given, so that it can be run again when
the store has to grow, and so that a crash leaves all of a batch or nothing of it.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from isthmus.engines.embedded.document import DEFAULT_FIELD_LIMIT, DocumentParser, ParsedDocument
from isthmus.engines.embedded.document_update import parse_update
from isthmus.engines.embedded.mapping import Mapping
from isthmus.engines.embedded.store import StoreTransaction
from isthmus.engines.embedded.store_records import Current, Operation, OperationKind
from isthmus.engines.embedded.store_versions import (
    check_condition,
    check_operation,
    next_version,
    version_conflict,
)
from isthmus.errors import Failure, FailureKind, validation_failure
from isthmus.exchange import FailureReport, WriteKind, WriteOperation, WriteOutcome

PRIMARY_TERM: Final = 1
"""There is one copy of an index and it never changes hands."""

_ID_BYTES: Final = 15
_TIME_BYTES: Final = 6


class SearchChange(msgspec.Struct, frozen=True):
    """What a write means for the search directory. ``parsed`` None removes the document."""

    id: str
    seq_no: int
    parsed: ParsedDocument | None
    replaces: bool


@dataclass(slots=True)
class BatchResult:
    """What became of a batch: one outcome an operation, and what else has to follow."""

    mapping: Mapping
    outcomes: list[WriteOutcome] = field(default_factory=list)
    changes: list[SearchChange] = field(default_factory=list)
    many_valued: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class BatchContext:
    """What a batch needs to know of its index."""

    index_name: str
    index_uuid: str
    parser: DocumentParser
    now_milliseconds: int
    field_limit: int = DEFAULT_FIELD_LIMIT


def make_document_id(now_milliseconds: int) -> str:
    """Answer a new id: 20 characters that a URL may hold; ids made later usually sort later."""
    stamp = now_milliseconds.to_bytes(_TIME_BYTES, "big")
    return base64.urlsafe_b64encode(stamp + os.urandom(_ID_BYTES - _TIME_BYTES)).decode()


def apply_batch(
    transaction: StoreTransaction, context: BatchContext, operations: Sequence[WriteOperation]
) -> BatchResult:
    """Apply the operations in order. One that fails changes nothing and does not stop the others."""
    batch = _Batch(transaction, context)
    for operation in operations:
        batch.apply(operation)
    return batch.result


class _Batch:
    """One run of :func:`apply_batch`."""

    def __init__(self, transaction: StoreTransaction, context: BatchContext) -> None:
        self._transaction = transaction
        self._context = context
        self._parser = context.parser
        self._next_seq_no = transaction.next_seq_no
        self.result = BatchResult(context.parser.mapping)

    def apply(self, operation: WriteOperation) -> None:
        document_id = operation.id or ""
        try:
            check_operation(operation)
            if operation.id is None:
                document_id = make_document_id(self._context.now_milliseconds)
            outcome = self._apply(operation, document_id)
        except Failure as failure:
            outcome = WriteOutcome(id=document_id, failure=self._report(failure))
        self.result.outcomes.append(outcome)

    def _apply(self, operation: WriteOperation, document_id: str) -> WriteOutcome:
        current = self._transaction.current(document_id)
        if operation.kind is WriteKind.DELETE:
            return self._delete(operation, document_id, current)
        if operation.kind is WriteKind.UPDATE:
            return self._update(operation, document_id, current)
        version = next_version(operation, document_id, current)
        return self._index(document_id, operation.source, version, current)

    def _delete(self, operation: WriteOperation, document_id: str, current: Current | None) -> WriteOutcome:
        version = next_version(operation, document_id, current)
        found = current is not None and current.live
        seq_no = self._append(OperationKind.DELETE, document_id, version, b"", current)
        if found:
            self.result.changes.append(SearchChange(document_id, seq_no, None, replaces=True))
        return self._outcome(document_id, "deleted" if found else "not_found", version, seq_no)

    def _update(self, operation: WriteOperation, document_id: str, current: Current | None) -> WriteOutcome:
        update = parse_update(operation.source)
        conditional = operation.if_seq_no is not None
        if conditional and (update.upsert is not None or update.doc_as_upsert):
            raise validation_failure("upsert requests don't support `if_seq_no` and `if_primary_term`")
        if current is None or not current.live:
            initial = update.initial_document()
            if initial is None:
                raise Failure(
                    FailureKind.NOT_FOUND,
                    "document_missing_exception",
                    f"[{document_id}]: document missing",
                )
            return self._index(document_id, initial, next_version(operation, document_id, current), current)
        check_condition(operation, document_id, current)
        stored = self._transaction.operation(current.seq_no)
        if stored is None:  # cannot happen: the operation of a live document is never dropped
            raise version_conflict(document_id, "but no document was found")
        source = update.applied_to(stored.source)
        if source is None:
            return self._outcome(document_id, "noop", current.version, current.seq_no)
        return self._index(document_id, source, next_version(operation, document_id, current), current)

    def _index(self, document_id: str, source: bytes, version: int, current: Current | None) -> WriteOutcome:
        parsed = self._parser.parse(document_id, source)
        seq_no = self._append(OperationKind.INDEX, document_id, version, source, current)
        if parsed.mapping is not self._parser.mapping:
            self._parser = self._parser.grown(parsed.mapping)
            self.result.mapping = parsed.mapping
        self.result.many_valued |= parsed.many_valued
        live = current is not None and current.live
        self.result.changes.append(SearchChange(document_id, seq_no, parsed, replaces=live))
        return self._outcome(document_id, "updated" if live else "created", version, seq_no)

    def _append(
        self,
        kind: OperationKind,
        document_id: str,
        version: int,
        source: bytes,
        current: Current | None,
    ) -> int:
        seq_no = self._next_seq_no
        operation = Operation(
            kind, seq_no, document_id, version, PRIMARY_TERM, self._context.now_milliseconds, source
        )
        self._transaction.append(operation, current)
        self._next_seq_no = seq_no + 1
        return seq_no

    def _outcome(self, document_id: str, result: str, version: int, seq_no: int) -> WriteOutcome:
        return WriteOutcome(
            id=document_id, result=result, version=version, seq_no=seq_no, primary_term=PRIMARY_TERM
        )

    def _report(self, failure: Failure) -> FailureReport:
        metadata = dict(failure.metadata)
        if failure.kind in {FailureKind.CONFLICT, FailureKind.NOT_FOUND}:
            metadata |= {
                "index_uuid": self._context.index_uuid,
                "shard": "0",
                "index": self._context.index_name,
            }
        return _as_report(failure, metadata, self._context.index_name)


def _as_report(failure: Failure, metadata: dict[str, object], index: str) -> FailureReport:
    cause = failure.caused_by
    return FailureReport(
        kind=failure.kind.name,
        error_type=failure.error_type,
        reason=failure.reason,
        fault=failure.fault.value,
        metadata=metadata,
        caused_by=None if cause is None else _as_report(cause, dict(cause.metadata), index),
        index=index,
    )
