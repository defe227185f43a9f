"""The five numbers of a box with whiskers; what combines is how the values are distributed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from isthmus.exchange import JsonObject
from isthmus.search.aggregations.contract import BucketBudget, Node
from isthmus.search.aggregations.distributed import DEFAULT_COMPRESSION, Method, OfDistribution
from isthmus.search.aggregations.fields import Parameters
from isthmus.search.aggregations.metric import SeveralNumbers
from isthmus.search.aggregations.metrics import MetricField

_QUARTERS: Final = (0.25, 0.5, 0.75)
#: A whisker ends at the last value within so many lengths of the box.
_WHISKER: Final = 1.5


@dataclass(frozen=True, slots=True)
class Boxplot(SeveralNumbers, OfDistribution):
    """The parameters of ``boxplot``."""

    field: MetricField
    method: Method

    kind: ClassVar[str] = "boxplot"
    METRICS: ClassVar = frozenset({"min", "max", "q1", "q2", "q3", "lower", "upper"})

    @classmethod
    def parse(cls, parameters: Parameters) -> Boxplot:
        """Read the parameters."""
        method = Method.of_compression(parameters, DEFAULT_COMPRESSION)
        return cls(MetricField.parse(parameters), method)

    def members(self) -> JsonObject:
        """Answer the parameters."""
        return {**self.field.ask(), "compression": self.method.compression}

    def finish(self, combined: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:  # noqa: ARG002 - the contract's
        """Answer the numbers; of nothing they are infinities and NaN."""
        numbers: JsonObject = {}
        strings: JsonObject = {}
        for name, value in self._numbers(combined).items():
            shown = self.with_string(name, value, combined)
            numbers[name] = shown.pop(name)
            strings.update(shown)
        return {**numbers, **strings}

    def order_value(self, combined: JsonObject, metric: str) -> float:
        """Answer one of the numbers."""
        return self._numbers(combined)[self.order_metric(metric)]

    def _numbers(self, combined: JsonObject) -> dict[str, float]:
        distribution = self.distribution([combined])
        extent = distribution.extent()
        if extent is None:
            nothing = dict.fromkeys(("q1", "q2", "q3", "lower", "upper"), math.nan)
            return {"min": math.inf, "max": -math.inf, **nothing}
        first, second, third = distribution.quantiles(_QUARTERS)
        reach = _WHISKER * (third - first)
        values = [value for value, _ in distribution.points()]
        return {
            "min": extent[0],
            "max": extent[1],
            "q1": first,
            "q2": second,
            "q3": third,
            "lower": min((each for each in values if each >= first - reach), default=extent[0]),
            "upper": max((each for each in values if each <= third + reach), default=extent[1]),
        }
