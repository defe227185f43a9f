"""The average of values that count with a weight; what combines is the two sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from isthmus.errors import illegal_argument
from isthmus.exchange import JsonObject
from isthmus.search.aggregations.contract import BucketBudget, Node
from isthmus.search.aggregations.fields import Parameters, without_nothing
from isthmus.search.aggregations.metric import OneNumber
from isthmus.search.aggregations.metrics import MetricField, precise_sum
from isthmus.search.aggregations.numbers import read_number, write_number
from isthmus.search.aggregations.shown import SHOWN, ValueFormat, first_shown, parse_format, shower


@dataclass(frozen=True, slots=True)
class WeightedAverage(OneNumber):
    """The parameters of ``weighted_avg``. ``format`` is how values are shown."""

    value: MetricField
    weight: MetricField
    format: ValueFormat | None = None

    kind: ClassVar[str] = "weighted_avg"

    @classmethod
    def parse(cls, parameters: Parameters) -> WeightedAverage:
        """Read the parameters."""
        written = parameters.text("format")
        return cls(
            _field(parameters, "value"),
            _field(parameters, "weight"),
            None if written is None else parse_format(written),
        )

    def members(self) -> JsonObject:
        """Answer the parameters."""
        return without_nothing(
            {
                "value": self.value.ask(),
                "weight": self.weight.ask(),
                "format": None if self.format is None else self.format.text,
            }
        )

    def combine(self, parts: Sequence[JsonObject], children: Sequence[Node]) -> JsonObject:  # noqa: ARG002 - the contract's
        """Add up."""
        sums = {
            name: write_number(precise_sum([read_number(part[name]) for part in parts]))
            for name in ("sum", "weight")
        }
        return without_nothing({**sums, SHOWN: first_shown(parts)})

    def finish(self, combined: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:  # noqa: ARG002 - the contract's
        """Answer the average; null where all weights together are nothing."""
        average = self.order_value(combined, "")
        if math.isnan(average):
            return {"value": None}
        show = shower(combined.get(SHOWN), self.format)
        strings = {"value_as_string": show(average)} if show is not None and math.isfinite(average) else {}
        return {"value": write_number(average), **strings}

    def order_value(self, combined: JsonObject, metric: str) -> float:
        """Answer the average."""
        self.order_metric(metric)
        total, weight = read_number(combined["sum"]), read_number(combined["weight"])
        return total / weight if weight else math.nan


def _field(parameters: Parameters, member: str) -> MetricField:
    given = parameters.take(member)
    if given is None:
        raise illegal_argument(f"Required [{member}]")
    if not isinstance(given, dict):
        raise parameters.wrong_type(member, given)
    if "format" in given:
        raise illegal_argument(f"[{parameters.kind}] unknown field [format] in [{member}]")
    members = Parameters(parameters.name, member, given)
    field = MetricField.parse(members)
    members.finish()
    return field
