"""The order of buckets: by count, by key, or by a number of a sub-aggregation; several one after another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cmp_to_key
from typing import Any, Final

from isthmus.errors import illegal_argument
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.contract import Node
from isthmus.search.aggregations.fields import Parameters

COUNT: Final = "_count"
KEY: Final = "_key"

#: Sub-aggregations with exactly one bucket, through which a path may lead.
_SINGLE_BUCKET: Final = frozenset({"filter", "global", "missing"})

Bucket = JsonObject
KeyOf = Callable[[Bucket], Any]


@dataclass(frozen=True, slots=True)
class OrderKey:
    """One key to order by: ``_count``, ``_key`` or a path such as ``eu>price.avg``."""

    path: str
    descending: bool


@dataclass(frozen=True, slots=True)
class BucketOrder:
    """The keys of an order. Ties are always broken by ascending key, as Elasticsearch does."""

    keys: tuple[OrderKey, ...]

    @classmethod
    def parse(cls, parameters: Parameters, default: BucketOrder) -> BucketOrder:
        """Take the member ``order``: an object of one key, or a list of them."""
        value = parameters.take("order")
        if value is None:
            return default
        entries = value if isinstance(value, list) else [value]
        if not entries:
            raise parameters.wrong_type("order", value)
        return cls(tuple(_parse_key(parameters, entry) for entry in entries))

    def ask(self, children: Sequence[Node]) -> Json:
        """Answer the order in terms of the sub-aggregations' combinable forms."""
        asked = [{_asked_path(key.path, children): "desc" if key.descending else "asc"} for key in self.keys]
        return asked[0] if len(asked) == 1 else asked

    def check(self, children: Sequence[Node]) -> None:
        """Raise an ``illegal_argument_exception`` failure for a path that leads nowhere."""
        self.ask(children)

    @property
    def is_by_key(self) -> bool:
        """Tell whether only the key decides."""
        return self.keys[0].path == KEY

    @property
    def is_by_falling_count(self) -> bool:
        """Tell whether the most frequent come first, which bounds what was cut off."""
        return self.keys[0] == OrderKey(COUNT, descending=True)

    def leading_number(self, bucket: Bucket, children: Sequence[Node]) -> float:
        """Answer by which number a combined bucket is ordered first; the first key must not be ``_key``."""
        path = self.keys[0].path
        return float(bucket["doc_count"]) if path == COUNT else _path_value(path, children, bucket)

    def sorted(self, buckets: Sequence[Bucket], children: Sequence[Node], key_of: KeyOf) -> list[Bucket]:
        """Answer the combined buckets in order; ``key_of`` answers a key that can be compared."""
        ordered = sorted(buckets, key=key_of)
        for key in reversed(self.keys):
            if key.path == KEY:
                ordered.sort(key=key_of, reverse=key.descending)
            elif key.path == COUNT:
                ordered.sort(key=lambda bucket: bucket["doc_count"], reverse=key.descending)
            else:
                ordered = _sorted_by_number(ordered, children, key)
        return ordered


def _sorted_by_number(buckets: list[Bucket], children: Sequence[Node], key: OrderKey) -> list[Bucket]:
    """Sort stably by a number; what has none comes last either way."""
    rated = [(_path_value(key.path, children, bucket), bucket) for bucket in buckets]

    def compare(left: tuple[float, Bucket], right: tuple[float, Bucket]) -> int:
        one, other = left[0], right[0]
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) - math.isnan(other)
        rising = (one > other) - (one < other)
        return -rising if key.descending else rising

    return [bucket for _, bucket in sorted(rated, key=cmp_to_key(compare))]


def _parse_key(parameters: Parameters, entry: Json) -> OrderKey:
    if not isinstance(entry, dict) or len(entry) != 1:
        raise parameters.refuse("order", "Must specify at least one field for [order]")
    path, direction = next(iter(entry.items()))
    if not isinstance(direction, str) or direction.lower() not in ("asc", "desc"):
        raise parameters.refuse("order", f"Unknown order direction [{direction}]")
    return OrderKey(path, direction.lower() == "desc")


def path_step(path: str, children: Sequence[Node]) -> tuple[Node, str, str]:
    """Answer the sub-aggregation that a path begins with, its metric, and what follows ``>``."""
    first, _, rest = path.partition(">")
    by_name = {node.name: node for node in children}
    if first in by_name:
        return by_name[first], "", rest
    # a name may have dots, and so may a metric: percentiles have 99.9
    dots = (place for place, character in enumerate(first) if character == ".")
    name = max((first[:place] for place in dots if first[:place] in by_name), key=len, default=None)
    if name is None:
        raise illegal_argument(
            f"Invalid aggregator order path [{path}]. The provided aggregation [{first}] either does not "
            "exist, or is a pipeline aggregation and cannot be used to sort the buckets."
        )
    return by_name[name], first[len(name) + 1 :], rest


def _asked_path(path: str, children: Sequence[Node]) -> str:
    if path in (COUNT, KEY):
        return path
    node, metric, rest = path_step(path, children)
    kind = node.aggregation.kind
    if rest or kind in _SINGLE_BUCKET:
        if kind not in _SINGLE_BUCKET:
            raise illegal_argument(
                f"Invalid aggregation order path [{path}]. Buckets can only be sorted on a sub-aggregator "
                "path that is built out of zero or more single-bucket aggregations within the path and a "
                f"final single-bucket or a metrics aggregation at the path end. Sub-path [{node.name}] "
                "points to non single-bucket aggregation"
            )
        if rest:
            return f"{node.name}>{_asked_path(rest, node.children)}"
        if metric not in ("", "doc_count", COUNT):
            raise illegal_argument(
                "Ordering on a single-bucket aggregation can only be done on its doc_count. Either drop "
                f'the key (a la "{node.name}") or change it to "doc_count" '
                f'(a la "{node.name}.doc_count") or "key".'
            )
        return node.name
    asked = node.aggregation.order_metric(metric)
    return f"{node.name}.{asked}" if asked else node.name


def _path_value(path: str, children: Sequence[Node], bucket: Bucket) -> float:
    node, metric, rest = path_step(path, children)
    answer = bucket[node.name]
    if rest:
        return _path_value(rest, node.children, answer)
    if node.aggregation.kind in _SINGLE_BUCKET:
        return float(answer["doc_count"])
    return node.aggregation.order_value(answer, metric)


BY_FALLING_COUNT: Final = BucketOrder((OrderKey(COUNT, descending=True),))
BY_RISING_KEY: Final = BucketOrder((OrderKey(KEY, descending=False),))
