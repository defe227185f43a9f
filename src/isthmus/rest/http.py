"""Requests and responses as the dialects see them, without a server or a socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

import msgspec
import orjson

from isthmus.errors import Failure, illegal_argument, parsing_failure


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end: an address where one is known, and the certificate shown (DER).

    The address is the client's own, also where a trusted load balancer stands in between. ``chain`` is
    the verified one, the certificate first; empty unless one was asked for and verified.
    """

    address: str | None = None
    certificate: bytes | None = None
    encrypted: bool = False
    chain: tuple[bytes, ...] = ()


class Request(msgspec.Struct, frozen=True):
    """One HTTP request with its whole body.

    ``path`` is percent-decoded segment by segment only when routed: it is kept raw here.
    Header names are lower case. ``parameters`` holds the query string's last value a name.
    """

    method: str
    path: str
    parameters: Mapping[str, str] = msgspec.field(default_factory=dict)
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""
    peer: Peer = msgspec.field(default_factory=Peer)

    def json(self) -> Any:
        """Answer the parsed body; raises a 400 failure where it is missing or not JSON."""
        if not self.body:
            raise parsing_failure("request body is required")
        return parse_json(self.body)

    def json_or_none(self) -> Any:
        """Answer the parsed body, None where there is none; raises where it is not JSON."""
        return parse_json(self.body) if self.body.strip() else None


class Response(msgspec.Struct, frozen=True):
    """One HTTP response. A body that is an iterator is streamed."""

    status: int = 200
    body: bytes | AsyncIterator[bytes] = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


def json_response(value: Any, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """Answer ``value`` as JSON; :class:`orjson.Fragment` members are copied as they are."""
    return Response(status, json_text(value), headers=headers)


def json_text(value: Any) -> bytes:
    """Answer ``value`` as JSON text; raises a 400 failure where it is nested beyond what can be written."""
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:  # orjson stops at 254 levels
        try:
            written = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain)
            return written.encode("utf-8", "replace")
        except RecursionError:  # what callers send may have 1,024
            raise illegal_argument("the JSON is nested too deeply") from None


def _plain(value: Any) -> Any:
    """Answer what is no JSON as something that is: another cluster's answer may hold any bytes."""
    if isinstance(value, orjson.Fragment):
        return orjson.loads(orjson.dumps(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


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


def percent_decoded(text: str) -> str:
    """Answer the text with its ``%xx`` replaced; raises a 400 failure where that is not UTF-8."""
    if "%" not in text:
        return text
    for position, character in enumerate(text):
        if character == "%" and not _is_hexadecimal(text[position + 1 : position + 3]):
            raise illegal_argument(f"invalid escape sequence [{text[position : position + 3]}] in the URL")
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise illegal_argument("the URL does not decode to UTF-8 text") from None


def _is_hexadecimal(digits: str) -> bool:
    return len(digits) == 2 and all(digit in "0123456789abcdefABCDEF" for digit in digits)  # noqa: PLR2004 - %xx


def parse_query_string(query: str) -> dict[str, str]:
    """Answer the parameters of a query string; a name without ``=`` has the value ``""``.

    Of a name given twice the last value counts. Raises a 400 failure for what is not UTF-8.
    """
    parameters: dict[str, str] = {}
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            parameters[percent_decoded(name.replace("+", " "))] = percent_decoded(value.replace("+", " "))
    return parameters


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


class HttpApplication(Protocol):
    """What a port serves: whole requests in, responses out. No method may raise."""

    async def handle(self, request: Request) -> Response:
        """Answer the request. Cancelled where nobody waits for the answer any more."""
        ...

    async def admit(self, head: Request) -> Response | None:
        """Answer why a large body is not even read, or None to read it. ``head.body`` is empty."""
        ...

    def refuse(self, failure: Failure) -> Response:
        """Answer, in this application's dialect, for a request that never became one."""
        ...

    def may_be_abandoned(self, method: str, path: str) -> bool:
        """Tell whether work for this request may stop half-way when its caller goes away."""
        ...
