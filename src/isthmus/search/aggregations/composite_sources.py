"""What the keys of a composite aggregation are made of: values of a field, its steps, or its dates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from isthmus.errors import illegal_argument
from isthmus.exchange import Json, JsonObject
from isthmus.search.addresses import address_rank
from isthmus.search.aggregations.date_format import DateFormat
from isthmus.search.aggregations.date_histogram import DateHistogram
from isthmus.search.aggregations.fields import Parameters, suggestion, unreadable
from isthmus.search.aggregations.histogram import Histogram
from isthmus.search.aggregations.numbers import read_number
from isthmus.search.aggregations.order import BY_RISING_KEY
from isthmus.search.aggregations.terms import ADDRESS_KEYS, Terms

#: As many values as there are.
_EVERY: Final = 2**31 - 1
_COMMON: Final = frozenset({"field", "missing_bucket", "missing_order", "order"})
_MEMBERS: Final = {
    "terms": _COMMON,
    "histogram": _COMMON | {"interval"},
    "date_histogram": _COMMON | {"calendar_interval", "fixed_interval", "offset", "time_zone", "format"},
}

Values: TypeAlias = Terms | Histogram | DateHistogram


@dataclass(frozen=True, slots=True)
class Source:
    """One part of the keys. ``values``: the aggregation whose keys it has."""

    name: str
    values: Values
    descending: bool = False
    missing_bucket: bool = False
    #: where documents without a value stand: ``first``, ``last``, or ``default`` (first when ascending)
    missing_order: str = "default"

    @property
    def nothing_first(self) -> bool:
        """Tell whether documents without a value come before all others."""
        if self.missing_order == "default":
            return not self.descending
        return self.missing_order == "first"

    @property
    def format(self) -> DateFormat | None:
        """Answer how dates are written, where the caller wants them as text."""
        return self.values.format if isinstance(self.values, DateHistogram) else None

    def ask(self) -> JsonObject:
        """Ask for the same, with dates as numbers."""
        ((kind, members),) = self.values.ask(()).items()
        kept = {member: members[member] for member in _MEMBERS[kind] if member in members}
        kept.pop("format", None)
        kept["order"] = "desc" if self.descending else "asc"
        if self.missing_bucket:
            kept.update({"missing_bucket": True, "missing_order": self.missing_order})
        return {self.name: {kind: kept}}

    def rank(self, key_type: str | None) -> Callable[[Json], tuple[int, Any]]:
        """Answer what to compare values by, in rising order."""
        nothing = 0 if self.nothing_first is not self.descending else 2

        def of(value: Json) -> tuple[int, Any]:
            if value is None:
                return nothing, 0
            return 1, address_rank(value) if key_type == ADDRESS_KEYS else value

        return of

    def read_value(self, value: Json) -> Json:
        """Read a value of an answer's key. Raises TypeError or ValueError for what is none."""
        if value is None or isinstance(self.values, Terms):
            return value
        return read_number(value) if isinstance(self.values, Histogram) else int(read_number(value))

    def show(self, value: Json) -> Json:
        """Write a value of a key as the caller wants it."""
        if value is None or self.format is None or not isinstance(self.values, DateHistogram):
            return value
        return self.format.render(value, self.values.rounding.zone)

    def read_after(self, value: Json) -> Json:
        """Read a value that the caller gives back. Raises a failure for what can be none."""
        if value is None:
            if not self.missing_bucket:
                raise illegal_argument(f"Missing value for [after.{self.name}]")
            return None
        if isinstance(value, dict | list):
            raise illegal_argument(f"invalid value for [after.{self.name}]")
        if isinstance(self.values, Terms):
            return value
        if self.format is not None and isinstance(self.values, DateHistogram):
            return self.format.read(str(value), self.values.rounding.zone)
        try:
            number = float(value)
        except (ValueError, OverflowError):
            raise illegal_argument(f'invalid value for [after.{self.name}]: "{value}"') from None
        return int(value) if isinstance(self.values, DateHistogram) else number


def read_source(aggregation: str, entry: Json) -> Source:
    """Read one source: an object of its name. Raises a failure that names what is wrong."""
    if not isinstance(entry, dict) or len(entry) != 1:
        raise unreadable("[composite] failed to parse field [sources]: each source is an object of one name")
    ((name, definition),) = entry.items()
    if not isinstance(definition, dict) or len(definition) != 1:
        raise unreadable(f"[composite] failed to parse field [sources]: [{name}] must have one type")
    ((kind, body),) = definition.items()
    if kind == "geotile_grid":
        raise illegal_argument(f"composite source type [{kind}] in [{aggregation}] is not supported")
    if kind not in _MEMBERS:
        raise illegal_argument(f"invalid source type: {kind}")
    if not isinstance(body, dict):
        raise unreadable(f"[composite] failed to parse field [sources]: [{kind}] must be an object")
    for member in body:
        if member in ("script", "value_type"):
            raise unreadable(f"[{kind}] [{member}] of a composite source is not supported")
        if member not in _MEMBERS[kind]:
            raise unreadable(f"[{kind}] unknown field [{member}]{suggestion(member, sorted(_MEMBERS[kind]))}")
    return _source(name, Parameters(name, kind, body))


def _source(name: str, parameters: Parameters) -> Source:
    order, missing_order = parameters.text("order"), parameters.text("missing_order")
    missing_bucket = parameters.flag("missing_bucket")
    if order is not None and order.lower() not in ("asc", "desc"):
        raise parameters.refuse("order", f"No enum constant for order [{order}]")
    placed = "default" if missing_order is None else missing_order.lower()
    if placed not in ("first", "last", "default"):
        raise parameters.refuse("missing_order", f"No enum constant for missing_order [{missing_order}]")
    if placed != "default" and not missing_bucket:
        raise illegal_argument(f"missingOrder can only be set if missingBucket is true for [{name}]")
    values: Values
    if parameters.kind == "terms":
        values = Terms(field=parameters.field(), size=_EVERY, shard_size=_EVERY, order=BY_RISING_KEY)
    elif parameters.kind == "histogram":
        values = Histogram.parse(parameters)
    else:
        values = DateHistogram.parse(parameters)
    parameters.finish()
    return Source(name, values, order is not None and order.lower() == "desc", missing_bucket, placed)
