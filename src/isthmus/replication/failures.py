"""Which failures a follower tries again after, and when."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

from isthmus.errors import Failure, FailureKind

MISSING_OPERATIONS: Final = "es.requested_operations_missing"
"""The member of a failure which says that the leader forgot what was asked for."""

_BACKOFF_UNIT_MILLISECONDS: Final = 50
_MAXIMUM_EXPONENT: Final = 24

RETRYABLE_TYPES: Final = frozenset(
    {
        "already_closed_exception",
        "circuit_breaking_exception",
        "cluster_block_exception",
        "connect_transport_exception",
        "es_rejected_execution_exception",
        "illegal_index_shard_state_exception",
        "index_closed_exception",
        "no_seed_node_left_exception",
        "no_shard_available_action_exception",
        "no_such_remote_cluster_exception",
        "node_closed_exception",
        "node_disconnected_exception",
        "node_not_connected_exception",
        "receive_timeout_transport_exception",
        "security_exception",
        "shard_not_found_exception",
        "unavailable_shards_exception",
    }
)
"""What Elasticsearch retries, and a read that timed out: a slow network must not end a follower."""


class Verdict(Enum):
    """What a failure means for a follower."""

    RETRY = "retry"
    FATAL = "fatal"
    HISTORY_LOST = "history lost"


def verdict_of(failure: Failure) -> Verdict:
    """Answer what a failure of a read or a write means."""
    if MISSING_OPERATIONS in failure.metadata:
        return Verdict.HISTORY_LOST
    if failure.error_type in RETRYABLE_TYPES:
        return Verdict.RETRY
    if failure.kind in {FailureKind.UNAVAILABLE, FailureKind.TIMED_OUT, FailureKind.TOO_MANY_REQUESTS}:
        return Verdict.RETRY
    return Verdict.FATAL


def retry_delay_milliseconds(retry: int, maximum_milliseconds: int, choose: Callable[[int, int], int]) -> int:
    """Answer how long to wait before this retry (the first is 1).

    ``choose(lowest, highest)`` draws a whole number, both ends included: ``random.randint`` but in tests.
    """
    exponent = min(max(retry, 1), _MAXIMUM_EXPONENT)
    return min(choose(0, 2 ** (exponent - 1)) * _BACKOFF_UNIT_MILLISECONDS, maximum_milliseconds)
