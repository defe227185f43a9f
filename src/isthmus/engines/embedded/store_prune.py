"""Which operations of the history nobody needs any more. The rule, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

TOMBSTONE_RETENTION_MILLISECONDS: Final = 12 * 60 * 60 * 1000
"""How long a delete is remembered: Elasticsearch's ``index.soft_deletes.retention_lease.period``."""


def oldest_needed_seq_no(visible_seq_no: int, open_snapshot_seq_nos: Iterable[int]) -> int:
    """Answer the newest operation that every searcher in use has seen.

    ``visible_seq_no`` is the last operation in the searcher that new searches get; each open
    snapshot has its own. -1 where one of them has seen none.
    """
    return min(visible_seq_no, min(open_snapshot_seq_nos, default=visible_seq_no))


@dataclass(frozen=True, slots=True)
class PruneRule:
    """What may go. An operation that was replaced is needed until all have seen what replaced it."""

    seen_by_all_seq_no: int
    now_milliseconds: int

    def may_drop_superseded(self, superseding_seq_no: int) -> bool:
        """Tell whether an operation may go that this later one on the same id replaced."""
        return superseding_seq_no <= self.seen_by_all_seq_no

    def may_drop_tombstone(self, seq_no: int, timestamp_milliseconds: int) -> bool:
        """Tell whether a delete that is still the last word on its id may be forgotten."""
        age = self.now_milliseconds - timestamp_milliseconds
        return seq_no <= self.seen_by_all_seq_no and age > TOMBSTONE_RETENTION_MILLISECONDS
