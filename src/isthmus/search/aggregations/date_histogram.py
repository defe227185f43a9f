"""Buckets over time: of fixed length, or of the calendar of a time zone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from isthmus.errors import illegal_argument
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.buckets import Buckets
from isthmus.search.aggregations.contract import (
    MAXIMUM_BUCKETS,
    BucketBudget,
    Node,
    combine_all,
    too_many_buckets,
)
from isthmus.search.aggregations.date_format import DEFAULT_DATE_FORMAT, DateFormat
from isthmus.search.aggregations.fields import Parameters, without_nothing
from isthmus.search.aggregations.histogram import Bounds, bound_values, least_count, ordered_bounds, within
from isthmus.search.aggregations.keyed import finished_bucket, merged_buckets
from isthmus.search.aggregations.numbers import read_number
from isthmus.search.aggregations.order import BY_RISING_KEY, BucketOrder
from isthmus.search.aggregations.rendering import renderer_like
from isthmus.search.aggregations.rounding import Rounding, parse_calendar_unit, parse_time_value
from isthmus.search.aggregations.time_zone import UTC, TimeZone


@dataclass(frozen=True, slots=True, kw_only=True)
class DateHistogram(Buckets):
    """The parameters of ``date_histogram``; bounds are epoch milliseconds."""

    field: str
    rounding: Rounding
    #: how the request names the interval: {"calendar_interval": "month"}
    interval: JsonObject
    order: BucketOrder = BY_RISING_KEY
    min_doc_count: int = 0
    extended_bounds: Bounds | None = None
    hard_bounds: Bounds | None = None
    missing: str | int | float | bool | None = None
    format: DateFormat | None = None
    keyed: bool = False

    kind: ClassVar[str] = "date_histogram"

    @classmethod
    def parse(cls, parameters: Parameters) -> DateHistogram:
        """Read the parameters."""
        field = parameters.field()
        written_zone = parameters.scalar("time_zone")
        zone = UTC if written_zone is None else TimeZone.parse(str(written_zone))
        written_format = parameters.text("format")
        chosen = None if written_format is None else DateFormat.parse(written_format)
        rounding, interval = _rounding(parameters, zone)
        hard = _bounds(parameters, "hard_bounds", chosen, zone)
        return cls(
            field=field,
            rounding=rounding,
            interval=interval,
            order=BucketOrder.parse(parameters, BY_RISING_KEY),
            min_doc_count=least_count(parameters),
            extended_bounds=within(parameters, _bounds(parameters, "extended_bounds", chosen, zone), hard),
            hard_bounds=hard,
            missing=parameters.scalar("missing"),
            format=chosen,
            keyed=parameters.flag("keyed"),
        )

    def ask(self, children: Sequence[Node]) -> JsonObject:  # noqa: ARG002 - the contract's
        """Ask for buckets with documents only: gaps are known when all parts are there."""
        zone, offset = self.rounding.zone, self.rounding.offset
        return {
            self.kind: without_nothing(
                {
                    "field": self.field,
                    **self.interval,
                    "time_zone": None if zone == UTC else zone.text,
                    "offset": f"{offset:+d}ms" if offset else None,
                    "min_doc_count": 1,
                    "hard_bounds": None if self.hard_bounds is None else self.hard_bounds.ask(),
                    "missing": self.missing,
                    "format": None if self.format is None else self.format.text,
                }
            )
        }

    def combine(self, parts: Sequence[JsonObject], children: Sequence[Node]) -> JsonObject:
        """Merge by the key, which is epoch milliseconds."""
        return {"buckets": merged_buckets(parts, children, lambda key: int(read_number(key)))}

    def finish(self, combined: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:
        """Put the gaps back, write the dates, order, and leave out what has too few documents."""
        buckets = combined["buckets"]
        samples = [
            (bucket["key"], str(bucket["key_as_string"])) for bucket in buckets if "key_as_string" in bucket
        ]
        if self.min_doc_count == 0:
            buckets = self._filled(buckets, children)
        else:
            buckets = [bucket for bucket in buckets if bucket["doc_count"] >= self.min_doc_count]
        budget.take(len(buckets))
        render = renderer_like(samples, self.format, self.rounding.zone)
        ordered = self.order.sorted(buckets, children, lambda bucket: bucket["key"])
        final = [
            finished_bucket({**bucket, "key_as_string": render(bucket["key"])}, children, budget)
            for bucket in ordered
        ]
        if self.keyed:
            return {"buckets": {bucket["key_as_string"]: bucket for bucket in final}}
        return {"buckets": final}

    def _filled(self, buckets: list[JsonObject], children: Sequence[Node]) -> list[JsonObject]:
        by_key = {bucket["key"]: bucket for bucket in buckets}
        ends = list(by_key)
        if self.extended_bounds is not None:
            bounds = (self.extended_bounds.least, self.extended_bounds.greatest)
            ends += [
                self.rounding.round(int(bound))
                for bound in bounds
                if bound is not None and (ends or None not in bounds)
            ]
        if not ends:
            return []
        empty = combine_all(children, ())
        filled: list[JsonObject] = []
        key, last = min(ends), max(ends)
        while key <= last:
            if len(filled) >= MAXIMUM_BUCKETS:
                raise too_many_buckets()
            filled.append(by_key.pop(key) if key in by_key else {"key": key, "doc_count": 0, **empty})
            key = self.rounding.next(key)
        # a cluster with other time zone rules may have keys that are none here: they are kept
        return sorted([*filled, *by_key.values()], key=lambda bucket: bucket["key"]) if by_key else filled


def _rounding(parameters: Parameters, zone: TimeZone) -> tuple[Rounding, JsonObject]:
    calendar, fixed = parameters.text("calendar_interval"), parameters.text("fixed_interval")
    offset = _offset(parameters)
    if calendar is not None and fixed is not None:
        raise parameters.refuse(
            "fixed_interval", "Cannot use [fixed_interval] with [calendar_interval] configuration option."
        )
    if calendar is not None:
        unit = parse_calendar_unit(calendar)
        if unit is None:
            raise parameters.refuse(
                "calendar_interval",
                f"The supplied interval [{calendar}] could not be parsed as a calendar interval.",
            )
        return Rounding.calendar(unit, zone, offset), {"calendar_interval": calendar}
    if fixed is None:
        raise illegal_argument("Invalid interval specified, must be non-null and non-empty")
    length = parse_time_value(fixed)
    if length is None:
        raise parameters.refuse(
            "fixed_interval",
            f"failed to parse setting [date_histogram.fixedInterval] with value [{fixed}] as a time value: "
            "unit is missing or unrecognized",
        )
    if length < 1:
        raise illegal_argument("Zero or negative time interval not supported")
    return Rounding(None, length, zone, offset), {"fixed_interval": fixed}


def _offset(parameters: Parameters) -> int:
    value = parameters.scalar("offset")
    if value is None:
        return 0
    if isinstance(value, bool | float):
        raise parameters.wrong_type("offset", value)
    offset = value if isinstance(value, int) else parse_time_value(value)
    if offset is None:
        raise parameters.refuse(
            "offset",
            f"failed to parse setting [date_histogram.offset] with value [{value}] as a time value: "
            "unit is missing or unrecognized",
        )
    return offset


def _bounds(parameters: Parameters, member: str, chosen: DateFormat | None, zone: TimeZone) -> Bounds | None:
    values = bound_values(parameters, member)
    if values is None:
        return None
    ends = (_bound(parameters, member, values.get(end), chosen, zone) for end in ("min", "max"))
    return ordered_bounds(parameters, member, Bounds(*ends))


def _bound(
    parameters: Parameters, member: str, value: Json, chosen: DateFormat | None, zone: TimeZone
) -> int | None:
    if value is None:
        return None
    if isinstance(value, str):
        return (chosen or DEFAULT_DATE_FORMAT).read(value, zone)
    return int(parameters.as_number(member, value))
