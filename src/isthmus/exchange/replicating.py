"""The history of an index as it passes from a leader to a follower."""

from __future__ import annotations

from enum import Enum

from isthmus.exchange.values import Record


class HistoryKind(Enum):
    """What an operation did. A number that no operation is given for is a no-op."""

    INDEX = "index"
    DELETE = "delete"


class HistoryOperation(Record, frozen=True):
    """One operation as the leader made it. ``source`` is JSON text; empty for a delete."""

    kind: HistoryKind
    seq_no: int
    id: str
    version: int
    primary_term: int
    source: bytes = b""


class HistoryRequest(Record, frozen=True):
    """Asks for operations from a number on.

    ``through_seq_no`` None has no upper end. ``seen_history_start`` is the start of the history at the time
    that a copy from an empty index began: what the leader forgot before that is not missing in it.
    """

    from_seq_no: int
    max_operations: int
    max_bytes: int
    through_seq_no: int | None = None
    seen_history_start: int = 0


class HistoryBatch(Record, frozen=True):
    """Everything that happened from one number through another, both included.

    Numbers in the range without an operation are no-ops: what they did was replaced by a later operation on
    the same id. ``through_seq_no`` is one less than ``from_seq_no`` where there is nothing. ``max_seq_no`` is
    the leader's last operation (an embedded index has one copy: this is its global checkpoint too).
    """

    index_uuid: str
    from_seq_no: int
    through_seq_no: int
    max_seq_no: int
    history_start: int
    operations: tuple[HistoryOperation, ...] = ()
