"""Reading a clause's body strictly: every parameter is known, or the query is refused by name."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, Final

from isthmus.errors import Failure, illegal_argument, parsing_failure
from isthmus.exchange import Json, JsonObject

_ABSENT: Final = object()


def object_body(clause: str, body: Json) -> JsonObject:
    """Answer the body of a clause, which must be an object."""
    if not isinstance(body, dict):
        raise parsing_failure(f"[{clause}] query malformed, no start_object after query name")
    return body


def one_field(
    clause: str, body: Json, short_form: str, parameters: Collection[str]
) -> tuple[str, Parameters]:
    """Answer the field that a clause is about, with its parameters.

    ``{"field": value}`` is short for ``{"field": {short_form: value}}``. ``boost`` and ``_name``
    may stand on either level.
    """
    body = object_body(clause, body)
    outer = {name: value for name, value in body.items() if name in _COMMON}
    fields = [name for name in body if name not in _COMMON]
    if not fields:
        raise illegal_argument(f"[{clause}] requires a field name")
    if len(fields) > 1:
        raise parsing_failure(
            f"[{clause}] query doesn't support multiple fields, found [{fields[0]}] and [{fields[1]}]"
        )
    path = fields[0]
    value = body[path]
    if isinstance(value, list):
        raise parsing_failure(f"[{clause}] query does not support array of values for field [{path}]")
    inner = value if isinstance(value, dict) else {short_form: value}
    return path, Parameters(clause, {**outer, **inner}, parameters)


_COMMON: Final = ("boost", "_name")


def name_of(clause: str, body: Json) -> str | None:
    """Answer the name that a clause's body gives it, as ``matched_queries`` tells it; None without one."""
    if not isinstance(body, dict):
        return None
    name = body.get("_name")
    if name is None and len(body) <= _MOST_MEMBERS_AROUND_A_FIELD:
        for value in body.values():
            if type(value) is dict and "_name" in value:
                name = value["_name"]
    if name is None or isinstance(name, str):
        return name
    raise parsing_failure(f"[{clause}] [_name] must be text")


#: a field, ``boost`` and ``_name``
_MOST_MEMBERS_AROUND_A_FIELD: Final = 3

WITHOUT_EFFECT: Final = frozenset(
    {
        "analyze_wildcard",
        "auto_generate_synonyms_phrase_query",
        "enable_position_increments",
        "fuzzy_rewrite",
        "max_determinized_states",
        "rewrite",
    }
)
"""Parameters of clauses that are accepted where they belong and change no answer here."""


class Parameters:
    """The parameters of one clause, of which each is known."""

    def __init__(self, clause: str, given: JsonObject, known: Collection[str]) -> None:
        self.clause = clause
        self._given = given
        for name in given:
            if name not in _COMMON and name not in known:
                raise parsing_failure(f"[{clause}] query does not support [{name}]")

    def __contains__(self, name: str) -> bool:
        return name in self._given

    @property
    def names(self) -> tuple[str, ...]:
        """Answer the names of the parameters given."""
        return tuple(self._given)

    @property
    def boost(self) -> float:
        """Answer the factor for the clause's scores."""
        boost = self.number("boost", 1.0)
        if boost < 0:
            raise illegal_argument(
                f"negative [boost] are not allowed in [{self.clause}], use a value between 0 and 1 to deboost"
            )
        return boost

    def get(self, name: str, default: Any = None) -> Any:
        """Answer a parameter as given."""
        return self._given.get(name, default)

    def required(self, name: str, reason: str) -> Any:
        """Answer a parameter that must be given and not null."""
        value = self._given.get(name)
        if value is None:
            raise illegal_argument(reason)
        return value

    def number(self, name: str, default: float) -> float:
        """Answer a number; text that is one is accepted, as everywhere in Elasticsearch."""
        value = self._given.get(name, default)
        if not isinstance(value, (int, float, str)) or isinstance(value, bool):
            raise self.bad(name, value)
        try:
            number = float(value)
        except (OverflowError, ValueError):
            raise self.bad(name, value) from None
        if not math.isfinite(number):
            raise self.bad(name, value)
        return number

    def whole(self, name: str, default: int, lowest: int = 0) -> int:
        """Answer a whole number that is not below the lowest."""
        value = self._given.get(name, default)
        if not isinstance(value, (int, str)) or isinstance(value, bool):
            raise self.bad(name, value)
        try:
            number = int(value)
        except ValueError:
            raise self.bad(name, value) from None
        if number < lowest:
            raise illegal_argument(f"[{self.clause}] [{name}] cannot be less than {lowest}, got {number}")
        return number

    def flag(self, name: str, *, default: bool) -> bool:
        """Answer a boolean."""
        value = self._given.get(name, default)
        if isinstance(value, bool):
            return value
        if value in ("true", "false"):
            return bool(value == "true")
        raise illegal_argument(
            f"Failed to parse value [{_shown(value)}] as only [true] or [false] are allowed."
        )

    def text(self, name: str, default: str | None = None) -> str | None:
        """Answer a text; numbers and booleans are taken as the text they are written as."""
        value = self._given.get(name, default)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, (dict, list)):
            raise self.bad(name, value)
        return as_text(value)

    def word(self, name: str, default: str, allowed: Collection[str]) -> str:
        """Answer one of a few words, whatever its case."""
        value = self.text(name, default)
        word = "" if value is None else value.lower()
        if word not in allowed:
            raise self.bad(name, value)
        return word

    def refuse(self, *names: str) -> None:
        """Refuse parameters that Elasticsearch knows and this engine cannot serve."""
        for name in names:
            if name in self._given:
                raise parsing_failure(f"[{self.clause}] the parameter [{name}] is not supported")

    def bad(self, name: str, value: Json) -> Failure:
        """Answer the failure for a value that a parameter cannot have."""
        return parsing_failure(f"[{self.clause}] failed to parse [{name}]: [{_shown(value)}]")


def as_text(value: Json) -> str:
    """Answer a scalar as the text that Elasticsearch would make of it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _shown(value: Json) -> str:
    return as_text(value)[:100]
