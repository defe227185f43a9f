"""A bell that is rung whenever users, roles or keys change, so that nothing stale is remembered."""

from __future__ import annotations


class Changes:
    """Counts the changes made in this process. What was remembered at another count is stale."""

    def __init__(self) -> None:
        self._count = 0

    @property
    def count(self) -> int:
        """How many changes there have been."""
        return self._count

    def ring(self) -> None:
        """Tell that something has changed; call it after the change is stored."""
        self._count += 1
