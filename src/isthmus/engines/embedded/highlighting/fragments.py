"""The ``plain`` way: a text is cut into fragments of about one size, those with matches are shown. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from isthmus.engines.embedded.highlighting.occurrences import Occurrence, PlacedToken


@dataclass(slots=True)
class Fragment:
    """A part of a text. ``score`` is how many different things were found in it."""

    number: int
    start: int
    end: int = 0
    occurrences: list[Occurrence] = field(default_factory=list)

    @property
    def score(self) -> int:
        """Answer how many different things were found."""
        return len({occurrence.key for occurrence in self.occurrences})


def fragments_of(
    text: str,
    tokens: Sequence[PlacedToken],
    occurrences: Sequence[Occurrence],
    size: int,
    phrases: Sequence[Occurrence] | None,
) -> list[Fragment]:
    """Cut a text before the words that pass a multiple of the size; a size of 0 does not cut at all.

    With ``phrases`` (where whole phrases stand) none of them is cut, and no short rest is left at the end.
    Answers the fragments in which something was found, the best first, then in the order of the text.
    """
    found = {(occurrence.start, occurrence.end): occurrence for occurrence in occurrences}
    fragment = Fragment(0, 0)
    fragments = [fragment]
    last_end = 0
    for token in tokens:
        may_cut = size and 0 < last_end <= token.start and token.end >= size * len(fragments)
        if may_cut and not _is_joined(token, len(text) - token.end, size, phrases):
            fragment.end = last_end
            fragment = Fragment(len(fragments), last_end)
            fragments.append(fragment)
        here = found.get((token.start, token.end))
        if here is not None and (not fragment.occurrences or fragment.occurrences[-1] != here):
            fragment.occurrences.append(here)
        last_end = max(last_end, token.end)
    fragment.end = len(text)
    chosen = [each for each in fragments if each.occurrences]
    return sorted(chosen, key=lambda each: (-each.score, each.number))


def _is_joined(token: PlacedToken, rest: int, size: int, phrases: Sequence[Occurrence] | None) -> bool:
    """Tell whether a cut before a word would tear a phrase or leave a short rest."""
    if phrases is None:
        return False
    return rest < size // 2 or any(phrase.start < token.start < phrase.end for phrase in phrases)


def good_end(tokens: Sequence[PlacedToken], text: str, size: int) -> int:
    """Answer where to cut a text in which nothing was found: after the last word that fits."""
    if len(text) <= size:
        return len(text)
    end = 0
    for token in tokens:
        if token.end > size:
            break
        end = token.end
    return end
