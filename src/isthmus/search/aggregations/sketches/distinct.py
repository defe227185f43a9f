"""How many different values there are, also where they are in several places.

Up to a limit the hashes of the values themselves are kept, and counting is exact (of 40,000 values two
have the same hash once in 20 billion times). Beyond, HyperLogLog registers are (Apache DataSketches,
8 bits each). Registers of a union are the greatest of each, whatever the parts were, and the estimate
is a function of the registers: over several clusters it is to the digit that of one with everything.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from isthmus.exchange import JsonObject
from isthmus.search.aggregations.sketches.packing import bytes_of, packed_whole, text_of, whole_of

if TYPE_CHECKING:
    from datasketches import hll_sketch

_HASHES: Final = "hashes"
_REGISTERS: Final = "registers"
_HASH_BYTES: Final = 8

#: Registers as a power of two: Elasticsearch's numbers for its thresholds, but never fewer than 4,096.
_LEAST_POWER: Final = 12
_MOST_POWER: Final = 18
#: Below this the library keeps what it counts in another form than registers.
_LEAST_LIMIT: Final = 512

#: The library's serialised form: 40 bytes, and then the registers. Its "DataSketches HLL" preamble:
#: ten words, version 1, family 7, an array of 8-bit registers that was made of several.
_HEADER_BYTES: Final = 40
_MADE_OF_SEVERAL: Final = 0b0001_1000
_REGISTERS_OF_8_BITS: Final = 0x0A
#: A register holds the place of the first one bit of what is left of a hash.
_MOST_IN_A_REGISTER: Final = 63
#: Registers are added up in two sums, so that small ones are not lost beside large ones.
_SMALL_REGISTERS: Final = 32


def hash_of(value: str | float) -> int:
    """Answer 64 bits for a value; numbers that are equal have the same, whatever their type."""
    return hashes_of((value,))[0]


def hashes_of(values: Iterable[str | float]) -> list[int]:
    """Answer 64 bits for each value: all of one call, because there may be millions."""
    read = int.from_bytes
    return [read(blake2b(_bytes_of(each), digest_size=_HASH_BYTES).digest(), "little") for each in values]


def _bytes_of(value: str | float) -> bytes:
    if isinstance(value, str):
        return b"s" + value.encode("utf-8", "surrogatepass")
    return b"n%d" % value if value == int(value) else b"n" + repr(value).encode()


def register_power(threshold: int) -> int:
    """Answer which power of two the number of registers is for a precision threshold."""
    return min(max((-(-threshold * 4 // 3) * 4).bit_length(), _LEAST_POWER), _MOST_POWER)


def relative_error(threshold: int) -> float:
    """Answer the standard deviation of the estimate, as a part of it."""
    return 1.04 / float(2 ** (register_power(threshold) / 2))


class DistinctValues:
    """Different values, counted exactly up to a threshold.

    ``read`` and ``write`` have the form that travels; of bytes that are not understood ``read`` raises
    ValueError, TypeError or KeyError, and never takes more memory than the threshold calls for.
    """

    def __init__(self, threshold: int) -> None:
        self._limit = max(threshold, _LEAST_LIMIT)
        self._power = register_power(threshold)
        self._hashes: set[int] = set()
        self._sketch: hll_sketch | None = None

    def add(self, hashes: Iterable[int]) -> None:
        """Add values by their hashes."""
        if self._sketch is None:
            self._hashes.update(hashes)
            if len(self._hashes) <= self._limit:
                return
            self._sketch = _empty_sketch(self._power)
            hashes, self._hashes = self._hashes, set()
        update = self._sketch.update
        for each in hashes:
            update(each)

    def read(self, written: JsonObject) -> None:
        """Add the values of a written form."""
        if _REGISTERS not in written:
            self.add(whole_of(bytes_of(written[_HASHES], self._limit * _HASH_BYTES)))
            return
        registers = bytes_of(written[_REGISTERS], 1 << self._power)
        if len(registers) != 1 << self._power or max(registers) > _MOST_IN_A_REGISTER:
            raise ValueError("not the registers that were asked for")
        self.add(())
        self._unite(_sketch_of(registers, self._power))

    def write(self) -> JsonObject:
        """Answer the form that travels."""
        if self._sketch is None:
            return {_HASHES: text_of(packed_whole(sorted(self._hashes)))}
        return {_REGISTERS: text_of(_registers_of(self._sketch))}

    def count(self) -> int:
        """Answer how many there are, or about how many."""
        if self._sketch is None:
            return len(self._hashes)
        estimate: float = _sketch_of(_registers_of(self._sketch), self._power).get_estimate()
        return round(estimate)

    def _unite(self, other: hll_sketch) -> None:
        from datasketches import hll_union, tgt_hll_type

        union = hll_union(self._power)
        union.update(other)
        if self._sketch is not None:
            union.update(self._sketch)
        self._sketch = union.get_result(tgt_hll_type.HLL_8)
        hashes, self._hashes = self._hashes, set()
        self.add(hashes)


def _empty_sketch(power: int) -> hll_sketch:
    from datasketches import hll_sketch, tgt_hll_type

    return hll_sketch(power, tgt_hll_type.HLL_8)


def _registers_of(sketch: hll_sketch) -> bytes:
    serialised: bytes = sketch.serialize_compact()
    return serialised[_HEADER_BYTES:]


def _sketch_of(registers: bytes, power: int) -> hll_sketch:
    """Answer the sketch with these registers.

    What the library would read beside them is computed anew: a peer's sums are not believed, and
    the order in which values came does not show in the estimate.
    """
    from datasketches import hll_sketch

    numbers = Counter(registers)
    small = sum(count * 2.0**-each for each, count in numbers.items() if each < _SMALL_REGISTERS)
    large = sum(count * 2.0**-each for each, count in numbers.items() if each >= _SMALL_REGISTERS)
    header = bytes((10, 1, 7, power, 0, _MADE_OF_SEVERAL, 0, _REGISTERS_OF_8_BITS))
    sums = struct.pack("<dddII", 0.0, small, large, numbers[0], 0)
    return hll_sketch.deserialize(header + sums + registers)
