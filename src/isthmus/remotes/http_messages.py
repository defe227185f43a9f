"""HTTP/1.1 messages as bytes: a request written at once, an answer read piece by piece. No socket.

The bytes that arrive are believed in nothing: sizes are bounded while they arrive, and whatever
does not parse is a :class:`BadAnswer`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote

import httptools
import msgspec

from isthmus.remotes.plain_messages import plain_answer

_MAXIMUM_HEADERS: Final = 100
_MAXIMUM_HEADER_BYTES: Final = 32 * 1024
_MAXIMUM_HEADER_VALUE_LENGTH: Final = 4096
_OK: Final = 200
_FIRST_FINAL_STATUS: Final = 200
# Every printable ASCII character but "%", which is what marks the others.
_PRINTABLE: Final = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


class BadAnswer(Exception):  # noqa: N818 - reads as what it is
    """What arrived is not an answer that can be used."""


class Answer(msgspec.Struct, frozen=True):
    """One whole answer. Header names are lower case. ``reusable``: the connection may carry another."""

    status: int
    headers: dict[str, str]
    body: bytes
    reusable: bool


def request_bytes(path: str, host: str, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    """Write a POST. No value can end its header early: what is not printable ASCII is percent-encoded."""
    lines = [f"POST {path} HTTP/1.1", f"host: {header_value(host)}"]
    lines += [f"{name}: {header_value(value)}" for name, value in headers]
    lines.append(f"content-length: {len(body)}")
    head = "\r\n".join(lines) + "\r\n\r\n"
    return head.encode("ascii") + body


def header_value(text: str) -> str:
    """Answer the text in a form that is safe in a header; a longer one than 4096 characters is cut."""
    if text.isascii() and text.isprintable() and len(text) <= _MAXIMUM_HEADER_VALUE_LENGTH:
        return text
    return quote(text, safe=_PRINTABLE, errors="replace")[:_MAXIMUM_HEADER_VALUE_LENGTH]


class AnswerReader:
    """Reads one answer after the other from a connection's bytes.

    ``maximum_body_bytes`` may be changed between two answers.
    """

    def __init__(self, maximum_body_bytes: int) -> None:
        self.maximum_body_bytes = maximum_body_bytes
        self._parser: Any = httptools.HttpResponseParser(self)
        self._answers: list[Answer] = []
        #: nothing of the next answer has come
        self._is_idle = True
        self._message_begun = False
        self._start()

    def feed(self, data: bytes) -> Answer | None:
        """Take bytes; answer the answer that they complete. Raises :class:`BadAnswer`."""
        if self._is_idle and len(data) <= self.maximum_body_bytes:
            plain = plain_answer(data)
            if plain is not None:
                headers, body = plain
                return Answer(_OK, headers, body, reusable=True)
        self._is_idle = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            # A callback's own exception arrives as the context of the parser's.
            cause = error.__context__
            raise BadAnswer(str(cause) if isinstance(cause, BadAnswer) else "answer cannot be read") from None
        except httptools.HttpParserError as error:
            raise BadAnswer(f"not an HTTP answer ({str(error)[:100]})") from None
        except httptools.HttpParserUpgrade:
            raise BadAnswer("the server wants to switch to another protocol") from None
        if len(self._answers) > 1:
            raise BadAnswer("the server sent more than one answer")
        if not self._answers:
            return None
        self._is_idle = not self._message_begun
        return self._answers.pop()

    def finish(self) -> Answer | None:
        """Take the end of the stream: answer what has no length of its own and so ends here."""
        if not self._headers_complete or "content-length" in self._headers:
            return None
        if "transfer-encoding" in self._headers:
            return None
        return Answer(self._parser.get_status_code(), self._headers, b"".join(self._body), reusable=False)

    # The parser's callbacks: their names are the library's.

    def on_message_begin(self) -> None:
        """Begin an answer."""
        self._message_begun = True
        self._start()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header, within bounds."""
        self._header_count += 1
        self._header_bytes += len(name) + len(value)
        if self._header_count > _MAXIMUM_HEADERS or self._header_bytes > _MAXIMUM_HEADER_BYTES:
            raise BadAnswer("the answer's headers are too large")
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Note that the status is known now, and refuse a body that is announced too large."""
        self._headers_complete = True
        length = self._headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > self.maximum_body_bytes:
            raise BadAnswer(f"the answer is larger than [{self.maximum_body_bytes}] bytes")

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body, within bounds."""
        self._body_bytes += len(body)
        if self._body_bytes > self.maximum_body_bytes:
            raise BadAnswer(f"the answer is larger than [{self.maximum_body_bytes}] bytes")
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Finish an answer; an interim one (1xx) is not the answer."""
        self._message_begun = False
        status = self._parser.get_status_code()
        if status >= _FIRST_FINAL_STATUS:
            body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            self._answers.append(Answer(status, self._headers, body, bool(self._parser.should_keep_alive())))
        self._start()

    def _start(self) -> None:
        self._headers: dict[str, str] = {}
        self._header_count = 0
        self._header_bytes = 0
        self._headers_complete = False
        self._body: list[bytes] = []
        self._body_bytes = 0
