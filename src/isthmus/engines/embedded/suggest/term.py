"""The ``term`` suggester: for each word of a text, words of a field that differ in few edits.

Which words are looked at, and how they are rated, follows Lucene's ``DirectSpellChecker``. The library
cannot list the terms near a word, so the terms that share its beginning are gone through.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from tantivy import Occur, Query

from isthmus.engines.embedded.query.compiled import Compiled, Extent
from isthmus.engines.embedded.query.context import QueryContext, QueryField
from isthmus.engines.embedded.query.edit_distance import edit_distance
from isthmus.engines.embedded.sorting_numbers import as_single, shortest_single
from isthmus.errors import Failure, FailureKind
from isthmus.exchange import TermSuggester
from isthmus.search.suggestions import in_order

#: terms that are gone through for one word
_MOST_TERMS: Final = 200_000
#: how many of the best candidates are counted one by one for a caller who sees a part of the documents
_MOST_COUNTED: Final = 500
_TERMS_BETWEEN_CHECKS: Final = 10_000
#: Elasticsearch's lowest score of a suggestion
_ACCURACY: Final = 0.5


@dataclass(frozen=True, slots=True)
class SuggestingIndex:
    """One index as suggestions are made from it: ``limits`` is what the caller may see of it."""

    context: QueryContext
    limits: Compiled
    count: Callable[[Query], int]
    check: Callable[[], None]


def suggest_terms(index: SuggestingIndex, suggester: TermSuggester) -> list[dict[str, Any]]:
    """Answer an entry for each word of the text, with at most ``shard_size`` options (or ``size``, if more).

    Only words of documents that the caller may see are suggested, and only those are counted. Raises a 400
    failure for a field that the index does not have, which is what a hidden one is, or that is no text.
    """
    field = field_of(index.context, suggester.field)
    speller = Speller(index, field, suggester)
    return [
        {"text": text, "offset": start, "length": end - start, "options": speller.options(text)}
        for text, start, end in words_of(index.context, field, suggester.text, suggester.analyzer)
    ]


def field_of(context: QueryContext, path: str) -> QueryField:
    """Answer the field whose words are suggested; raises a 400 failure where it has none."""
    mapped = context.mapping.field(path)
    if mapped is None or not context.is_visible(path):
        raise _refused(f"no mapping found for field [{path}]")
    if mapped.type not in ("text", "keyword"):
        raise _refused(f"[suggest] field [{path}] of type [{mapped.type}] holds no words to suggest")
    field = context.field(path)
    if field is None:
        raise _refused(f"no mapping found for field [{path}]")
    return field


def _refused(reason: str) -> Failure:
    return Failure(FailureKind.INVALID_REQUEST, "illegal_argument_exception", reason)


def words_of(
    context: QueryContext, field: QueryField, text: str, analyzer: str | None
) -> Iterator[tuple[str, int, int]]:
    """Yield the words of a text and where each begins and ends."""
    if field.type == "keyword" and analyzer is None:
        if text:
            yield text, 0, len(text)
        return
    name = analyzer or field.mapped.search_analyzer
    if name not in context.analyzers:
        raise _refused(f"analyzer [{name}] doesn't exists")
    for token in context.analyzers.get(name).pre_tokenize(text).tokens:
        yield token.text, token.char_offset_from, token.char_offset_to


class Speller:
    """Finds the words of one field that are near a word."""

    def __init__(self, index: SuggestingIndex, field: QueryField, suggester: TermSuggester) -> None:
        self._index = index
        self._column = field.column
        self._suggester = suggester
        self._sees_everything = index.limits.extent is Extent.EVERYTHING
        searcher = index.context.searcher
        if searcher is None:
            raise TypeError("suggesting takes a context with a searcher")
        self._searcher = searcher
        self.documents = searcher.num_docs if self._sees_everything else index.count(index.limits.query)

    def options(self, word: str, lowest_frequency: int = 0) -> list[dict[str, Any]]:
        """Answer the best options for a word, best first; their frequencies are above the lowest."""
        suggester = self._suggester
        most = max(suggester.size, suggester.shard_size)
        frequency = self.frequency(word)
        if len(word) < suggester.min_word_length or self._is_fine(frequency):
            return []
        lowest = max(lowest_frequency, self._lowest_frequency(frequency))
        found: list[dict[str, Any]] = []
        near = sorted(self._near(word), key=lambda each: (-each[0], -each[2], each[1]))
        for score, term, whole_frequency in near[: None if self._sees_everything else _MOST_COUNTED]:
            seen = whole_frequency if self._sees_everything else self.frequency(term)
            if seen > lowest:
                found.append({"text": term, "score": shortest_single(as_single(score)), "freq": seen})
        return in_order(suggester, found)[:most]

    def _is_fine(self, frequency: int) -> bool:
        """Tell whether a word is so usual that nothing is suggested for it."""
        suggester = self._suggester
        if suggester.mode == "missing" and frequency > 0:
            return True
        limit = suggester.max_term_frequency
        return frequency > (limit if limit >= 1 else math.ceil(limit * self.documents))

    def _lowest_frequency(self, frequency: int) -> int:
        """Answer what the frequency of a suggestion has to be above."""
        suggester = self._suggester
        lowest = frequency if suggester.mode == "popular" else 0
        least = suggester.min_document_frequency
        if least >= 1:
            return max(lowest, int(least))
        return max(lowest, int(least * self.documents) - 1) if least > 0 else lowest

    def _near(self, word: str) -> Iterator[tuple[float, str, int]]:
        """Yield score, term and frequency among all documents of the terms that are near enough."""
        suggester = self._suggester
        prefix = word[: suggester.prefix_length]
        terms = self._searcher.terms_with_prefix(self._column, prefix, limit=_MOST_TERMS + 1)
        if len(terms) > _MOST_TERMS:
            raise _refused(
                f"more than [{_MOST_TERMS}] terms of field [{suggester.field}] begin with [{prefix}]: a "
                "larger [prefix_length] makes them fewer"
            )
        letters = set(word)
        length, edits = len(word), suggester.max_edits
        for number, (term, frequency) in enumerate(terms):
            if number % _TERMS_BETWEEN_CHECKS == 0:
                self._index.check()
            # each edit brings in one other letter at most, and takes one out
            if abs(len(term) - length) > edits or len(letters.symmetric_difference(term)) > 2 * edits:
                continue
            distance = edit_distance(word, term)
            if distance == 0 or distance > edits:
                continue
            score = self._score(word, term, distance)
            if score >= _ACCURACY:
                yield score, term, frequency

    def _score(self, word: str, term: str, distance: int) -> float:
        if self._suggester.distance == "levenshtein":
            plain = edit_distance(word, term, transpositions=False)
            return 1.0 - plain / max(len(word), len(term))
        return 1.0 - distance / min(len(word), len(term))

    def frequency(self, term: str) -> int:
        """Answer in how many documents that the caller may see a term is."""
        whole: int = self._searcher.doc_freq(self._column, term)
        if self._sees_everything or whole == 0:
            return whole
        if self._index.limits.extent is Extent.NOTHING:
            return 0
        query = Query.term_query(self._index.context.schema, self._column, term, index_option="basic")
        return self._index.count(
            Query.boolean_query([(Occur.Must, query), (Occur.Must, self._index.limits.query)])
        )
