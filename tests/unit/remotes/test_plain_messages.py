"""Messages that are read at once: the same as the parser makes of them, or left to the parser."""

from __future__ import annotations

from typing import Any

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.remotes.http_messages import Answer, AnswerReader, BadAnswer, request_bytes
from isthmus.remotes.plain_messages import plain_answer, plain_request

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-isthmus\r\ncontent-length: 3\r\n\r\nabc"
REQUEST = request_bytes("/_isthmus/search", "far.example.org", [("authorization", "ApiKey abc=")], b"body")


class _Parsed:
    """What the general parser makes of a request."""

    def __init__(self, data: bytes) -> None:
        self.url = b""
        self.headers: dict[str, str] = {}
        self.body = b""
        self.complete = 0
        parser: Any = httptools.HttpRequestParser(self)
        parser.feed_data(data)
        self.method = parser.get_method()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete += 1


def test_a_request_of_a_node_is_read_at_once() -> None:
    """Path, headers and body are those that were written."""
    assert plain_request(REQUEST) == (
        "/_isthmus/search",
        {"host": "far.example.org", "authorization": "ApiKey abc=", "content-length": "4"},
        b"body",
    )


def test_an_answer_of_a_node_is_read_at_once() -> None:
    """Headers and body are those that were written."""
    headers = {"content-type": "application/x-isthmus", "content-length": "3"}
    assert plain_answer(ANSWER) == (headers, b"abc")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(REQUEST[:-1], id="a byte is missing"),
        pytest.param(REQUEST + b"x", id="a byte too many"),
        pytest.param(REQUEST.replace(b"POST", b"GET"), id="another method"),
        pytest.param(REQUEST.replace(b"search ", b"search?a=b "), id="a query"),
        pytest.param(REQUEST.replace(b"search ", b"search#a "), id="a fragment"),
        pytest.param(REQUEST.replace(b"HTTP/1.1", b"HTTP/1.0"), id="an older version"),
        pytest.param(REQUEST.replace(b"host:", b"Host:"), id="a capital letter in a name"),
        pytest.param(REQUEST.replace(b"host: ", b"host:"), id="no space before a value"),
        pytest.param(REQUEST.replace(b"host: ", b"host:  "), id="two spaces before a value"),
        pytest.param(REQUEST.replace(b"abc=\r", b"abc= \r"), id="a space after a value"),
        pytest.param(REQUEST.replace(b"host:", b"host :"), id="a space after a name"),
        pytest.param(REQUEST.replace(b"abc=", b"ab\x80="), id="no ASCII"),
        pytest.param(REQUEST.replace(b"abc=", b"ab\x00="), id="a control character"),
        pytest.param(REQUEST.replace(b"abc=\r\n", b"abc=\n"), id="a bare line feed"),
        pytest.param(REQUEST.replace(b"abc=\r\n", b"abc=\r\n more\r\n"), id="a folded line"),
        pytest.param(REQUEST.replace(b"host: ", b"host: a\r\nhost: "), id="a header twice"),
        pytest.param(REQUEST.replace(b"host: ", b"connection: close\r\nhost: "), id="connection"),
        pytest.param(REQUEST.replace(b"host: ", b"expect: 100-continue\r\nhost: "), id="expect"),
        pytest.param(REQUEST.replace(b"host: ", b"upgrade: h2c\r\nhost: "), id="upgrade"),
        pytest.param(
            REQUEST.replace(b"host: ", b"transfer-encoding: chunked\r\nhost: "), id="transfer encoding"
        ),
        pytest.param(REQUEST.replace(b"length: 4", b"length: +4"), id="a signed length"),
        pytest.param(REQUEST.replace(b"length: 4", b"length: 04"), id="a length with a leading zero"),
        pytest.param(REQUEST.replace(b"content-length: 4\r\n", b""), id="no length"),
        pytest.param(
            REQUEST.replace(b"content-length", b"content-length: 4\r\ncontent-length"), id="two lengths"
        ),
        pytest.param(b"", id="nothing"),
    ],
)
def test_any_other_request_is_left_to_the_parser(data: bytes) -> None:
    """What is not exactly a node's short request is nothing for here."""
    assert plain_request(data) is None


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(ANSWER[:-1], id="a byte is missing"),
        pytest.param(ANSWER + b"x", id="a byte too many"),
        pytest.param(ANSWER.replace(b"200 OK", b"200 Ok"), id="another reason"),
        pytest.param(ANSWER.replace(b"200 OK", b"503 Service Unavailable"), id="another status"),
        pytest.param(ANSWER.replace(b"HTTP/1.1", b"HTTP/1.0"), id="an older version"),
        pytest.param(ANSWER.replace(b"length: 3", b"length: 3\r\nconnection: close"), id="connection"),
        pytest.param(ANSWER.replace(b"length: 3", b"length: 3\r\ntrailer: a"), id="trailer"),
    ],
)
def test_any_other_answer_is_left_to_the_parser(data: bytes) -> None:
    """What is not exactly a node's short answer is nothing for here."""
    assert plain_answer(data) is None


_NAMES = st.sampled_from(["host", "content-length", "connection", "x-a", "X-A", "authorization", "te"])
_VALUES = st.text(st.characters(min_codepoint=0, max_codepoint=255), max_size=6) | st.sampled_from(
    ["0", "1", "2", "close", "a b", " a", "a "]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(_NAMES, _VALUES), max_size=4), st.binary(max_size=3), st.integers(-1, 1))
def test_what_is_read_at_once_the_parser_reads_alike(
    headers: list[tuple[str, str]], body: bytes, off_by: int
) -> None:
    """No bytes mean one thing here and another there."""
    lines = [f"{name}: {value}" for name, value in headers]
    lines.append(f"content-length: {len(body) + off_by}")
    data = ("POST /a HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body
    plain = plain_request(data)
    if plain is not None:
        parsed = _Parsed(data)
        assert (parsed.complete, parsed.method) == (1, b"POST")
        assert plain == (parsed.url.decode("ascii"), parsed.headers, parsed.body)


def test_plain_answers_and_others_may_follow_each_other() -> None:
    """The reader goes on with the next answer whichever way it read the one before."""
    reader = AnswerReader(100)
    other = ANSWER.replace(b"200 OK", b"503 Service Unavailable")
    statuses = []
    for data in (ANSWER, other, ANSWER, ANSWER, other, other, ANSWER):
        answer = reader.feed(data)
        assert answer is not None
        statuses.append(answer.status)
        assert answer == Answer(answer.status, answer.headers, b"abc", reusable=True)
    assert statuses == [200, 503, 200, 200, 503, 503, 200]


def test_a_plain_answer_behind_a_begun_one_is_part_of_it() -> None:
    """In the middle of a body nothing is taken for an answer."""
    reader = AnswerReader(1000)
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(ANSWER)
    assert reader.feed(head) is None
    answer = reader.feed(ANSWER)
    assert answer is not None
    assert answer.body == ANSWER


def test_a_plain_answer_behind_an_interim_one_is_the_answer() -> None:
    """A ``100 Continue`` is nothing; what follows it counts."""
    reader = AnswerReader(1000)
    assert reader.feed(b"HTTP/1.1 100 Continue\r\n\r\n") is None
    answer = reader.feed(ANSWER)
    assert answer is not None
    assert (answer.status, answer.body) == (200, b"abc")


def test_a_plain_answer_that_is_too_large_is_refused() -> None:
    """The limit holds whichever way an answer is read."""
    reader = AnswerReader(2)
    with pytest.raises(BadAnswer):
        reader.feed(ANSWER)
