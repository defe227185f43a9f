"""Which values take part in a list of terms: those that match, those that are listed, or one part of all."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, TypeAlias

from isthmus.errors import illegal_argument
from isthmus.exchange import Json
from isthmus.search.aggregations.fields import Parameters

_SEED: Final = 31
_MASK_32: Final = (1 << 32) - 1
_MASK_64: Final = (1 << 64) - 1
_SIGN_32: Final = 1 << 31
_SIGN_64: Final = 1 << 63


@dataclass(frozen=True, slots=True)
class Partition:
    """One of ``count`` parts into which all values are dealt, by hashes as Elasticsearch computes them."""

    number: int
    count: int

    def holds(self, value: str | float) -> bool:
        """Tell whether a value belongs to this part: a text or a number."""
        return _hash(value) % self.count == self.number

    def holds_bytes(self, value: bytes) -> bool:
        """Tell the same of a value that is held as bytes."""
        return _murmur(value) % self.count == self.number

    def to_json(self) -> Json:
        """Answer the member of a request."""
        return {"partition": self.number, "num_partitions": self.count}


Selection: TypeAlias = str | tuple[Json, ...] | Partition | None
"""A regular expression, a list of values, one part of all, or all."""


def read_selection(parameters: Parameters, member: str) -> Selection:
    """Take ``include`` or ``exclude``."""
    value = parameters.take(member)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict) and member == "include":
        return _partition(parameters, value)
    if not isinstance(value, list) or not all(isinstance(each, str | int | float) for each in value):
        raise parameters.wrong_type(member, value)
    return tuple(value)


def selection_json(selection: Selection) -> Json:
    """Answer the member of a request."""
    if isinstance(selection, Partition):
        return selection.to_json()
    return list(selection) if isinstance(selection, tuple) else selection


def _partition(parameters: Parameters, value: Json) -> Partition:
    inner = Parameters(parameters.name, parameters.kind, value)
    number, count = inner.integer("partition"), inner.integer("num_partitions")
    inner.finish()
    for member, given in (("partition", number), ("num_partitions", count)):
        if given is None:
            raise illegal_argument(f"Missing [{member}] parameter for partition-based include")
    number, count = number or 0, count or 0
    if not 0 <= number < count:
        raise illegal_argument(f"Partition must be >=0 and < numPartition which is {count}")
    return Partition(number, count)


def _hash(value: str | float) -> int:
    if isinstance(value, str):
        return _murmur(value.encode())
    if isinstance(value, int):
        return _mixed(value)
    (bits,) = struct.unpack("<q", struct.pack("<d", value))
    # negative doubles in the order of their size
    return _mixed(bits ^ ((bits >> 63) & 0x7FFFFFFFFFFFFFFF))


def _mixed(value: int) -> int:
    """Mix 64 bits (David Stafford's variant 9), and answer them with their sign."""
    bits = value & _MASK_64
    bits = (bits ^ (bits >> 32)) * 0x4CD6944C5CC20B6D & _MASK_64
    bits = (bits ^ (bits >> 29)) * 0xFC12C5B19D3259E9 & _MASK_64
    bits ^= bits >> 32
    return bits - (1 << 64) if bits & _SIGN_64 else bits


def _murmur(data: bytes) -> int:
    """Answer MurmurHash3 (x86, 32 bits) of some bytes, with its sign."""
    hashed, whole = _SEED, len(data) // 4 * 4
    for (word,) in struct.iter_unpack("<I", data[:whole]):
        hashed ^= _scrambled(word)
        hashed = (hashed << 13 | hashed >> 19) & _MASK_32
        hashed = (hashed * 5 + 0xE6546B64) & _MASK_32
    hashed ^= _scrambled(int.from_bytes(data[whole:], "little")) ^ len(data)
    hashed = (hashed ^ hashed >> 16) * 0x85EBCA6B & _MASK_32
    hashed = (hashed ^ hashed >> 13) * 0xC2B2AE35 & _MASK_32
    hashed ^= hashed >> 16
    return hashed - (1 << 32) if hashed & _SIGN_32 else hashed


def _scrambled(word: int) -> int:
    word = word * 0xCC9E2D51 & _MASK_32
    word = (word << 15 | word >> 17) & _MASK_32
    return word * 0x1B873593 & _MASK_32
