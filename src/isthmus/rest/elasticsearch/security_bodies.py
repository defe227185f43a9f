"""Bodies and parameters of the security API, read strictly."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from isthmus.errors import illegal_argument
from isthmus.exchange import JsonObject
from isthmus.rest.elasticsearch.call import Call
from isthmus.security.secret import Secret
from isthmus.security.strict_json import parse_exception, require_shallow, strict_object, token_name

#: what a change of users, roles and keys takes; each is visible at once whatever is asked for
REFRESH_PARAMETERS: Final = ("refresh",)
_REFRESH_VALUES: Final = ("", "true", "false", "wait_for")


def check_refresh(call: Call) -> None:
    """Return if ``refresh`` has a value that Elasticsearch knows; raises a 400 failure otherwise."""
    value = call.parameters.get("refresh", "")
    if value not in _REFRESH_VALUES:
        raise illegal_argument(f"Unknown value for refresh: [{value[:100]}].")


def read_body(call: Call) -> Any:
    """Answer the body as JSON; raises a 400 failure where it is absent, broken or nested absurdly."""
    body = call.request.json()
    require_shallow(body)
    return body


def read_object(call: Call, parser: str, known: Collection[str]) -> JsonObject:
    """Answer the body as an object with none but these members."""
    return strict_object(parser, read_body(call), known)


def read_named_object(call: Call, subject: str, known: Collection[str]) -> JsonObject:
    """Answer the body of a request whose parser is an older one, with that one's words."""
    body = read_body(call)
    if not isinstance(body, dict):
        raise parse_exception(f"failed to parse {subject}. expected an object but found [{token_name(body)}]")
    for name in body:
        if name not in known:
            raise parse_exception(f"failed to parse {subject}. unexpected field [{name}]")
    return body


def named_text(subject: str, body: JsonObject, name: str) -> str | None:
    """Answer a string member or None where it is absent or null."""
    value = body.get(name)
    if value is None or isinstance(value, str):
        return value
    raise parse_exception(
        f"failed to parse {subject}. expected field [{name}] to be of type string, but found "
        f"[{token_name(value)}] instead"
    )


def secret_text(subject: str, body: JsonObject, name: str) -> Secret | None:
    """Answer a string member that is not to be seen, None where it is absent or null."""
    value = named_text(subject, body, name)
    return None if value is None else Secret(value)


def listed_names(text: str | None) -> tuple[str, ...]:
    """Answer the names of a comma-separated list in a path."""
    return tuple(name for name in (text or "").split(",") if name)
