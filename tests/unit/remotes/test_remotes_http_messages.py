"""HTTP messages byte by byte."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.remotes.http_messages import Answer, AnswerReader, BadAnswer, header_value, request_bytes

SAMPLES = [
    (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nX-A: b\r\n\r\nabc", 200, b"abc", True),
    (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        200,
        b"abcde",
        True,
    ),
    (b"HTTP/1.1 503 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", 503, b"", False),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx", 200, b"x", True),
    (b"HTTP/1.1 204 Nothing\r\n\r\n", 204, b"", True),
]


@pytest.mark.parametrize(("data", "status", "body", "reusable"), SAMPLES)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_answers_are_read_however_they_are_cut(
    data: bytes, status: int, body: bytes, reusable: bool, size: int
) -> None:
    """Whole, in pieces of seven and byte by byte, the answer is the same."""
    reader = AnswerReader(1000)
    answers = [reader.feed(data[start : start + size]) for start in range(0, len(data), size)]
    found = [answer for answer in answers if answer is not None]
    assert [(answer.status, answer.body, answer.reusable) for answer in found] == [(status, body, reusable)]


def test_a_reader_reads_one_answer_after_the_other() -> None:
    """Headers of the answer before do not show in the next."""
    reader = AnswerReader(1000)
    first = reader.feed(b"HTTP/1.1 200 OK\r\nx-one: 1\r\ncontent-length: 1\r\n\r\na")
    second = reader.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nb")
    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    assert "x-one" not in second.headers


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n", "larger than [10] bytes"),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nb\r\n01234567890\r\n",
            "larger than [10] bytes",
        ),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200, "headers are too large"),
        (b"HTTP/1.1 200 OK\r\na: " + b"b" * 40_000 + b"\r\n\r\n", "headers are too large"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not an HTTP answer"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n" * 2, "more than one answer"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", "not an HTTP answer"),
    ],
    ids=["length", "chunks", "many headers", "long header", "not http", "two", "two lengths"],
)
def test_answers_that_cannot_be_used_are_refused(data: bytes, reason: str) -> None:
    """Whatever is too large or no HTTP ends the connection with a reason."""
    with pytest.raises(BadAnswer) as caught:
        AnswerReader(10).feed(data)
    assert reason in str(caught.value)


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    """An old server's answer is complete when it closes; one that was announced longer is not."""
    reader = AnswerReader(100)
    assert reader.feed(b"HTTP/1.0 200 OK\r\ncontent-type: text/html\r\n\r\nhello") is None
    answer = reader.finish()
    assert answer is not None
    assert (answer.body, answer.reusable) == (b"hello", False)
    broken = AnswerReader(100)
    broken.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhel")
    assert broken.finish() is None


@given(st.text(max_size=100))
@settings(max_examples=200)
def test_no_value_ends_its_header(text: str) -> None:
    """Whatever the value, the request has as many lines as it has headers."""
    value = header_value(text)
    assert value.isascii()
    assert value.isprintable() or not value
    data = request_bytes("/x", text, [("a", text), ("b", text)], b"body")
    head, _, body = data.partition(b"\r\n\r\n")
    assert len(head.split(b"\r\n")) == 5
    assert body == b"body"


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_any_bytes_are_an_answer_or_refused(data: bytes) -> None:
    """No bytes make the reader raise anything but BadAnswer."""
    reader = AnswerReader(100)
    try:
        reader.feed(b"HTTP/1.1 200 OK\r\n" + data)
        reader.finish()
    except BadAnswer:
        return
