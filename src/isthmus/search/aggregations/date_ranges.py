"""Buckets between dates that the caller gives, as texts, numbers or date math.

Only the clusters know a field's formats and what time it is: they read the limits, and a bucket is known by
its place in the request until all are together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from isthmus.errors import Failure
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.buckets import Buckets, listed_or_keyed, read_ranges
from isthmus.search.aggregations.contract import (
    BucketBudget,
    Node,
    combine_all,
    finish_all,
)
from isthmus.search.aggregations.date_format import DEFAULT_DATE_FORMAT, DateFormat
from isthmus.search.aggregations.fields import Parameters, without_nothing
from isthmus.search.aggregations.numbers import read_count, read_number
from isthmus.search.aggregations.time_zone import UTC, TimeZone

_LIMITS = ("from", "from_as_string", "to", "to_as_string")


@dataclass(frozen=True, slots=True)
class DateLimits:
    """One bucket as it was asked for: ``least`` is in it, ``most`` is not. None is open."""

    least: str | None
    most: str | None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DateRanges(Buckets):
    """The parameters of ``date_range``."""

    field: str
    ranges: tuple[DateLimits, ...]
    format: DateFormat | None = None
    zone: TimeZone = UTC
    missing: str | int | float | bool | None = None
    keyed: bool = False

    kind: ClassVar[str] = "date_range"

    @classmethod
    def parse(cls, parameters: Parameters) -> DateRanges:
        """Read the parameters."""
        field = parameters.field()
        entries = read_ranges(parameters)
        zone, written = parameters.scalar("time_zone"), parameters.text("format")
        return cls(
            field=field,
            ranges=tuple(_limits(parameters, entry) for entry in entries),
            format=None if written is None else DateFormat.parse(written),
            zone=UTC if zone is None else TimeZone.parse(str(zone)),
            missing=parameters.scalar("missing"),
            keyed=parameters.flag("keyed"),
        )

    def ask(self, children: Sequence[Node]) -> JsonObject:  # noqa: ARG002 - the contract's
        """Ask for the same, each range by the number of its place."""
        ranges = [
            without_nothing({"key": str(place), "from": each.least, "to": each.most})
            for place, each in enumerate(self.ranges)
        ]
        return {
            self.kind: without_nothing(
                {
                    "field": self.field,
                    "ranges": ranges,
                    "format": None if self.format is None else self.format.text,
                    "time_zone": None if self.zone == UTC else self.zone.text,
                    "missing": self.missing,
                }
            )
        }

    def combine(self, parts: Sequence[JsonObject], children: Sequence[Node]) -> JsonObject:
        """Add up by the number of the place; the limits are those of the first part."""
        by_place = [{bucket["key"]: bucket for bucket in part["buckets"]} for part in parts]
        buckets = []
        for place in map(str, range(len(self.ranges))):
            same = [part[place] for part in by_place]
            limits = _read_limits(same[0]) if same else {}
            count = sum(read_count(each["doc_count"]) for each in same)
            buckets.append({"key": place, **limits, "doc_count": count, **combine_all(children, same)})
        return {"buckets": buckets}

    def finish(self, combined: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:
        """Order by the limits, and give every bucket its own key."""
        budget.take(len(self.ranges))
        final = []
        for limits, bucket in zip(self.ranges, combined["buckets"], strict=True):
            shown = {member: bucket[member] for member in _LIMITS if member in bucket}
            shown = shown or self._without_an_answer(limits)
            key = limits.name or f"{shown.get('from_as_string', '*')}-{shown.get('to_as_string', '*')}"
            count = bucket["doc_count"]
            final.append({"key": key, **shown, "doc_count": count, **finish_all(children, bucket, budget)})
        final.sort(key=_rank)
        return listed_or_keyed(final, keyed=self.keyed)

    def _without_an_answer(self, limits: DateLimits) -> JsonObject:
        """Answer the limits of a bucket that no index was asked for, inside of one without documents."""
        shown: JsonObject = {}
        chosen = self.format or DEFAULT_DATE_FORMAT
        for member, text in (("from", limits.least), ("to", limits.most)):
            if text is None:
                continue
            try:
                instant = chosen.read(text, self.zone)
            except Failure:
                # date math, which only an index can calculate
                shown[f"{member}_as_string"] = text
            else:
                shown[member] = float(instant)
                shown[f"{member}_as_string"] = chosen.render(instant, self.zone)
        return shown


def _read_limits(bucket: JsonObject) -> JsonObject:
    """Take the limits out of a bucket. Raises ValueError or TypeError for what are none."""
    return {
        member: str(bucket[member]) if member.endswith("_as_string") else read_number(bucket[member])
        for member in _LIMITS
        if member in bucket
    }


def _rank(bucket: JsonObject) -> tuple[float, float]:
    return (
        read_number(bucket.get("from", -math.inf)),
        read_number(bucket.get("to", math.inf)),
    )


def _limits(parameters: Parameters, entry: Json) -> DateLimits:
    if not isinstance(entry, dict):
        raise parameters.wrong_type("ranges", entry)
    for unknown in entry.keys() - {"key", "from", "to"}:
        raise parameters.refuse("ranges", f"[range] unknown field [{unknown}]")
    name = entry.get("key")
    if name is not None and not isinstance(name, str):
        raise parameters.wrong_type("key", name)
    least, most = (_text(parameters, end, entry.get(end)) for end in ("from", "to"))
    return DateLimits(least, most, name)


def _text(parameters: Parameters, member: str, value: Json) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise parameters.wrong_type(member, value)
    # a number is read by the field's format too: of seconds, of a year
    return str(int(value))
