"""Where in an analysed text the words and phrases stand that a query looks for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from isthmus.engines.embedded.query.sought import Sought, SoughtWord


class PlacedToken(NamedTuple):
    """One term of a text: its position among the words, and where it stands in the text."""

    text: str
    position: int
    start: int
    end: int


class Occurrence(NamedTuple):
    """One place where something sought stands. ``key`` is the same for all places of the same thing."""

    start: int
    end: int
    key: str


class Finder:
    """Finds what is sought, in one text after the other.

    ``whole_phrases`` answers a phrase as one place, else each of its words is one.
    """

    def __init__(self, sought: Iterable[Sought], *, whole_phrases: bool) -> None:
        self._whole_phrases = whole_phrases
        self._exact: set[str] = set()
        self._tests: list[SoughtWord] = []
        self._phrases: list[Sought] = []
        for each in sought:
            if len(each.words) > 1:
                self._phrases.append(each)
            elif each.words[0].exact is not None:
                self._exact.add(each.words[0].exact)
            else:
                self._tests.append(each.words[0])
        self._known: dict[str, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._exact or self._tests or self._phrases)

    def find(self, tokens: Sequence[PlacedToken]) -> list[Occurrence]:
        """Answer the places in the order of the text."""
        found = [
            Occurrence(token.start, token.end, token.text) for token in tokens if self._is_sought(token.text)
        ]
        if self._phrases:
            by_position: dict[int, list[PlacedToken]] = {}
            for token in tokens:
                by_position.setdefault(token.position, []).append(token)
            for phrase in self._phrases:
                found.extend(self._phrase(phrase, tokens, by_position))
            found = sorted(set(found))
        return found

    def _is_sought(self, term: str) -> bool:
        if term in self._exact:
            return True
        if not self._tests:
            return False
        known = self._known.get(term)
        if known is None:
            known = self._known[term] = any(word.test(term) for word in self._tests)
        return known

    def _phrase(
        self,
        phrase: Sought,
        tokens: Sequence[PlacedToken],
        by_position: Mapping[int, Sequence[PlacedToken]],
    ) -> Iterable[Occurrence]:
        first, *others = phrase.words
        for token in tokens:
            if not _is_word(first, token.text):
                continue
            members = [token]
            moved = [0]
            for word in others:
                near = _nearest(word, token.position, phrase.slop, by_position)
                if near is None:
                    break
                members.append(near)
                moved.append(near.position - word.offset - token.position)
            if len(members) < len(phrase.words) or max(moved) - min(moved) > phrase.slop:
                continue
            if self._whole_phrases:
                key = " ".join(member.text for member in members)
                yield Occurrence(
                    min(member.start for member in members), max(member.end for member in members), key
                )
            else:
                yield from (Occurrence(member.start, member.end, member.text) for member in members)


def _is_word(word: SoughtWord, term: str) -> bool:
    return term == word.exact if word.exact is not None else word.test(term)


def _nearest(
    word: SoughtWord, start: int, slop: int, by_position: Mapping[int, Sequence[PlacedToken]]
) -> PlacedToken | None:
    """Answer the place of a phrase's word that is nearest to where it belongs, within the slop."""
    expected = start + word.offset
    for distance in range(min(slop, len(by_position)) + 1):
        for position in {expected - distance, expected + distance}:
            for token in by_position.get(position, ()):
                if _is_word(word, token.text):
                    return token
    return None
