"""Analyzers that an index's settings define: ``analysis.analyzer``, ``.tokenizer`` and ``.filter``.

What the library's tokenizers and filters cannot do is a 400 that names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import tantivy

from isthmus.engines.embedded.analysis import ENGLISH_STOP_WORDS, LETTERS, STANDARD_WORD, Analyzers
from isthmus.errors import Failure, illegal_argument
from isthmus.exchange import Json, JsonObject

_SECTIONS: Final = frozenset({"analyzer", "tokenizer", "filter"})
#: stemmers by Elasticsearch's names, where the library has them
_STEMMERS: Final = frozenset(
    {
        "arabic",
        "danish",
        "dutch",
        "english",
        "finnish",
        "french",
        "german",
        "greek",
        "hungarian",
        "italian",
        "norwegian",
        "portuguese",
        "romanian",
        "russian",
        "spanish",
        "swedish",
        "tamil",
        "turkish",
    }
)


def make_analyzers(analysis: JsonObject) -> Analyzers:
    """Make the analyzers of an index; raise a 400 that names what cannot be made."""
    for section in analysis:
        if section not in _SECTIONS:
            raise illegal_argument(f"[analysis.{section}] is not supported by the embedded engine")
    defined = _Definitions(analysis)
    try:
        return Analyzers({name: defined.analyzer(name) for name in _named(analysis, "analyzer")})
    except ValueError as error:
        raise illegal_argument(f"analysis settings cannot be used: {error}") from error


class _Definitions:
    """What the settings define, looked up by name while analyzers are made."""

    def __init__(self, analysis: JsonObject) -> None:
        self._analyzers = _named(analysis, "analyzer")
        self._tokenizers = _named(analysis, "tokenizer")
        self._filters = _named(analysis, "filter")

    def analyzer(self, name: str) -> tantivy.TextAnalyzer:
        body = _Body(f"analysis.analyzer.{name}", self._analyzers[name])
        declared = body.text("type", "custom")
        if declared != "custom":
            body.finish()
            if declared not in Analyzers() or declared == "default":
                raise illegal_argument(f"Unknown analyzer type [{declared}] for [{name}]")
            return Analyzers().get(declared)
        tokenizer = body.text("tokenizer", "")
        filters = body.texts("filter")
        body.finish()
        if not tokenizer:
            raise illegal_argument(f"analyzer [{name}] must be configured with a tokenizer")
        builder = tantivy.TextAnalyzerBuilder(self._tokenizer(tokenizer, name))
        if tokenizer == "lowercase":
            builder = builder.filter(tantivy.Filter.lowercase())
        for each in filters:
            builder = builder.filter(self._filter(each, name))
        return builder.build()

    def _tokenizer(self, name: str, analyzer: str) -> tantivy.Tokenizer:
        body = _Body(f"analysis.tokenizer.{name}", self._tokenizers.get(name, {"type": name}))
        kind = body.text("type", "")
        if kind in {"ngram", "edge_ngram"}:
            lowest = body.number("min_gram", 1)
            highest = body.number("max_gram", 2)
            body.finish()
            if not 1 <= lowest <= highest:
                raise illegal_argument(
                    f"[min_gram] and [max_gram] of [{name}] must be 1 or more, and in order"
                )
            return tantivy.Tokenizer.ngram(lowest, highest, prefix_only=kind == "edge_ngram")
        body.finish()
        if kind == "standard":
            return tantivy.Tokenizer.regex(STANDARD_WORD)
        if kind in {"letter", "lowercase"}:
            return tantivy.Tokenizer.regex(LETTERS)
        if kind == "whitespace":
            return tantivy.Tokenizer.whitespace()
        if kind == "keyword":
            return tantivy.Tokenizer.raw()
        raise _not_made("tokenizer", name, analyzer)

    def _filter(self, name: str, analyzer: str) -> tantivy.Filter:
        body = _Body(f"analysis.filter.{name}", self._filters.get(name, {"type": name}))
        kind = body.text("type", "")
        if kind == "stop":
            return _stop_filter(body)
        if kind in {"stemmer", "porter_stem"}:
            language = body.text("language", body.text("name", "english"))
            body.finish()
            if language not in _STEMMERS:
                raise illegal_argument(f"stemmer [{language}] is not supported by the embedded engine")
            return tantivy.Filter.stemmer(language)
        body.finish()
        if kind == "lowercase":
            return tantivy.Filter.lowercase()
        if kind == "asciifolding":
            return tantivy.Filter.ascii_fold()
        raise _not_made("filter", name, analyzer)


def _stop_filter(body: _Body) -> tantivy.Filter:
    words = body.texts("stopwords", ("_english_",))
    body.finish()
    if words == ("_english_",):
        words = ENGLISH_STOP_WORDS
    elif any(each.startswith("_") for each in words):
        raise illegal_argument(f"stop words {list(words)} are not supported by the embedded engine")
    return tantivy.Filter.custom_stopword(list(words))


class _Body:
    """One definition, read parameter by parameter; what was not read is refused by name."""

    def __init__(self, where: str, json: Json) -> None:
        if not isinstance(json, dict):
            raise illegal_argument(f"[{where}] must be an object")
        self._where = where
        self._left = dict(json)

    def text(self, key: str, otherwise: str) -> str:
        value = self._left.pop(key, otherwise)
        if isinstance(value, str):
            return value
        raise illegal_argument(f"[{self._where}.{key}] must be a string")

    def number(self, key: str, otherwise: int) -> int:
        try:
            return int(self._left.pop(key, otherwise))
        except (TypeError, ValueError):
            raise illegal_argument(f"[{self._where}.{key}] must be a whole number") from None

    def texts(self, key: str, otherwise: tuple[str, ...] = ()) -> tuple[str, ...]:
        value = self._left.pop(key, otherwise)
        if isinstance(value, str):
            return tuple(each.strip() for each in value.split(",") if each.strip())
        if isinstance(value, list | tuple):
            return tuple(str(each) for each in value)
        raise illegal_argument(f"[{self._where}.{key}] must be a list")

    def finish(self) -> None:
        for key in self._left:
            raise illegal_argument(f"[{self._where}.{key}] is not supported by the embedded engine")


def _named(analysis: JsonObject, section: str) -> Mapping[str, Any]:
    value = analysis.get(section, {})
    if isinstance(value, dict):
        return value
    raise illegal_argument(f"[analysis.{section}] must be an object")


def _not_made(what: str, name: str, analyzer: str) -> Failure:
    return illegal_argument(
        f"Custom Analyzer [{analyzer}] failed to find {what} under name [{name}] "
        "(or it is not supported by the embedded engine)"
    )
