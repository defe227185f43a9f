"""HTTP messages in the one form in which nodes write them to each other, read at once. No socket.

Nearly every message between two nodes is whole, short and written by :mod:`isthmus.remotes.http_messages`
or :mod:`isthmus.rest.link_protocol`: what matches that form to the byte needs no parser that is called back
for each header. Whatever does not match is for the parser, also where it says the same.
"""

from __future__ import annotations

import re
from typing import Final

#: lower-case names, each with one space before its value, which neither begins nor ends with a space
_HEADER: Final = rb"[a-z0-9-]+: [!-~](?:[ -~]*[!-~])?\r\n"
#: no query and no fragment
_PATH: Final = rb"/[!\"$->@-~]*"
_REQUEST: Final = re.compile(rb"POST (" + _PATH + rb") HTTP/1\.1\r\n((?:" + _HEADER + rb"){1,60})\r\n")
_ANSWER: Final = re.compile(rb"HTTP/1\.1 200 OK\r\n((?:" + _HEADER + rb"){1,10})\r\n")
_LENGTH: Final = re.compile(r"0|[1-9][0-9]{0,8}")
#: these say how the rest of the message is to be read, or what becomes of the connection
_FRAMING: Final = frozenset(
    {
        "connection",
        "content-encoding",
        "expect",
        "keep-alive",
        "proxy-connection",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def plain_request(data: bytes) -> tuple[str, dict[str, str], bytes] | None:
    """Answer path, headers and body of a POST that these bytes are exactly; None where they may be not."""
    match = _REQUEST.match(data)
    if match is None:
        return None
    headers = _headers(match[2], len(data) - match.end())
    return None if headers is None else (match[1].decode("ascii"), headers, data[match.end() :])


def plain_answer(data: bytes) -> tuple[dict[str, str], bytes] | None:
    """Answer headers and body of a ``200 OK`` that these bytes are exactly; None where they may be not."""
    match = _ANSWER.match(data)
    if match is None:
        return None
    headers = _headers(match[1], len(data) - match.end())
    return None if headers is None else (headers, data[match.end() :])


def _headers(text: bytes, body_bytes: int) -> dict[str, str] | None:
    lines = text[:-2].decode("ascii").split("\r\n")
    headers = dict([line.split(": ", 1) for line in lines])
    length = headers.get("content-length", "")
    if len(headers) != len(lines) or not _FRAMING.isdisjoint(headers):
        return None
    if _LENGTH.fullmatch(length) is None or int(length) != body_bytes:
        return None
    return headers
