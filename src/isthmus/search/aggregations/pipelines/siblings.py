"""One answer over all the buckets of a sibling: ``avg_bucket``, ``max_bucket``, ``percentiles_bucket``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from isthmus.errors import illegal_argument
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.contract import Level, Node
from isthmus.search.aggregations.extended_stats import ExtendedStats
from isthmus.search.aggregations.fields import Parameters
from isthmus.search.aggregations.metrics import MetricField, precise_sum
from isthmus.search.aggregations.number_format import NumberFormat
from isthmus.search.aggregations.numbers import java_double, write_number
from isthmus.search.aggregations.pipelines.members import one_path, shown_number
from isthmus.search.aggregations.pipelines.paths import PathElement, invalid_path, parse_path, words_of
from isthmus.search.aggregations.pipelines.values import (
    SINGLE_BUCKET,
    GapPolicy,
    bucket_value,
    buckets_of,
)

_DEFAULT_PERCENTS: Final[tuple[float, ...]] = (1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0)
_HUNDRED: Final = 100.0
_DEFAULT_SIGMA: Final = 2.0

#: kind -> what ``typed_keys`` calls its answer
SIBLINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "avg_bucket": "simple_value",
        "extended_stats_bucket": "extended_stats_bucket",
        "max_bucket": "bucket_metric_value",
        "min_bucket": "bucket_metric_value",
        "percentiles_bucket": "percentiles_bucket",
        "stats_bucket": "stats_bucket",
        "sum_bucket": "simple_value",
    }
)


@dataclass(frozen=True, slots=True)
class BucketMetric:
    """A metric of the numbers that the buckets of a sibling have."""

    kind: str
    path: str
    gap: GapPolicy
    format: NumberFormat | None
    percents: tuple[float, ...] = _DEFAULT_PERCENTS
    keyed: bool = True
    sigma: float = _DEFAULT_SIGMA

    @classmethod
    def parse(cls, parameters: Parameters) -> BucketMetric:
        """Read the parameters."""
        path = one_path(parameters)
        gap = GapPolicy.parse(parameters)
        written = parameters.text("format")
        percents: tuple[float, ...] = _DEFAULT_PERCENTS
        keyed, sigma = True, _DEFAULT_SIGMA
        if parameters.kind == "percentiles_bucket":
            percents = _percents(parameters)
            keyed = parameters.flag("keyed", default=True)
        if parameters.kind == "extended_stats_bucket":
            given = parameters.number("sigma")
            if given is not None and given < 0:
                raise parameters.refuse("sigma", "[sigma] must be a non-negative double")
            sigma = _DEFAULT_SIGMA if given is None else given
        chosen = None if written is None else NumberFormat.parse(written)
        return cls(parameters.kind, path, gap, chosen, percents, keyed, sigma)

    @property
    def paths(self) -> tuple[str, ...]:
        """Answer the only path."""
        return (self.path,)

    @property
    def typed_name(self) -> str:
        """Answer what kind of answer it is."""
        return SIBLINGS[self.kind]

    def compute(self, level: Level, members: JsonObject) -> JsonObject:
        """Answer the metric; ``members`` holds the final answers of the siblings."""
        keys, numbers = self._numbers(level, members)
        if self.kind in ("min_bucket", "max_bucket"):
            best = (min if self.kind == "min_bucket" else max)(numbers, default=None)
            held = [key for key, number in zip(keys, numbers, strict=True) if number == best]
            return {**shown_number(best, self.format), "keys": held}
        if self.kind == "sum_bucket":
            return shown_number(precise_sum(numbers), self.format)
        if self.kind == "avg_bucket":
            return shown_number(precise_sum(numbers) / len(numbers) if numbers else None, self.format)
        if self.kind == "percentiles_bucket":
            return self._percentiles(sorted(numbers))
        return self._stats(numbers)

    def _numbers(self, level: Level, members: JsonObject) -> tuple[list[str], list[float]]:
        node, answer, elements = self._buckets(level, members)
        words = words_of(elements)[1:]
        keys, numbers = [], []
        for bucket in buckets_of(answer):
            number = bucket_value(bucket, node.level, words, node.name, self.gap)
            if not math.isnan(number):
                keys.append(bucket.key_text)
                numbers.append(number)
        return keys, numbers

    def _buckets(self, level: Level, members: JsonObject) -> tuple[Node, JsonObject, tuple[PathElement, ...]]:
        """Answer the first aggregation on the path with any number of buckets, and the path from there."""
        elements = parse_path(self.path)
        while elements:
            node = next((each for each in level.nodes if each.name == elements[0].name), None)
            if node is None or node.name not in members:
                break
            answer = members[node.name]
            if node.aggregation.kind in SINGLE_BUCKET:
                level, members, elements = node.level, answer, elements[1:]
                continue
            if "buckets" not in answer:
                break
            if elements[0].key is None or len(elements) == 1:
                return node, answer, elements
            wanted = elements[0].key.strip("'")
            found = next((each for each in buckets_of(answer) if each.key_text == wanted), None)
            if found is None:
                raise invalid_path(f"Cannot find an key ['{wanted}'] in [{node.name}]")
            level, members, elements = node.level, found.members, elements[1:]
        raise invalid_path(f"bucket_path [{self.path}] leads to no aggregation with buckets")

    def _percentiles(self, numbers: Sequence[float]) -> JsonObject:
        values: list[tuple[float, float | None]] = []
        for percent in self.percents:
            place = math.floor(percent / _HUNDRED * (len(numbers) - 1) + 0.5)
            values.append((percent, numbers[place] if numbers else None))
        written = [
            (percent, value, None if self.format is None or value is None else self.format.render(value))
            for percent, value in values
        ]
        if self.keyed:
            shown: JsonObject = {}
            for percent, value, text in written:
                shown[java_double(percent)] = value
                if text is not None:
                    shown[java_double(percent) + "_as_string"] = text
            return {"values": shown}
        return {
            "values": [
                {
                    "key": percent,
                    "value": value,
                    **({} if text is None else {java_double(percent) + "_as_string": text}),
                }
                for percent, value, text in written
            ]
        }

    def _stats(self, numbers: Sequence[float]) -> JsonObject:
        total = precise_sum(numbers)
        part: JsonObject = {
            "count": len(numbers),
            "min": min(numbers, default=None),
            "max": max(numbers, default=None),
            "avg": write_number(total / len(numbers)) if numbers else None,
            "sum": total,
        }
        if self.kind == "extended_stats_bucket":
            part["sum_of_squares"] = precise_sum([number * number for number in numbers])
            part = ExtendedStats(MetricField(path=""), self.sigma).combine([part], ())
        if self.format is None or not numbers:
            return part
        strings = {
            f"{name}_as_string": self.format.render(float(value))
            for name, value in part.items()
            if name != "count" and isinstance(value, int | float)
        }
        return {**part, **strings}


def _percents(parameters: Parameters) -> tuple[float, ...]:
    value: Json = parameters.take("percents")
    if value is None:
        return _DEFAULT_PERCENTS
    if not isinstance(value, list):
        raise parameters.wrong_type("percents", value)
    numbers = [parameters.as_number("percents", each) for each in value]
    if not numbers or not all(0 <= number <= _HUNDRED for number in numbers):
        raise illegal_argument("percents must only contain non-null doubles from 0.0-100.0 inclusive")
    return tuple(numbers)
