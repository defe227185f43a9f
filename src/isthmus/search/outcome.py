"""How one part of a search ended: what :mod:`isthmus.search.ask` answers and the merge reads."""

from __future__ import annotations

import msgspec

from isthmus.errors import Failure
from isthmus.exchange import SearchResult
from isthmus.search.plan import Part


class Outcome(msgspec.Struct, frozen=True):
    """How one part ended: with a result, with a failure, or with both when every shard failed.

    A result counts only without a failure. ``timed_out`` means that the cluster did not answer
    in time at all. ``took_seconds`` is exact where the milliseconds are cut.
    """

    part: Part
    result: SearchResult | None = None
    failure: Failure | None = None
    took_milliseconds: int = 0
    timed_out: bool = False
    took_seconds: float = 0.0

    @property
    def is_fatal(self) -> bool:
        """Say whether no answer is possible any more, whatever the other clusters say."""
        return self.failure is not None and not self.part.may_be_skipped
