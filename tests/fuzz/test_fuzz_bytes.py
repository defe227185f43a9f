"""Bytes of strangers: hellos, PROXY headers, answers, records, certificates, signatures."""

from __future__ import annotations

import base64
import contextlib
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fuzz_support import FEW, MANY, json_of, only_refusals
from hypothesis import given
from hypothesis import strategies as st

from isthmus.door.hello import Hello, HelloOutcome, read_hello
from isthmus.door.proxy_protocol import SIGNATURE, HeaderOutcome, read_proxy_header
from isthmus.door.routing import DoorPort, HandOver, decide
from isthmus.errors import Failure
from isthmus.remotes.body_encodings import BODY_ENCODINGS, compressed_or_none, decompressed
from isthmus.remotes.http_messages import AnswerReader, BadAnswer, header_value, request_bytes
from isthmus.remotes.protocol import CountCall, Decoders, ResolveCall, SearchCall
from isthmus.remotes.protocol import Hello as WireHello
from isthmus.remotes.questions import (
    FieldCapsCall,
    HoldCall,
    ReleaseCall,
    ResolveIndexCall,
    SearchHeldCall,
)
from isthmus.security.certificate_names import (
    UnreadableCertificateError,
    is_node_name,
    read_certificate_names,
)
from isthmus.security.principal import RoleDescriptor
from isthmus.security.remote_caller import CrossClusterKey, remote_principal
from isthmus.security.signatures import parse_signature

sys.path.append(str(Path(__file__).parent.parent / "unit" / "security"))

from certificate_makers import authority, leaf, utf8

_DOMAIN = "env.example"
_PACKED = [compressed_or_none(b"abc" * size, name) or b"" for size in (490, 5000) for name in BODY_ENCODINGS]
_CERTIFICATE = leaf(authority("a"), utf8("n.node.c.cluster.s.account")).der


def _hello(name: bytes, extra: bytes) -> bytes:
    entry = b"\0" + len(name).to_bytes(2) + name
    names = len(entry).to_bytes(2) + entry
    extensions = b"\0\0" + len(names).to_bytes(2) + names + extra
    body = b"\3\3" + bytes(32) + b"\0" + b"\0\2\x13\1" + b"\1\0" + len(extensions).to_bytes(2) + extensions
    message = b"\1" + len(body).to_bytes(3) + body
    return b"\x16\3\1" + len(message).to_bytes(2) + message


_BYTES = st.binary(max_size=80)
_NAMES = st.one_of(
    _BYTES,
    st.sampled_from(
        [b"known.env.example", b"known.env.example.", b"KNOWN.env.example", b"known", b"*.env.example"]
    ),
)


@st.composite
def _damaged(draw: Any, whole: st.SearchStrategy[bytes]) -> bytes:
    content = bytearray(draw(whole))
    for _ in range(draw(st.integers(0, 3))):
        if content:
            content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content)


@MANY
@given(_damaged(st.builds(_hello, _NAMES, _BYTES)))
def test_hellos_lead_only_where_they_name(received: bytes) -> None:
    """Whatever the bytes: no crash, and a connection is handed over for the whole, exact name alone."""
    hello = read_hello(received)
    assert isinstance(hello, Hello)
    assert (hello.server_name is not None) == (hello.outcome is HelloOutcome.NAMED)
    node: Any = object()
    for port in DoorPort:
        if hello.outcome is not HelloOutcome.INCOMPLETE:
            found = decide(port, hello, received, _DOMAIN, lambda name: node if name == "known" else None)
            if isinstance(found, HandOver):
                assert hello.server_name == f"known.{_DOMAIN}"
                assert f"known.{_DOMAIN}".encode() in received.lower()


@MANY
@given(
    _damaged(
        st.builds(lambda head, tail: SIGNATURE + head + tail, st.binary(max_size=8), st.binary(max_size=60))
    )
)
def test_proxy_headers_are_whole_or_nothing(received: bytes) -> None:
    """A header is never longer than what has arrived, and tells an address or is the balancer's own."""
    header = read_proxy_header(received)
    if header.outcome is HeaderOutcome.COMPLETE:
        assert received.startswith(SIGNATURE)
        assert 16 <= header.length <= len(received)
        assert header.client is not None or received[12] == 0x20
    else:
        assert header.client is None


_PIECES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 204 x\r\n",
        b"HTTP/9.9 200\r\n",
        b"content-length: 3\r\n",
        b"content-length: 4\r\n",
        b"content-length: 99999999999999999999\r\n",
        b"content-length: -1\r\n",
        b"transfer-encoding: chunked\r\n",
        b"upgrade: x\r\nconnection: upgrade\r\n",
        b"a: b\n",
        b" folded\r\n",
        b"\r\n",
        b"abc",
        b"3\r\nabc\r\n0\r\n\r\n",
        b"ffffffffff\r\n",
        b"\0",
    ]
)


@MANY
@given(st.lists(st.one_of(_PIECES, st.binary(max_size=10)), max_size=8))
def test_answers_of_anything_are_read_within_bounds(pieces: list[bytes]) -> None:
    """An answer, or BadAnswer; never a body beyond the limit."""
    reader = AnswerReader(64)
    with contextlib.suppress(BadAnswer):
        for piece in pieces:
            answer = reader.feed(piece)
            if answer is not None:
                assert len(answer.body) <= 64
                assert 200 <= answer.status <= 999


@FEW
@given(st.text(), st.text(), st.binary(max_size=20))
def test_no_header_value_ends_its_header(host: str, value: str, body: bytes) -> None:
    """A request of ours has exactly the lines that it should have, whatever a user sent along."""
    head, _, rest = request_bytes("/x", host, [("x-opaque-id", value)], body).partition(b"\r\n\r\n")
    assert len(head.split(b"\r\n")) == 4
    assert b"\n" not in head.replace(b"\r\n", b"")
    assert rest == body
    assert header_value(value).isascii()


_RECORD_WORDS = [
    "caller",
    "expressions",
    "options",
    "request",
    "query",
    "username",
    "realm_name",
    "realm_type",
    "role_names",
    "role_sets",
    "internal",
    "api_key_id",
    "run_by",
    "name",
    "indices",
    "names",
    "privileges",
    "field_security",
    "cluster",
    "remote_indices",
    "run_as",
    "aggregations",
    "sort",
    "size",
    "offset",
    "source",
    "*",
    "all",
    "grant",
]
_KEY = CrossClusterKey(
    id="k", name="k", owner_username="o", owner_realm="r", role=RoleDescriptor(name="cross_cluster")
)


@MANY
@given(json_of(_RECORD_WORDS, leaves=25), st.booleans())
def test_calls_of_other_clusters_are_decoded_or_refused(value: Any, complete: bool) -> None:
    """What decodes is bound by the key in every role set; what does not is a 400."""
    if complete:
        names = {"username": "u", "realm_name": "r", "realm_type": "t"}
        value = {"caller": {**(value if isinstance(value, dict) else {}), **names}, "expressions": ["*"]}
    try:
        body = msgspec.msgpack.encode(value)
    except (OverflowError, UnicodeEncodeError):
        return
    for kind in (
        SearchCall,
        CountCall,
        ResolveCall,
        HoldCall,
        SearchHeldCall,
        ReleaseCall,
        FieldCapsCall,
        ResolveIndexCall,
        WireHello,
    ):
        with only_refusals():
            call = Decoders().decode(kind, body)
            if isinstance(call, SearchCall):
                principal = remote_principal(_KEY, call.caller)
                assert principal.role_sets[0] == (_KEY.role,)
                assert len(principal.role_sets) >= 2


@MANY
@given(
    st.one_of(st.binary(max_size=200), _damaged(st.sampled_from(_PACKED))),
    st.sampled_from(["", "identity", "zstd", "lz4", "deflate", "gzip", "zstd, zstd", "\0"]),
)
def test_bodies_unpack_within_bounds(body: bytes, encoding: str) -> None:
    """Junk is a failure and nothing is larger than allowed."""
    with only_refusals():
        assert len(decompressed(body, encoding, 1000)) <= 1000


@MANY
@given(st.one_of(st.binary(max_size=300), _damaged(st.just(_CERTIFICATE))))
def test_certificates_are_read_or_refused(der: bytes) -> None:
    """Names that come out are names that a node may have."""
    with contextlib.suppress(UnreadableCertificateError):
        for name in read_certificate_names(der).names:
            assert is_node_name(name)


@MANY
@given(
    st.one_of(
        st.text(max_size=100), st.binary(max_size=100).map(lambda data: base64.b64encode(data).decode())
    )
)
def test_signatures_are_parsed_or_refused(header: str) -> None:
    """A header that is none is a 401."""
    with pytest.raises(Failure):
        parse_signature(header)
