"""Aggregations that answer numbers about a field: min, max, sum, avg, stats, value_count."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from isthmus.exchange import JsonObject
from isthmus.search.aggregations.contract import BucketBudget, Node, not_orderable
from isthmus.search.aggregations.fields import Parameters, without_nothing
from isthmus.search.aggregations.metric import Metric, OneNumber, SeveralNumbers
from isthmus.search.aggregations.number_format import NumberFormat
from isthmus.search.aggregations.numbers import read_count, read_number, read_number_or_none, write_number
from isthmus.search.aggregations.rendering import renderer_like
from isthmus.search.aggregations.shown import ValueFormat, parse_format

_AS_STRING: Final = "_as_string"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricField:
    """The field of a metric, the value that documents without it count as, and how values are written."""

    path: str
    missing: str | int | float | bool | None = None
    format: ValueFormat | None = None

    @classmethod
    def parse(cls, parameters: Parameters) -> MetricField:
        """Take the members that every metric has."""
        written = parameters.text("format")
        return cls(
            path=parameters.field(),
            missing=parameters.scalar("missing"),
            format=None if written is None else parse_format(written),
        )

    def ask(self) -> JsonObject:
        """Answer the members back."""
        written = None if self.format is None else self.format.text
        return without_nothing({"field": self.path, "missing": self.missing, "format": written})


def with_strings(values: JsonObject, parts: Sequence[JsonObject], chosen: ValueFormat | None) -> JsonObject:
    """Put ``…_as_string`` after each value where it is asked for, or where parts show dates or booleans."""
    if isinstance(chosen, NumberFormat):
        return {**values, **strings_of(values, chosen.render)}
    samples = [
        (read_number(part[member]), str(part[member + _AS_STRING]))
        for part in parts
        for member in values
        if part.get(member + _AS_STRING) is not None and isinstance(part.get(member), int | float | str)
    ]
    if not samples:
        return values
    return {**values, **strings_of(values, renderer_like(samples, chosen))}


def strings_of(values: JsonObject, render: Callable[[float], str]) -> JsonObject:
    """Answer each value as text, also those of an object among them."""
    strings: JsonObject = {}
    for member, value in values.items():
        if isinstance(value, dict) and any(each is not None for each in value.values()):
            within = strings_of(value, render)
            strings[member + _AS_STRING] = {name.removesuffix(_AS_STRING): within[name] for name in within}
        elif isinstance(value, float) and math.isfinite(value):
            strings[member + _AS_STRING] = render(value)
    return strings


class OfOneField(Metric):
    """A metric over the values of one field."""

    __slots__ = ()
    field: MetricField

    def members(self) -> JsonObject:
        """Answer the field's members."""
        return self.field.ask()


@dataclass(frozen=True, slots=True)
class SingleMetric(OneNumber, OfOneField):
    """A metric that is one number and combines to one of the same kind."""

    kind: str
    field: MetricField

    @classmethod
    def parse(cls, parameters: Parameters) -> SingleMetric:
        """Read the parameters."""
        return cls(parameters.kind, MetricField.parse(parameters))

    def combine(self, parts: Sequence[JsonObject], children: Sequence[Node]) -> JsonObject:  # noqa: ARG002 - the contract's
        """Take the least, the greatest or the sum."""
        found = [value for part in parts if (value := read_number_or_none(part["value"])) is not None]
        if self.kind == "sum":
            total: float | None = precise_sum(found)
        elif not found:
            total = None
        else:
            total = min(found) if self.kind == "min" else max(found)
        return with_strings({"value": write_number(total)}, parts, self.field.format)


@dataclass(frozen=True, slots=True)
class ValueCount(OneNumber, OfOneField):
    """How many values the documents have."""

    field: MetricField
    kind: ClassVar[str] = "value_count"

    @classmethod
    def parse(cls, parameters: Parameters) -> ValueCount:
        """Read the parameters."""
        return cls(MetricField.parse(parameters))

    def combine(self, parts: Sequence[JsonObject], children: Sequence[Node]) -> JsonObject:  # noqa: ARG002 - the contract's
        """Add up."""
        return {"value": sum(read_count(part["value"]) for part in parts)}


@dataclass(frozen=True, slots=True)
class Stats(SeveralNumbers, OfOneField):
    """Count, least, greatest, average and sum at once; the combinable form of an average."""

    field: MetricField
    kind: ClassVar[str] = "stats"
    METRICS: ClassVar = frozenset({"count", "min", "max", "avg", "sum"})

    @classmethod
    def parse(cls, parameters: Parameters) -> Stats:
        """Read the parameters."""
        return cls(MetricField.parse(parameters))

    def combine(self, parts: Sequence[JsonObject], children: Sequence[Node]) -> JsonObject:  # noqa: ARG002 - the contract's
        """Add up counts and sums; the average follows from them."""
        return with_strings(combined_stats(parts), parts, self.field.format)


@dataclass(frozen=True, slots=True)
class Average(OneNumber):
    """The average, asked for as :class:`Stats` because averages of averages mean nothing."""

    field: MetricField
    kind: ClassVar[str] = "avg"

    @classmethod
    def parse(cls, parameters: Parameters) -> Average:
        """Read the parameters."""
        return cls(MetricField.parse(parameters))

    def ask(self, children: Sequence[Node]) -> JsonObject:
        """Ask for sum and count."""
        return Stats(self.field).ask(children)

    def combine(self, parts: Sequence[JsonObject], children: Sequence[Node]) -> JsonObject:
        """Combine sums and counts."""
        return Stats(self.field).combine(parts, children)

    def finish(self, combined: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:  # noqa: ARG002 - the contract's
        """Keep the average alone."""
        final: JsonObject = {"value": combined["avg"]}
        if "avg" + _AS_STRING in combined:
            final["value" + _AS_STRING] = combined["avg" + _AS_STRING]
        return final

    def order_metric(self, metric: str) -> str:
        """Answer what the combinable form calls it."""
        if metric not in ("", "value"):
            raise not_orderable(f"{self.kind}.{metric}")
        return "avg"


def combined_stats(parts: Sequence[JsonObject]) -> JsonObject:
    """Combine the five numbers of ``stats`` answers."""
    count = sum(read_count(part["count"]) for part in parts)
    lows = [value for part in parts if (value := read_number_or_none(part["min"])) is not None]
    highs = [value for part in parts if (value := read_number_or_none(part["max"])) is not None]
    total = precise_sum([read_number_or_none(part["sum"]) or 0.0 for part in parts])
    return {
        "count": count,
        "min": write_number(min(lows, default=None)),
        "max": write_number(max(highs, default=None)),
        "avg": write_number(total / count if count else None),
        "sum": write_number(total),
    }


def precise_sum(values: Sequence[float]) -> float:
    """Add up without the rounding of each step mattering; infinities and NaN are allowed."""
    if all(map(math.isfinite, values)):
        try:
            return math.fsum(values)
        except OverflowError:
            return float(sum(values))
    return float(sum(values))
