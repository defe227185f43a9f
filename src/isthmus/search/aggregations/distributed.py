"""How values are summed up for percentiles and their like, and what such metrics have in common."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from isthmus.errors import illegal_argument
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.contract import Node
from isthmus.search.aggregations.fields import Parameters, without_nothing
from isthmus.search.aggregations.metric import Metric
from isthmus.search.aggregations.metrics import MetricField
from isthmus.search.aggregations.numbers import write_number
from isthmus.search.aggregations.shown import SHOWN, first_shown, shower
from isthmus.search.aggregations.sketches.distribution import Distribution, centroids
from isthmus.search.aggregations.sketches.high_dynamic_range import Steps

DEFAULT_COMPRESSION: Final = 100.0
_DEFAULT_DIGITS: Final = 3
_MOST_DIGITS: Final = 5
_HINTS: Final = (None, "default", "high_accuracy")


@dataclass(frozen=True, slots=True)
class Method:
    """How values are summed up: a t-digest of some compression, or steps of some significant digits."""

    compression: float = DEFAULT_COMPRESSION
    steps: Steps | None = None

    @classmethod
    def parse(cls, parameters: Parameters) -> Method:
        """Take the members ``tdigest`` and ``hdr``, of which one may be there."""
        tdigest, hdr = parameters.take("tdigest"), parameters.take("hdr")
        if tdigest is not None and hdr is not None:
            raise illegal_argument("Only one percentiles method should be declared.")
        if hdr is not None:
            return cls(steps=Steps(_digits(_members(parameters, "hdr", hdr), parameters)))
        if tdigest is None:
            return cls()
        members = _members(parameters, "tdigest", tdigest)
        _take_hint(members)
        compression = members.number("compression")
        members.finish()
        if compression is not None and compression < 0:
            raise members.refuse(
                "compression", f"[compression] must be greater than or equal to 0. Found [{compression}]"
            )
        return cls(DEFAULT_COMPRESSION if compression is None else compression)

    @classmethod
    def of_compression(cls, parameters: Parameters, default: float) -> Method:
        """Take the member ``compression`` of a metric that has no other method."""
        _take_hint(parameters)
        compression = parameters.number("compression")
        if compression is not None and compression <= 0:
            raise parameters.refuse(
                "compression",
                f"[compression] must be greater than 0. Found [{compression}] in [{parameters.name}]",
            )
        return cls(default if compression is None else compression)

    @property
    def name(self) -> str:
        """Answer the word for it in typed keys."""
        return "tdigest" if self.steps is None else "hdr"

    def members(self) -> JsonObject:
        """Answer the member back."""
        if self.steps is None:
            return {"tdigest": {"compression": self.compression}}
        return {"hdr": {"number_of_significant_value_digits": self.steps.digits}}

    def distribution(self) -> Distribution:
        """Answer an empty distribution of this kind."""
        return Distribution(centroids(self.compression) if self.steps is None else None)


def _take_hint(parameters: Parameters) -> None:
    """Take a hint for an engine that has several ways to do the same."""
    hint = parameters.text("execution_hint")
    if hint not in _HINTS:
        raise illegal_argument(f"Invalid execution_hint [{hint}], valid values are [default, high_accuracy]")


def _members(parameters: Parameters, member: str, value: Json) -> Parameters:
    if not isinstance(value, dict):
        raise parameters.wrong_type(member, value)
    return Parameters(parameters.name, member, value)


def _digits(members: Parameters, parameters: Parameters) -> int:
    name = "number_of_significant_value_digits"
    if members.has_nothing(name):
        raise members.wrong_type(name, None)
    digits = members.integer(name)
    members.finish()
    if digits is not None and not 0 <= digits <= _MOST_DIGITS:
        raise parameters.refuse(
            "hdr", f"[numberOfSignificantValueDigits] must be between 0 and {_MOST_DIGITS}"
        )
    return _DEFAULT_DIGITS if digits is None else digits


class OfDistribution(Metric):
    """A metric whose combinable form is that of :class:`Distribution`, with how values are shown."""

    __slots__ = ()
    field: MetricField
    method: Method

    def members(self) -> JsonObject:
        """Answer the field's members, and the method."""
        return {**self.field.ask(), **self.method.members()}

    def combine(self, parts: Sequence[JsonObject], children: Sequence[Node]) -> JsonObject:  # noqa: ARG002 - the contract's
        """Put the distributions together."""
        return without_nothing({**self.distribution(parts).write(), SHOWN: first_shown(parts)})

    def distribution(self, parts: Iterable[JsonObject]) -> Distribution:
        """Answer the distribution of the values of all parts."""
        whole = self.method.distribution()
        for part in parts:
            whole.read(part)
        return whole

    def with_string(self, member: str, value: float, combined: JsonObject) -> JsonObject:
        """Answer a value as a member, and as text where values of the field are shown so."""
        show = shower(combined.get(SHOWN), self.field.format)
        written = write_number(value)
        if show is None or not math.isfinite(value):
            return {member: written}
        return {member: written, f"{member}_as_string": show(value)}
