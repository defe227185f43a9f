"""What the store keeps, and the bytes it keeps it in."""

from __future__ import annotations

import hashlib
import struct
from enum import IntEnum
from typing import Final, NamedTuple

import msgspec

MAXIMUM_ID_BYTES: Final = 512
"""Elasticsearch's limit for a document's id, in bytes of UTF-8."""

#: LMDB's own limit for a key
_MAXIMUM_KEY_BYTES: Final = 511
#: no UTF-8 text begins with this byte, so a digest never meets an id
_DIGEST_MARK: Final = b"\xff"

_SEQUENCE: Final = struct.Struct(">Q")
_CURRENT: Final = struct.Struct("<QqIB")
_OPERATION: Final = struct.Struct("<BqIqH")


class OperationKind(IntEnum):
    """What an operation of the history did."""

    INDEX = 1
    DELETE = 2


class Current(msgspec.Struct, frozen=True, gc=False):
    """The last operation on an id. ``live`` False is a tombstone: the document was deleted."""

    seq_no: int
    version: int
    primary_term: int
    live: bool


class Operation(msgspec.Struct, frozen=True, gc=False):
    """One entry of the history. ``source`` is empty for a delete."""

    kind: OperationKind
    seq_no: int
    id: str
    version: int
    primary_term: int
    timestamp_milliseconds: int
    source: bytes = b""


class SourceRow(NamedTuple):
    """One document as it was written by one operation.

    ``source`` is JSON text; empty where the mapping says not to keep it (``_source.enabled: false``).
    """

    id: str
    version: int
    seq_no: int
    primary_term: int
    source: bytes


def sequence_key(seq_no: int) -> bytes:
    """Answer a sequence number as a key that sorts by it."""
    return _SEQUENCE.pack(seq_no)


def sequence_of(key: bytes) -> int:
    """Answer the number that :func:`sequence_key` packed."""
    return int(_SEQUENCE.unpack(key)[0])


def is_possible_id(document_id: str) -> bool:
    """Tell whether a document may have this id at all."""
    try:
        return 0 < len(document_id.encode()) <= MAXIMUM_ID_BYTES
    except UnicodeEncodeError:
        return False


def id_key(document_id: str) -> bytes:
    """Answer an id as a key; one byte too long for a key is kept by its digest."""
    key = document_id.encode()
    if len(key) <= _MAXIMUM_KEY_BYTES:
        return key
    return _DIGEST_MARK + hashlib.sha256(key).digest()


def pack_current(current: Current) -> bytes:
    """Answer the bytes of an id's entry."""
    return _CURRENT.pack(current.seq_no, current.version, current.primary_term, current.live)


def unpack_current(packed: bytes) -> Current:
    """Read what :func:`pack_current` made."""
    seq_no, version, primary_term, live = _CURRENT.unpack(packed)
    return Current(seq_no, version, primary_term, bool(live))


def pack_operation(operation: Operation) -> bytes:
    """Answer the bytes of one entry of the history (its number is the key)."""
    document_id = operation.id.encode()
    header = _OPERATION.pack(
        operation.kind,
        operation.version,
        operation.primary_term,
        operation.timestamp_milliseconds,
        len(document_id),
    )
    return header + document_id + operation.source


def unpack_operation(seq_no: int, packed: bytes) -> Operation:
    """Read what :func:`pack_operation` made."""
    kind, version, primary_term, timestamp, id_length = _OPERATION.unpack_from(packed)
    start = _OPERATION.size
    end = start + id_length
    return Operation(
        OperationKind(kind),
        seq_no,
        packed[start:end].decode(),
        version,
        primary_term,
        timestamp,
        packed[end:],
    )


def unpack_source_row(seq_no: int, packed: bytes) -> SourceRow:
    """Read of an operation what a search shows: every hit comes through here."""
    _, version, primary_term, _, id_length = _OPERATION.unpack_from(packed)
    end = _OPERATION.size + id_length
    return SourceRow(packed[_OPERATION.size : end].decode(), version, seq_no, primary_term, packed[end:])
