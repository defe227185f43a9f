"""``suggest`` of a search: named suggesters, each with a text of its own or one for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from isthmus.errors import illegal_argument, parsing_failure
from isthmus.exchange import (
    CompletionSuggester,
    JsonObject,
    PhraseSuggester,
    SearchRequest,
    TermSuggester,
)
from isthmus.rest.elasticsearch.search_suggest_completion import completion_suggester
from isthmus.rest.elasticsearch.search_suggest_phrase import phrase_suggester
from isthmus.rest.elasticsearch.search_suggest_values import (
    Reader,
    frequency,
    members_of,
    one_of,
    text,
    whole,
    without_effect,
)
from isthmus.rest.elasticsearch.search_values import json_object, token_of

_MOST_SUGGESTERS: Final = 100
_MOST_CHARACTERS: Final = 10_000
#: members of a search's request that hold what is suggested
MEMBERS: Final = frozenset({"suggest", "completions", "phrases"})
_TEXTS: Final = ("text", "prefix", "regex")
_KINDS: Final = ("term", "completion", "phrase")
_DISTANCES: Final = ("internal", "damerau_levenshtein", "levenshtein")
_UNSUPPORTED_DISTANCES: Final = ("jaro_winkler", "ngram")


def suggest_of_body(name: str, value: Any) -> dict[str, Any]:
    """Read ``suggest`` into members of a ``SearchRequest``.

    Raises 400 failures that name what is not known, not supported or no value.
    """
    given = json_object(name, value)
    shared = given.get("text")
    if shared is not None and not isinstance(shared, str):
        raise parsing_failure(f"[suggest] [text] must be text, found {token_of(shared)}")
    named = {key: each for key, each in given.items() if key != "text"}
    if len(named) > _MOST_SUGGESTERS:
        raise illegal_argument(f"[suggest] may have [{_MOST_SUGGESTERS}] suggesters at most")
    members: dict[str, tuple[Any, ...]] = {}
    for key, each in named.items():
        member, suggester = _suggester(key, json_object(key, each), shared)
        members[member] = (*members.get(member, ()), suggester)
    return members


def with_typed_names(request: SearchRequest, suggestions: JsonObject) -> JsonObject:
    """Answer suggestions with the kind of each in front of its name (``typed_keys``)."""
    kinds = {each.name: "term" for each in request.suggest}
    kinds |= {each.name: "completion" for each in request.completions}
    kinds |= {each.name: "phrase" for each in request.phrases}
    return {f"{kinds[name]}#{name}": entries for name, entries in suggestions.items()}


def _suggester(
    name: str, given: Mapping[str, Any], shared_text: str | None
) -> tuple[str, TermSuggester | CompletionSuggester | PhraseSuggester]:
    """Answer what is asked for, and the member of a request that holds such suggesters."""
    kinds = [key for key in given if key not in _TEXTS]
    for kind in kinds:
        if kind not in _KINDS:
            raise parsing_failure(f"unknown suggestion type [{kind[:100]}]")
    if not kinds:
        raise illegal_argument(f"suggestion [{name[:100]}] has no type")
    if len(kinds) > 1:
        raise parsing_failure(f"suggestion [{name[:100]}] has more than one type: {kinds}")
    options = json_object(kinds[0], given[kinds[0]])
    if kinds[0] == "completion":
        return "completions", completion_suggester(name, _text_of(given, shared_text, "prefix"), options)
    for key in ("prefix", "regex"):
        if key in given:
            raise illegal_argument(f"[suggest.{key}] is for the suggester [completion]")
    text_given = _text_of(given, shared_text, "text")
    if kinds[0] == "phrase":
        return "phrases", phrase_suggester(name, text_given, options)
    return "suggest", _term_suggester(name, text_given, options)


def _text_of(given: Mapping[str, Any], shared: str | None, key: str) -> str:
    if "regex" in given:
        raise illegal_argument("[suggest.regex] is not supported by this deployment")
    found = given.get(key, given.get("text", shared))
    if not isinstance(found, str):
        raise illegal_argument("The required text option is missing")
    if len(found) > _MOST_CHARACTERS:
        raise illegal_argument(f"the text of a suggestion may have [{_MOST_CHARACTERS}] characters at most")
    return found


def _term_suggester(name: str, given: str, options: Mapping[str, Any]) -> TermSuggester:
    members = members_of(
        READERS, options, lambda key: parsing_failure(f"suggester[term] doesn't support field [{key[:100]}]")
    )
    if not members.get("field"):
        raise illegal_argument("the required field option [field] is missing")
    size = members.get("size", 5)
    return TermSuggester(name=name, text=given, **({"shard_size": max(size, 5)} | members))


def _sort(name: str, value: Any) -> dict[str, Any]:
    return {"by_frequency": one_of("sort", ("score", "frequency"))(name, value)["sort"] == "frequency"}


def _distance(name: str, value: Any) -> dict[str, Any]:
    if value in _UNSUPPORTED_DISTANCES:
        raise illegal_argument(f"[suggest.term.{name}] [{value}] is not supported by this deployment")
    return one_of("distance", _DISTANCES)(name, value)


#: options of the suggester ``term`` -> how each is read, as members of a :class:`TermSuggester`
READERS: Final[Mapping[str, Reader]] = {
    "analyzer": text("analyzer"),
    "field": text("field"),
    "max_edits": whole("max_edits", 1, 2),
    "max_inspections": without_effect,
    "max_term_freq": frequency("max_term_frequency"),
    "min_doc_freq": frequency("min_document_frequency"),
    "min_word_length": whole("min_word_length", 1, 1_000),
    "prefix_length": whole("prefix_length", 0, 1_000),
    "shard_size": whole("shard_size", 1, 10_000),
    "size": whole("size", 1, 10_000),
    "sort": _sort,
    "string_distance": _distance,
    "suggest_mode": one_of("mode", ("missing", "popular", "always")),
}
