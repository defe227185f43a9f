"""Buckets of equal width over a number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from isthmus.errors import illegal_argument
from isthmus.exchange import JsonObject
from isthmus.search.aggregations.buckets import Buckets
from isthmus.search.aggregations.contract import (
    MAXIMUM_BUCKETS,
    BucketBudget,
    Node,
    combine_all,
    too_many_buckets,
)
from isthmus.search.aggregations.fields import Parameters, without_nothing
from isthmus.search.aggregations.keyed import finished_bucket, merged_buckets
from isthmus.search.aggregations.number_format import NumberFormat
from isthmus.search.aggregations.numbers import java_double, read_number
from isthmus.search.aggregations.order import BY_RISING_KEY, BucketOrder


@dataclass(frozen=True, slots=True)
class Bounds:
    """Least and greatest value, either may be open."""

    least: float | None = None
    greatest: float | None = None

    def ask(self) -> JsonObject | None:
        """Answer the member back; None when both are open."""
        return without_nothing({"min": self.least, "max": self.greatest}) or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram(Buckets):
    """The parameters of ``histogram``."""

    field: str
    interval: float
    offset: float = 0.0
    order: BucketOrder = BY_RISING_KEY
    min_doc_count: int = 0
    extended_bounds: Bounds | None = None
    hard_bounds: Bounds | None = None
    missing: str | int | float | bool | None = None
    keyed: bool = False
    format: NumberFormat | None = None

    kind: ClassVar[str] = "histogram"

    @classmethod
    def parse(cls, parameters: Parameters) -> Histogram:
        """Read the parameters."""
        field = parameters.field()
        interval = parameters.number("interval")
        if interval is None or interval <= 0:
            raise illegal_argument(f"[interval] must be >0 for histogram aggregation [{parameters.name}]")
        hard = _bounds(parameters, "hard_bounds")
        written = parameters.text("format")
        return cls(
            field=field,
            interval=interval,
            offset=(parameters.number("offset") or 0.0) % interval,
            order=BucketOrder.parse(parameters, BY_RISING_KEY),
            min_doc_count=least_count(parameters),
            extended_bounds=within(parameters, _bounds(parameters, "extended_bounds"), hard),
            hard_bounds=hard,
            missing=parameters.scalar("missing"),
            keyed=parameters.flag("keyed"),
            format=None if written is None else NumberFormat.parse(written),
        )

    def ask(self, children: Sequence[Node]) -> JsonObject:  # noqa: ARG002 - the contract's
        """Ask for buckets with documents only: gaps are known when all parts are there."""
        return {
            self.kind: without_nothing(
                {
                    "field": self.field,
                    "interval": self.interval,
                    "offset": self.offset or None,
                    "min_doc_count": 1,
                    "hard_bounds": None if self.hard_bounds is None else self.hard_bounds.ask(),
                    "missing": self.missing,
                }
            )
        }

    def combine(self, parts: Sequence[JsonObject], children: Sequence[Node]) -> JsonObject:
        """Merge by the number of the bucket, so that rounding does not tear equal keys apart."""
        return {
            "buckets": merged_buckets(
                parts, children, lambda key: self.key(round((read_number(key) - self.offset) / self.interval))
            )
        }

    def finish(self, combined: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:
        """Put the gaps back, order, and leave out what has too few documents."""
        buckets = combined["buckets"]
        if self.min_doc_count == 0:
            buckets = self._filled(buckets, children)
        else:
            buckets = [bucket for bucket in buckets if bucket["doc_count"] >= self.min_doc_count]
        budget.take(len(buckets))
        ordered = self.order.sorted(buckets, children, lambda bucket: bucket["key"])
        shown = self.format
        if shown is not None:
            ordered = [{**bucket, "key_as_string": shown.render(bucket["key"])} for bucket in ordered]
        final = [finished_bucket(bucket, children, budget) for bucket in ordered]
        if self.keyed:
            names = [bucket.get("key_as_string") or java_double(bucket["key"]) for bucket in final]
            return {"buckets": dict(zip(names, final, strict=True))}
        return {"buckets": final}

    def number(self, value: float) -> int:
        """Answer the number of the bucket that holds a value."""
        return math.floor((value - self.offset) / self.interval)

    def key(self, number: int) -> float:
        """Answer the key of a bucket: where it begins."""
        return number * self.interval + self.offset

    def _filled(self, buckets: list[JsonObject], children: Sequence[Node]) -> list[JsonObject]:
        by_number = {round((bucket["key"] - self.offset) / self.interval): bucket for bucket in buckets}
        ends = list(by_number)
        if self.extended_bounds is not None:
            bounds = (self.extended_bounds.least, self.extended_bounds.greatest)
            ends += [
                self.number(bound) for bound in bounds if bound is not None and (ends or None not in bounds)
            ]
        if not ends:
            return []
        if max(ends) - min(ends) >= MAXIMUM_BUCKETS:
            raise too_many_buckets()
        empty = combine_all(children, ())
        return [
            by_number.get(number) or {"key": self.key(number), "doc_count": 0, **empty}
            for number in range(min(ends), max(ends) + 1)
        ]


def least_count(parameters: Parameters) -> int:
    """Take ``min_doc_count`` of a histogram."""
    count = parameters.integer("min_doc_count")
    if count is not None and count < 0:
        raise parameters.refuse(
            "min_doc_count",
            f"[minDocCount] must be greater than or equal to 0. Found [{count}] in [{parameters.name}]",
        )
    return count or 0


def within(parameters: Parameters, extended: Bounds | None, hard: Bounds | None) -> Bounds | None:
    """Check that buckets wanted in any case are not outside of those allowed."""
    if extended is None or hard is None:
        return extended
    low = None not in (extended.least, hard.least) and extended.least < hard.least  # type: ignore[operator]
    high = None not in (extended.greatest, hard.greatest) and extended.greatest > hard.greatest  # type: ignore[operator]
    if low or high:
        raise illegal_argument(
            f"Extended bounds have to be inside hard bounds, hard bounds: [{hard.least}--{hard.greatest}], "
            f"extended bounds: [{extended.least}--{extended.greatest}] in [{parameters.name}]"
        )
    return extended


def ordered_bounds(parameters: Parameters, member: str, bounds: Bounds) -> Bounds:
    """Check that the least is not above the greatest."""
    if bounds.least is not None and bounds.greatest is not None and bounds.least > bounds.greatest:
        raise parameters.refuse(
            member,
            f"[{member}.min][{bounds.least}] cannot be greater than [{member}.max][{bounds.greatest}] "
            f"for {parameters.kind} aggregation [{parameters.name}]",
        )
    return bounds


def bound_values(parameters: Parameters, member: str) -> JsonObject | None:
    """Take bounds: an object of ``min`` and ``max``, either may be absent."""
    value = parameters.take(member)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise parameters.wrong_type(member, value)
    for unknown in value.keys() - {"min", "max"}:
        raise parameters.refuse(member, f"[{member}] unknown field [{unknown}]")
    return value


def _bounds(parameters: Parameters, member: str) -> Bounds | None:
    values = bound_values(parameters, member)
    if values is None:
        return None
    ends = (
        None if end is None else parameters.as_number(member, end) for end in map(values.get, ("min", "max"))
    )
    return ordered_bounds(parameters, member, Bounds(*ends))
