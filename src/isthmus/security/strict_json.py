"""Reading JSON that callers send: what is not known or not of its form is refused by name."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from isthmus.errors import Failure, FailureKind
from isthmus.exchange import JsonObject

#: roles and metadata of people have five levels or so; Elasticsearch's limit for documents is 20 by default
_MAXIMUM_DEPTH: Final = 60
_JSON_TYPES: Final = (
    (bool, "VALUE_BOOLEAN"),
    (str, "VALUE_STRING"),
    (int, "VALUE_NUMBER"),
    (float, "VALUE_NUMBER"),
    (list, "START_ARRAY"),
    (dict, "START_OBJECT"),
)


def parse_exception(reason: str) -> Failure:
    """Answer the 400 failure of type ``parse_exception``."""
    return Failure(FailureKind.INVALID_REQUEST, "parse_exception", reason)


def unknown_field(parser: str, name: str) -> Failure:
    """Answer the failure for a member that a strict parser does not take."""
    return content_failure(f"[{parser}] unknown field [{name}]")


def content_failure(reason: str) -> Failure:
    """Answer the 400 failure of Elasticsearch's strict parsers."""
    return Failure(FailureKind.INVALID_REQUEST, "x_content_parse_exception", reason)


def token_name(value: Any) -> str:
    """Answer what Elasticsearch's parser calls the beginning of this value."""
    return next((name for kind, name in _JSON_TYPES if isinstance(value, kind)), "VALUE_NULL")


def strict_object(parser: str, value: Any, known: Collection[str]) -> JsonObject:
    """Answer the object; raises for what is not one or has a member that is not in ``known``."""
    if not isinstance(value, dict):
        raise content_failure(f"[{parser}] Expected START_OBJECT but was: {token_name(value)}")
    for name in value:
        if name not in known:
            raise unknown_field(parser, name)
    return value


def optional_text(parser: str, value: JsonObject, name: str) -> str | None:
    """Answer a string member or None where it is absent or null."""
    member = value.get(name)
    if member is None or isinstance(member, str):
        return member
    raise wrong_type(parser, name, "a string", member)


def optional_object(parser: str, value: JsonObject, name: str) -> JsonObject | None:
    """Answer an object member or None where it is absent or null."""
    member = value.get(name)
    if member is None or isinstance(member, dict):
        return member
    raise wrong_type(parser, name, "an object", member)


def optional_flag(parser: str, value: JsonObject, name: str) -> bool | None:
    """Answer a boolean member or None where it is absent or null; ``"true"`` counts, as in Elasticsearch."""
    member = value.get(name)
    if member is None or isinstance(member, bool):
        return member
    if member in ("true", "false"):
        return bool(member == "true")
    raise wrong_type(parser, name, "a boolean", member)


def wrong_type(parser: str, name: str, wanted: str, value: Any) -> Failure:
    """Answer the failure for a member that is not of its form; the value itself is not shown."""
    return content_failure(
        f"[{parser}] failed to parse field [{name}]: expected {wanted} but found [{token_name(value)}]"
    )


def require_shallow(value: Any) -> None:
    """Return if this is nested no deeper than anything sensible; raises a 400 failure otherwise.

    What is stored is written and read again by code that recurses.
    """
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(_MAXIMUM_DEPTH):
        if not level:
            return
        level = [
            member
            for container in level
            for member in (container.values() if isinstance(container, dict) else container)
            if isinstance(member, dict | list)
        ]
    raise parse_exception(f"the body is nested deeper than [{_MAXIMUM_DEPTH}] levels")
