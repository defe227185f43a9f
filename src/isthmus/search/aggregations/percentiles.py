"""``percentiles`` and ``percentile_ranks``; what combines is how the values are distributed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from isthmus.errors import illegal_argument
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.contract import BucketBudget, Node, not_orderable
from isthmus.search.aggregations.distributed import Method, OfDistribution
from isthmus.search.aggregations.fields import Parameters, unreadable
from isthmus.search.aggregations.metrics import MetricField
from isthmus.search.aggregations.numbers import java_double, write_number

_DEFAULT_PERCENTS: Final = (1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0)
_ALL: Final = 100.0


@dataclass(frozen=True, slots=True)
class Percentiles(OfDistribution):
    """The parameters of ``percentiles``."""

    field: MetricField
    method: Method
    percents: tuple[float, ...] = _DEFAULT_PERCENTS
    keyed: bool = True

    kind: ClassVar[str] = "percentiles"

    @classmethod
    def parse(cls, parameters: Parameters) -> Percentiles:
        """Read the parameters."""
        percents = _numbers(parameters, "percents", _DEFAULT_PERCENTS)
        for percent in percents:
            if not 0 <= percent <= _ALL:
                raise parameters.refuse(
                    "percents", f"percent must be in [0,100], got [{percent}]: [{parameters.name}]"
                )
        if len(set(percents)) < len(percents):
            twice = next(each for place, each in enumerate(percents) if each in percents[:place])
            raise parameters.refuse(
                "percents", f"percent [{twice}] has been specified more than once: [{parameters.name}]"
            )
        keyed = parameters.flag("keyed", default=True)
        return cls(MetricField.parse(parameters), Method.parse(parameters), tuple(sorted(percents)), keyed)

    def finish(self, combined: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:  # noqa: ARG002 - the contract's
        """Answer the value at each percentage."""
        values = self._values(combined, self.percents)
        shown = [self.with_string("value", value, combined) for value in values]
        return _rendered(self.percents, shown, keyed=self.keyed)

    def order_value(self, combined: JsonObject, metric: str) -> float:
        """Answer the value at one of the percentages."""
        return self._values(combined, [float(self.order_metric(metric))])[0]

    def order_metric(self, metric: str) -> str:
        """Answer the same: a cluster orders by it too."""
        return _one_of(self.percents, metric, self.kind)

    def members(self) -> JsonObject:
        """Answer the parameters that a cluster needs: those of its order too."""
        return {**OfDistribution.members(self), "percents": list(self.percents)}

    def typed_name(self, final: JsonObject) -> str:  # noqa: ARG002 - the contract's
        """Answer the kind with its method."""
        return f"{self.method.name}_percentiles"

    def _values(self, combined: JsonObject, percents: Sequence[float]) -> list[float]:
        distribution = self.distribution([combined])
        if self.method.steps is not None:
            return self.method.steps.quantiles(distribution.points(), percents)
        return distribution.quantiles([percent / _ALL for percent in percents])


@dataclass(frozen=True, slots=True)
class PercentileRanks(OfDistribution):
    """The parameters of ``percentile_ranks``."""

    field: MetricField
    values: tuple[float, ...]
    method: Method
    keyed: bool = True

    kind: ClassVar[str] = "percentile_ranks"

    @classmethod
    def parse(cls, parameters: Parameters) -> PercentileRanks:
        """Read the parameters."""
        values = _numbers(parameters, "values", None)
        keyed = parameters.flag("keyed", default=True)
        return cls(MetricField.parse(parameters), tuple(sorted(values)), Method.parse(parameters), keyed)

    def members(self) -> JsonObject:
        """Answer the parameters."""
        return {**OfDistribution.members(self), "values": list(self.values)}

    def finish(self, combined: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:  # noqa: ARG002 - the contract's
        """Answer how many percent of all values are below each."""
        ranks = [{"value": write_number(rank)} for rank in self._ranks(combined, self.values)]
        return _rendered(self.values, ranks, keyed=self.keyed)

    def order_value(self, combined: JsonObject, metric: str) -> float:
        """Answer the percentage of one of the values."""
        return self._ranks(combined, [float(self.order_metric(metric))])[0]

    def order_metric(self, metric: str) -> str:
        """Answer the same: a cluster orders by it too."""
        return _one_of(self.values, metric, self.kind)

    def typed_name(self, final: JsonObject) -> str:  # noqa: ARG002 - the contract's
        """Answer the kind with its method."""
        return f"{self.method.name}_percentile_ranks"

    def _ranks(self, combined: JsonObject, values: Sequence[float]) -> list[float]:
        distribution = self.distribution([combined])
        if self.method.steps is not None:
            ranks = self.method.steps.ranks(distribution.points(), values)
        else:
            ranks = distribution.ranks(values)
        return [rank * _ALL for rank in ranks]


def _numbers(parameters: Parameters, member: str, default: tuple[float, ...] | None) -> tuple[float, ...]:
    if parameters.has_nothing(member):
        raise illegal_argument(f"[{member}] must not be null: [{parameters.name}]")
    given = parameters.take(member)
    if given is None:
        if default is None:
            raise unreadable(f"Required [{member}]")
        return default
    if not isinstance(given, list):
        raise parameters.wrong_type(member, given)
    if not given:
        raise parameters.refuse(member, f"[{member}] must not be an empty array: [{parameters.name}]")
    return tuple(parameters.as_number(member, each) for each in given)


def _one_of(numbers: Sequence[float], metric: str, kind: str) -> str:
    try:
        number = float(metric)
    except ValueError:
        raise not_orderable(f"{kind}.{metric}" if metric else kind) from None
    if number not in numbers:
        raise not_orderable(f"{kind}.{metric}")
    return metric


def _rendered(keys: Sequence[float], shown: Sequence[Mapping[str, Json]], *, keyed: bool) -> JsonObject:
    """Answer the numbers as one object or as a list; what there is none of is null."""
    if not keyed:
        listed = [
            {"key": key, **each, "value": _none_of_nothing(each["value"])}
            for key, each in zip(keys, shown, strict=True)
        ]
        return {"values": listed}
    values: JsonObject = {}
    for key, each in zip(keys, shown, strict=True):
        name = java_double(key)
        values[name] = _none_of_nothing(each["value"])
        if "value_as_string" in each:
            values[f"{name}_as_string"] = each["value_as_string"]
    return {"values": values}


def _none_of_nothing(value: Json) -> Json:
    return None if value == "NaN" else value
