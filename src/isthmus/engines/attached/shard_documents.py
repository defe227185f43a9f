"""``_shard_doc`` of an attached engine: documents that tie are told apart by sequence number and shard.

A sequence number is unique within a shard, so the number of a document is its sequence number times the
number of shards, plus its shard, which follows from the document's id or routing as in the engine itself.
An engine is asked to sort by sequence number, and for some hits more: those that follow are chosen here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from isthmus.exchange import ORDINAL_SHIFT, Hit, JsonObject, SearchRequest, SortValue

SHARD_DOC: Final = "_shard_doc"
_MASK: Final = 0xFFFFFFFF
_MOST_SHARDS_LOG: Final = 10
_BEYOND: Final = 1 << ORDINAL_SHIFT
_LAST_SEQUENCE: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class ShardLayout:
    """How documents of an index are spread over its shards."""

    shards: int = 1
    routing_shards: int = 1
    partition_size: int = 1

    @classmethod
    def of_settings(cls, settings: JsonObject) -> ShardLayout:
        """Read an index's flat settings."""
        shards = whole_setting(settings, "index.number_of_shards", 1)
        parts = whole_setting(settings, "index.number_of_routing_shards", routing_shards(shards))
        return cls(shards, max(shards, parts), whole_setting(settings, "index.routing_partition_size", 1))

    def shard_of(self, document_id: str, routing: str | None) -> int:
        """Answer the shard of a document."""
        if self.shards == 1:
            return 0
        place = murmur3(document_id if routing is None else routing)
        if self.partition_size > 1:
            place += murmur3(document_id) % self.partition_size
        return place % self.routing_shards // (self.routing_shards // self.shards)


def whole_setting(settings: JsonObject, name: str, default: int) -> int:
    """Read a setting that is a whole number from 1 on; the default where it is none."""
    try:
        return max(int(settings.get(name, default)), 1)
    except (TypeError, ValueError):
        return default


def routing_shards(shards: int) -> int:
    """Answer how many parts the space of hashes has, where an index's settings do not say."""
    splits = max(1, _MOST_SHARDS_LOG - (shards - 1).bit_length())
    return shards << splits


def murmur3(text: str) -> int:
    """Answer the 32-bit MurmurHash3 of a text as UTF-16, with a sign."""
    data = text.encode("utf-16-le", "surrogatepass")
    result = 0
    whole = len(data) // 4 * 4
    for place in range(0, whole, 4):
        result ^= _scrambled(int.from_bytes(data[place : place + 4], "little"))
        result = (((result << 13) | (result >> 19)) * 5 + 0xE6546B64) & _MASK
    if len(data) > whole:
        result ^= _scrambled(int.from_bytes(data[whole:], "little"))
    result ^= len(data)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        result = ((result ^ (result >> shift)) * factor) & _MASK
    return result - (1 << 32) if result >> 31 else result


def _scrambled(word: int) -> int:
    word = word * 0xCC9E2D51 & _MASK
    return ((word << 15) | (word >> 17)) * 0x1B873593 & _MASK


@dataclass(frozen=True, slots=True)
class ShardDocuments:
    """One search of one index whose hits are told apart. ``position`` is that of ``_shard_doc``."""

    request: SearchRequest
    layout: ShardLayout
    ordinal: int
    position: int

    @classmethod
    def of(cls, request: SearchRequest, layout: ShardLayout, ordinal: int) -> ShardDocuments | None:
        """Answer None for a search that does not ask for it."""
        places = [place for place, key in enumerate(request.sort) if key.field == SHARD_DOC]
        return cls(request, layout, ordinal, places[0]) if places else None

    def asked(self, largest_window: int) -> SearchRequest:
        """Answer the request as the engine is asked."""
        request = self.request
        if self.layout.shards == 1:
            return msgspec.structs.replace(request, search_after=self._after())
        size = request.offset + request.size
        # at the beginning what was seen, at the end all that ties with what is shown
        more = min(size + 2 * self.layout.shards, max(size, largest_window)) if size else 0
        return msgspec.structs.replace(request, search_after=self._after(), offset=0, size=more)

    def chosen(self, found: Sequence[tuple[Hit, str | None]]) -> tuple[Hit, ...]:
        """Answer the hits of the window, each with its number; the text of each is its routing."""
        request = self.request
        hits = [self._numbered(hit, routing) for hit, routing in found]
        if self.layout.shards == 1:
            return tuple(hits)
        descending = request.sort[self.position].descending
        after = request.search_after
        if after is not None:
            seen = self._place(after)
            hits = [hit for hit in hits if not self._was_seen(hit, seen, descending=descending)]
        ordered: list[Hit] = []
        group: list[Hit] = []
        for hit in hits:
            if group and not self._ties(group[-1], hit):
                ordered += self._in_order(group, descending=descending)
                group = []
            group.append(hit)
        ordered += self._in_order(group, descending=descending)
        return tuple(ordered[request.offset : request.offset + request.size])

    def _after(self) -> tuple[SortValue, ...] | None:
        after = self.request.search_after
        if after is None:
            return None
        place = self._place(after)
        if place is None:
            return after
        sequence, step = place // self.layout.shards, 0 if self.layout.shards == 1 else 1
        if not 0 <= place < _BEYOND:
            sequence = -1 if place < 0 else _LAST_SEQUENCE
        elif step:
            sequence += 1 if self.request.sort[self.position].descending else -1
        return (*after[: self.position], sequence, *after[self.position + 1 :])

    def _place(self, after: tuple[SortValue, ...]) -> int | None:
        value = after[self.position]
        try:
            return int(value) - (self.ordinal << ORDINAL_SHIFT) if isinstance(value, int | str) else None
        except ValueError:
            return None

    def _numbered(self, hit: Hit, routing: str | None) -> Hit:
        values = hit.sort or ()
        sequence = values[self.position]
        if not isinstance(sequence, int):
            raise TypeError("a sequence number is a whole number")
        shard = self.layout.shard_of(hit.id, routing)
        number = (self.ordinal << ORDINAL_SHIFT) + sequence * self.layout.shards + shard
        return msgspec.structs.replace(
            hit, sort=(*values[: self.position], number, *values[self.position + 1 :])
        )

    def _was_seen(self, hit: Hit, place: int | None, *, descending: bool) -> bool:
        if place is None or hit.sort is None or self.request.search_after is None:
            return False
        before = self.request.search_after[: self.position]
        if hit.sort[: self.position] != before:
            return False
        number = self._number(hit) - (self.ordinal << ORDINAL_SHIFT)
        return number >= place if descending else number <= place

    def _number(self, hit: Hit) -> int:
        value = (hit.sort or ())[self.position]
        return value if isinstance(value, int) else 0

    def _ties(self, one: Hit, other: Hit) -> bool:
        return (one.sort or ())[: self.position] == (other.sort or ())[: self.position] and (
            self._number(one) // self.layout.shards == self._number(other) // self.layout.shards
        )

    def _in_order(self, group: list[Hit], *, descending: bool) -> list[Hit]:
        return sorted(group, key=self._number, reverse=descending)
