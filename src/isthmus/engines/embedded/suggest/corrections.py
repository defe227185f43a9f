"""The corrections of a text: its words or candidates in their place, scored as Elasticsearch does. Pure."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from isthmus.exchange import PhraseSuggester

#: corrections of one text that are gone through
_MOST: Final = 200_000
_BETWEEN_CHECKS: Final = 5_000
_BIGRAMS: Final = 2
#: so few documents are not made fewer
_FEWEST: Final = 2
#: the logarithm of a score that is shown; 32 bits hold no much larger ones
_LARGEST: Final = 88.0
#: keeps what is divided by from being nothing
_TINY: Final = 0.00000000001


class Candidate(NamedTuple):
    """One word in one place: in how many documents it is, and how near to what was typed (1: the same)."""

    word: str
    frequency: int
    distance: float
    typed: bool


class CandidateSet(NamedTuple):
    """What was typed in one place, and what could stand there instead."""

    original: Candidate
    candidates: tuple[Candidate, ...]


Path = tuple[Candidate, ...]


class TooManyCorrections(Exception):  # noqa: N818 - said of the text, which is at fault
    """A text has more corrections than are gone through."""

    most = _MOST


@dataclass(frozen=True, slots=True)
class Corrections:
    """The corrections of one text; ``frequency`` answers in how many documents a word or some joined are."""

    sets: Sequence[CandidateSet]
    frequency: Callable[[str], int]
    documents: int
    suggester: PhraseSuggester
    check: Callable[[], None]

    def score_of_input(self) -> float:
        """Answer the score of the text as it was typed."""
        path: Path = ()
        total = 0.0
        for each in self.sets:
            path = (*path, each.original)
            total += self._score(path)
        return _exponential(total)

    def best(self, cutoff: float) -> list[tuple[float, Path]]:
        """Answer the best corrections whose score is above the cutoff: by score, then by text."""
        errors = self.suggester.max_errors
        errors = int(errors) if errors >= 1 else math.floor(errors * len(self.sets) + 0.5)
        scored = (
            (_exponential(total), path)
            for total, path in self._paths((), 0.0, max(1, min(errors, len(self.sets))))
        )
        return heapq.nsmallest(
            self.suggester.shard_size,
            (each for each in self._checked(scored) if each[0] > cutoff),
            key=lambda each: (-each[0], [candidate.word for candidate in each[1]]),
        )

    def _checked(self, paths: Iterator[tuple[float, Path]]) -> Iterator[tuple[float, Path]]:
        for number, each in enumerate(paths):
            if number >= _MOST:
                raise TooManyCorrections
            if number % _BETWEEN_CHECKS == 0:
                self.check()
            yield each

    def _paths(self, path: Path, total: float, errors: int) -> Iterator[tuple[float, Path]]:
        """Yield every correction with so many errors at most, and the logarithm of its score."""
        place = len(path)
        if place == len(self.sets):
            yield total, path
            return
        original, candidates = self.sets[place]
        extended = (*path, original)
        yield from self._paths(extended, total + self._score(extended), errors)
        if errors == 0:
            return
        for candidate in candidates:
            extended = (*path, candidate)
            yield from self._paths(extended, total + self._score(extended), errors - 1)

    def _score(self, path: Path) -> float:
        """Answer the logarithm of how likely the last word of a path is after those before it."""
        word = path[-1]
        likelihood = self.suggester.real_word_error_likelihood if word.distance == 1.0 else word.distance
        gram_size = min(len(path), self.suggester.gram_size)
        if gram_size == 1:
            usual = self._alone(word)
        elif gram_size == _BIGRAMS:
            usual = self._after_one(path[-2], word)
        else:
            usual = self._after_two(path[-3], path[-2], word)
        product = likelihood * usual
        return math.log10(product) if product > 0 else -math.inf

    def _alone(self, word: Candidate) -> float:
        # one word less than there are documents, as where an index has several segments
        words = self.documents - 1 if self.documents > _FEWEST else self.documents
        return (1.0 + self.frequency(word.word)) / words

    def _after_one(self, before: Candidate, word: Candidate) -> float:
        together = self._together(before, word)
        if together < 1:
            return self.suggester.discount * self._alone(word)
        return together / (before.frequency + _TINY)

    def _after_two(self, first: Candidate, second: Candidate, word: Candidate) -> float:
        two = self._together(second, word)
        if two < 1:
            return self.suggester.discount * self._alone(word)
        three = self._together(first, second, word)
        if three < 1:
            return self.suggester.discount * (two / (second.frequency + _TINY))
        return three / (two + _TINY)

    def _together(self, *words: Candidate) -> int:
        return self.frequency(self.suggester.separator.join(each.word for each in words))


def _exponential(total: float) -> float:
    return math.exp(min(total, _LARGEST))


def highlighted(path: Path, opening: str, closing: str) -> str:
    """Answer a correction with tags around what was changed; neighbours share one pair of them."""
    marked = []
    for place, each in enumerate(path):
        begins = not each.typed and (place == 0 or path[place - 1].typed)
        ends = not each.typed and (place == len(path) - 1 or path[place + 1].typed)
        marked.append(f"{opening if begins else ''}{each.word}{closing if ends else ''}")
    return " ".join(marked)
