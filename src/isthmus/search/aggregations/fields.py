"""Reading an aggregation's parameters: every member is taken once, what is left over is refused by name."""

from __future__ import annotations

import math
from difflib import SequenceMatcher
from typing import Any, Final

from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.exchange import Json, JsonObject

#: How alike two words must be for one to be suggested in place of the other.
_SUGGESTION_RATIO: Final = 0.6
#: Elasticsearch keeps these numbers in 32 bits.
_MAXIMUM_INTEGER: Final = 2**31 - 1

#: Parameters that Elasticsearch knows and that are not supported here, whatever the aggregation.
_SCRIPTED: Final = frozenset({"script", "value_type", "shard_size_factor"})


def suggestion(unknown: str, known: list[str]) -> str:
    """Answer the " did you mean" ending of an error text, or nothing when no known word is close."""
    rated = sorted((-SequenceMatcher(None, unknown, word).ratio(), word) for word in known)
    close = [word for ratio, word in rated if -ratio >= _SUGGESTION_RATIO]
    if not close:
        return ""
    if len(close) == 1:
        return f" did you mean [{close[0]}]?"
    return f" did you mean any of [{', '.join(close)}]?"


def unreadable(reason: str, *, caused_by: Failure | None = None) -> Failure:
    """Answer Elasticsearch's failure for a member that its object parsers refuse (400)."""
    return Failure(FailureKind.INVALID_REQUEST, "x_content_parse_exception", reason, caused_by=caused_by)


class Parameters:
    """The members of one aggregation's body.

    Every method takes a member and raises a failure that names it when it cannot be used.
    :meth:`finish` must be called last: it refuses what nobody took.
    """

    def __init__(self, name: str, kind: str, body: JsonObject) -> None:
        self.name = name
        self.kind = kind
        self._left = dict(body)
        self._known: list[str] = []

    def take(self, member: str) -> Any:
        """Take a member as it is; None when absent."""
        self._known.append(member)
        return self._left.pop(member, None)

    def has_nothing(self, member: str) -> bool:
        """Tell whether a member is there and null."""
        return member in self._left and self._left[member] is None

    def refuse(self, member: str, problem: str) -> Failure:
        """Answer the failure for a member that is there and cannot be used."""
        return unreadable(
            f"[{self.kind}] failed to parse field [{member}]", caused_by=illegal_argument(problem)
        )

    def wrong_type(self, member: str, value: Json) -> Failure:
        """Answer the failure for a member of another JSON type than it must have."""
        return unreadable(f"[{self.kind}] {member} doesn't support values of type: {token_name(value)}")

    def text(self, member: str) -> str | None:
        """Take a string."""
        value = self.take(member)
        if value is not None and not isinstance(value, str):
            raise self.wrong_type(member, value)
        return value

    def flag(self, member: str, *, default: bool = False) -> bool:
        """Take a boolean, given as one or as its word."""
        value = self.take(member)
        if value is None:
            return default
        if value in ("true", "false"):
            return bool(value == "true")
        if not isinstance(value, bool):
            raise self.wrong_type(member, value)
        return value

    def number(self, member: str) -> float | None:
        """Take a finite number, given as one or as its digits."""
        value = self.take(member)
        if value is None:
            return None
        return self.as_number(member, value)

    def as_number(self, member: str, value: Json) -> float:
        """Read a finite number that stands under this member."""
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise self.wrong_type(member, value)
        try:
            number = float(value)
        except (ValueError, OverflowError):
            raise self.refuse(member, f'For input string: "{value}"') from None
        if not math.isfinite(number):
            raise self.refuse(member, f"[{member}] must be a finite number but was [{value}]")
        return number

    def integer(self, member: str) -> int | None:
        """Take a 32-bit whole number."""
        number = self.number(member)
        if number is None:
            return None
        if abs(number) > _MAXIMUM_INTEGER:
            raise self.refuse(member, f"[{member}] out of range of a 32-bit integer")
        return int(number)

    def field(self) -> str:
        """Take the field that the aggregation is over; it must be given."""
        path = self.text("field")
        if "script" in self._left:
            raise self.refuse("script", "[script] is not supported in aggregations")
        if path is None:
            raise illegal_argument("Required one of fields [field, script], but none were specified. ")
        return path

    def scalar(self, member: str) -> str | int | float | bool | None:
        """Take a string, number or boolean."""
        value = self.take(member)
        if value is not None and not isinstance(value, str | int | float | bool):
            raise self.wrong_type(member, value)
        return value

    def finish(self) -> None:
        """Refuse the members that nobody took."""
        for member in self._left:
            if member in _SCRIPTED:
                raise self.refuse(member, f"[{member}] is not supported in aggregations")
            raise unreadable(f"[{self.kind}] unknown field [{member}]{suggestion(member, self._known)}")


def token_name(value: Json) -> str:
    """Answer what Elasticsearch's parser calls the first token of a JSON value."""
    if value is None:
        return "VALUE_NULL"
    if isinstance(value, bool):
        return "VALUE_BOOLEAN"
    if isinstance(value, int | float):
        return "VALUE_NUMBER"
    if isinstance(value, str):
        return "VALUE_STRING"
    return "START_ARRAY" if isinstance(value, list) else "START_OBJECT"


def without_nothing(members: JsonObject) -> JsonObject:
    """Answer the members that have a value."""
    return {member: value for member, value in members.items() if value is not None}
