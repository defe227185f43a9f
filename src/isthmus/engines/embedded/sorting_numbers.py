"""Numbers of less than 64 bits, as Elasticsearch shows and compares them."""

from __future__ import annotations

import struct
from typing import Final

#: significant digits that may be needed to tell two such numbers apart; fewer are tried first
_DIGITS: Final = {"<f": range(6, 10), "<e": range(3, 6)}


def as_single(number: float) -> float:
    """Answer a number as the nearest one of 32 bits: scores are such numbers."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", number))[0])
    except OverflowError:
        return number


def shortest_single(number: float) -> float:
    """Answer the shortest decimal that 32 bits hold as this number: 0.1 and not 0.10000000149."""
    return _shortest(number, "<f")


def shortest_half(number: float) -> float:
    """Answer the shortest decimal that 16 bits hold as this number."""
    return _shortest(number, "<e")


def _shortest(number: float, layout: str) -> float:
    try:
        packed = struct.pack(layout, number)
        for digits in _DIGITS[layout]:
            candidate = float(f"{number:.{digits}g}")
            if struct.pack(layout, candidate) == packed:
                return candidate
    except OverflowError:
        pass
    return number
