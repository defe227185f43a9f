"""The median of how far values are from their median; what combines is how they are distributed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from isthmus.exchange import JsonObject
from isthmus.search.aggregations.contract import BucketBudget, Node
from isthmus.search.aggregations.distributed import Method, OfDistribution
from isthmus.search.aggregations.fields import Parameters
from isthmus.search.aggregations.metric import OneNumber
from isthmus.search.aggregations.metrics import MetricField
from isthmus.search.aggregations.sketches.distribution import quantiles_of

_DEFAULT_COMPRESSION: Final = 1_000.0
_MEDIAN: Final = 0.5


@dataclass(frozen=True, slots=True)
class MedianAbsoluteDeviation(OneNumber, OfDistribution):
    """The parameters of ``median_absolute_deviation``."""

    field: MetricField
    method: Method

    kind: ClassVar[str] = "median_absolute_deviation"

    @classmethod
    def parse(cls, parameters: Parameters) -> MedianAbsoluteDeviation:
        """Read the parameters."""
        method = Method.of_compression(parameters, _DEFAULT_COMPRESSION)
        return cls(MetricField.parse(parameters), method)

    def members(self) -> JsonObject:
        """Answer the parameters."""
        return {**self.field.ask(), "compression": self.method.compression}

    def finish(self, combined: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:  # noqa: ARG002 - the contract's
        """Answer the number; null where there are no values."""
        deviation = self._deviation(combined)
        if math.isnan(deviation):
            return {"value": None}
        return self.with_string("value", deviation, combined)

    def order_value(self, combined: JsonObject, metric: str) -> float:
        """Answer the number."""
        OneNumber.order_metric(self, metric)
        return self._deviation(combined)

    def _deviation(self, combined: JsonObject) -> float:
        distribution = self.distribution([combined])
        median = distribution.quantiles([_MEDIAN])[0]
        deviations = sorted((abs(value - median), count) for value, count in distribution.points())
        return quantiles_of(deviations, [_MEDIAN])[0]
