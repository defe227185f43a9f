"""The suggester ``phrase`` of a search's ``suggest``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from isthmus.errors import Failure, illegal_argument, parsing_failure
from isthmus.exchange import PhraseSuggester, TermSuggester
from isthmus.rest.elasticsearch.search_suggest_values import (
    Reader,
    flag,
    frequency,
    members_of,
    one_of,
    text,
    whole,
    without_effect,
)
from isthmus.rest.elasticsearch.search_values import json_object, number, token_of

#: options that Elasticsearch has and this deployment has not; refused by name
UNSUPPORTED: Final = frozenset({"collate"})
UNSUPPORTED_OF_GENERATORS: Final = frozenset(
    {"accuracy", "post_filter", "pre_filter", "sort", "string_distance"}
)
_UNSUPPORTED_SMOOTHING: Final = ("laplace", "linear_interpolation")
_MOST_GENERATORS: Final = 10
_TAGS: Final = ("pre_tag", "post_tag")


def phrase_suggester(name: str, given: str, options: Mapping[str, Any]) -> PhraseSuggester:
    """Read the options; raises 400 failures that name what is not known, not supported or no value."""
    members = members_of(READERS, options, _unknown)
    if not members.get("field"):
        raise illegal_argument("the required field option [field] is missing")
    members.pop("force_unigrams", None)
    size = members.get("size", 5)
    return PhraseSuggester(name=name, text=given, **({"shard_size": max(size, 5)} | members))


def _unknown(key: str) -> Failure:
    if key in UNSUPPORTED:
        return illegal_argument(f"[suggest.phrase.{key}] is not supported by this deployment")
    return parsing_failure(f"suggester[phrase] doesn't support field [{key[:100]}]")


def _unknown_of_generator(key: str) -> Failure:
    if key in UNSUPPORTED_OF_GENERATORS:
        return illegal_argument(
            f"[suggest.phrase.direct_generator.{key}] is not supported by this deployment"
        )
    return parsing_failure(f"[direct_generator] unknown field [{key[:100]}]")


def _generators(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, list):
        raise parsing_failure(f"[{name}] must be a list, found {token_of(value)}")
    if len(value) > _MOST_GENERATORS:
        raise illegal_argument(f"[{name}] may list [{_MOST_GENERATORS}] generators at most")
    return {"generators": tuple([_generator(name, json_object(name, each)) for each in value])}


def _generator(name: str, options: Mapping[str, Any]) -> TermSuggester:
    members = members_of(GENERATOR_READERS, options, _unknown_of_generator)
    if not members.get("field"):
        raise illegal_argument("[direct_generator] expects exactly one field parameter")
    return TermSuggester(name=name, text="", **members, shard_size=members.get("size", 5))


def _smoothing(name: str, value: Any) -> dict[str, Any]:
    models = json_object(name, value)
    for model in models:
        if model in _UNSUPPORTED_SMOOTHING:
            raise illegal_argument(f"[suggest.phrase.{name}.{model}] is not supported by this deployment")
        if model != "stupid_backoff":
            raise illegal_argument(f"suggester[phrase] doesn't support object field [{model[:100]}]")
    if not models:
        raise parsing_failure(f"[{name}] has no model")
    reader = {"discount": _above("discount", 0.0)}
    return members_of(
        reader,
        json_object("stupid_backoff", models["stupid_backoff"]),
        lambda key: parsing_failure(f"[stupid_backoff] unknown field [{key[:100]}]"),
    )


def _highlight(name: str, value: Any) -> dict[str, Any]:
    given = json_object(name, value)
    for key, each in given.items():
        if key not in _TAGS:
            raise parsing_failure(f"suggester[phrase][highlight] doesn't support field [{key[:100]}]")
        if not isinstance(each, str):
            raise parsing_failure(f"[{key}] must be text, found {token_of(each)}")
    if not given:
        return {}
    if len(given) < len(_TAGS):
        raise illegal_argument("Pre and post tag must both be null or both not be null.")
    return {"tags": (given["pre_tag"], given["post_tag"])}


def _number(member: str, is_fine: Callable[[float], bool], bound: str) -> Reader:
    def read(name: str, value: Any) -> dict[str, Any]:
        read = number(name, value)
        if not is_fine(read):
            raise illegal_argument(f"{name} must be {bound}")
        return {member: read}

    return read


def _above(member: str, lowest: float) -> Reader:
    return _number(member, lambda read: read > lowest, f"> {lowest}")


#: options of the suggester -> how each is read, as members of a :class:`PhraseSuggester`
READERS: Final[Mapping[str, Reader]] = {
    "analyzer": text("analyzer"),
    "confidence": _number("confidence", lambda read: read >= 0, ">= 0.0"),
    "direct_generator": _generators,
    "field": text("field"),
    "force_unigrams": flag("force_unigrams"),
    "gram_size": whole("gram_size", 1, 1_000),
    "highlight": _highlight,
    "max_errors": _above("max_errors", 0.0),
    "real_word_error_likelihood": _above("real_word_error_likelihood", 0.0),
    "separator": text("separator"),
    "shard_size": whole("shard_size", 1, 10_000),
    "size": whole("size", 1, 10_000),
    "smoothing": _smoothing,
    "token_limit": whole("token_limit", 1, 1_000),
}

#: options of a candidate generator -> how each is read, as members of a :class:`TermSuggester`
GENERATOR_READERS: Final[Mapping[str, Reader]] = {
    "field": text("field"),
    "max_edits": whole("max_edits", 1, 2),
    "max_inspections": without_effect,
    "max_term_freq": frequency("max_term_frequency"),
    "min_doc_freq": frequency("min_document_frequency"),
    "min_word_length": whole("min_word_length", 1, 1_000),
    "prefix_length": whole("prefix_length", 0, 1_000),
    "size": whole("size", 1, 1_000),
    "suggest_mode": one_of("mode", ("missing", "popular", "always")),
}
