"""What a follower asked for, what it got and what it wrote: in order, without gaps, nothing twice.

The number of the last operation written is the only thing that has to survive a restart: it is kept in the
follower's own store, in the same transaction as what was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from isthmus.errors import Failure, FailureKind
from isthmus.exchange import HistoryBatch, HistoryOperation
from isthmus.replication.parameters import FollowParameters
from isthmus.replication.sizing import number_of_readers


@dataclass(frozen=True, slots=True)
class ReadRange:
    """One read. ``through_seq_no`` None waits for news and takes what comes."""

    from_seq_no: int
    through_seq_no: int | None


@dataclass(frozen=True, slots=True)
class WritePlan:
    """What to write next: everything from one number through another, both included."""

    from_seq_no: int
    through_seq_no: int
    operations: tuple[HistoryOperation, ...]


class Progress:
    """The reads and writes of one follower since it started."""

    def __init__(self, parameters: FollowParameters, written_seq_no: int) -> None:
        """Begin after the last operation that the follower's store holds (-1 for none)."""
        self._parameters = parameters
        self.written_seq_no = written_seq_no
        self.requested_seq_no = written_seq_no
        self.leader_max_seq_no = written_seq_no
        self.buffered_operations = 0
        self.buffered_bytes = 0
        self._outstanding: set[ReadRange] = set()
        self._again: list[ReadRange] = []
        self._buffered: dict[int, WritePlan] = {}
        self._writing: WritePlan | None = None

    @property
    def lag_operations(self) -> int:
        """Answer how many operations of the leader are not written here."""
        return max(0, self.leader_max_seq_no - self.written_seq_no)

    @property
    def outstanding_reads(self) -> int:
        """Answer how many reads run."""
        return len(self._outstanding)

    def next_read(self, batch_operations: int) -> ReadRange | None:
        """Answer a read to start now; None where enough run or the buffer is full."""
        if self._is_full():
            return None
        limit = self._parameters.max_outstanding_read_requests
        behind = sum(each.through_seq_no is not None for each in self._again)
        unread = self.leader_max_seq_no - self.requested_seq_no
        wanted = number_of_readers(unread + behind * batch_operations, batch_operations, limit)
        if len(self._outstanding) >= (limit if unread > 0 or behind else wanted):
            return None
        chosen = self._choose(batch_operations)
        if chosen is not None:
            self._outstanding.add(chosen)
        return chosen

    def received(self, read: ReadRange, batch: HistoryBatch) -> bool:
        """Take an answer; False for one that was not waited for any more.

        Raises ``illegal_state_exception`` for an answer to another question than the one asked, and keeps
        nothing of it: this is how a gap is noticed.
        """
        if read not in self._outstanding:
            return False
        check_batch(read, batch)
        self._outstanding.discard(read)
        self.leader_max_seq_no = max(self.leader_max_seq_no, batch.max_seq_no)
        if batch.through_seq_no >= batch.from_seq_no:
            self._keep(WritePlan(batch.from_seq_no, batch.through_seq_no, batch.operations))
            self.requested_seq_no = max(self.requested_seq_no, batch.through_seq_no)
        if read.through_seq_no is not None and batch.through_seq_no < read.through_seq_no:
            self._again.append(ReadRange(batch.through_seq_no + 1, read.through_seq_no))
        return True

    def failed(self, read: ReadRange) -> None:
        """Note that a read failed: the same numbers are asked for again."""
        if read in self._outstanding:
            self._outstanding.discard(read)
            if read.through_seq_no is not None:
                self._again.append(read)

    def next_write(self) -> WritePlan | None:
        """Answer what to write now; None where the next number is not here or a write runs."""
        if self._writing is not None:
            return None
        plan = self._buffered.pop(self.written_seq_no + 1, None)
        if plan is None:
            return None
        first, rest = split_plan(
            plan,
            self._parameters.max_write_request_operation_count,
            self._parameters.max_write_request_size,
        )
        if rest is not None:
            self._buffered[rest.from_seq_no] = rest
        self._writing = first
        return first

    def written(self, plan: WritePlan) -> None:
        """Note that a write is on disk."""
        self._require_writing(plan)
        self._writing = None
        self.written_seq_no = plan.through_seq_no
        self._count(plan, -1)

    def write_failed(self, plan: WritePlan) -> None:
        """Note that a write failed as a whole: it is the next to be tried."""
        self._require_writing(plan)
        self._writing = None
        self._buffered[plan.from_seq_no] = plan

    def _choose(self, batch_operations: int) -> ReadRange | None:
        if self._again:
            self._again.sort(key=lambda each: each.from_seq_no)
            return self._again.pop(0)
        first = self.requested_seq_no + 1
        if self.leader_max_seq_no >= first:
            last = min(self.leader_max_seq_no, first + max(batch_operations, 1) - 1)
            self.requested_seq_no = last
            return ReadRange(first, last)
        return None if self._outstanding else ReadRange(first, None)

    def _is_full(self) -> bool:
        return (
            self.buffered_operations >= self._parameters.max_write_buffer_count
            or self.buffered_bytes >= self._parameters.max_write_buffer_size
        ) and not self._waits_for_a_gap()

    def _waits_for_a_gap(self) -> bool:
        # a buffer that is full of what comes later would otherwise wait for ever
        return bool(self._again) and self._writing is None and self.written_seq_no + 1 not in self._buffered

    def _keep(self, plan: WritePlan) -> None:
        self._buffered[plan.from_seq_no] = plan
        self._count(plan, 1)

    def _count(self, plan: WritePlan, sign: int) -> None:
        self.buffered_operations += sign * len(plan.operations)
        self.buffered_bytes += sign * sum(size_of(each) for each in plan.operations)

    def _require_writing(self, plan: WritePlan) -> None:
        if self._writing != plan:
            raise _illegal_state(f"no write of [{plan.from_seq_no}] through [{plan.through_seq_no}] runs")


def check_batch(read: ReadRange, batch: HistoryBatch) -> None:
    """Raise ``illegal_state_exception`` where an answer does not fit the question or itself."""
    if batch.from_seq_no != read.from_seq_no or batch.through_seq_no < batch.from_seq_no - 1:
        raise _illegal_state(
            f"asked for operations from [{read.from_seq_no}], got [{batch.from_seq_no}] through "
            f"[{batch.through_seq_no}]"
        )
    if read.through_seq_no is not None and batch.through_seq_no > read.through_seq_no:
        raise _illegal_state(
            f"asked for operations through [{read.through_seq_no}], got [{batch.through_seq_no}]"
        )
    before = batch.from_seq_no - 1
    for each in batch.operations:
        if not before < each.seq_no <= batch.through_seq_no:
            raise _illegal_state(f"operation [{each.seq_no}] is out of order or out of range")
        before = each.seq_no


def split_plan(plan: WritePlan, max_operations: int, max_bytes: int) -> tuple[WritePlan, WritePlan | None]:
    """Answer the part of a plan that one write may hold, and what is left. One operation always fits."""
    count = _how_many(plan.operations, max_operations, max_bytes)
    if count == len(plan.operations):
        return plan, None
    last = plan.operations[count - 1].seq_no
    return (
        WritePlan(plan.from_seq_no, last, plan.operations[:count]),
        WritePlan(last + 1, plan.through_seq_no, plan.operations[count:]),
    )


def size_of(operation: HistoryOperation) -> int:
    """Answer how many bytes an operation counts as."""
    return len(operation.source) + len(operation.id)


def _how_many(operations: Sequence[HistoryOperation], max_operations: int, max_bytes: int) -> int:
    total = 0
    for count, each in enumerate(operations):
        total += size_of(each)
        if count and (count >= max_operations or total > max_bytes):
            return count
    return len(operations)


def _illegal_state(reason: str) -> Failure:
    return Failure(FailureKind.INTERNAL, "illegal_state_exception", reason)
