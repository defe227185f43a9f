"""The server name in a TLS hello, read without answering it.

A client's first bytes are one or more TLS records (RFC 8446 §5.1) that carry one handshake
message, the ClientHello (§4.1.2). Both may be cut anywhere: a record over TCP segments, the
message over records. The name stands in the ``server_name`` extension (RFC 6066 §3).

:func:`read_hello` takes what has arrived so far and never raises, whatever the bytes are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

#: The most that is read of one hello, record headers included. Hellos with post-quantum key shares
#: are about 1.8 KiB; 16 KiB is the size of one full TLS record and of the usual limit on HTTP headers.
MAXIMUM_HELLO_BYTES: Final = 16 * 1024

_RECORD_HEADER_BYTES: Final = 5
_HANDSHAKE_HEADER_BYTES: Final = 4
_MAXIMUM_RECORD_BYTES: Final = 16 * 1024
_HANDSHAKE_RECORD: Final = 22
_CLIENT_HELLO: Final = 1
_SERVER_NAME_EXTENSION: Final = 0
_HOST_NAME: Final = 0
_MAXIMUM_NAME_CHARACTERS: Final = 253
_HOST_NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")


class HelloOutcome(Enum):
    """What the first bytes of a connection are."""

    INCOMPLETE = "more bytes are needed"
    NAMED = "a hello with a server name"
    UNNAMED = "a hello without a server name"
    NOT_TLS = "not TLS"
    MALFORMED = "a broken hello"
    TOO_LONG = "a hello beyond the limit"


@dataclass(frozen=True, slots=True)
class Hello:
    """An outcome; ``server_name`` (lower case, no final dot) is there for NAMED only."""

    outcome: HelloOutcome
    server_name: str | None = None


class _MalformedError(Exception):
    """The bytes break the grammar; never leaves this module."""


def read_hello(received: bytes) -> Hello:
    """Answer what these first bytes of a connection are; pure, and raises nothing."""
    try:
        return _read(received)
    except _MalformedError:
        return Hello(HelloOutcome.MALFORMED)


def _read(received: bytes) -> Hello:
    # Type and major version decide whether this is TLS at all; an SSLv2 hello is not.
    if received[:1] not in (b"", b"\x16") or received[1:2] not in (b"", b"\x03"):
        return Hello(HelloOutcome.NOT_TLS)
    message = _joined_fragments(received)
    if message and message[0] != _CLIENT_HELLO:
        raise _MalformedError
    needed = _HANDSHAKE_HEADER_BYTES
    if len(message) >= needed:
        needed += int.from_bytes(message[1:4], "big")
    if needed + _RECORD_HEADER_BYTES > MAXIMUM_HELLO_BYTES:
        return Hello(HelloOutcome.TOO_LONG)
    if len(message) < needed:
        too_long = len(received) >= MAXIMUM_HELLO_BYTES
        return Hello(HelloOutcome.TOO_LONG if too_long else HelloOutcome.INCOMPLETE)
    name = _server_name_or_none(message[_HANDSHAKE_HEADER_BYTES:needed])
    return Hello(HelloOutcome.UNNAMED) if name is None else Hello(HelloOutcome.NAMED, name)


def _joined_fragments(received: bytes) -> bytes:
    """Answer the handshake bytes of all records so far, the last one possibly cut."""
    message = bytearray()
    position = 0
    while position + _RECORD_HEADER_BYTES <= len(received):
        length = int.from_bytes(received[position + 3 : position + 5], "big")
        is_handshake = received[position] == _HANDSHAKE_RECORD and received[position + 1] == 3  # noqa: PLR2004 - SSL 3 and later
        # An empty handshake record is forbidden (RFC 8446 §5.1), and would let a peer send for ever.
        if not is_handshake or not 0 < length <= _MAXIMUM_RECORD_BYTES:
            if _is_complete(message):
                break  # what follows the hello (early data, say) is for the node to read
            raise _MalformedError
        start = position + _RECORD_HEADER_BYTES
        message += received[start : start + length]
        position = start + length
    return bytes(message)


def _is_complete(message: bytearray) -> bool:
    header_seen = len(message) >= _HANDSHAKE_HEADER_BYTES
    return header_seen and len(message) >= _HANDSHAKE_HEADER_BYTES + int.from_bytes(message[1:4], "big")


class _Reader:
    """Takes bytes from the front; taking more than there are is malformed."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def take(self, count: int) -> bytes:
        end = self._position + count
        if end > len(self._data):
            raise _MalformedError
        taken = self._data[self._position : end]
        self._position = end
        return taken

    def number(self, size_bytes: int) -> int:
        return int.from_bytes(self.take(size_bytes), "big")

    def vector(self, size_bytes: int) -> bytes:
        return self.take(self.number(size_bytes))

    @property
    def is_empty(self) -> bool:
        return self._position == len(self._data)


def _server_name_or_none(body: bytes) -> str | None:
    """Read a ClientHello's body; raises where it is cut short or has bytes to spare."""
    reader = _Reader(body)
    reader.take(2 + 32)  # legacy version, random
    reader.vector(1)  # session id
    reader.vector(2)  # cipher suites
    reader.vector(1)  # compression methods
    if reader.is_empty:
        return None  # extensions are optional before TLS 1.3
    extensions = _Reader(reader.vector(2))
    if not reader.is_empty:
        raise _MalformedError
    found: str | None = None
    seen: set[int] = set()
    while not extensions.is_empty:
        extension_type = extensions.number(2)
        data = extensions.vector(2)
        if extension_type in seen:
            raise _MalformedError  # RFC 8446 §4.2: no extension twice
        seen.add(extension_type)
        if extension_type == _SERVER_NAME_EXTENSION:
            found = _host_name(data)
    return found


def _host_name(extension: bytes) -> str:
    reader = _Reader(extension)
    names = _Reader(reader.vector(2))
    if not reader.is_empty:
        raise _MalformedError
    name_type = names.number(1)
    name = names.vector(2)
    # RFC 6066 knows one type and allows one name of it; OpenSSL refuses a second entry too.
    if name_type != _HOST_NAME or not names.is_empty:
        raise _MalformedError
    try:
        text = name.decode("ascii")
    except UnicodeDecodeError:
        raise _MalformedError from None
    if len(text) > _MAXIMUM_NAME_CHARACTERS or not _HOST_NAME_PATTERN.fullmatch(text):
        raise _MalformedError
    return text.removesuffix(".").lower()
