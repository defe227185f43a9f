"""The server name in a TLS hello: real hellos, cut anywhere, and anything else."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.door.hello import MAXIMUM_HELLO_BYTES, Hello, HelloOutcome, read_hello


def real_hello(server_name: str | None, *, tls12: bool = False) -> bytes:
    """Answer what OpenSSL sends first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if tls12:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    outgoing = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=server_name)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


def records(message: bytes, fragment_bytes: int) -> bytes:
    """Answer the handshake message in records of that size."""
    pieces = [message[start : start + fragment_bytes] for start in range(0, len(message), fragment_bytes)]
    return b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in pieces)


def vector(content: bytes, size_bytes: int) -> bytes:
    """Answer the content after its length."""
    return len(content).to_bytes(size_bytes, "big") + content


def hello_with(extensions: bytes | None, *, trailing: bytes = b"") -> bytes:
    """Answer a minimal hello with these extensions (None: without the field)."""
    body = b"\x03\x03" + bytes(32) + vector(b"", 1) + vector(b"\x13\x01", 2) + vector(b"\x00", 1)
    if extensions is not None:
        body += vector(extensions, 2)
    body += trailing
    return records(b"\x01" + vector(body, 3), 16384)


def name_extension(*names: tuple[int, bytes]) -> bytes:
    """Answer the extension with these types and names."""
    listed = b"".join(bytes((kind,)) + vector(name, 2) for kind, name in names)
    return b"\x00\x00" + vector(vector(listed, 2), 2)


REAL = real_hello("aaaa.hosted.localhost")
REAL_MESSAGE = REAL[5:]
NAMED = Hello(HelloOutcome.NAMED, "aaaa.hosted.localhost")
PADDING = b"\x00\x15" + vector(bytes(60), 2)


@pytest.mark.parametrize("tls12", [False, True])
def test_a_real_hello_tells_its_server_name(tls12: bool) -> None:
    """What OpenSSL sends for TLS 1.2 and 1.3 is read."""
    assert read_hello(real_hello("aaaa.hosted.localhost", tls12=tls12)) == NAMED


def test_a_real_hello_without_a_name_is_told_apart() -> None:
    """A client that was given no server name, or an address, sends none."""
    assert read_hello(real_hello(None)) == Hello(HelloOutcome.UNNAMED)
    assert read_hello(real_hello("127.0.0.1")) == Hello(HelloOutcome.UNNAMED)


def test_a_hello_is_incomplete_until_its_last_byte() -> None:
    """Every prefix asks for more; the whole is read, also with bytes after it."""
    for length in range(len(REAL)):
        assert read_hello(REAL[:length]) == Hello(HelloOutcome.INCOMPLETE), length
    assert read_hello(REAL) == NAMED
    assert read_hello(REAL + b"\x17\x03\x03\x00\x01x") == NAMED


@pytest.mark.parametrize("fragment_bytes", [1, 2, 3, 4, 5, 7, 100, 511])
def test_a_message_over_many_records_is_joined(fragment_bytes: int) -> None:
    """The records' borders mean nothing, and every prefix of them asks for more."""
    cut = records(REAL_MESSAGE, fragment_bytes)
    assert read_hello(cut) == NAMED
    for length in range(0, len(cut), 13):
        assert read_hello(cut[:length]).outcome is HelloOutcome.INCOMPLETE


@pytest.mark.parametrize(
    ("received", "outcome"),
    [
        (b"", HelloOutcome.INCOMPLETE),
        (b"\x16", HelloOutcome.INCOMPLETE),
        (b"GET / HTTP/1.1\r\n\r\n", HelloOutcome.NOT_TLS),
        (b"\x00", HelloOutcome.NOT_TLS),
        (b"\x80\x2e\x01\x03\x01", HelloOutcome.NOT_TLS),  # an SSLv2 hello
        (b"\x16\x02\x00\x00\x05", HelloOutcome.NOT_TLS),
        (b"\x15\x03\x01\x00\x02\x02\x28", HelloOutcome.NOT_TLS),  # an alert comes first
        (b"\x16\x03\x01\x00\x00", HelloOutcome.MALFORMED),  # an empty record
        (b"\x16\x03\x01\x40\x01", HelloOutcome.MALFORMED),  # a record above 16 KiB
        (b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", HelloOutcome.MALFORMED),  # a ServerHello
        (b"\x16\x03\x01\x00\x01\x01\x17\x03\x01\x00\x01x", HelloOutcome.MALFORMED),  # data in between
        (b"\x16\x03\x01\x00\x04\x01\x00\x00\x00", HelloOutcome.MALFORMED),  # an empty hello
        (b"\x16\x03\x01\x00\x04\x01\x00\x40\x00", HelloOutcome.TOO_LONG),  # 16 KiB announced
        (b"\x16\x03\x01\x00\x04\x01\xff\xff\xff", HelloOutcome.TOO_LONG),
        (hello_with(None), HelloOutcome.UNNAMED),
        (hello_with(b""), HelloOutcome.UNNAMED),
        (hello_with(PADDING), HelloOutcome.UNNAMED),
        (hello_with(b"", trailing=b"x"), HelloOutcome.MALFORMED),
        (hello_with(b"\x00"), HelloOutcome.MALFORMED),
        (hello_with(b"\x00\x15\x00\x09x"), HelloOutcome.MALFORMED),
        (hello_with(PADDING + PADDING), HelloOutcome.MALFORMED),
        (hello_with(b"\x00\x00\x00\x00"), HelloOutcome.MALFORMED),
        (hello_with(name_extension()), HelloOutcome.MALFORMED),
        (hello_with(name_extension((1, b"a.b"))), HelloOutcome.MALFORMED),
        (hello_with(name_extension((0, b"a.b"), (0, b"c.d"))), HelloOutcome.MALFORMED),
        (hello_with(name_extension((0, b""))), HelloOutcome.MALFORMED),
        (hello_with(name_extension((0, b"a..b"))), HelloOutcome.MALFORMED),
        (hello_with(name_extension((0, b"a.b\x00.c"))), HelloOutcome.MALFORMED),
        (hello_with(name_extension((0, b"../../etc"))), HelloOutcome.MALFORMED),
        (hello_with(name_extension((0, "ä.b".encode()))), HelloOutcome.MALFORMED),
        (hello_with(name_extension((0, b"a" * 64))), HelloOutcome.MALFORMED),
        (hello_with(name_extension((0, b"a.b\n"))), HelloOutcome.MALFORMED),
        (hello_with(name_extension((0, b".".join([b"a" * 60] * 5)))), HelloOutcome.MALFORMED),
    ],
)
def test_other_bytes_have_other_outcomes(received: bytes, outcome: HelloOutcome) -> None:
    """What is not a hello with a name is told apart."""
    assert read_hello(received) == Hello(outcome)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"AAAA.Hosted.LOCALHOST", "aaaa.hosted.localhost"),
        (b"aaaa.hosted.localhost.", "aaaa.hosted.localhost"),
        (b"with_underscore-1.example", "with_underscore-1.example"),
    ],
)
def test_names_are_told_in_one_form(name: bytes, expected: str) -> None:
    """Case and a final dot make no difference."""
    assert read_hello(hello_with(PADDING + name_extension((0, name)))).server_name == expected


def test_fragments_that_never_end_are_too_long() -> None:
    """One byte a record, for ever: refused at the limit."""
    message = b"\x01" + (16_000).to_bytes(3, "big") + bytes(16_000)
    cut = records(message, 1)
    assert read_hello(cut[: MAXIMUM_HELLO_BYTES - 1]).outcome is HelloOutcome.INCOMPLETE
    assert read_hello(cut[:MAXIMUM_HELLO_BYTES]).outcome is HelloOutcome.TOO_LONG


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_bytes_have_an_outcome(junk: bytes) -> None:
    """Nothing raises, not even below a record's header."""
    assert isinstance(read_hello(junk), Hello)
    assert isinstance(read_hello(b"\x16\x03\x01" + junk), Hello)
    assert isinstance(read_hello(records(b"\x01" + vector(junk, 3), 50)), Hello)
    assert isinstance(read_hello(hello_with(junk)), Hello)


@given(st.integers(0, len(REAL) - 1), st.integers(0, 255))
@settings(max_examples=300, deadline=None)
def test_a_changed_byte_never_raises(position: int, value: int) -> None:
    """A real hello with one byte changed is read or refused."""
    changed = bytearray(REAL)
    changed[position] = value
    assert isinstance(read_hello(bytes(changed)), Hello)


@given(st.lists(st.integers(1, 600), min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_any_cut_into_records_reads_the_same(sizes: list[int]) -> None:
    """However the message is cut, the name is the same."""
    cut, position = b"", 0
    for size in [*sizes, len(REAL_MESSAGE)]:
        cut += records(REAL_MESSAGE[position : position + size], size)
        position += size
    assert read_hello(cut) == NAMED
