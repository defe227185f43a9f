"""Suggestions as another cluster told them: checked, and with its alias before the indices that they name."""

from __future__ import annotations

from typing import Annotated, Any, Final, NotRequired, TypedDict

import msgspec
import orjson

from isthmus.errors import Failure, FailureKind, Fault
from isthmus.exchange import JsonObject, SearchRequest

#: several such numbers together are still one that JSON has
_MOST_DOCUMENTS: Final = 2**53


class _TermOption(TypedDict):
    text: str
    score: float
    freq: Annotated[int, msgspec.Meta(ge=0, le=_MOST_DOCUMENTS)]


class _PhraseOption(TypedDict):
    text: str
    score: float
    highlighted: NotRequired[str]


class _CompletionOption(TypedDict):
    text: str
    _index: str
    _id: str
    _score: float
    _source: NotRequired[bytes]


class _Entry(TypedDict):
    text: str
    offset: int
    length: int


class _TermEntry(_Entry):
    options: list[_TermOption]


class _PhraseEntry(_Entry):
    options: list[_PhraseOption]
    cutoff_score: float


class _CompletionEntry(_Entry):
    options: list[_CompletionOption]


_TERM: Final = list[_TermEntry]
_PHRASE: Final = list[_PhraseEntry]
_COMPLETION: Final = list[_CompletionEntry]


def suggestions_of_cluster(request: SearchRequest, told: JsonObject, alias: str) -> JsonObject:
    """Answer what a remote cluster suggests; raises a failure of that cluster for what makes no sense."""
    kinds: dict[str, Any] = {each.name: _TERM for each in request.suggest}
    kinds |= {each.name: _COMPLETION for each in request.completions}
    kinds |= {each.name: _PHRASE for each in request.phrases}
    try:
        checked = {name: msgspec.convert(told[name], kinds[name]) for name in kinds if name in told}
        for completion in request.completions:
            for option in _options(checked, completion.name):
                orjson.loads(option.get("_source", b"null"))  # a peer's source ends up in our answer
    except (msgspec.ValidationError, orjson.JSONDecodeError) as problem:
        raise Failure(
            FailureKind.INTERNAL,
            "search_exception",
            f"the suggestions of cluster [{alias}] were not understood",
            fault=Fault.REMOTE,
        ) from problem
    for completion in request.completions:
        for option in _options(checked, completion.name):
            option["_index"] = f"{alias}:{option['_index']}"
    return checked


def _options(checked: JsonObject, name: str) -> list[JsonObject]:
    return [option for entry in checked.get(name, ()) for option in entry["options"]]
