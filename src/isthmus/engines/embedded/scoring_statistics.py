"""The statistics that scores of words are made of: those of one index, and those of many together.

The library computes BM25 with the number of documents, the number that hold a word and the mean length
of a field, all of one index with its deleted documents. It tells them only in explanations.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import orjson
import tantivy
from tantivy import Order, Query

from isthmus.engines.embedded.columns import SEQUENCE_COLUMN
from isthmus.engines.embedded.query.compiled import Compiled, Extent, constant, restricted
from isthmus.engines.embedded.query.context import QueryContext
from isthmus.engines.embedded.query.scoring import CombinedScore, Scoring, WordScore
from isthmus.engines.embedded.sorting_numbers import as_single
from isthmus.exchange import TermStatistics

#: the library's constants
_K1: Final = 1.2
_B: Final = 0.75
_FREQUENCY: Final = "freq, "
_LENGTH: Final = "dl, "
_MEAN_LENGTH: Final = "avgdl, "
_DOCUMENTS: Final = "N, "


class Occurrences(NamedTuple):
    """How often something is in a field of one document, and how long that field is."""

    frequency: float
    length: float


@dataclass(frozen=True, slots=True)
class FieldStatistics:
    """Of one field: documents in all, the mean length, and how many documents hold each word."""

    documents: int
    mean_length: float
    frequencies: Mapping[str, int]

    def weight(self, words: Iterable[str]) -> float:
        """Answer the sum of how rare these words are."""
        return as_single(sum(self._rarity(word) for word in words))

    def _rarity(self, word: str) -> float:
        holding = self.frequencies.get(word, 0)
        return as_single(math.log(1 + (self.documents - holding + 0.5) / (holding + 0.5)))

    def score(self, weight: float, found: Occurrences) -> float:
        """Answer the score of a document, by the weight of what was found in it."""
        relative = found.length / self.mean_length if self.mean_length else 0.0
        damping = _K1 * (1 - _B + _B * relative)
        return as_single(weight * (_K1 + 1) * found.frequency / (found.frequency + damping))


class LibraryStatistics:
    """The statistics of one index as the library uses them. Looks each of them up once."""

    def __init__(self, context: QueryContext) -> None:
        self._context = context
        self._tokens: dict[str, int] = {}

    @property
    def _searcher(self) -> tantivy.Searcher:
        searcher = self._context.searcher
        assert searcher is not None, "statistics are of an index"  # noqa: S101 - never of a mere check
        return searcher

    @cached_property
    def documents(self) -> int:
        """How many documents the index has for the library, those included that were deleted lately."""
        hits = self._searcher.search(
            Query.all_query(), limit=1, count=False, order_by_field=SEQUENCE_COLUMN, order=Order.Asc
        ).hits
        if not hits:
            return 0
        number, address = hits[0]
        term = Query.term_query(self._context.schema, SEQUENCE_COLUMN, number, index_option="basic")
        return int(_explained(term, self._searcher, address)[_DOCUMENTS])

    def tokens(self, path: str, column: str) -> int:
        """Answer how many words a field has in all documents; 0 where no document has any."""
        if path not in self._tokens:
            self._tokens[path] = self._count_tokens(path, column)
        return self._tokens[path]

    def _count_tokens(self, path: str, column: str) -> int:
        # only a document that is there can be explained: first without looking which words such ones have
        for present in (None, self._context.exists(path)):
            found = self._searcher.terms_with_prefix(column, "", present, 1)
            if not found:
                return 0
            term = Query.term_query(self._context.schema, column, found[0][0], index_option="basic")
            hits = self._searcher.search(term, limit=1, count=False).hits
            if hits:
                explained = _explained(term, self._searcher, hits[0][1])
                return round(explained[_MEAN_LENGTH] * self.documents)
        return 0

    def of(self, leaves: Iterable[WordScore], limits: Compiled | None = None) -> TermStatistics:
        """Answer what the scores of these leaves are made of.

        A word that no document within the limits holds is in none: the scores of those tell nothing of it.
        """
        tokens: dict[str, int] = {}
        frequencies: dict[str, dict[str, int]] = {}
        for leaf in leaves:
            tokens[leaf.path] = self.tokens(leaf.path, leaf.column)
            of_field = frequencies.setdefault(leaf.path, {})
            for word in leaf.words:
                frequency = self._searcher.doc_freq(leaf.column, word)
                if frequency and limits is not None and not self._holds(leaf.column, word, limits):
                    frequency = 0
                of_field[word] = frequency
        return TermStatistics(documents=self.documents, tokens=tokens, frequencies=frequencies)

    def _holds(self, column: str, word: str, limits: Compiled) -> bool:
        """Tell whether any document within the limits has a word."""
        term = Query.term_query(self._context.schema, column, word, index_option="basic")
        within = restricted(constant(term), limits)
        return within.extent is not Extent.NOTHING and bool(
            self._searcher.search(
                within.query, limit=1, count=False, order_by_field=SEQUENCE_COLUMN, order=Order.Asc
            ).hits
        )


def occurrences(
    query: tantivy.Query, searcher: tantivy.Searcher, address: tantivy.DocAddress
) -> Occurrences | None:
    """Answer how a word or phrase is in a document; None where it is not."""
    try:
        explained = _explained(query, searcher, address)
    except ValueError:  # the library's way to say that it does not match
        return None
    return Occurrences(explained[_FREQUENCY], explained[_LENGTH])


def _explained(
    query: tantivy.Query, searcher: tantivy.Searcher, address: tantivy.DocAddress
) -> dict[str, float]:
    """Answer the numbers that an explanation holds, by what its texts begin with."""
    numbers: dict[str, float] = {}
    waiting: list[Any] = [orjson.loads(query.explain(searcher, address).to_json())]
    while waiting:
        node = waiting.pop()
        waiting.extend(node.get("details") or ())
        for name in (_FREQUENCY, _LENGTH, _MEAN_LENGTH, _DOCUMENTS):
            if node["description"].startswith(name):
                numbers[name] = node["value"]
    return numbers


class SharedStatistics:
    """Statistics of many indices, as far as one of them needs them.

    They are never below those of that index: documents may have been written since they were gathered.
    """

    def __init__(self, given: TermStatistics, library: LibraryStatistics) -> None:
        self._given = given
        self._library = library

    def of(self, leaf: WordScore) -> tuple[FieldStatistics, FieldStatistics]:
        """Answer the statistics that words are scored by: those of many indices, and those of this one."""
        own = self._library.of([leaf])
        given = self._given
        held = given.frequencies.get(leaf.path, {})
        tokens = own.tokens[leaf.path]
        frequencies = own.frequencies[leaf.path]
        shared = _field_statistics(
            max(given.documents, own.documents),
            max(given.tokens.get(leaf.path, 0), tokens),
            {word: max(held.get(word, 0), number) for word, number in frequencies.items()},
        )
        return shared, _field_statistics(own.documents, tokens, frequencies)

    def weight(self, leaf: WordScore) -> float:
        """Answer how much more words weigh in all indices than in this one."""
        shared, own = self.of(leaf)
        here = own.weight(leaf.words)
        return shared.weight(leaf.words) / here if here else 1.0


def _field_statistics(documents: int, tokens: int, frequencies: Mapping[str, int]) -> FieldStatistics:
    mean_length = as_single(tokens / documents) if documents else 0.0
    return FieldStatistics(documents, mean_length, frequencies)


def leaves_of(clause: Compiled) -> list[WordScore]:
    """Answer the words that decide the scores of a clause that was compiled to have them noted."""
    return [] if clause.scoring is None else list(_leaves(clause.scoring))


def _leaves(scoring: Scoring) -> Iterable[WordScore]:
    if isinstance(scoring, WordScore):
        yield scoring
    elif isinstance(scoring, CombinedScore):
        for part in scoring.parts:
            yield from _leaves(part)
