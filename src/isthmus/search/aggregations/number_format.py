"""Numbers as text by a pattern such as ``#,##0.00`` or ``00.0%``, as Java's ``DecimalFormat`` has them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Final

from isthmus.errors import illegal_argument
from isthmus.search.aggregations.numbers import java_double

#: Text around the number: characters that mean themselves, and quoted ones.
_AFFIX: Final = r"(?:[^#0,.;%‰'E]|'(?:[^']|'')*'|[%‰]|E(?!0))*"
_PATTERN: Final = re.compile(
    rf"(?P<prefix>{_AFFIX})(?P<whole>[#,]*[0,]*)(?:\.(?P<fraction>0*#*))?(?P<exponent>E0+)?(?P<suffix>{_AFFIX})"
)
_QUOTED: Final = re.compile(r"'((?:[^']|'')*)'")
_PERCENT: Final = 2
_PERMILLE: Final = 3
#: More digits than a double has: nobody needs longer patterns.
_MOST_PLACES: Final = 340


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """A pattern taken apart. ``negative``: prefix and suffix of negative numbers that have their own."""

    text: str
    prefix: str
    suffix: str
    negative: tuple[str, str] | None
    least_whole: int
    group: int
    least_fraction: int
    most_fraction: int
    shift: int

    @classmethod
    def parse(cls, text: str) -> NumberFormat:
        """Read a pattern. Raises an ``illegal_argument_exception`` failure for what is none."""
        positive, separator, negative = text.partition(";")
        match = _PATTERN.fullmatch(positive)
        if match is None or not (match["whole"] or match["fraction"]) or len(text) > _MOST_PLACES:
            raise illegal_argument(f'Malformed pattern "{text}"')
        if match["exponent"]:
            raise illegal_argument(f"Invalid format: [{text}]: exponents are not supported")
        whole, fraction = match["whole"], match["fraction"] or ""
        other = _PATTERN.fullmatch(negative) if separator else None
        if separator and other is None:
            raise illegal_argument(f'Malformed pattern "{text}"')
        return cls(
            text=text,
            prefix=_plain(match["prefix"]),
            suffix=_plain(match["suffix"]),
            negative=None if other is None else (_plain(other["prefix"]), _plain(other["suffix"])),
            least_whole=whole.count("0"),
            group=len(whole) - whole.rindex(",") - 1 if "," in whole else 0,
            least_fraction=fraction.count("0"),
            most_fraction=len(fraction),
            shift=_shift(match["prefix"] + match["suffix"]),
        )

    def render(self, value: float) -> str:
        """Write a number, rounded half to even as Java does it."""
        if not math.isfinite(value):
            return java_double(value)
        with localcontext() as context:
            context.prec = 2 * _MOST_PLACES + 100
            scaled = Decimal(repr(float(value))).scaleb(self.shift)
            rounded = scaled.quantize(Decimal(1).scaleb(-self.most_fraction), rounding=ROUND_HALF_EVEN)
        whole, _, fraction = f"{abs(rounded):f}".partition(".")
        fraction = fraction.rstrip("0").ljust(self.least_fraction, "0")
        whole = whole.lstrip("0").rjust(self.least_whole, "0")
        if not whole and not fraction:
            whole = "0"
        shown = _grouped(whole, self.group) + (f".{fraction}" if fraction else "")
        if not (rounded.is_signed() and (rounded or value < 0)):
            return f"{self.prefix}{shown}{self.suffix}"
        if self.negative is None:
            return f"-{self.prefix}{shown}{self.suffix}"
        return f"{self.negative[0]}{shown}{self.negative[1]}"


def _plain(affix: str) -> str:
    return _QUOTED.sub(lambda match: match[1].replace("''", "'") or "'", affix)


def _shift(affixes: str) -> int:
    unquoted = _QUOTED.sub("", affixes)
    if "%" in unquoted:
        return _PERCENT
    return _PERMILLE if "‰" in unquoted else 0


def _grouped(whole: str, size: int) -> str:
    if not size:
        return whole
    first = len(whole) % size
    parts = [whole[:first]] if first else []
    return ",".join(parts + [whole[start : start + size] for start in range(first, len(whole), size)])
