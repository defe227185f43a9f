"""9443: bytes that are meant to be read in two ways, to break the reader, or to fill its memory."""

from __future__ import annotations

import gzip
import ssl

import msgspec
import pytest
import zstandard
from attacks_support import (
    REMOTE_CONTENT_TYPE,
    Answer,
    answers_to,
    ask_remote,
    permissive_context,
    request_bytes,
    search_call,
    subject,
    tls_connection,
)
from environments_support import Side

_PATH = "/_isthmus/v1/search"
_SMUGGLED = b"0\r\n\r\nPOST /_isthmus/v1/ping HTTP/1.1\r\nhost: x\r\n\r\n"


def _send(remote: Side, content: bytes) -> list[Answer]:
    return answers_to(tls_connection(remote, "remote_cluster"), content)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([("content-length", "5"), ("transfer-encoding", "chunked")], _SMUGGLED),
        ([("transfer-encoding", "chunked"), ("content-length", "5")], _SMUGGLED),
        ([("content-length", "5"), ("content-length", "6")], b"aaaaaa"),
        ([("content-length", "-5")], b"aaaaa"),
        ([("content-length", "+5")], b"aaaaa"),
        ([("content-length", "5, 5")], b"aaaaa"),
        ([("content-length", "0x5")], b"aaaaa"),
        ([("transfer-encoding", "xchunked")], _SMUGGLED),
        ([("transfer-encoding", "chunked, identity")], _SMUGGLED),
        ([("transfer-encoding ", "chunked")], _SMUGGLED),
        ([("transfer-encoding", "chunked")], b"zz\r\nhello\r\n0\r\n\r\n"),
        ([("x-a", "b\0c")], b"a"),
        ([("x-a", "b\rc")], b"a"),
        ([("x-a", "b\r\n folded")], b"a"),
        ([("x-a", "b" * 70_000)], b"a"),
        ([(f"x-{number}", "b") for number in range(3_000)], b"a"),
    ],
)
def test_ambiguous_requests_are_refused_once(
    remote: Side, narrow_key: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    """Two lengths, bad chunks, folded or broken headers: one 400, and the connection ends."""
    key = ("authorization", f"ApiKey {narrow_key}")
    answers = _send(remote, request_bytes("POST", _PATH, [key, *headers], body))
    assert [answer.status for answer in answers] == [400]
    assert "connection: close" in answers[0].head.lower()


def test_bare_line_feeds_are_refused(remote: Side, narrow_key: str) -> None:
    """What other readers take for the end of a line is not one."""
    key = ("authorization", f"ApiKey {narrow_key}")
    whole = request_bytes("POST", _PATH, [key], msgspec.msgpack.encode(search_call("*")))
    assert [answer.status for answer in _send(remote, whole.replace(b"\r\nhost", b"\nhost"))] == [400]


@pytest.mark.parametrize("first_is_good", [True, False])
def test_two_authorizations_are_none(remote: Side, narrow_key: str, first_is_good: bool) -> None:
    """A good key beside a bad one is not picked out, whatever the order."""
    pair = [("authorization", f"ApiKey {narrow_key}"), ("authorization", "ApiKey bm86cGU=")]
    headers = pair if first_is_good else pair[::-1]
    body = msgspec.msgpack.encode(search_call("*"))
    assert [answer.status for answer in _send(remote, request_bytes("POST", _PATH, headers, body))] == [401]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/_search"),
        ("POST", "/_search"),
        ("GET", "/_security/user"),
        ("PUT", "/_security/user/mallory"),
        ("GET", _PATH),
        ("POST", f"/{_PATH}"),
        ("POST", "/_isthmus/v2/search"),
        ("POST", "*"),
    ],
)
def test_there_is_no_rest_api(remote: Side, narrow_key: str, method: str, path: str) -> None:
    """Paths of the REST API are 404 here, whatever key or password comes along."""
    headers = [("authorization", f"ApiKey {narrow_key}")]
    answers = _send(remote, request_bytes(method, path, headers))
    assert [answer.status for answer in answers] == [404]
    assert "which answers other clusters only" in answers[0].json["error"]["reason"]


def _nested_query(levels: int) -> bytes:
    """Write a search whose query is so deep: msgspec's own encoder would refuse."""
    query = b"\x81\xa4bool\x81\xa4must\x91" * levels + b"\x80"
    parts = ("caller", subject(), "expressions", ["*"], "request")
    return b"\x83" + b"".join(map(msgspec.msgpack.encode, parts)) + b"\x81\xa5query" + query


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"\x91" * 1_000_000 + b"\x90",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xffa",
        b"\xdb\xff\xff\xff\xffa",
        b"\xc7\x04\xff\0\0\0\0",
        _nested_query(100),
        _nested_query(300),
        _nested_query(900),
        _nested_query(100_000),
    ],
    ids=lambda body: f"{len(body)}-bytes",
)
def test_broken_and_bottomless_bodies_are_refused(remote: Side, narrow_key: str, body: bytes) -> None:
    """Lengths that are lies and nesting without end are a 400, not a crash."""
    answer = ask_remote(remote, "search", None, narrow_key, raw=body)
    assert answer.status == 400
    assert answer.report["kind"] == "INVALID_REQUEST"


def test_small_bodies_that_unpack_to_large_ones_are_refused(remote: Side, narrow_key: str) -> None:
    """By what a frame announces; a frame that announces nothing, or less than it holds, is not taken."""
    zeros = bytes(64 * 1024 * 1024)
    packed = zstandard.ZstdCompressor().compress(zeros)
    silent = zstandard.ZstdCompressor(write_content_size=False).compress(zeros)
    encoding = (("isthmus-body-encoding", "zstd"),)
    assert ask_remote(remote, "search", None, narrow_key, raw=packed, headers=encoding).status == 413
    assert ask_remote(remote, "search", None, narrow_key, raw=silent, headers=encoding).status == 400
    small = zstandard.ZstdCompressor().compress(bytes(5000))
    assert ask_remote(remote, "search", None, narrow_key, raw=small * 2, headers=encoding).status == 400


@pytest.mark.parametrize("port", ["data", "remote_cluster"])
def test_strangers_cannot_have_anything_unpacked(remote: Side, port: str) -> None:
    """A bomb in gzip of somebody without credentials is refused for that, not after it has exploded."""
    bomb = gzip.compress(bytes(200 * 1024 * 1024))
    headers = [("content-encoding", "gzip"), ("content-type", REMOTE_CONTENT_TYPE)]
    path = _PATH if port == "remote_cluster" else "/_bulk"
    answers = answers_to(tls_connection(remote, port), request_bytes("POST", path, headers, bomb))
    assert [answer.status for answer in answers] == [401]


@pytest.mark.parametrize("port", ["data", "remote_cluster", "transport"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_tls_is_refused(remote: Side, port: str, version: ssl.TLSVersion) -> None:
    """TLS 1.0 and 1.1 do not get through any door, whatever ciphers are offered."""
    context = permissive_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with pytest.raises((ssl.SSLError, ConnectionError)):
        tls_connection(remote, port, context=context)


@pytest.mark.parametrize("value", ["-1", "1e9", "x", "1 2"])
def test_deadlines_that_are_none_are_refused(remote: Side, narrow_key: str, value: str) -> None:
    """The header for the deadline is a number of milliseconds or a 400."""
    headers = (("isthmus-timeout-milliseconds", value),)
    assert ask_remote(remote, "search", search_call("*"), narrow_key, headers=headers).status == 400
