"""Stats with the spread of the values; what combines is the sum of the squares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from isthmus.exchange import JsonObject
from isthmus.search.aggregations.contract import Node
from isthmus.search.aggregations.fields import Parameters
from isthmus.search.aggregations.metric import SeveralNumbers, number_to_order_by
from isthmus.search.aggregations.metrics import MetricField, combined_stats, precise_sum, with_strings
from isthmus.search.aggregations.numbers import read_number_or_none, write_number

_DEFAULT_SIGMA: Final = 2.0
_SPREAD: Final = (
    "variance",
    "variance_population",
    "variance_sampling",
    "std_deviation",
    "std_deviation_population",
    "std_deviation_sampling",
)
_BOUNDS: Final = (
    "upper",
    "lower",
    "upper_population",
    "lower_population",
    "upper_sampling",
    "lower_sampling",
)


@dataclass(frozen=True, slots=True)
class ExtendedStats(SeveralNumbers):
    """The parameters of ``extended_stats``; ``sigma`` is how many deviations the bounds are away."""

    field: MetricField
    sigma: float = _DEFAULT_SIGMA

    kind: ClassVar[str] = "extended_stats"
    METRICS: ClassVar = frozenset(
        {
            "count",
            "min",
            "max",
            "avg",
            "sum",
            "sum_of_squares",
            *_SPREAD,
            *(f"std_{bound}" for bound in _BOUNDS),
        }
    )

    @classmethod
    def parse(cls, parameters: Parameters) -> ExtendedStats:
        """Read the parameters."""
        sigma = parameters.number("sigma")
        if sigma is not None and sigma < 0:
            raise parameters.refuse(
                "sigma", f"[sigma] must be greater than or equal to 0. Found [{sigma}] in [{parameters.name}]"
            )
        return cls(MetricField.parse(parameters), _DEFAULT_SIGMA if sigma is None else sigma)

    def members(self) -> JsonObject:
        """Answer the field's members, and sigma."""
        return {**self.field.ask(), "sigma": self.sigma}

    def combine(self, parts: Sequence[JsonObject], children: Sequence[Node]) -> JsonObject:  # noqa: ARG002
        """Add up counts, sums and squares; everything else follows from them."""
        basic = combined_stats(parts)
        squares = precise_sum([read_number_or_none(part["sum_of_squares"]) or 0.0 for part in parts])
        spread = self._spread(basic, squares)
        return with_strings({**basic, **spread}, parts, self.field.format)

    def order_value(self, combined: JsonObject, metric: str) -> float:
        """Answer one of the numbers."""
        self.order_metric(metric)
        bound = metric.removeprefix("std_")
        value = combined["std_deviation_bounds"][bound] if bound in _BOUNDS else combined[metric]
        return number_to_order_by(value, metric)

    def _spread(self, basic: JsonObject, squares: float) -> JsonObject:
        count = basic["count"]
        if not count:
            nothing: JsonObject = dict.fromkeys(("sum_of_squares", *_SPREAD))
            return {**nothing, "std_deviation_bounds": dict.fromkeys(_BOUNDS)}
        total = float(basic["sum"])
        mean = total / count
        # rounding may leave a little less than nothing
        deviations = max(0.0, squares - total * total / count) if math.isfinite(squares) else math.nan
        population = deviations / count
        sampling = deviations / (count - 1) if count > 1 else math.nan
        wide, wide_sampling = math.sqrt(population), math.sqrt(sampling)
        spread: JsonObject = {
            "sum_of_squares": squares,
            "variance": population,
            "variance_population": population,
            "variance_sampling": sampling,
            "std_deviation": wide,
            "std_deviation_population": wide,
            "std_deviation_sampling": wide_sampling,
        }
        upper, lower = mean + self.sigma * wide, mean - self.sigma * wide
        bounds = {
            "upper": upper,
            "lower": lower,
            "upper_population": upper,
            "lower_population": lower,
            "upper_sampling": mean + self.sigma * wide_sampling,
            "lower_sampling": mean - self.sigma * wide_sampling,
        }
        written = {name: write_number(value) for name, value in spread.items()}
        return {
            **written,
            "std_deviation_bounds": {name: write_number(each) for name, each in bounds.items()},
        }
