"""Buckets over time of such a length that there are about as many as wanted.

Each part takes the shortest calendar unit of which its own documents need not too many. Together the
parts may need a longer one: its buckets are made of whole buckets of the shorter ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

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
from isthmus.search.aggregations.date_format import DateFormat
from isthmus.search.aggregations.fields import Parameters, without_nothing
from isthmus.search.aggregations.keyed import finished_bucket, merged_buckets
from isthmus.search.aggregations.numbers import read_count, read_number
from isthmus.search.aggregations.rendering import renderer_like
from isthmus.search.aggregations.rounding import Rounding
from isthmus.search.aggregations.time_zone import DAY, HOUR, MINUTE, SECOND, UTC, TimeZone

_DEFAULT_BUCKETS: Final = 10
#: Member of a combinable answer: a few dates with how they are written.
_SAMPLES: Final = "samples"
_MOST_SAMPLES: Final = 3


@dataclass(frozen=True, slots=True)
class Unit:
    """A calendar unit, about how long it is, and how many of it may make one bucket in the end."""

    name: str
    letter: str
    length: int
    multiples: tuple[int, ...]


UNITS: Final = (
    Unit("second", "s", SECOND, (1, 5, 10, 30)),
    Unit("minute", "m", MINUTE, (1, 5, 10, 30)),
    Unit("hour", "h", HOUR, (1, 3, 12)),
    Unit("day", "d", DAY, (1, 7)),
    Unit("month", "M", 30 * DAY, (1, 3)),
    Unit("year", "y", 365 * DAY, (1, 5, 10, 20, 50, 100)),
)
#: The most units that make one bucket, years aside.
_MOST_MULTIPLE: Final = max(multiple for unit in UNITS[:-1] for multiple in unit.multiples)


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoDateHistogram(Buckets):
    """The parameters of ``auto_date_histogram``; ``least`` is the place of the shortest unit allowed."""

    field: str
    buckets: int = _DEFAULT_BUCKETS
    least: int = 0
    zone: TimeZone = UTC
    format: DateFormat | None = None
    missing: str | int | float | bool | None = None

    kind: ClassVar[str] = "auto_date_histogram"

    @classmethod
    def parse(cls, parameters: Parameters) -> AutoDateHistogram:
        """Read the parameters."""
        wanted = parameters.integer("buckets")
        if wanted is not None and wanted <= 0:
            raise illegal_argument(f"buckets must be greater than 0 for [{parameters.name}]")
        ceiling = MAXIMUM_BUCKETS // _MOST_MULTIPLE
        if wanted is not None and wanted > ceiling:
            raise illegal_argument(f"buckets must be less than {ceiling}")
        zone, written = parameters.scalar("time_zone"), parameters.text("format")
        least = parameters.text("minimum_interval")
        names = [unit.name for unit in UNITS]
        if least is not None and least not in names:
            raise parameters.refuse(
                "minimum_interval", f"minimum_interval must be one of [{', '.join(reversed(names))}]"
            )
        return cls(
            field=parameters.field(),
            buckets=wanted or _DEFAULT_BUCKETS,
            least=0 if least is None else names.index(least),
            zone=UTC if zone is None else TimeZone.parse(str(zone)),
            format=None if written is None else DateFormat.parse(written),
            missing=parameters.scalar("missing"),
        )

    def ask(self, children: Sequence[Node]) -> JsonObject:  # noqa: ARG002 - the contract's
        """Ask for the same."""
        return {
            self.kind: without_nothing(
                {
                    "field": self.field,
                    "buckets": self.buckets,
                    "minimum_interval": UNITS[self.least].name if self.least else None,
                    "time_zone": None if self.zone == UTC else self.zone.text,
                    "format": None if self.format is None else self.format.text,
                    "missing": self.missing,
                }
            )
        }

    def combine(self, parts: Sequence[JsonObject], children: Sequence[Node]) -> JsonObject:
        """Merge by the longest unit of the parts, or a longer one where there are too many buckets by now."""
        ends = [round(read_number(bucket["key"])) for part in parts for bucket in part["buckets"]]
        place = max([self.least, *(_place(part["interval"]) for part in parts)])
        if ends:
            place = self.place(min(ends), max(ends), place)
        rounding = self.rounding(place)
        merged = merged_buckets(parts, children, lambda key: rounding.round(round(read_number(key))))
        for bucket in merged:
            # of a shorter unit, maybe; the samples say how dates are written
            bucket.pop("key_as_string", None)
        return {_SAMPLES: _samples(parts), "buckets": merged, "interval": f"1{UNITS[place].letter}"}

    def finish(self, combined: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:
        """Put the gaps back, join neighbours until there are not more than wanted, and write the dates."""
        place = _place(combined["interval"])
        filled = self._filled(combined["buckets"], children, self.rounding(place))
        multiple = 1
        if len(filled) > self.buckets:
            fitting = [each for each in UNITS[place].multiples if -(-len(filled) // each) <= self.buckets]
            multiple = fitting[0] if fitting else 1
        joined = filled if multiple == 1 else _joined(filled, multiple, children)
        budget.take(len(joined))
        render = renderer_like([(key, text) for key, text in combined[_SAMPLES]], self.format, self.zone)
        final = [
            finished_bucket({**bucket, "key_as_string": render(bucket["key"])}, children, budget)
            for bucket in joined
        ]
        return {"buckets": final, "interval": f"{multiple}{UNITS[place].letter}"}

    def rounding(self, place: int) -> Rounding:
        """Answer how instants are rounded to a unit."""
        return Rounding.calendar(UNITS[place].name, self.zone, 0)

    def place(self, first: int, last: int, least: int) -> int:
        """Answer the place of the shortest unit, from ``least`` on, that makes not too many buckets.

        It depends on the first and the last instant only, so that parts agree with the whole.
        """
        for place in range(least, len(UNITS) - 1):
            unit, rounding = UNITS[place], self.rounding(place)
            most = self.buckets * max(unit.multiples)
            start, end = rounding.round(first), rounding.round(last)
            if end - start <= most * unit.length and _fits(start, end, rounding, most):
                return place
        return len(UNITS) - 1

    def _filled(
        self, buckets: Sequence[JsonObject], children: Sequence[Node], rounding: Rounding
    ) -> list[JsonObject]:
        if not buckets:
            return []
        by_key = {bucket["key"]: bucket for bucket in buckets}
        empty = combine_all(children, ())
        filled: list[JsonObject] = []
        key, last = min(by_key), max(by_key)
        while key <= last:
            if len(filled) >= MAXIMUM_BUCKETS:
                raise too_many_buckets()
            filled.append(by_key.get(key) or {"key": key, "doc_count": 0, **empty})
            key = rounding.next(key)
        return filled


def _fits(start: int, end: int, rounding: Rounding, most: int) -> bool:
    """Tell whether there are at most so many buckets from one start to another."""
    key, count = start, 1
    while key < end and count <= most:
        key = rounding.next(key)
        count += 1
    return count <= most


def _joined(buckets: Sequence[JsonObject], multiple: int, children: Sequence[Node]) -> list[JsonObject]:
    joined = []
    for start in range(0, len(buckets), multiple):
        same = [bucket for bucket in buckets[start : start + multiple] if bucket["doc_count"]]
        count = sum(read_count(bucket["doc_count"]) for bucket in same)
        joined.append({"key": buckets[start]["key"], "doc_count": count, **combine_all(children, same)})
    return joined


def _samples(parts: Sequence[JsonObject]) -> list[Json]:
    samples: list[Json] = []
    for part in parts:
        written = [bucket for bucket in part["buckets"][:_MOST_SAMPLES] if "key_as_string" in bucket]
        samples += part.get(_SAMPLES) or [[bucket["key"], bucket["key_as_string"]] for bucket in written]
    return [[read_number(key), str(text)] for key, text in samples[:_MOST_SAMPLES]]


def _place(interval: str) -> int:
    """Answer the place of the unit of an interval such as ``7d``."""
    return [unit.letter for unit in UNITS].index(interval.lstrip("0123456789"))
