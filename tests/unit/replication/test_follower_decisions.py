"""Retried or fatal, when again, how much at once, and what a leader keeps."""

from __future__ import annotations

import pytest

from isthmus.errors import Failure, FailureKind, illegal_argument, index_closed, index_not_found
from isthmus.replication.failures import (
    MISSING_OPERATIONS,
    RETRYABLE_TYPES,
    Verdict,
    retry_delay_milliseconds,
    verdict_of,
)
from isthmus.replication.leases import (
    FollowerIdentity,
    RetentionLease,
    renewed,
    retained_from,
    still_valid,
    without,
)
from isthmus.replication.sizing import BatchSize, number_of_readers

LOST = Failure(
    FailureKind.NOT_FOUND, "resource_not_found_exception", "gone", metadata={MISSING_OPERATIONS: "0"}
)


@pytest.mark.parametrize(
    ("failure", "verdict"),
    [
        (index_closed("i"), Verdict.RETRY),
        (index_not_found("i"), Verdict.FATAL),
        (illegal_argument("mapper [x] cannot be changed from type [a] to [b]"), Verdict.FATAL),
        (Failure(FailureKind.INTERNAL, "illegal_state_exception", "gap"), Verdict.FATAL),
        (Failure(FailureKind.TIMED_OUT, "timeout_exception", "slow"), Verdict.RETRY),
        (LOST, Verdict.HISTORY_LOST),
        *((Failure(FailureKind.INTERNAL, name, "x"), Verdict.RETRY) for name in sorted(RETRYABLE_TYPES)),
    ],
)
def test_a_failure_is_retried_or_fatal(failure: Failure, verdict: Verdict) -> None:
    """As Elasticsearch decides it, by the type of the failure."""
    assert verdict_of(failure) is verdict


@pytest.mark.parametrize(
    ("retry", "delay"), [(0, 50), (1, 50), (2, 100), (3, 200), (4, 400), (5, 500), (24, 500), (9999, 500)]
)
def test_the_longest_wait_doubles_up_to_the_limit(retry: int, delay: int) -> None:
    """The highest draw of each retry, capped by ``max_retry_delay``."""
    assert retry_delay_milliseconds(retry, 500, lambda _, highest: highest) == delay
    assert retry_delay_milliseconds(retry, 500, lambda lowest, _: lowest) == 0


def test_batches_grow_while_quick_and_full_and_shrink_on_trouble() -> None:
    """Never over the parameter, never below a few operations."""
    size = BatchSize(maximum=1500)
    assert size.asked == 512
    for _ in range(3):
        size = size.after_answer(was_full=True, took_milliseconds=5)
    assert size.asked == 1500
    assert size.after_answer(was_full=False, took_milliseconds=5) == size
    assert size.after_answer(was_full=True, took_milliseconds=5000).asked == 750
    for _ in range(20):
        size = size.after_failure()
    assert size.asked == 16
    assert BatchSize(maximum=3).after_failure().asked == 3


@pytest.mark.parametrize(
    ("lag", "batch", "maximum", "readers"),
    [(0, 10, 12, 1), (11, 10, 12, 2), (9999, 10, 12, 12), (5, 0, 3, 3)],
)
def test_as_many_readers_as_there_is_to_read(lag: int, batch: int, maximum: int, readers: int) -> None:
    """One waits for news; more only where there is a batch for each."""
    assert number_of_readers(lag, batch, maximum) == readers


def test_a_lease_holds_back_what_its_follower_needs_until_it_runs_out() -> None:
    """The slowest valid lease decides; renewing never claims back, and a clock set back ages nothing."""
    leases = renewed((), "b", 10, 1000)
    leases = renewed(leases, "a", 5, 2000)
    assert retained_from(leases) == 5
    leases = renewed(leases, "a", 3, 1500)
    assert RetentionLease(id="a", retaining_seq_no=5, renewed_milliseconds=2000) in leases
    assert [each.id for each in still_valid(leases, 2050, 1000)] == ["a"]
    assert retained_from(without(leases, "a")) == 10
    assert without(leases, "unknown") == leases
    assert retained_from(()) is None


def test_followers_of_one_name_have_leases_of_their_own() -> None:
    """The cluster and the index's UUID are part of the name, spelled as Elasticsearch does."""
    identity = FollowerIdentity("east", "f", "u1", "west", "l", "u2")
    assert identity.lease_id == "east/f/u1-following-west/l/u2"
