"""The store: versions, history, pruning, growth, and a disk that is full."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import lmdb
import pytest

from isthmus.engines.embedded.document import DocumentParser
from isthmus.engines.embedded.mapping_parse import parse_mapping
from isthmus.engines.embedded.store import DocumentStore, StoreTransaction, storage_failure
from isthmus.engines.embedded.store_batch import BatchContext, apply_batch, make_document_id
from isthmus.engines.embedded.store_prune import (
    TOMBSTONE_RETENTION_MILLISECONDS,
    PruneRule,
    oldest_needed_seq_no,
)
from isthmus.engines.embedded.store_records import (
    Current,
    Operation,
    OperationKind,
    id_key,
    pack_current,
    pack_operation,
    unpack_current,
    unpack_operation,
)
from isthmus.engines.embedded.store_versions import check_operation, next_version
from isthmus.errors import Failure, FailureKind
from isthmus.exchange import WriteKind, WriteOperation, WriteOutcome

NOW = 1_700_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """Open an empty store, small enough to have to grow."""
    (tmp_path / "store").mkdir()
    opened = DocumentStore(tmp_path / "store", map_bytes=1 << 20)
    yield opened
    opened.close()


def write(store: DocumentStore, *operations: WriteOperation) -> list[WriteOutcome]:
    """Apply operations to a store with a mapping that takes anything."""
    context = BatchContext("index", "uuid", DocumentParser(parse_mapping({})), NOW)
    return store.write(lambda transaction: apply_batch(transaction, context, operations)).outcomes


def op(kind: str, document_id: str | None = "1", source: bytes = b"{}", **more: Any) -> WriteOperation:
    """Make one operation."""
    return WriteOperation(kind=WriteKind(kind), id=document_id, source=source, **more)


def told(outcome: WriteOutcome) -> tuple[Any, ...]:
    """Show what matters of an outcome."""
    if outcome.failure is not None:
        return (outcome.failure.error_type, outcome.failure.reason)
    return (outcome.result, outcome.version, outcome.seq_no)


def test_versions_and_sequence_numbers_count_every_change(store: DocumentStore) -> None:
    """Versions count by document and go on after a delete; numbers count every operation."""
    outcomes = write(
        store,
        op("index"),
        op("index"),
        op("delete"),
        op("delete"),
        op("create"),
        op("create"),
        op("delete", "2"),
        op("update", source=b'{"doc":{"a":1}}'),
        op("update", source=b'{"doc":{"a":1}}'),
    )
    assert [told(each) for each in outcomes] == [
        ("created", 1, 0),
        ("updated", 2, 1),
        ("deleted", 3, 2),
        ("not_found", 4, 3),
        ("created", 5, 4),
        (
            "version_conflict_engine_exception",
            "[1]: version conflict, document already exists (current version [5])",
        ),
        ("not_found", 1, 5),
        ("updated", 6, 6),
        ("noop", 6, 6),
    ]


def test_a_conflict_says_which_index_it_is_about(store: DocumentStore) -> None:
    """Elasticsearch's clients find index, shard and uuid in the error."""
    failure = write(store, op("create"), op("create"))[1].failure
    assert failure is not None
    assert failure.kind == FailureKind.CONFLICT.name
    assert failure.metadata == {"index_uuid": "uuid", "shard": "0", "index": "index"}


def test_one_bad_document_does_not_hold_up_the_others(store: DocumentStore) -> None:
    """A failed operation takes no number and leaves no trace."""
    outcomes = write(store, op("index", "a"), op("index", "b", b"{"), op("index", "c"))
    assert [each.failure is None for each in outcomes] == [True, False, True]
    assert outcomes[2].seq_no == 1
    assert store.read(lambda transaction: transaction.current("b")) is None
    assert store.read(lambda transaction: transaction.documents) == 2


def test_an_update_can_make_the_document(store: DocumentStore) -> None:
    """``upsert`` and ``doc_as_upsert`` make what is missing; without them it is a 404."""
    outcomes = write(
        store,
        op("update", "a", b'{"doc":{"x":1}}'),
        op("update", "a", b'{"doc":{"x":1},"upsert":{"y":2}}'),
        op("update", "b", b'{"doc":{"x":1},"doc_as_upsert":true}'),
    )
    assert told(outcomes[0]) == ("document_missing_exception", "[a]: document missing")
    assert [each.result for each in outcomes[1:]] == ["created", "created"]
    assert [each.source for each in store.sources_at([0, 1])] == [b'{"y":2}', b'{"x":1}']


LIVE = Current(7, 3, 1, live=True)
GONE = Current(7, 3, 1, live=False)


@pytest.mark.parametrize(
    ("operation", "current", "expected"),
    [
        (op("index"), None, 1),
        (op("index"), LIVE, 4),
        (op("create"), GONE, 4),
        (op("index", if_seq_no=7, if_primary_term=1), LIVE, 4),
        (op("index", version=9, version_type="external"), None, 9),
        (op("index", version=9, version_type="external"), LIVE, 9),
        (op("index", version=3, version_type="external_gte"), LIVE, 3),
        (op("delete", version=9, version_type="external"), GONE, 9),
        (
            op("index", if_seq_no=6, if_primary_term=1),
            LIVE,
            (
                "[1]: version conflict, required seqNo [6], primary term [1]. "
                "current document has seqNo [7] and primary term [1]"
            ),
        ),
        (
            op("delete", if_seq_no=6, if_primary_term=1),
            GONE,
            "[1]: version conflict, required seqNo [6], primary term [1]. but no document was found",
        ),
        (
            op("index", version=3, version_type="external"),
            LIVE,
            "[1]: version conflict, current version [3] is higher or equal to the one provided [3]",
        ),
        (
            op("index", version=2, version_type="external_gte"),
            GONE,
            "[1]: version conflict, current version [3] is higher than the one provided [2]",
        ),
        (
            op("index"),
            Current(7, (1 << 63) - 1, 1, live=True),
            f"[1]: version conflict, no version is higher than the current one [{(1 << 63) - 1}]",
        ),
    ],
)
def test_a_version_is_given_or_refused(
    operation: WriteOperation, current: Current | None, expected: int | str
) -> None:
    """Internal and external versions, and conditions, decide as Elasticsearch's do."""
    check_operation(operation)
    if isinstance(expected, int):
        assert next_version(operation, "1", current) == expected
        return
    with pytest.raises(Failure) as caught:
        next_version(operation, "1", current)
    assert (caught.value.kind, caught.value.reason) == (FailureKind.CONFLICT, expected)


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        (op("delete", None), "id is missing"),
        (op("index", ""), "if _id is specified it must not be empty"),
        (op("index", "é" * 257), "is too long, must be no longer than 512 bytes but was: 514"),
        (op("index", "\ud800"), "id is not valid UTF-8"),
        (op("index", version=1), "internal versioning can not be used for optimistic concurrency control."),
        (op("index", version_type="other", version=1), "No version type match [other]"),
        (op("index", version_type="external"), "illegal version value [-1] for version type [EXTERNAL]"),
        (op("index", None, version=1, version_type="external"), "an id must be provided if version type"),
        (op("create", version=1, version_type="external"), "create operations only support internal"),
        (op("create", if_seq_no=1, if_primary_term=1), "create operations do not support compare and set"),
        (op("index", if_seq_no=1), "ifSeqNo is set, but primary term is [0]"),
        (op("index", if_primary_term=1), "ifSeqNo is unassigned, but primary term is [1]"),
        (
            op("index", version=1, version_type="external", if_seq_no=1, if_primary_term=1),
            "compare and write operations can not use versioning",
        ),
    ],
)
def test_an_operation_that_contradicts_itself_is_refused(operation: WriteOperation, reason: str) -> None:
    """Such a write is a 400 before anything is read."""
    with pytest.raises(Failure) as caught:
        check_operation(operation)
    assert caught.value.kind is FailureKind.INVALID_REQUEST
    assert reason in caught.value.reason


def test_the_longest_id_is_kept_and_found(store: DocumentStore) -> None:
    """Ids of 511 and 512 bytes, one of them longer than the database's keys, are both kept."""
    ids = ["a" * 511, "a" * 512, "b" * 512]
    write(store, *(op("index", each, b'{"n":"%s"}' % each[:1].encode()) for each in ids))
    for number, each in enumerate(ids):
        current = store.read(lambda transaction, each=each: transaction.current(each))
        assert current is not None
        assert current.seq_no == number
        assert store.sources_at([number])[0].id == each


def test_made_ids_are_like_elasticsearchs() -> None:
    """Twenty characters that a URL may hold, never twice, later ones sorting later."""
    first, second = make_document_id(NOW), make_document_id(NOW + 1000)
    assert len(first) == len(second) == 20
    assert first.replace("-", "").replace("_", "").isalnum()
    assert len({make_document_id(NOW) for _ in range(1000)}) == 1000


def test_records_come_back_from_their_bytes() -> None:
    """What is packed is unpacked the same."""
    operation = Operation(OperationKind.DELETE, 5, "ä", 7, 1, NOW, b"")
    assert unpack_operation(5, pack_operation(operation)) == operation
    assert unpack_current(pack_current(LIVE)) == LIVE
    assert len(id_key("x" * 512)) < 512


def history(store: DocumentStore) -> list[tuple[int, str]]:
    """Show the history as it is kept."""
    with store.reading() as transaction:
        return [(each.seq_no, each.id) for each in transaction.operations(0)]


def prune(store: DocumentStore, seen_by_all: int, now: int = NOW) -> None:
    """Drop what the rule allows."""
    rule = PruneRule(seen_by_all, now)

    def work(transaction: StoreTransaction) -> None:
        transaction.drop_superseded(rule.may_drop_superseded, 1000)
        transaction.drop_tombstones(rule.may_drop_tombstone, 1000)

    store.write(work)


def test_history_keeps_its_order_and_loses_only_what_nobody_can_see(store: DocumentStore) -> None:
    """A replaced operation goes when everybody has seen what replaced it, not before."""
    write(store, op("index", "a"), op("index", "b"), op("index", "a"), op("delete", "b"), op("index", "a"))
    prune(store, 1)
    assert history(store) == [(0, "a"), (1, "b"), (2, "a"), (3, "b"), (4, "a")]
    prune(store, 3)
    assert history(store) == [(2, "a"), (3, "b"), (4, "a")]
    prune(store, 4)
    assert history(store) == [(3, "b"), (4, "a")]
    assert store.read(lambda transaction: transaction.history_start) == 0


def test_a_delete_is_remembered_for_hours(store: DocumentStore) -> None:
    """A tombstone goes after twelve hours, and the history then says where it begins."""
    write(store, op("index", "a"), op("delete", "a"), op("index", "b"))
    prune(store, 2, NOW + TOMBSTONE_RETENTION_MILLISECONDS)
    assert history(store) == [(1, "a"), (2, "b")]
    prune(store, 2, NOW + TOMBSTONE_RETENTION_MILLISECONDS + 1)
    assert history(store) == [(2, "b")]
    assert store.read(lambda transaction: transaction.history_start) == 2
    assert store.read(lambda transaction: transaction.current("a")) is None
    assert [told(each) for each in write(store, op("index", "a"))] == [("created", 1, 3)]


@pytest.mark.parametrize(
    ("visible", "snapshots", "expected"),
    [(9, [], 9), (9, [4, 7], 4), (9, [9], 9), (-1, [], -1), (9, [-1], -1)],
)
def test_the_oldest_searcher_decides(visible: int, snapshots: list[int], expected: int) -> None:
    """What an open snapshot may still ask for is needed."""
    assert oldest_needed_seq_no(visible, snapshots) == expected


def test_live_operations_are_those_of_the_documents_there_are(store: DocumentStore) -> None:
    """Replaced and deleted documents are not among them."""
    write(store, op("index", "a"), op("index", "b"), op("index", "a"), op("delete", "b"))
    with store.reading() as transaction:
        assert [each.seq_no for each in transaction.live_operations()] == [2]


def test_the_store_grows_by_itself(store: DocumentStore) -> None:
    """A batch larger than the map is written all the same, once, and is there."""
    source = b'{"body":"' + b"x" * 10_000 + b'"}'
    outcomes = write(store, *(op("index", str(number), source) for number in range(400)))
    assert [each.seq_no for each in outcomes] == list(range(400))
    assert store.size_bytes() > 1 << 20
    assert store.read(lambda transaction: transaction.documents) == 400


def test_a_transaction_that_fails_changes_nothing(store: DocumentStore) -> None:
    """An error half-way leaves what was there before."""
    write(store, op("index", "a"))

    def work(transaction: StoreTransaction) -> None:
        transaction.append(Operation(OperationKind.INDEX, 1, "b", 1, 1, NOW, b"{}"), None)
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        store.write(work)
    assert history(store) == [(0, "a")]
    assert store.read(lambda transaction: transaction.next_seq_no) == 1


def test_a_missing_operation_and_a_closed_store_are_failures(tmp_path: Path) -> None:
    """Both are failures that a caller can be shown."""
    store = DocumentStore(tmp_path, map_bytes=1 << 20)
    with pytest.raises(Failure, match=r"operation \[3\] is gone"):
        store.sources_at([3])
    store.close()
    with pytest.raises(Failure, match="the index is closed"):
        store.read(lambda transaction: transaction.documents)


def test_a_full_disk_is_told_in_elasticsearchs_words() -> None:
    """A full disk is the flood stage's block; anything else a failure of ours."""
    assert storage_failure(lmdb.DiskError("mdb_txn_commit")).error_type == "cluster_block_exception"
    assert storage_failure(lmdb.Error("mdb_txn_commit: Input/output error"), free_bytes=100).error_type == (
        "cluster_block_exception"
    )
    assert storage_failure(lmdb.CorruptedError("page"), free_bytes=1 << 30).kind is FailureKind.INTERNAL


def test_a_full_disk_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """When the file may not grow the write fails clearly; afterwards all is there and writing goes on."""
    program = textwrap.dedent(
        """
        import resource, signal, sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[2])
        from test_embedded_store import DocumentStore, Failure, history, op, write
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        store = DocumentStore(Path(sys.argv[1]), map_bytes=1 << 26)
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, most))
        source = b'{"body":"' + b"x" * 50_000 + b'"}'
        acknowledged = 0
        try:
            while True:
                write(store, op("index", str(acknowledged), source))
                acknowledged += 1
        except Failure as failure:
            print(failure.error_type, acknowledged > 3, len(history(store)) == acknowledged)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        write(store, op("index", "last", source))
        print(len(history(store)) == acknowledged + 1)
        """
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program, str(tmp_path), str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    error_type, *facts = done.stdout.split()
    # a write that was cut short is an input/output error where the disk itself has room
    assert error_type in {"cluster_block_exception", "i_o_exception"}
    assert facts == ["True", "True", "True"]
