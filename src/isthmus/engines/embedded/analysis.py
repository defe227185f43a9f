"""Analyzers: how text becomes terms, for indexing and for the words of a query.

Each is made of the library's own tokenizers and filters, so that it runs without the interpreter.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as ReadOnlyMapping
from typing import Final, NamedTuple

import tantivy

from isthmus.errors import Failure, illegal_argument

_IDEOGRAPHS: Final = r"\p{Han}\p{Hiragana}"
_LETTER: Final = rf"[[\p{{L}}\p{{M}}]--[{_IDEOGRAPHS}]]"
#: Unicode's word boundaries (UAX 29) as far as one expression goes: letters may be joined by one of
#: . : ' · between them and digits by one of . , ; ', and an underscore joins everything; each
#: ideograph is a word, and so is each emoji
STANDARD_WORD: Final = (
    rf"(?:{_LETTER}+(?:[.:'\u2019\u00b7]{_LETTER}+)*|\p{{Nd}}+(?:[.,;']\p{{Nd}}+)*|_)+"
    rf"|[{_IDEOGRAPHS}]|\p{{Emoji_Presentation}}"
)
LETTERS: Final = r"\p{L}+"


class Token(NamedTuple):
    """One term of an analysed text and its position among the words."""

    text: str
    position: int


def _standard() -> tantivy.TextAnalyzer:
    return (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(STANDARD_WORD))
        .filter(tantivy.Filter.lowercase())
        .build()
    )


def _simple() -> tantivy.TextAnalyzer:
    return (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(LETTERS))
        .filter(tantivy.Filter.lowercase())
        .build()
    )


def _stop() -> tantivy.TextAnalyzer:
    return (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(LETTERS))
        .filter(tantivy.Filter.lowercase())
        .filter(tantivy.Filter.custom_stopword(list(ENGLISH_STOP_WORDS)))
        .build()
    )


def _whitespace() -> tantivy.TextAnalyzer:
    return tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()


def _keyword() -> tantivy.TextAnalyzer:
    return tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.raw()).build()


def _english() -> tantivy.TextAnalyzer:
    return (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.regex(STANDARD_WORD))
        .filter(tantivy.Filter.lowercase())
        .filter(tantivy.Filter.custom_stopword(list(ENGLISH_STOP_WORDS)))
        .filter(tantivy.Filter.stemmer("english"))
        .build()
    )


#: Lucene's set of English stop words (EnglishAnalyzer.ENGLISH_STOP_WORDS_SET)
ENGLISH_STOP_WORDS: Final = (
    "a",
    "an",
    "and",
    "are",
    "as",
    "at",
    "be",
    "but",
    "by",
    "for",
    "if",
    "in",
    "into",
    "is",
    "it",
    "no",
    "not",
    "of",
    "on",
    "or",
    "such",
    "that",
    "the",
    "their",
    "then",
    "there",
    "these",
    "they",
    "this",
    "to",
    "was",
    "will",
    "with",
)

_BUILT_IN: Final[ReadOnlyMapping[str, Callable[[], tantivy.TextAnalyzer]]] = {
    "standard": _standard,
    "default": _standard,
    "simple": _simple,
    "stop": _stop,
    "whitespace": _whitespace,
    "keyword": _keyword,
    "english": _english,
}


class Analyzers:
    """The analyzers of one index: those built in, and those of its settings."""

    def __init__(self, custom: ReadOnlyMapping[str, tantivy.TextAnalyzer] | None = None) -> None:
        self._made: dict[str, tantivy.TextAnalyzer] = dict(custom or {})

    def __contains__(self, name: object) -> bool:
        return name in self._made or name in _BUILT_IN

    def get(self, name: str) -> tantivy.TextAnalyzer:
        """Answer an analyzer; raise a 400 that names it where there is none of that name."""
        made = self._made.get(name)
        if made is None:
            build = _BUILT_IN.get(name)
            if build is None:
                raise unknown_analyzer(name)
            made = self._made[name] = build()
        return made

    def tokens(self, name: str, text: str) -> list[Token]:
        """Analyse a text: its terms with their positions (gaps where stop words were)."""
        analysed = self.get(name).pre_tokenize(text)
        return [Token(each.text, each.position) for each in analysed.tokens]

    def terms(self, name: str, text: str) -> list[str]:
        """Analyse a text: its terms in order."""
        return list(self.get(name).analyze(text))


def unknown_analyzer(name: str) -> Failure:
    """Answer the failure for an analyzer that an index does not have."""
    return illegal_argument(f"failed to find analyzer [{name}]")
