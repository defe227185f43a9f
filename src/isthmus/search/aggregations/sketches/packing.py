"""Columns of numbers as text that JSON can hold: little-endian, then base64."""

from __future__ import annotations

import binascii
import struct
from collections.abc import Sequence
from typing import Final

from isthmus.exchange import Json

_WIDTH: Final = 8


def text_of(packed: bytes) -> str:
    """Answer bytes as text."""
    return binascii.b2a_base64(packed, newline=False).decode("ascii")


def bytes_of(text: Json, most_bytes: int) -> bytes:
    """Answer the bytes of such a text. Raises ValueError or TypeError for anything else and for more."""
    if not isinstance(text, str):
        raise TypeError("packed numbers are text")
    if len(text) > most_bytes * 4 // 3 + 4:
        raise ValueError("more numbers than there may be")
    packed = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    if len(packed) > most_bytes:
        raise ValueError("more numbers than there may be")
    return packed


def packed_whole(numbers: Sequence[int]) -> bytes:
    """Pack whole numbers of 64 bits without a sign."""
    return struct.pack(f"<{len(numbers)}Q", *numbers)


def whole_of(packed: bytes) -> tuple[int, ...]:
    """Unpack them. Raises ValueError for bytes that are none."""
    return struct.unpack(f"<{_count(packed)}Q", packed)


def packed_real(numbers: Sequence[float]) -> bytes:
    """Pack doubles."""
    return struct.pack(f"<{len(numbers)}d", *numbers)


def real_of(packed: bytes) -> tuple[float, ...]:
    """Unpack them. Raises ValueError for bytes that are none."""
    return struct.unpack(f"<{_count(packed)}d", packed)


def _count(packed: bytes) -> int:
    count, rest = divmod(len(packed), _WIDTH)
    if rest:
        raise ValueError("not a whole number of numbers")
    return count
