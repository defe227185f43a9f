"""The suggester ``completion`` of a search's ``suggest``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from isthmus.errors import Failure, illegal_argument, parsing_failure
from isthmus.exchange import CompletionFuzziness, CompletionSuggester
from isthmus.rest.elasticsearch.search_suggest_values import (
    Reader,
    flag,
    members_of,
    text,
    whole,
    without_effect,
)
from isthmus.rest.elasticsearch.search_values import json_object

#: options that Elasticsearch has and this deployment has not; refused by name
UNSUPPORTED: Final = frozenset({"contexts", "regex"})
_AUTO: Final = re.compile(r"AUTO(?::(\d{1,3}),(\d{1,3}))?", re.IGNORECASE)
#: how many characters Elasticsearch takes a text to have whose length it does not ask for
_USUAL_LENGTH: Final = 5


def completion_suggester(name: str, prefix: str, options: Mapping[str, Any]) -> CompletionSuggester:
    """Read the options; raises 400 failures that name what is not known, not supported or no value."""
    members = members_of(READERS, options, _unknown)
    if not members.get("field"):
        raise illegal_argument("the required field option [field] is missing")
    return CompletionSuggester(name=name, prefix=prefix, **members)


def _unknown(key: str) -> Failure:
    if key in UNSUPPORTED:
        return illegal_argument(f"[suggest.completion.{key}] is not supported by this deployment")
    return parsing_failure(f"[completion] unknown field [{key[:100]}]")


def _unknown_of_fuzzy(key: str) -> Failure:
    return parsing_failure(f"[fuzzy] unknown field [{key[:100]}]")


def _fuzzy(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"fuzzy": CompletionFuzziness() if value else None}
    members = members_of(FUZZY_READERS, json_object(name, value), _unknown_of_fuzzy)
    return {"fuzzy": CompletionFuzziness(**members)}


def _fuzziness(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        automatic = _AUTO.fullmatch(value)
        if automatic is not None:
            low, high = (int(each) for each in (automatic[1] or "3", automatic[2] or "6"))
            if low > high:
                raise illegal_argument("fuzziness wrongly configured, must be: lowDistance < highDistance")
            return {"edits": (low <= _USUAL_LENGTH) + (high <= _USUAL_LENGTH)}
    if isinstance(value, bool) or str(value) not in ("0", "1", "2", "0.0", "1.0", "2.0"):
        raise illegal_argument(
            f"Invalid fuzziness value: {str(value)[:100]}: [{name}] is 0, 1, 2 or AUTO in a completion"
        )
    return {"edits": int(float(value))}


#: options of the suggester -> how each is read, as members of a :class:`CompletionSuggester`
READERS: Final[Mapping[str, Reader]] = {
    "analyzer": text("analyzer"),
    "field": text("field"),
    "fuzzy": _fuzzy,
    "shard_size": without_effect,
    "size": whole("size", 1, 10_000),
    "skip_duplicates": flag("skip_duplicates"),
}

#: options of ``fuzzy`` -> how each is read, as members of a :class:`CompletionFuzziness`
FUZZY_READERS: Final[Mapping[str, Reader]] = {
    "fuzziness": _fuzziness,
    "max_determinized_states": without_effect,
    "min_length": whole("min_length", 0, 1_000),
    "prefix_length": whole("prefix_length", 0, 1_000),
    "transpositions": flag("transpositions"),
    "unicode_aware": flag("unicode_aware"),
}
