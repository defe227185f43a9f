"""How the options of suggesters are read, each as a member of the record that asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from isthmus.errors import Failure, illegal_argument, parsing_failure
from isthmus.rest.elasticsearch.search_values import boolean, integer, number, token_of

Reader = Callable[[str, Any], dict[str, Any]]
"""Reads a named value into members of a record."""


def text(member: str) -> Reader:
    """Read text."""

    def read(name: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, str):
            raise parsing_failure(f"[{name}] must be text, found {token_of(value)}")
        return {member: value}

    return read


def whole(member: str, lowest: int, highest: int) -> Reader:
    """Read a whole number within bounds."""

    def read(name: str, value: Any) -> dict[str, Any]:
        read = integer(name, value)
        if not lowest <= read <= highest:
            raise illegal_argument(f"[{name}] must be between [{lowest}] and [{highest}], found [{read}]")
        return {member: read}

    return read


def flag(member: str) -> Reader:
    """Read a boolean."""

    def read(name: str, value: Any) -> dict[str, Any]:
        return {member: boolean(name, value)}

    return read


def frequency(member: str) -> Reader:
    """Read a number of documents, or a share of them below 1."""

    def read(name: str, value: Any) -> dict[str, Any]:
        read = number(name, value)
        if read < 0:
            raise illegal_argument(f"[{name}] must be positive")
        if read > 1 and not read.is_integer():
            raise illegal_argument(f"if [{name}] is greater than 1, it must not be a fraction")
        return {member: read}

    return read


def one_of(member: str, allowed: tuple[str, ...]) -> Reader:
    """Read one of several words."""

    def read(name: str, value: Any) -> dict[str, Any]:
        word = value.lower() if isinstance(value, str) else value
        if word not in allowed:
            raise illegal_argument(
                f"Illegal suggest [{name}] [{str(value)[:100]}]: use one of {list(allowed)}"
            )
        return {member: word}

    return read


def without_effect(name: str, value: Any) -> dict[str, Any]:
    """Read a number that changes nothing here: all that could be looked at is."""
    integer(name, value)
    return {}


def members_of(
    readers: Mapping[str, Reader], options: Mapping[str, Any], unknown: Callable[[str], Failure]
) -> dict[str, Any]:
    """Answer the members that some options make; raises what ``unknown`` answers of one without a reader."""
    members: dict[str, Any] = {}
    for key, value in options.items():
        reader = readers.get(key)
        if reader is None:
            raise unknown(key)
        members |= reader(key, value)
    return members
