"""How much a follower asks for at once, and how many reads run side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

_FIRST_OPERATIONS: Final = 512
_FEWEST_OPERATIONS: Final = 16
_QUICK_MILLISECONDS: Final = 200
_SLOW_MILLISECONDS: Final = 1000


@dataclass(frozen=True, slots=True)
class BatchSize:
    """How many operations the next read asks for: more while answers are full and quick, fewer else."""

    maximum: int
    operations: int = _FIRST_OPERATIONS

    @property
    def asked(self) -> int:
        """Answer the number to ask for: never over what the follower's parameters allow."""
        return max(1, min(self.operations, self.maximum))

    def after_answer(self, *, was_full: bool, took_milliseconds: int) -> BatchSize:
        """Answer the size after a read that was answered."""
        if took_milliseconds > _SLOW_MILLISECONDS:
            return self._halved()
        if was_full and took_milliseconds <= _QUICK_MILLISECONDS:
            return replace(self, operations=min(self.asked * 2, max(self.maximum, 1)))
        return self

    def after_failure(self) -> BatchSize:
        """Answer the size after a read that failed: what is cut off is then less."""
        return self._halved()

    def _halved(self) -> BatchSize:
        return replace(self, operations=max(self.asked // 2, _FEWEST_OPERATIONS))


def number_of_readers(lag_operations: int, batch_operations: int, maximum: int) -> int:
    """Answer how many reads are worth running: one to wait for news, one a batch of what is behind."""
    return max(1, min(maximum, -(-lag_operations // max(batch_operations, 1))))
