"""Retention leases: what followers still need of a leader's history, and for how long it is kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from isthmus.exchange import Record

DEFAULT_PERIOD_MILLISECONDS: Final = 12 * 60 * 60 * 1000
"""``index.soft_deletes.retention_lease.period``: how long a lease holds without being renewed."""

RENEWAL_MILLISECONDS: Final = 30_000
"""How often a follower renews its lease."""


class RetentionLease(Record, frozen=True):
    """One follower's claim. Operations from ``retaining_seq_no`` on are kept for it."""

    id: str
    retaining_seq_no: int
    renewed_milliseconds: int
    source: str = "ccr"


@dataclass(frozen=True, slots=True)
class FollowerIdentity:
    """Who follows whom: two followers of one name in different clusters never share a lease."""

    follower_cluster: str
    follower_index: str
    follower_index_uuid: str
    leader_alias: str
    leader_index: str
    leader_index_uuid: str

    @property
    def lease_id(self) -> str:
        """Answer the name of its lease, spelled as Elasticsearch does."""
        return (
            f"{self.follower_cluster}/{self.follower_index}/{self.follower_index_uuid}-following-"
            f"{self.leader_alias}/{self.leader_index}/{self.leader_index_uuid}"
        )


def renewed(
    leases: Iterable[RetentionLease], lease_id: str, retaining_seq_no: int, now_milliseconds: int
) -> tuple[RetentionLease, ...]:
    """Answer the leases with one added or renewed. What a lease let go it does not claim back."""
    kept = {each.id: each for each in leases}
    before = kept.get(lease_id)
    retaining = retaining_seq_no if before is None else max(before.retaining_seq_no, retaining_seq_no)
    moment = now_milliseconds if before is None else max(before.renewed_milliseconds, now_milliseconds)
    kept[lease_id] = RetentionLease(id=lease_id, retaining_seq_no=retaining, renewed_milliseconds=moment)
    return tuple(sorted(kept.values(), key=lambda each: each.id))


def without(leases: Iterable[RetentionLease], lease_id: str) -> tuple[RetentionLease, ...]:
    """Answer the leases but this one; one that is gone already is no failure."""
    return tuple(each for each in leases if each.id != lease_id)


def still_valid(
    leases: Iterable[RetentionLease], now_milliseconds: int, period_milliseconds: int
) -> tuple[RetentionLease, ...]:
    """Answer the leases that were renewed within the period."""
    return tuple(
        each for each in leases if now_milliseconds - each.renewed_milliseconds <= period_milliseconds
    )


def retained_from(leases: Iterable[RetentionLease]) -> int | None:
    """Answer the first operation that a follower still needs; None where nobody follows."""
    return min((each.retaining_seq_no for each in leases), default=None)
