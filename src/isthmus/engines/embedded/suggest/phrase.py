"""The ``phrase`` suggester: the whole of a text with words that are likelier than those that were typed.

Candidates and scores are those of Elasticsearch for a field that keeps no frequencies within documents: how
usual a word is, is in how many documents it is.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, Final

from isthmus.engines.embedded.sorting_numbers import as_single, shortest_single
from isthmus.engines.embedded.suggest.corrections import (
    Candidate,
    CandidateSet,
    Corrections,
    TooManyCorrections,
    highlighted,
)
from isthmus.engines.embedded.suggest.term import Speller, SuggestingIndex, field_of, words_of
from isthmus.errors import Failure, illegal_argument
from isthmus.exchange import PhraseSuggester, TermSuggester
from isthmus.search.suggestions import CUTOFF, as_entry

#: what Elasticsearch takes the logarithm of frequencies by
_LOG_BASE: Final = 5


def suggest_phrases(index: SuggestingIndex, suggester: PhraseSuggester) -> list[dict[str, Any]]:
    """Answer the one entry of the text, with at most ``shard_size`` options and the score to be above.

    Only words of documents that the caller may see are suggested and counted. Raises a 400 failure for a
    field that the index does not have, which is what a hidden one is, or that is no text, and for a text
    with more corrections than can be gone through.
    """
    return [_Phrase(index, suggester).entry()]


class _Phrase:
    """One run of :func:`suggest_phrases`."""

    def __init__(self, index: SuggestingIndex, suggester: PhraseSuggester) -> None:
        self._index = index
        self._suggester = suggester
        self._field = field_of(index.context, suggester.field)
        own = TermSuggester(name=suggester.name, text="", field=suggester.field)
        self._speller = Speller(index, self._field, own)
        generators = suggester.generators or (own,)
        self._generators = [
            (each, Speller(index, field_of(index.context, each.field), each)) for each in generators
        ]

    def entry(self) -> dict[str, Any]:
        """Answer the entry."""
        suggester = self._suggester
        words = [
            word
            for word, _, _ in words_of(self._index.context, self._field, suggester.text, suggester.analyzer)
        ]
        documents = self._speller.documents
        if not words or len(words) >= suggester.token_limit or not documents:
            return {**as_entry(suggester.text, []), CUTOFF: 0.0}
        corrections = Corrections(
            sets=[self._candidates(word) for word in words],
            frequency=cache(self._speller.frequency),
            documents=documents,
            suggester=suggester,
            check=self._index.check,
        )
        cutoff = corrections.score_of_input() * suggester.confidence if suggester.confidence > 0 else 0.0
        try:
            best = corrections.best(cutoff)
        except TooManyCorrections as too_many:
            raise self._refused(too_many) from None
        options = []
        for score, path in best:
            option: dict[str, Any] = {"text": " ".join(each.word for each in path)}
            if suggester.tags is not None:
                option["highlighted"] = highlighted(path, *suggester.tags)
            options.append({**option, "score": shortest_single(as_single(score))})
        return {**as_entry(suggester.text, options), CUTOFF: cutoff}

    def _refused(self, too_many: TooManyCorrections) -> Failure:
        return illegal_argument(
            f"the text of suggestion [{self._suggester.name[:100]}] can be corrected in more than "
            f"[{too_many.most}] ways: a lower [max_errors] or [size] of its generators makes them fewer"
        )

    def _candidates(self, word: str) -> CandidateSet:
        _, first = self._generators[0]
        original = Candidate(word, first.frequency(word), 1.0, typed=True)
        found: dict[str, Candidate] = {}
        for asked, speller in self._generators:
            lowest = 0
            if asked.mode != "always":
                lowest = _threshold(speller.frequency(word), asked.min_document_frequency, speller.documents)
            for option in speller.options(word, lowest):
                text = option["text"]
                found.setdefault(text, Candidate(text, option["freq"], option["score"], typed=False))
        dictionary = self._speller.documents + 1
        ordered = sorted(
            found.values(),
            key=lambda each: (-each.distance * (each.frequency + 1) / dictionary, each.word),
        )
        return CandidateSet(original, tuple(ordered[: self._suggester.shard_size]))


def _threshold(frequency: int, least: float, documents: int) -> int:
    """Answer what the frequency of a better word has to be above: the more usual the word, the more."""
    plateau = int(least) if least >= 1 else int(least * documents)
    if frequency <= max(plateau, 0):
        return 0
    return max(0, math.floor(frequency * math.log(frequency - plateau, _LOG_BASE) + 1 + 0.5))
