"""Numbers that follow from those of other buckets: derivative, cumulative_sum, serial_diff, normalize."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Final

from isthmus.errors import illegal_argument, parsing_failure
from isthmus.exchange import JsonObject
from isthmus.search.aggregations.contract import Node
from isthmus.search.aggregations.fields import Parameters
from isthmus.search.aggregations.metrics import precise_sum
from isthmus.search.aggregations.number_format import NumberFormat
from isthmus.search.aggregations.numbers import read_number
from isthmus.search.aggregations.pipelines.members import number_format, one_path, shown_number
from isthmus.search.aggregations.pipelines.paths import parse_path, words_of
from isthmus.search.aggregations.pipelines.values import FinalBucket, GapPolicy, bucket_value
from isthmus.search.aggregations.rounding import parse_calendar_unit, parse_time_value
from isthmus.search.aggregations.time_zone import DAY, HOUR, MINUTE, SECOND

#: How long a calendar unit is taken to be; years have 365.2425 days.
_YEAR: Final = 31_556_952 * SECOND
_UNITS: Final = MappingProxyType(
    {
        "second": SECOND,
        "minute": MINUTE,
        "hour": HOUR,
        "day": DAY,
        "week": 7 * DAY,
        "month": _YEAR // 12,
        "quarter": _YEAR // 4,
        "year": _YEAR,
    }
)


def put(bucket: FinalBucket, name: str, meta: JsonObject | None, answer: JsonObject) -> None:
    """Add the answer of a pipeline to a bucket."""
    bucket.members[name] = answer if meta is None else {"meta": meta, **answer}


def numbers_of(buckets: Sequence[FinalBucket], parent: Node, path: str, gap: GapPolicy) -> list[float]:
    """Answer the number of each bucket, NaN where it has none."""
    words = words_of(parse_path(path))
    return [bucket_value(bucket, parent.level, words, parent.name, gap) for bucket in buckets]


@dataclass(frozen=True, slots=True)
class Derivative:
    """By how much a number is above that of the bucket before; for ``unit_milliseconds`` of time too."""

    path: str
    gap: GapPolicy
    format: NumberFormat | None
    unit_milliseconds: int | None

    kind: ClassVar[str] = "derivative"
    typed_name: ClassVar[str] = "derivative"

    @classmethod
    def parse(cls, parameters: Parameters) -> Derivative:
        """Read the parameters."""
        unit = parameters.text("unit")
        return cls(
            one_path(parameters),
            GapPolicy.parse(parameters),
            number_format(parameters),
            None if unit is None else _unit(parameters, unit),
        )

    @property
    def paths(self) -> tuple[str, ...]:
        """Answer the only path."""
        return (self.path,)

    def transform(
        self, name: str, meta: JsonObject | None, parent: Node, buckets: list[FinalBucket]
    ) -> list[FinalBucket]:
        """Add the difference to every bucket but the first."""
        numbers = numbers_of(buckets, parent, self.path, self.gap)
        for place in range(1, len(buckets)):
            difference = numbers[place] - numbers[place - 1]
            answer = shown_number(difference, self.format)
            if self.unit_milliseconds is not None:
                elapsed = read_number(buckets[place].key) - read_number(buckets[place - 1].key)
                normalized = shown_number(difference / (elapsed / self.unit_milliseconds), self.format)
                answer["normalized_value"] = normalized["value"]
                if "value_as_string" in normalized:
                    answer["normalized_value_as_string"] = normalized["value_as_string"]
            put(buckets[place], name, meta, answer)
        return buckets


@dataclass(frozen=True, slots=True)
class CumulativeSum:
    """The sum of a number and of those of all buckets before."""

    path: str
    format: NumberFormat | None

    kind: ClassVar[str] = "cumulative_sum"
    typed_name: ClassVar[str] = "simple_value"

    @classmethod
    def parse(cls, parameters: Parameters) -> CumulativeSum:
        """Read the parameters."""
        return cls(one_path(parameters), number_format(parameters))

    @property
    def paths(self) -> tuple[str, ...]:
        """Answer the only path."""
        return (self.path,)

    def transform(
        self, name: str, meta: JsonObject | None, parent: Node, buckets: list[FinalBucket]
    ) -> list[FinalBucket]:
        """Add the sum to every bucket."""
        total = 0.0
        numbers = numbers_of(buckets, parent, self.path, GapPolicy.INSERT_ZEROS)
        for bucket, number in zip(buckets, numbers, strict=True):
            if math.isfinite(number):
                total += number
            put(bucket, name, meta, shown_number(total, self.format))
        return buckets


@dataclass(frozen=True, slots=True)
class SerialDifference:
    """By how much a number is above that of the bucket ``lag`` places before."""

    path: str
    gap: GapPolicy
    format: NumberFormat | None
    lag: int

    kind: ClassVar[str] = "serial_diff"
    typed_name: ClassVar[str] = "simple_value"

    @classmethod
    def parse(cls, parameters: Parameters) -> SerialDifference:
        """Read the parameters."""
        lag = parameters.integer("lag")
        if lag is not None and lag <= 0:
            raise parsing_failure(
                f"Lag must be a positive, non-zero integer.  Value supplied was{lag} in [{parameters.name}]."
            )
        return cls(
            one_path(parameters),
            GapPolicy.parse(parameters),
            number_format(parameters),
            1 if lag is None else lag,
        )

    @property
    def paths(self) -> tuple[str, ...]:
        """Answer the only path."""
        return (self.path,)

    def transform(
        self, name: str, meta: JsonObject | None, parent: Node, buckets: list[FinalBucket]
    ) -> list[FinalBucket]:
        """Add the difference where both numbers are there."""
        before: deque[float] = deque(maxlen=self.lag)
        numbers = numbers_of(buckets, parent, self.path, self.gap)
        for bucket, number in zip(buckets, numbers, strict=True):
            if len(before) == self.lag and math.isfinite(number - before[0]):
                put(bucket, name, meta, shown_number(number - before[0], self.format))
            before.append(number)
        return buckets


_Method = Callable[[Sequence[float]], Callable[[float], float]]


def _rescaled(most: float) -> _Method:
    def method(numbers: Sequence[float]) -> Callable[[float], float]:
        low, high = min(numbers), max(numbers)
        return lambda number: _divided(most * (number - low), high - low)

    return method


def _share(numbers: Sequence[float]) -> Callable[[float], float]:
    total = precise_sum(numbers)
    return lambda number: _divided(number, total)


def _mean(numbers: Sequence[float]) -> Callable[[float], float]:
    mean, width = precise_sum(numbers) / len(numbers), max(numbers) - min(numbers)
    return lambda number: _divided(number - mean, width)


def _z_score(numbers: Sequence[float]) -> Callable[[float], float]:
    mean = precise_sum(numbers) / len(numbers)
    deviation = math.sqrt(precise_sum([(number - mean) ** 2 for number in numbers]) / len(numbers))
    return lambda number: _divided(number - mean, deviation)


def _softmax(numbers: Sequence[float]) -> Callable[[float], float]:
    total = sum(map(_exponential, numbers))
    return lambda number: _divided(_exponential(number), total)


def _exponential(number: float) -> float:
    try:
        return math.exp(number)
    except OverflowError:
        return math.inf


def _divided(number: float, by: float) -> float:
    return number / by if by else math.nan


_METHODS: Final[Mapping[str, _Method]] = MappingProxyType(
    {
        "mean": _mean,
        "percent_of_sum": _share,
        "rescale_0_1": _rescaled(1.0),
        "rescale_0_100": _rescaled(100.0),
        "softmax": _softmax,
        "z-score": _z_score,
    }
)


@dataclass(frozen=True, slots=True)
class Normalize:
    """A number in proportion to those of all buckets."""

    path: str
    format: NumberFormat | None
    method: str

    kind: ClassVar[str] = "normalize"
    typed_name: ClassVar[str] = "simple_value"

    @classmethod
    def parse(cls, parameters: Parameters) -> Normalize:
        """Read the parameters."""
        method = parameters.text("method")
        if method is None:
            raise parsing_failure(
                f"Required [method] of normalize aggregation [{parameters.name}] is missing"
            )
        if method not in _METHODS:
            raise illegal_argument(f"invalid method [{method}]")
        return cls(one_path(parameters), number_format(parameters), method)

    @property
    def paths(self) -> tuple[str, ...]:
        """Answer the only path."""
        return (self.path,)

    def transform(
        self, name: str, meta: JsonObject | None, parent: Node, buckets: list[FinalBucket]
    ) -> list[FinalBucket]:
        """Add the proportion to every bucket."""
        numbers = numbers_of(buckets, parent, self.path, GapPolicy.SKIP)
        there = [number for number in numbers if not math.isnan(number)]
        normalized = _METHODS[self.method](there) if there else (lambda _number: math.nan)
        for bucket, number in zip(buckets, numbers, strict=True):
            shown = math.nan if math.isnan(number) else normalized(number)
            put(bucket, name, meta, shown_number(shown, self.format))
        return buckets


def _unit(parameters: Parameters, text: str) -> int:
    unit = parse_calendar_unit(text)
    length = _UNITS[unit] if unit is not None else parse_time_value(text)
    if not length or length < 0:
        raise parameters.refuse(
            "unit",
            f"failed to parse setting [DerivativePipelineAggregationBuilder.unit] with value [{text}] as a "
            "time value: unit is missing or unrecognized",
        )
    return length
