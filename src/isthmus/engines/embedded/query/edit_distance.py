"""How many edits lead from one word to another."""

from __future__ import annotations


def edit_distance(one: str, other: str, *, transpositions: bool = True) -> int:
    """Count insertions, deletions and changes; exchanging two neighbours is one edit if asked.

    No part of a word is edited twice (the "optimal string alignment").
    """
    before: list[int] = []
    current = list(range(len(other) + 1))
    for row, left in enumerate(one, start=1):
        two_before, before, current = before, current, [row]
        for column, right in enumerate(other, start=1):
            changed = before[column - 1] + (left != right)
            best = min(before[column] + 1, current[column - 1] + 1, changed)
            exchanged = (
                transpositions
                and row > 1
                and column > 1
                and left == other[column - 2]
                and right == one[row - 2]
            )
            if exchanged:
                best = min(best, two_before[column - 2] + 1)
            current.append(best)
    return current[-1]
