"""Whatever is cut, late, repeated or restarted, a follower ends with what its leader holds."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.errors import Failure
from isthmus.exchange import HistoryBatch, HistoryKind, HistoryOperation
from isthmus.replication.parameters import FollowParameters
from isthmus.replication.progress import Progress, ReadRange, WritePlan, split_plan


def operation(seq_no: int, document_id: str = "a", **more: object) -> HistoryOperation:
    """Make an operation that writes its own number."""
    kind = more.get("kind", HistoryKind.INDEX)
    assert isinstance(kind, HistoryKind)
    source = b"" if kind is HistoryKind.DELETE else b"%d" % seq_no
    return HistoryOperation(
        kind=kind, seq_no=seq_no, id=document_id, version=seq_no + 1, primary_term=1, source=source
    )


def batch(
    first: int, through: int, *operations: HistoryOperation, max_seq_no: int | None = None
) -> HistoryBatch:
    """Make an answer."""
    return HistoryBatch(
        index_uuid="u",
        from_seq_no=first,
        through_seq_no=through,
        max_seq_no=through if max_seq_no is None else max_seq_no,
        history_start=0,
        operations=operations,
    )


@dataclass
class Leader:
    """A leader that forgets, at any time, operations that later ones on the same id replaced."""

    made: list[HistoryOperation] = field(default_factory=list)
    forgotten: set[int] = field(default_factory=set)

    def write(self, document_id: str, *, delete: bool) -> None:
        """Make one more operation."""
        kind = HistoryKind.DELETE if delete else HistoryKind.INDEX
        self.made.append(operation(len(self.made), document_id, kind=kind))

    def forget(self) -> None:
        """Forget everything that was replaced."""
        last = {each.id: each.seq_no for each in self.made}
        self.forgotten |= {each.seq_no for each in self.made if last[each.id] != each.seq_no}

    def read(self, read: ReadRange, count: int) -> HistoryBatch:
        """Answer a read with at most this many numbers."""
        end = len(self.made) - 1
        through = min(end, read.from_seq_no + count - 1)
        if read.through_seq_no is not None:
            through = min(through, read.through_seq_no)
        through = max(through, read.from_seq_no - 1)
        kept = [each for each in self.made if each.seq_no not in self.forgotten]
        found = [each for each in kept if read.from_seq_no <= each.seq_no <= through]
        return batch(read.from_seq_no, through, *found, max_seq_no=end)

    def state(self) -> dict[str, tuple[int, int, bytes]]:
        """Answer what the documents are."""
        return replayed(self.made)


@dataclass
class Disk:
    """A follower's store: what was written and through which number, changed together."""

    written_seq_no: int = -1
    operations: list[HistoryOperation] = field(default_factory=list)

    def write(self, plan: WritePlan) -> None:
        """Write a plan; one that does not come next would be a gap or a repetition."""
        assert plan.from_seq_no == self.written_seq_no + 1
        self.operations.extend(plan.operations)
        self.written_seq_no = plan.through_seq_no


def replayed(operations: list[HistoryOperation]) -> dict[str, tuple[int, int, bytes]]:
    """Answer the documents after these operations, with number, version and source."""
    documents: dict[str, tuple[int, int, bytes]] = {}
    for each in operations:
        if each.kind is HistoryKind.DELETE:
            documents.pop(each.id, None)
        else:
            documents[each.id] = (each.seq_no, each.version, each.source)
    return documents


PARAMETERS = FollowParameters(
    max_write_request_operation_count=3, max_outstanding_read_requests=3, max_write_buffer_count=6
)

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "write",
                "delete",
                "forget",
                "read",
                "read",
                "read",
                "answer",
                "answer",
                "answer",
                "repeat",
                "cut",
                "apply",
                "apply",
                "apply",
                "fail_write",
                "kill",
                "kill_after_write",
            ]
        ),
        st.integers(0, 5),
    ),
    min_size=60,  # short runs seldom get as far as a write
    max_size=160,
)


class Run:
    """A leader and a follower, and what can happen between them: a method for each."""

    def __init__(self) -> None:
        self.leader, self.disk = Leader(), Disk()
        self.progress = Progress(PARAMETERS, -1)
        self.running: list[ReadRange] = []
        self.answered: list[tuple[ReadRange, HistoryBatch]] = []

    def write(self, number: int) -> None:
        """Write a document on the leader."""
        self.leader.write("abc"[number % 3], delete=False)

    def delete(self, number: int) -> None:
        """Delete one, or one that never was."""
        self.leader.write("abc"[number % 3], delete=True)

    def forget(self, _: int) -> None:
        """Let the leader forget what was replaced."""
        self.leader.forget()

    def read(self, number: int) -> None:
        """Start a read, if one is due."""
        read = self.progress.next_read(number + 1)
        if read is not None:
            self.running.append(read)

    def answer(self, number: int) -> None:
        """Answer any of the reads, whole or in part."""
        if self.running:
            read = self.running.pop(number % len(self.running))
            self.answered.append((read, self.leader.read(read, number + 1)))
            assert self.progress.received(*self.answered[-1])

    def repeat(self, number: int) -> None:
        """Deliver an old answer once more."""
        if self.answered:
            read, again = self.answered[number % len(self.answered)]
            if read not in self.running:
                assert not self.progress.received(read, again)

    def cut(self, number: int) -> None:
        """Let any of the reads fail."""
        if self.running:
            self.progress.failed(self.running.pop(number % len(self.running)))

    def apply(self, _: int) -> None:
        """Write what comes next."""
        plan = self.progress.next_write()
        if plan is not None:
            self.disk.write(plan)
            self.progress.written(plan)

    def fail_write(self, _: int) -> None:
        """Try to write what comes next, with a disk that takes nothing."""
        plan = self.progress.next_write()
        if plan is not None:
            self.progress.write_failed(plan)

    def kill(self, _: int) -> None:
        """End the follower, and start it from what its disk holds."""
        self.progress = Progress(PARAMETERS, self.disk.written_seq_no)
        self.running.clear()
        self.answered.clear()

    def kill_after_write(self, number: int) -> None:
        """End the follower after its disk took a write and before it learnt so."""
        plan = self.progress.next_write()
        if plan is not None:
            self.disk.write(plan)
            self.kill(number)


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_any_interleaving_ends_with_the_leaders_state(steps: list[tuple[str, int]]) -> None:
    """Fetched batches, retries and restarts in any order: the leader's documents, nothing applied twice."""
    run = Run()
    for what, number in steps:
        getattr(run, what)(number)
    for _ in range(4 * len(run.leader.made) + 20):
        run.read(5)
        run.answer(5)
        run.apply(5)
    assert replayed(run.disk.operations) == run.leader.state()
    assert run.disk.written_seq_no == len(run.leader.made) - 1
    numbers = [each.seq_no for each in run.disk.operations]
    assert numbers == sorted(set(numbers))
    assert run.progress.lag_operations == 0
    assert (run.progress.buffered_operations, run.progress.buffered_bytes) == (0, 0)


@pytest.mark.parametrize(
    ("read", "answer"),
    [
        (ReadRange(3, 5), batch(4, 5)),
        (ReadRange(3, 5), batch(2, 5)),
        (ReadRange(3, 5), batch(3, 6)),
        (ReadRange(3, 5), batch(3, 1)),
        (ReadRange(3, 5), batch(3, 5, operation(2))),
        (ReadRange(3, 5), batch(3, 4, operation(5))),
        (ReadRange(3, 5), batch(3, 5, operation(4), operation(3))),
        (ReadRange(3, 5), batch(3, 5, operation(4), operation(4))),
    ],
)
def test_an_answer_with_a_gap_is_refused_whole(read: ReadRange, answer: HistoryBatch) -> None:
    """An answer that does not fit its question changes nothing, and the question stays open."""
    progress = Progress(FollowParameters(), 2)
    progress.received(progress.next_read(1) or read, batch(3, 2, max_seq_no=5))
    assert progress.next_read(3) == read
    with pytest.raises(Failure, match=r"asked for operations|out of order"):
        progress.received(read, answer)
    assert progress.next_write() is None
    progress.failed(read)
    assert progress.next_read(3) == read


def test_a_full_buffer_stops_reads() -> None:
    """Back pressure: nothing more is asked for until something was written."""
    progress = Progress(FollowParameters(max_write_buffer_count=2), -1)
    read = progress.next_read(2)
    assert read == ReadRange(0, None)
    progress.received(read, batch(0, 1, operation(0), operation(1), max_seq_no=9))
    assert progress.next_read(2) is None
    plan = progress.next_write()
    assert plan is not None
    assert progress.next_write() is None
    progress.written(plan)
    assert progress.next_read(2) == ReadRange(2, 3)


def test_one_operation_larger_than_a_write_may_be_is_written_alone() -> None:
    """A limit never stops a follower for good."""
    plan = WritePlan(0, 4, (operation(1), operation(3)))
    assert split_plan(plan, 10, 1) == (
        WritePlan(0, 1, (operation(1),)),
        WritePlan(2, 4, (operation(3),)),
    )


def test_a_buffer_full_of_what_comes_later_does_not_stop_the_read_that_is_missing() -> None:
    """A read that failed is asked for again though nothing more fits: only it lets anything be written."""
    progress = Progress(FollowParameters(max_write_buffer_count=2), -1)
    news = progress.next_read(2)
    assert news is not None
    progress.received(news, batch(0, -1, max_seq_no=5))
    first, second = progress.next_read(2), progress.next_read(2)
    assert (first, second) == (ReadRange(0, 1), ReadRange(2, 3))
    assert first is not None
    assert second is not None
    progress.received(second, batch(2, 3, operation(2), operation(3), max_seq_no=5))
    progress.failed(first)
    assert progress.next_write() is None
    assert progress.next_read(2) == first
    assert progress.next_read(2) is None
