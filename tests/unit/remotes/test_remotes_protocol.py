"""The node-to-node protocol: bytes both ways."""

from __future__ import annotations

import os
import zlib
from typing import Any

import lz4.frame
import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.errors import Failure, FailureKind, Fault
from isthmus.exchange import FailureReport, SearchRequest
from isthmus.remotes.backoff import AFTER_FAILURE, AFTER_REFUSAL
from isthmus.remotes.body_encodings import BODY_ENCODINGS, compressed_or_none, decompressed
from isthmus.remotes.failure_reports import failure_of, report_of
from isthmus.remotes.link_state import TRANSITIONS, LinkEvent, LinkState, next_state
from isthmus.remotes.phases import Phase, PhaseFailure, PhaseHistory
from isthmus.remotes.protocol import (
    Action,
    Decoders,
    Hello,
    SearchCall,
    VersionRange,
    Welcome,
    agree_on_version,
    encode,
)
from isthmus.remotes.retry import AttemptEnd, may_repeat
from isthmus.rest.statuses import STATUS_OF_KIND
from isthmus.security.remote_caller import RemoteSubject

CALLER = RemoteSubject(username="ann", realm_name="native", realm_type="native")
MEGABYTE = 1024 * 1024

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(JSON_VALUES, st.lists(st.text(), max_size=3))
@settings(max_examples=100)
def test_a_search_call_survives_the_way(query: Any, expressions: list[str]) -> None:
    """Any JSON query and any expressions arrive as they were sent."""
    call = SearchCall(
        caller=CALLER,
        expressions=tuple(expressions),
        request=SearchRequest(query=query, track_total_hits=True),
    )
    assert Decoders().decode(SearchCall, encode(call)) == call


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_any_bytes_are_a_record_or_a_parsing_failure(data: bytes) -> None:
    """Bytes that are no record are a 400 and nothing else."""
    kinds = {FailureKind.INVALID_REQUEST}
    try:
        record = Decoders().decode(SearchCall, data)
    except Failure as failure:
        kinds.add(failure.kind)
    else:
        assert isinstance(record, SearchCall)
    assert kinds == {FailureKind.INVALID_REQUEST}


def test_unknown_members_are_ignored_and_missing_ones_have_defaults() -> None:
    """A newer peer's extra members and an older peer's missing ones are both readable."""
    data = msgspec.msgpack.encode({"cluster_name": "far", "invented_later": {"x": 1}})
    welcome = Decoders().decode(Welcome, data)
    assert (welcome.cluster_name, welcome.features) == ("far", ())


def test_a_body_nested_without_end_is_a_parsing_failure() -> None:
    """Deep nesting neither crashes nor is followed."""
    data = b"\x81\xa5query" + b"\x91" * 100_000 + b"\xc0"
    with pytest.raises(Failure) as caught:
        Decoders().decode(SearchCall, data)
    assert caught.value.kind is FailureKind.INVALID_REQUEST


def test_a_number_beyond_the_format_is_refused_before_it_is_sent() -> None:
    """An integer that MessagePack cannot hold is the caller's 400."""
    with pytest.raises(Failure, match="cannot be sent to a remote cluster"):
        encode(SearchCall(caller=CALLER, expressions=(), request=SearchRequest(query=2**70)))


@pytest.mark.parametrize("kind", list(FailureKind))
def test_every_kind_of_failure_crosses_and_has_a_status(kind: FailureKind) -> None:
    """A failure of each kind arrives with its type, reason, metadata and cause, blamed on the remote."""
    cause = Failure(FailureKind.NOT_FOUND, "index_not_found_exception", "no such index [x]")
    sent = Failure(kind, "some_exception", "why", metadata={"index": "x"}, caused_by=cause)
    report = Decoders().decode(FailureReport, encode(report_of(sent)))
    received = failure_of(report)
    assert (received.kind, received.error_type, received.reason) == (kind, "some_exception", "why")
    assert received.metadata == {"index": "x"}
    assert received.fault is Fault.REMOTE
    assert received.caused_by is not None
    assert received.caused_by.kind is FailureKind.NOT_FOUND
    assert kind in STATUS_OF_KIND


def test_a_kind_invented_later_becomes_internal() -> None:
    """A peer of a newer version may report what this one has no word for."""
    assert failure_of(FailureReport(kind="NEW", error_type="x", reason="y")).kind is FailureKind.INTERNAL


def test_a_chain_of_causes_is_cut() -> None:
    """A peer cannot make us follow causes without end, nor overwrite type and reason by metadata."""
    report = FailureReport(kind="INTERNAL", error_type="x", reason="y")
    for _ in range(50):
        report = FailureReport(
            kind="INTERNAL", error_type="x", reason="y" * 99_999, metadata={"type": "z"}, caused_by=report
        )
    failure: Failure | None = failure_of(report)
    depth = 0
    while failure is not None:
        assert "type" not in failure.metadata
        assert len(failure.reason) <= 10_000
        failure, depth = failure.caused_by, depth + 1
    assert depth == 11


@pytest.mark.parametrize("encoding", BODY_ENCODINGS)
@pytest.mark.parametrize("body", [b"abc" * 10_000, os.urandom(MEGABYTE) + bytes(MEGABYTE), bytes(MEGABYTE)])
def test_compression_is_undone_and_small_bodies_stay(encoding: str, body: bytes) -> None:
    """What is worth packing comes back whole; what is not is left alone."""
    packed = compressed_or_none(body, encoding)
    assert packed is not None
    assert len(packed) < len(body)
    assert decompressed(packed, encoding, len(body)) == body
    with pytest.raises(Failure, match="larger than"):
        decompressed(packed, encoding, len(body) - 1)
    assert compressed_or_none(b"abc", encoding) is None
    assert compressed_or_none(os.urandom(MEGABYTE), encoding) is None
    assert decompressed(b"abc", "", MEGABYTE) == b"abc"


LZ4_BOMB = lz4.frame.compress(b"\0" * (64 * MEGABYTE), store_size=True)
#: announces 1,000 bytes and holds 64 MiB: the size is in the eight bytes after the first six
LYING_LZ4 = LZ4_BOMB[:6] + (1000).to_bytes(8, "little") + LZ4_BOMB[14:]
LZ4 = lz4.frame.compress(b"abc" * 99, store_size=True)
BOMB = zstandard.ZstdCompressor(level=19).compress(b"\0" * (64 * MEGABYTE))
STREAMED = zstandard.ZstdCompressor().compressobj()
WITHOUT_SIZE = STREAMED.compress(b"x" * 5000) + STREAMED.flush()


@pytest.mark.parametrize(
    ("body", "encoding", "kind"),
    [
        (BOMB, "zstd", FailureKind.TOO_LARGE),
        (b"x" * (MEGABYTE + 1), "", FailureKind.TOO_LARGE),
        (WITHOUT_SIZE, "zstd", FailureKind.INVALID_REQUEST),
        (b"not zstd at all", "zstd", FailureKind.INVALID_REQUEST),
        (BOMB[: len(BOMB) // 2] + b"\xff" * 20, "zstd", FailureKind.TOO_LARGE),
        (zstandard.compress(b"abc") + b"trailing", "zstd", FailureKind.INVALID_REQUEST),
        (zstandard.compress(b"abc" * 99)[:-3], "zstd", FailureKind.INVALID_REQUEST),
        (LZ4_BOMB, "lz4", FailureKind.TOO_LARGE),
        (LYING_LZ4, "lz4", FailureKind.INVALID_REQUEST),
        (lz4.frame.compress(b"x" * 5000, store_size=False), "lz4", FailureKind.INVALID_REQUEST),
        (b"not lz4 at all", "lz4", FailureKind.INVALID_REQUEST),
        (b"", "lz4", FailureKind.INVALID_REQUEST),
        (LZ4 + b"trailing", "lz4", FailureKind.INVALID_REQUEST),
        (LZ4[:-3], "lz4", FailureKind.INVALID_REQUEST),
        (zlib.compress(b"\0" * (64 * MEGABYTE)), "deflate", FailureKind.TOO_LARGE),
        (b"not deflate at all", "deflate", FailureKind.INVALID_REQUEST),
        (zlib.compress(b"abc") + b"trailing", "deflate", FailureKind.INVALID_REQUEST),
        (zlib.compress(b"abc" * 99)[:-3], "deflate", FailureKind.INVALID_REQUEST),
        (b"x", "br", FailureKind.UNSUPPORTED_MEDIA_TYPE),
    ],
    ids=[
        *("bomb", "large", "no size", "junk", "broken bomb", "trailing", "cut"),
        *("lz4 bomb", "lz4 lie", "lz4 no size", "lz4 junk", "lz4 nothing", "lz4 trailing", "lz4 cut"),
        *("deflate bomb", "deflate junk", "deflate trailing", "deflate cut", "other"),
    ],
)
def test_bodies_that_must_not_be_unpacked_are_refused(body: bytes, encoding: str, kind: FailureKind) -> None:
    """A bomb, a frame that hides its size and broken ones cost nothing but a failure."""
    with pytest.raises(Failure) as caught:
        decompressed(body, encoding, MEGABYTE)
    assert caught.value.kind is kind


@pytest.mark.parametrize(
    ("here", "there", "agreed"),
    [
        ((1, 1), (1, 1), 1),
        ((1, 3), (2, 5), 3),
        ((2, 5), (1, 3), 3),
        ((1, 1), (2, 3), None),
        ((4, 5), (1, 3), None),
    ],
)
def test_the_newest_common_version_is_chosen(
    here: tuple[int, int], there: tuple[int, int], agreed: int | None
) -> None:
    """Both sides' ranges decide; without a common version the message holds both and says who is older."""
    ours, theirs = VersionRange(*here, "0.1.0"), VersionRange(*there, "9.9.9")
    if agreed is not None:
        assert agree_on_version(ours, theirs) == agreed
        return
    with pytest.raises(Failure) as caught:
        agree_on_version(ours, theirs)
    assert f"[{here[0]}-{here[1]}], software [0.1.0]" in caught.value.reason
    assert f"[{there[0]}-{there[1]}], software [9.9.9]" in caught.value.reason
    assert caught.value.reason.endswith("this side" if here < there else "the other side")


def test_the_handshake_says_which_versions_are_spoken() -> None:
    """The first record that ever crosses holds the range of versions."""
    hello = Decoders().decode(Hello, encode(Hello(node_id="n")))
    assert (hello.minimum_version, hello.maximum_version) == (1, 1)


def test_every_state_takes_every_event_that_can_happen_in_it() -> None:
    """Whatever happens to a link, in whatever state, has its place in the table."""
    for state in LinkState:
        for event in LinkEvent:
            if state is LinkState.CLOSED or event is LinkEvent.CLOSE:
                assert next_state(state, event) is LinkState.CLOSED
            else:
                assert (state, event) in TRANSITIONS


def test_every_waiting_state_leads_back_to_connecting() -> None:
    """No state but CLOSED is a dead end: a key or the passing of time leads on."""
    for state in (LinkState.BACKING_OFF, LinkState.REFUSED):
        assert next_state(state, LinkEvent.KEY_CHANGED) is LinkState.CONNECTING
        assert next_state(state, LinkEvent.MODEL_CHANGED) is LinkState.CONNECTING
    for state in (LinkState.BACKING_OFF, LinkState.REFUSED):
        assert next_state(state, LinkEvent.RETRY_DUE) is LinkState.CONNECTING


@pytest.mark.parametrize("policy", [AFTER_FAILURE, AFTER_REFUSAL])
def test_waits_grow_to_a_ceiling_and_never_reach_zero(policy: Any) -> None:
    """The wait doubles up to its ceiling, with half of it left to chance, for any number of failures."""
    waits = [policy.delay_seconds(failures, 0.999) for failures in (1, 2, 3, 10, 100_000)]
    assert waits == sorted(waits)
    assert waits[-1] <= policy.longest_seconds
    assert policy.delay_seconds(1, 0.0) == policy.first_seconds / 2


@pytest.mark.parametrize(
    ("attempts", "end", "again"),
    [
        (1, AttemptEnd.IDLE_CONNECTION_WAS_CLOSED, True),
        (1, AttemptEnd.KEY_WAS_REPLACED, True),
        (2, AttemptEnd.IDLE_CONNECTION_WAS_CLOSED, False),
        (1, AttemptEnd.CONNECTION_LOST, False),
        (1, AttemptEnd.ANSWERED, False),
    ],
)
def test_only_what_says_nothing_about_the_request_is_repeated(
    attempts: int, end: AttemptEnd, again: bool
) -> None:
    """Once more for a connection closed while idle or a key replaced; nothing else, and never twice."""
    assert may_repeat(Action.SEARCH, attempts, end) is again


def test_the_history_keeps_success_and_error_of_each_phase() -> None:
    """A failure in one phase is a success of those before it, and does not forget what was."""
    history = PhaseHistory().with_success(1).with_failure(PhaseFailure(Phase.TLS, "bad", "do"), 2)
    assert history.successes[Phase.CONNECT] == 2
    assert history.successes[Phase.TLS] == 1
    assert history.to_json()["tls"] == {
        "last_success_in_millis": 1,
        "last_error": {"phase": "tls", "reason": "bad", "at_in_millis": 2, "remedy": "do"},
    }
