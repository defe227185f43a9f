"""Which forms begin nearly as a text does, and how much they have in common with it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from isthmus.exchange import CompletionFuzziness


@dataclass(frozen=True, slots=True)
class FuzzyPrefix:
    """A form that others may begin with but for a few edits, counted in ``units``: characters or bytes.

    ``exact`` is what every one of them begins with in any case.
    """

    form: str
    exact: str
    units: Sequence[int]
    exact_units: int
    edits: int
    transpositions: bool
    unicode_aware: bool

    @classmethod
    def of(cls, form: str, fuzzy: CompletionFuzziness) -> FuzzyPrefix:
        """Answer how near to a form others have to be."""
        units = _units(form, unicode_aware=fuzzy.unicode_aware)
        if len(units) <= fuzzy.prefix_length or len(units) < fuzzy.min_length or fuzzy.edits == 0:
            exact_units, edits = len(units), 0
        else:
            exact_units, edits = fuzzy.prefix_length, fuzzy.edits
        beginning = units[:exact_units]
        # a character of which only some bytes have to be right says nothing about the terms to look at
        exact = (
            "".join(map(chr, beginning)) if fuzzy.unicode_aware else bytes(beginning).decode(errors="ignore")
        )
        return cls(form, exact, units, exact_units, edits, fuzzy.transpositions, fuzzy.unicode_aware)

    @property
    def longest(self) -> int:
        """Answer how many characters of a form can matter."""
        return len(self.units) + self.edits

    def common_with(self, form: str) -> int | None:
        """Answer how many bytes the beginning of a form that is near enough shares; None if none is.

        That beginning is the shortest one, as Lucene takes it.
        """
        units = _units(form, unicode_aware=self.unicode_aware)
        if units[: self.exact_units] != self.units[: self.exact_units]:
            return None
        length = self._shortest(units)
        if length is None:
            return None
        mine = self.form.encode()
        other = "".join(map(chr, units[:length])).encode() if self.unicode_aware else bytes(units[:length])
        common = 0
        for left, right in zip(mine, other, strict=False):
            if left != right:
                break
            common += 1
        return common

    def _shortest(self, units: Sequence[int]) -> int | None:
        """Answer the length of the shortest beginning of these units that is near enough."""
        wanted, edits, start = self.units[self.exact_units :], self.edits, self.exact_units
        before: list[int] = []
        current = list(range(len(wanted) + 1))
        if current[-1] <= edits:
            return start
        for row, unit in enumerate(units[start : start + len(wanted) + edits], start=1):
            two_before, before, current = before, current, [row]
            for column, other in enumerate(wanted, start=1):
                best = min(before[column] + 1, current[column - 1] + 1, before[column - 1] + (unit != other))
                if (
                    self.transpositions
                    and row > 1
                    and column > 1
                    and unit == wanted[column - 2]
                    and units[start + row - 2] == other
                ):
                    best = min(best, two_before[column - 2] + 1)
                current.append(best)
            if current[-1] <= edits:
                return start + row
        return None


def _units(form: str, *, unicode_aware: bool) -> Sequence[int]:
    return [ord(each) for each in form] if unicode_aware else list(form.encode())
