"""Requests and responses as the dialects see them, without a server or a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson

from isthmus.errors import illegal_argument, parsing_failure


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end: an address where one is known, and the certificate shown (DER)."""

    address: str | None = None
    certificate: bytes | None = None
    encrypted: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request with its whole body.

    ``path`` is percent-decoded segment by segment only when routed: it is kept raw here.
    Header names are lower case. ``parameters`` holds the query string's last value a name.
    """

    method: str
    path: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    peer: Peer = field(default_factory=Peer)

    def json(self) -> Any:
        """Answer the parsed body; raises a 400 failure where it is missing or not JSON."""
        if not self.body:
            raise parsing_failure("request body is required")
        return parse_json(self.body)

    def json_or_none(self) -> Any:
        """Answer the parsed body, None where there is none; raises where it is not JSON."""
        return parse_json(self.body) if self.body.strip() else None


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response. A body that is an iterator is streamed."""

    status: int = 200
    body: bytes | AsyncIterator[bytes] = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


def json_response(value: Any, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """Answer ``value`` as JSON; :class:`orjson.Fragment` members are copied as they are."""
    return Response(status, orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS), headers=headers)


def parse_json(text: bytes) -> Any:
    """Parse JSON text; raises a ``parsing_exception`` (400) that tells where it broke."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        # `doc` is the whole text: the message holds only the position, never the body.
        reason = f"failed to parse JSON at [{error.lineno}:{error.colno}]: {error.msg}"
        failure = parsing_failure(reason)
        failure.metadata = {"line": error.lineno, "col": error.colno}
        raise failure from None


def parse_query_string(query: str) -> dict[str, str]:
    """Answer the parameters of a query string; a name without ``=`` has the value ``""``."""
    try:
        return dict(parse_qsl(query, keep_blank_values=True, errors="strict"))
    except (UnicodeDecodeError, ValueError):
        raise illegal_argument("failed to decode the query string as UTF-8") from None


def boolean_parameter(parameters: Mapping[str, str], name: str, default: bool) -> bool:  # noqa: FBT001
    """Read a flag as Elasticsearch does: ``?name`` and ``?name=true`` are True."""
    value = parameters.get(name)
    if value is None:
        return default
    if value in ("", "true"):
        return True
    if value == "false":
        return False
    raise illegal_argument(f"Failed to parse value [{value}] as only [true] or [false] are allowed.")


def integer_parameter(parameters: Mapping[str, str], name: str, default: int) -> int:
    """Read a whole number; raises a 400 failure that names the parameter."""
    value = parameters.get(name)
    if value is None:
        return default
    try:
        return int(value)
    except ValueError:
        raise illegal_argument(f"Failed to parse int parameter [{name}] with value [{value[:100]}]") from None
