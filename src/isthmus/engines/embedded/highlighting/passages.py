"""The ``unified`` way: texts are cut into passages at boundaries, and the best passages are shown. Pure.

Passages are cut and rated as in Lucene, so that the same ones are shown.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from isthmus.engines.embedded.highlighting.boundaries import Boundaries, words
from isthmus.engines.embedded.highlighting.occurrences import Occurrence

#: how Lucene rates a passage: BM25 with the passages of a text as the documents
_K1: Final = 1.2
_B: Final = 0.75
_AVERAGE_LENGTH: Final = 87.0


class MarkedValue(NamedTuple):
    """One value of a field and where in it something was found."""

    text: str
    occurrences: Sequence[Occurrence]


@dataclass(slots=True)
class Passage:
    """A part of a value. ``start_of_value`` is where the value begins in all the field's text."""

    value: MarkedValue
    start_of_value: int
    start: int
    end: int
    occurrences: list[Occurrence] = field(default_factory=list)
    score: float = 0.0

    @property
    def place(self) -> int:
        """Answer where it begins in all the field's text."""
        return self.start_of_value + self.start


def passages_of(
    values: Sequence[MarkedValue], boundaries: Callable[[str], Boundaries], size: int
) -> list[Passage]:
    """Cut the values around what was found: as many whole sentences (or words) as fit the size.

    A sentence that is longer is cut at words. A size of 0 takes one sentence each.
    """
    passages: list[Passage] = []
    base = 0
    for value in values:
        if value.occurrences:
            cutter = _Cutter(value.text, boundaries(value.text), size)
            passages.extend(_of_value(value, base, cutter.around))
        base += len(value.text) + 1
    _rate(passages, base)
    return passages


def whole_values(values: Sequence[MarkedValue]) -> list[Passage]:
    """Answer each value in which something was found, as a whole."""
    passages: list[Passage] = []
    base = 0
    for value in values:
        if value.occurrences:
            passages.append(Passage(value, base, 0, len(value.text), list(value.occurrences)))
        base += len(value.text) + 1
    _rate(passages, base)
    return passages


def best(passages: list[Passage], number: int, *, by_score: bool) -> list[Passage]:
    """Answer the best so many passages: in the order of the text, or the best first."""
    chosen = sorted(passages, key=lambda passage: (-passage.score, -passage.place))[:number]
    if by_score:
        return sorted(chosen, key=lambda passage: (-passage.score, passage.place))
    return sorted(chosen, key=lambda passage: passage.place)


def beginning_of(text: str, size: int) -> str:
    """Answer the beginning of a text in which nothing was found, cut after a word."""
    return text if len(text) <= size else text[: words(text).following(size)]


def _of_value(value: MarkedValue, base: int, around: Callable[[int], tuple[int, int]]) -> list[Passage]:
    passages: list[Passage] = []
    end = -1
    for occurrence in value.occurrences:
        if occurrence.start >= end:
            start, end = around(occurrence.start)
            passages.append(Passage(value, base, start, end))
        passages[-1].occurrences.append(occurrence)
    return passages


class _Cutter:
    """Cuts one text at boundaries, and at words what is longer than the size between two of them."""

    def __init__(self, text: str, boundaries: Boundaries, size: int) -> None:
        self._text = text
        self._boundaries = boundaries
        self._words: Boundaries | None = None
        self._size = size
        self._window = (-1, -1)
        self._end = 0

    def around(self, offset: int) -> tuple[int, int]:
        """Answer the passage for what begins at this offset; offsets are asked in ascending order."""
        wanted = offset + 1
        if self._size == 0:
            return self._boundaries.preceding(wanted), self._boundaries.following(offset)
        if self._window[0] < wanted < self._window[1]:
            start, end = self._end, self._window[1]
        else:
            start = self._boundaries.preceding(wanted)
            target = wanted + max(0, self._size - (wanted - start))
            end = len(self._text) if target + 1 > len(self._text) else self._boundaries.preceding(target + 1)
            end = max(end, self._boundaries.following(offset)) if end <= offset else end
            self._window = (start, end)
        if end - start > self._size:
            start, end = self._at_words(wanted, start, end)
        self._end = end
        return start, end

    def _at_words(self, wanted: int, start: int, end: int) -> tuple[int, int]:
        if self._words is None:
            self._words = words(self._text)
        if wanted - self._size > start:
            start = max(start, self._words.preceding(wanted - self._size))
        remaining = max(0, self._size - (wanted - start))
        if wanted + remaining < end:
            end = min(end, self._words.following(wanted + remaining))
        return start, end


def _rate(passages: Sequence[Passage], length: int) -> None:
    frequencies = Counter(occurrence.key for passage in passages for occurrence in passage.occurrences)
    for passage in passages:
        norm = _K1 * ((1 - _B) + _B * ((passage.end - passage.start) / _AVERAGE_LENGTH))
        score = 0.0
        for key, number in Counter(occurrence.key for occurrence in passage.occurrences).items():
            rarity = math.log(1 + (1 + length / _AVERAGE_LENGTH + 0.5) / (frequencies[key] + 0.5))
            score += number / (number + norm) * (_K1 + 1) * rarity
        passage.score = score * (1 + 1 / math.log(_AVERAGE_LENGTH + passage.place))
