"""Query strings, JSON, and compressed bodies."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.errors import Failure, FailureKind
from isthmus.rest.http import boolean_parameter, json_text, parse_json, parse_query_string
from isthmus.rest.http_encoding import accepts_gzip, decoded_body, gzipped
from isthmus.rest.limits import HttpLimits

LIMITS = HttpLimits(max_content_bytes=1000)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {}),
        ("a=1&b=2&a=3", {"a": "3", "b": "2"}),
        ("pretty&x=", {"pretty": "", "x": ""}),
        ("q=a+b%2Bc%20d&&", {"q": "a b+c d"}),
        ("%C3%A4=%E2%82%AC=", {"ä": "€="}),
    ],
)
def test_reads_a_query_string(query: str, expected: dict[str, str]) -> None:
    """The last value of a name counts; a plus is a space."""
    assert parse_query_string(query) == expected


@pytest.mark.parametrize("query", ["a=%ff", "%c3=1", "a=%", "a=%1", "a=%g0"])
def test_refuses_a_query_string_that_is_not_utf_8(query: str) -> None:
    """Nothing is replaced silently."""
    with pytest.raises(Failure) as caught:
        parse_query_string(query)
    assert caught.value.kind is FailureKind.INVALID_REQUEST


@settings(max_examples=200)
@given(st.text(max_size=30))
def test_any_query_string_is_read_or_refused(query: str) -> None:
    """Nothing but a failure is raised."""
    try:
        parse_query_string(query)
    except Failure:
        return


@pytest.mark.parametrize(("value", "expected"), [("", True), ("true", True), ("false", False)])
def test_reads_flags(value: str, expected: bool) -> None:
    """A name alone means true."""
    assert boolean_parameter({"v": value}, "v", default=not expected) is expected
    with pytest.raises(Failure, match="only"):
        boolean_parameter({"v": "yes"}, "v", default=False)


def test_says_where_json_broke_and_never_what_it_was() -> None:
    """A body may hold secrets."""
    with pytest.raises(Failure) as caught:
        parse_json(b'{"password": "hunter2", }')
    assert "hunter2" not in repr(caught.value)
    assert caught.value.metadata["line"] == 1


def test_writes_json_of_any_depth() -> None:
    """What was accepted can be answered."""
    deep: Any = []
    for _ in range(600):
        deep = [deep]
    assert json_text(deep) == b"[" * 601 + b"]" * 601


def _raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("identity", b"body"),
        ("gzip", gzip.compress(b"body")),
        (" GZIP ", gzip.compress(b"body")),
        ("x-gzip", gzip.compress(b"bo") + gzip.compress(b"dy")),
        ("deflate", zlib.compress(b"body")),
        ("deflate", _raw_deflate(b"body")),
        ("gzip", gzipped(b"body")),
    ],
)
def test_unpacks_a_body(encoding: str, packed: bytes) -> None:
    """The encodings that Elasticsearch's clients use, and several gzip members."""
    assert decoded_body(packed, encoding, LIMITS) == b"body"


@pytest.mark.parametrize(
    ("encoding", "packed", "kind"),
    [
        ("gzip", gzip.compress(b"\0" * 1001), FailureKind.TOO_LARGE),
        ("gzip", gzip.compress(b"\0" * 501) * 2, FailureKind.TOO_LARGE),
        ("gzip", gzip.compress(b"") * 2000, FailureKind.INVALID_REQUEST),
        ("gzip", gzip.compress(b"body")[:-3], FailureKind.INVALID_REQUEST),
        ("gzip", gzip.compress(b"body") + b"more", FailureKind.INVALID_REQUEST),
        ("deflate", zlib.compress(b"body") + b"more", FailureKind.INVALID_REQUEST),
        ("gzip", b"body", FailureKind.INVALID_REQUEST),
        ("br", b"body", FailureKind.UNSUPPORTED_MEDIA_TYPE),
        ("gzip, gzip", b"body", FailureKind.UNSUPPORTED_MEDIA_TYPE),
    ],
)
def test_refuses_what_does_not_unpack(encoding: str, packed: bytes, kind: FailureKind) -> None:
    """Bombs, cut-off bodies, trailing data and unknown encodings."""
    with pytest.raises(Failure) as caught:
        decoded_body(packed, encoding, LIMITS)
    assert caught.value.kind is kind


def test_a_body_of_the_largest_size_is_unpacked() -> None:
    """The limit itself is allowed."""
    assert decoded_body(gzip.compress(b"\0" * 1000), "gzip", LIMITS) == b"\0" * 1000


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("gzip", True),
        ("deflate, gzip;q=0.1", True),
        ("*", True),
        ("gzip;q=0", False),
        ("br", False),
        ("", False),
    ],
)
def test_knows_who_takes_gzip(header: str, expected: bool) -> None:
    """A weight of zero means no."""
    assert accepts_gzip(header) is expected
