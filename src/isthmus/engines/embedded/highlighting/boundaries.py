"""Where sentences and words begin: Unicode's rules (UAX 29) as far as highlighting needs them. Pure."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from typing import Final

#: what ends a sentence: a terminator with closing marks and spaces, or the end of a paragraph. A full
#: stop does not where a small letter follows, nor between letters or digits.
_SENTENCE_END: Final = re.compile(
    r"[!?…。！？]+[\"'”’)\]»]*\s*"  # noqa: RUF001 - full-width marks are meant
    r"|(?<!\.)\.++[\"'”’)\]»]*+(?:\s++(?![a-zß-öø-ÿ])|$)"  # noqa: RUF001 - closing quotation marks
    r"|(?:\r\n|[\n\r\u0085\u2028\u2029])"
)
_WORD: Final = re.compile(r"\w+(?:[.:'’]\w+)*|[ \t]+|.", re.DOTALL)  # noqa: RUF001 - an apostrophe


class Boundaries:
    """The places in a text where something begins or ends, its two ends among them."""

    def __init__(self, places: list[int]) -> None:
        self._places = places

    def preceding(self, offset: int) -> int:
        """Answer the last place before an offset; 0 where there is none."""
        at = bisect_left(self._places, offset) - 1
        return self._places[at] if at >= 0 else 0

    def following(self, offset: int) -> int:
        """Answer the first place after an offset, at most the end of the text."""
        at = bisect_right(self._places, offset)
        return self._places[at] if at < len(self._places) else self._places[-1]


def sentences(text: str) -> Boundaries:
    """Answer where the sentences of a text begin and end."""
    places = [0]
    for match in _SENTENCE_END.finditer(text):
        if match.end() > places[-1]:
            places.append(match.end())
    return _ended(places, text)


def words(text: str) -> Boundaries:
    """Answer where the words of a text, and what is between them, begin and end."""
    return _ended([match.start() for match in _WORD.finditer(text)] or [0], text)


def _ended(places: list[int], text: str) -> Boundaries:
    if places[-1] != len(text):
        places.append(len(text))
    return Boundaries(places)
