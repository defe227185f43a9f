"""What a ``completion`` field keeps of each input: one term of its form, its weight and its text.

The form is what is looked for: the words that the analyzer makes, joined as Lucene joins them. Terms that
begin alike complete the same, so that a beginning of the form is a beginning of the term. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from isthmus.engines.embedded.analysis import Analyzers
from isthmus.engines.embedded.field_types_values import text_of
from isthmus.engines.embedded.mapping import FieldMapping
from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.exchange import Json

#: stands between two words, where separators count
SEPARATOR: Final = "\x1f"
#: stands for a word that the analyzer left out, where positions count
HOLE: Final = "\x1e"
_END: Final = "\x00"
RESERVED: Final = frozenset({SEPARATOR, HOLE, _END})
"""Characters that no input may have."""

_HIGHEST_WEIGHT: Final = 2**31 - 1
_MEMBERS: Final = ("contexts", "input", "weight")
_NO_WEIGHT: Final = 1


class Completion(NamedTuple):
    """One input of one document, as its term tells."""

    form: str
    weight: int
    text: str


@dataclass(frozen=True, slots=True)
class CompletionForms:
    """Makes forms of texts as one field does, with the analyzer of that name."""

    field: FieldMapping
    analyzers: Analyzers
    analyzer: str

    def of(self, text: str) -> str:
        """Answer the form of a text; empty where the analyzer leaves nothing of it."""
        separator = SEPARATOR if self.field.explicit["preserve_separators"] else ""
        if not self.field.explicit["preserve_position_increments"]:
            return separator.join(self.analyzers.terms(self.analyzer, text))
        words: list[str] = []
        expected = 0
        for token in self.analyzers.tokens(self.analyzer, text):
            words.extend([HOLE] * (token.position - expected))
            words.append(token.text)
            expected = token.position + 1
        return separator.join(words)


def term_of(completion: Completion) -> str:
    """Answer the term that stands for one input."""
    return f"{completion.form}{_END}{completion.weight:x}{_END}{completion.text}"


def completion_of(term: str) -> Completion:
    """Answer the input that a term stands for."""
    form, weight, text = term.split(_END, 2)
    return Completion(form, int(weight, 16), text)


def inputs_of(field: FieldMapping, values: Iterator[Json]) -> dict[str, int]:
    """Answer the texts of a field's values (no lists, nulls are none) with the highest weight of each.

    A text longer than the field's ``max_input_length`` is cut. Raises a failure whose type and reason are the
    cause to report.
    """
    longest: int = field.explicit["max_input_length"]
    inputs: dict[str, int] = {}
    for value in values:
        if value is None:
            continue
        given, weight = _entry(field, value)
        for text in given:
            _require_plain(text)
            if not text.strip():
                continue
            cut = _cut(text, longest)
            inputs[cut] = max(weight, inputs.get(cut, 0))
    return inputs


def _entry(field: FieldMapping, value: Json) -> tuple[list[str], int]:
    if not isinstance(value, dict):
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise _unreadable(field, value)
        return [text_of(value)], _NO_WEIGHT
    for key in value:
        if key not in _MEMBERS:
            raise illegal_argument(
                f"unknown field name [{key[:100]}], must be one of [{', '.join(_MEMBERS)}]"
            )
    if "contexts" in value:
        raise illegal_argument(f"contexts field is not supported for field: [{field.path}]")
    return _texts(value.get("input", [])), _weight(value.get("weight", _NO_WEIGHT))


def _texts(given: Json) -> list[str]:
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list):
        raise illegal_argument(f"input must be a string or array, but was [{_token(given)}]")
    for each in given:
        if not isinstance(each, str):
            raise illegal_argument(f"input array must have string values, but was [{_token(each)}]")
    return given


def _weight(given: Json) -> int:
    if isinstance(given, bool) or not isinstance(given, int | str | float):
        raise illegal_argument(f"weight must be a number or string, but was [{_token(given)}]")
    try:
        # digits that are too many are no weight, and slow to read
        weight = int(given[:20]) if isinstance(given, str) else given
    except ValueError:
        raise illegal_argument(f"weight must be an integer, but was [{str(given)[:100]}]") from None
    if isinstance(weight, float):
        raise illegal_argument(f"weight must be an integer, but was [{weight}]")
    if not 0 <= weight <= _HIGHEST_WEIGHT:
        raise illegal_argument(f"weight must be in the interval [0..{_HIGHEST_WEIGHT}], but was [{weight}]")
    return weight


def _require_plain(text: str) -> None:
    if RESERVED.isdisjoint(text):
        return
    position = next(place for place, character in enumerate(text) if character in RESERVED)
    raise illegal_argument(
        f"Illegal input [{text[:100]}] UTF-16 codepoint [0x{ord(text[position]):x}] at position {position} "
        "is a reserved character"
    )


def _cut(text: str, longest: int) -> str:
    """Answer the beginning of a text of so many UTF-16 units, a whole pair where one would be cut in two."""
    if len(text) * 2 <= longest:
        return text
    units = 0
    for place, character in enumerate(text):
        if units >= longest:
            return text[:place]
        units += 1 if ord(character) <= 0xFFFF else 2  # noqa: PLR2004 - the end of the basic plane
    return text


def _unreadable(field: FieldMapping, value: Json) -> Failure:
    return Failure(
        FailureKind.INVALID_REQUEST,
        "parsing_exception",
        f"failed to parse [{field.name}]: expected text or object, but got {_token(value)}",
    )


def _token(value: Json) -> str:
    """Answer Elasticsearch's name of a kind of JSON value."""
    if isinstance(value, bool):
        return "VALUE_BOOLEAN"
    if isinstance(value, int | float):
        return "VALUE_NUMBER"
    if isinstance(value, str):
        return "VALUE_STRING"
    if isinstance(value, dict):
        return "START_OBJECT"
    return "START_ARRAY" if isinstance(value, list) else "VALUE_NULL"
