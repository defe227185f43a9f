"""Numbers of less than 64 bits, as Elasticsearch shows and compares them."""

from __future__ import annotations

import struct
from typing import Final

#: how a number is packed, below what whole numbers are exact, and the numbers of significant digits to
#: try: the last always suffices, and the one before for nearly all scores (every hit's comes through here)
_LAYOUTS: Final = {
    "<f": (struct.Struct("<f").pack, 2**24, ("%.6g", "%.7g", "%.8g", "%.9g")),
    "<e": (struct.Struct("<e").pack, 2**11, ("%.3g", "%.4g", "%.5g")),
}


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
    pack, largest_exact, forms = _LAYOUTS[layout]
    if -largest_exact < number < largest_exact and number == int(number):
        return number
    shortest = None
    try:
        packed = pack(number)
        for form in reversed(forms[:-1]):
            candidate = float(form % number)
            if pack(candidate) != packed:
                break  # one digit fewer is not enough, so two are not either
            shortest = candidate
    except OverflowError:
        return number if shortest is None else shortest
    return float(forms[-1] % number) if shortest is None else shortest
