"""``bucket_sort``: order and cut the buckets of the aggregation that it is in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cmp_to_key
from typing import Any, ClassVar

from isthmus.errors import illegal_argument
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.contract import Node
from isthmus.search.aggregations.fields import Parameters
from isthmus.search.aggregations.pipelines.paths import KEY, parse_path, words_of
from isthmus.search.aggregations.pipelines.values import FinalBucket, GapPolicy, bucket_value


@dataclass(frozen=True, slots=True)
class SortKey:
    """One path to sort by."""

    path: str
    descending: bool


@dataclass(frozen=True, slots=True)
class BucketSort:
    """The parameters of ``bucket_sort``; ``size`` of None keeps all."""

    keys: tuple[SortKey, ...]
    offset: int
    size: int | None
    gap: GapPolicy

    kind: ClassVar[str] = "bucket_sort"
    typed_name: ClassVar[str] = "bucket_sort"

    @classmethod
    def parse(cls, parameters: Parameters) -> BucketSort:
        """Read the parameters."""
        written = parameters.take("sort")
        entries = [] if written is None else written if isinstance(written, list) else [written]
        offset, size = parameters.integer("from"), parameters.integer("size")
        if offset is not None and offset < 0:
            raise illegal_argument(f"[from] must be a non-negative integer: [{offset}]")
        if size is not None and size <= 0:
            raise illegal_argument(f"[size] must be a positive integer: [{size}]")
        keys = tuple(key for entry in entries for key in _sort_keys(parameters, entry))
        return cls(keys, offset or 0, size, GapPolicy.parse(parameters))

    @property
    def paths(self) -> tuple[str, ...]:
        """Answer what it sorts by."""
        return tuple(key.path for key in self.keys)

    def transform(
        self,
        name: str,  # noqa: ARG002 - the others' shape
        meta: JsonObject | None,  # noqa: ARG002 - likewise
        parent: Node,
        buckets: list[FinalBucket],
    ) -> list[FinalBucket]:
        """Answer the buckets in order, cut; what has no number to sort by falls away."""
        if self.keys:
            words = [words_of(parse_path(key.path)) for key in self.keys]
            rated = [([self._value(bucket, parent, each) for each in words], bucket) for bucket in buckets]
            present = [each for each in rated if any(value is not None for value in each[0])]
            buckets = [bucket for _, bucket in sorted(present, key=cmp_to_key(self._compared))]
        return buckets[self.offset :][: self.size]

    def _value(self, bucket: FinalBucket, parent: Node, words: list[str]) -> Any:
        if words == [KEY]:
            return _comparable(bucket.key)
        number = bucket_value(bucket, parent.level, words, parent.name, self.gap)
        return None if math.isnan(number) else number

    def _compared(self, left: tuple[list[Any], FinalBucket], right: tuple[list[Any], FinalBucket]) -> int:
        for key, one, other in zip(self.keys, left[0], right[0], strict=True):
            if one == other:
                continue
            if one is None or other is None:
                return 1 if one is None else -1
            return -1 if (one < other) is not key.descending else 1
        return 0


def _comparable(key: Json) -> Any:
    if isinstance(key, list | dict):
        raise illegal_argument("buckets whose key has several values cannot be sorted by [_key]")
    return key


def _sort_keys(parameters: Parameters, entry: Json) -> list[SortKey]:
    if isinstance(entry, str):
        return [SortKey(entry, descending=False)]
    if not isinstance(entry, dict):
        raise parameters.wrong_type("sort", entry)
    keys = []
    for path, how in entry.items():
        members = how if isinstance(how, dict) else {"order": how}
        for unknown in members.keys() - {"order"}:
            raise parameters.refuse("sort", f"[{unknown}] is not supported in [bucket_sort]")
        order = members.get("order", "asc")
        if not isinstance(order, str) or order.lower() not in ("asc", "desc"):
            raise parameters.refuse("sort", f"No enum constant for order [{order}]")
        keys.append(SortKey(path, order.lower() == "desc"))
    return keys
