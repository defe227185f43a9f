"""How the score of a clause comes about: written down where somebody wants to score by other statistics.

The library scores by what one index holds, and by nothing else. Whoever is to score by the words of
several indices, or of several clusters, has the query compiled with :attr:`QueryContext.word_weight` and
finds beside each clause what its score is made of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import tantivy


@dataclass(frozen=True, slots=True)
class WordScore:
    """The score of documents that hold a word, or several next to each other, in a field (BM25)."""

    query: tantivy.Query
    path: str
    column: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OtherScore:
    """What no words decide: the library's score of each match is the right one."""

    query: tantivy.Query


@dataclass(frozen=True, slots=True)
class CombinedScore:
    """The sum of the parts that match, or the best of them and a share (``tie_breaker``) of the others.

    ``query`` tells what matches; None: whatever any of the parts does. The outcome is multiplied by
    ``factor``.
    """

    query: tantivy.Query | None
    parts: tuple[Scoring, ...]
    tie_breaker: float | None = None
    factor: float = 1.0


Scoring: TypeAlias = WordScore | OtherScore | CombinedScore
"""What a score is made of."""
