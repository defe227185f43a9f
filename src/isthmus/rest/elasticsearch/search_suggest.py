"""``suggest`` of a search: named suggesters, each with a text of its own or one for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from isthmus.errors import Failure, illegal_argument, parsing_failure
from isthmus.exchange import JsonObject, TermSuggester
from isthmus.rest.elasticsearch.search_values import integer, json_object, number, token_of

_MOST_SUGGESTERS: Final = 100
_MOST_CHARACTERS: Final = 10_000
#: suggesters that Elasticsearch has and this deployment has not; refused by name
UNSUPPORTED: Final = frozenset({"completion", "phrase"})
_DISTANCES: Final = ("internal", "damerau_levenshtein", "levenshtein")
_UNSUPPORTED_DISTANCES: Final = ("jaro_winkler", "ngram")


def suggest_of_body(name: str, value: Any) -> tuple[TermSuggester, ...]:
    """Read ``suggest``; raises 400 failures that name what is not known, not supported or no value."""
    given = json_object(name, value)
    shared = given.get("text")
    if shared is not None and not isinstance(shared, str):
        raise parsing_failure(f"[suggest] [text] must be text, found {token_of(shared)}")
    named = {key: each for key, each in given.items() if key != "text"}
    if len(named) > _MOST_SUGGESTERS:
        raise illegal_argument(f"[suggest] may have [{_MOST_SUGGESTERS}] suggesters at most")
    return tuple(_suggester(key, json_object(key, each), shared) for key, each in named.items())


def with_typed_names(suggestions: JsonObject) -> JsonObject:
    """Answer suggestions with the kind of each in front of its name (``typed_keys``)."""
    return {f"term#{name}": entries for name, entries in suggestions.items()}


def _suggester(name: str, given: Mapping[str, Any], shared_text: str | None) -> TermSuggester:
    text = given.get("text", shared_text)
    for key in given:
        if key not in ("text", "term"):
            raise _unknown(key)
    if "term" not in given:
        raise illegal_argument(f"suggestion [{name[:100]}] has no type")
    options = json_object("term", given["term"])
    if not isinstance(text, str):
        raise illegal_argument("The required text option is missing")
    if len(text) > _MOST_CHARACTERS:
        raise illegal_argument(f"the text of a suggestion may have [{_MOST_CHARACTERS}] characters at most")
    members: dict[str, Any] = {}
    for key, value in options.items():
        reader = READERS.get(key)
        if reader is None:
            raise parsing_failure(f"suggester[term] doesn't support field [{key[:100]}]")
        members |= reader(key, value)
    if not members.get("field"):
        raise illegal_argument("the required field option [field] is missing")
    size = members.get("size", 5)
    return TermSuggester(name=name, text=text, **({"shard_size": max(size, 5)} | members))


def _unknown(key: str) -> Failure:
    if key in UNSUPPORTED:
        return illegal_argument(f"[suggest.{key}] is not supported by this deployment")
    if key in ("prefix", "regex"):
        return illegal_argument(f"[suggest.{key}] is for the suggester [completion], which is not supported")
    return parsing_failure(f"unknown suggestion type [{key[:100]}]")


_Reader = Callable[[str, Any], dict[str, Any]]


def _text(member: str) -> _Reader:
    def read(name: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, str):
            raise parsing_failure(f"[{name}] must be text, found {token_of(value)}")
        return {member: value}

    return read


def _whole(member: str, lowest: int, highest: int) -> _Reader:
    def read(name: str, value: Any) -> dict[str, Any]:
        read = integer(name, value)
        if not lowest <= read <= highest:
            raise illegal_argument(f"[{name}] must be between [{lowest}] and [{highest}], found [{read}]")
        return {member: read}

    return read


def _frequency(member: str) -> _Reader:
    def read(name: str, value: Any) -> dict[str, Any]:
        read = number(name, value)
        if read < 0:
            raise illegal_argument(f"[{name}] must be positive")
        if read > 1 and not read.is_integer():
            raise illegal_argument(f"if [{name}] is greater than 1, it must not be a fraction")
        return {member: read}

    return read


def _one_of(member: str, allowed: tuple[str, ...]) -> _Reader:
    def read(name: str, value: Any) -> dict[str, Any]:
        word = value.lower() if isinstance(value, str) else value
        if word not in allowed:
            raise illegal_argument(
                f"Illegal suggest [{name}] [{str(value)[:100]}]: use one of {list(allowed)}"
            )
        return {member: word}

    return read


def _sort(name: str, value: Any) -> dict[str, Any]:
    return {"by_frequency": _one_of("sort", ("score", "frequency"))(name, value)["sort"] == "frequency"}


def _distance(name: str, value: Any) -> dict[str, Any]:
    if value in _UNSUPPORTED_DISTANCES:
        raise illegal_argument(f"[suggest.term.{name}] [{value}] is not supported by this deployment")
    return _one_of("distance", _DISTANCES)(name, value)


def _without_effect(name: str, value: Any) -> dict[str, Any]:
    """Read what limits how many words are looked at: all that are near are."""
    integer(name, value)
    return {}


#: options of the suggester ``term`` -> how each is read, as members of a :class:`TermSuggester`
READERS: Final[Mapping[str, _Reader]] = {
    "analyzer": _text("analyzer"),
    "field": _text("field"),
    "max_edits": _whole("max_edits", 1, 2),
    "max_inspections": _without_effect,
    "max_term_freq": _frequency("max_term_frequency"),
    "min_doc_freq": _frequency("min_document_frequency"),
    "min_word_length": _whole("min_word_length", 1, 1_000),
    "prefix_length": _whole("prefix_length", 0, 1_000),
    "shard_size": _whole("shard_size", 1, 10_000),
    "size": _whole("size", 1, 10_000),
    "sort": _sort,
    "string_distance": _distance,
    "suggest_mode": _one_of("mode", ("missing", "popular", "always")),
}
