"""Numbers of less than 64 bits, as Elasticsearch shows and compares them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final, NamedTuple


class _Layout(NamedTuple):
    """How a number is packed, below what whole numbers are exact, and how to write it with n digits.

    ``all_digits`` always suffices. ``forms`` have fewer and fewer: most scores need the first of them.
    """

    pack: Callable[[float], bytes]
    largest_exact: int
    all_digits: str
    forms: tuple[str, ...]


_SINGLE: Final = _Layout(struct.Struct("<f").pack, 2**24, "%.9g", ("%.8g", "%.7g", "%.6g"))
_HALF: Final = _Layout(struct.Struct("<e").pack, 2**11, "%.5g", ("%.4g", "%.3g"))


def as_single(number: float) -> float:
    """Answer a number as the nearest one of 32 bits: scores are such numbers."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", number))[0])
    except OverflowError:
        return number


def shortest_single(number: float) -> float:
    """Answer the shortest decimal that 32 bits hold as this number: 0.1 and not 0.10000000149."""
    return _shortest(number, _SINGLE)


def shortest_half(number: float) -> float:
    """Answer the shortest decimal that 16 bits hold as this number."""
    return _shortest(number, _HALF)


def _shortest(number: float, layout: _Layout) -> float:
    pack, largest_exact, all_digits, forms = layout
    if -largest_exact < number < largest_exact and number == int(number):
        return number
    shortest = None
    try:
        packed = pack(number)
        for form in forms:
            candidate = float(form % number)
            if pack(candidate) != packed:
                break  # one digit fewer is not enough, so two are not either
            shortest = candidate
    except OverflowError:
        return number if shortest is None else shortest
    return float(all_digits % number) if shortest is None else shortest
