"""Percentiles in steps of so many significant digits, as HdrHistogram has them.

A step is a bucket: what is in it counts as its least value, and answers are its greatest, short of one
unit. Steps are the same everywhere, so that counts of several clusters simply add up. The unit is the
step at the least value there is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from isthmus.search.aggregations.sketches.distribution import Points


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps for a number of significant digits (0 to 5)."""

    digits: int

    def floor(self, value: float) -> float:
        """Answer the least value of the step that a value is in; it must not be negative."""
        width = self._width(value)
        return math.floor(value / width) * width if width else 0.0

    def quantiles(self, points: Points, percents: Sequence[float]) -> list[float]:
        """Answer the value at each percentage of floors in ascending order; NaN where there is none."""
        if not points:
            return [math.nan] * len(percents)
        ends = list(accumulate(count for _, count in points))
        unit = self._width(next((value for value, _ in points if value), 0.0))
        answers = []
        for percent in percents:
            # HdrHistogram 2.1.9, which is Elasticsearch's, takes the nearest number of values
            wanted = max(1, math.floor(percent / 100 * ends[-1] + 0.5))
            value = next(value for (value, _), end in zip(points, ends, strict=True) if end >= wanted)
            highest = value + self._width(value) - unit if value and percent else value
            answers.append(highest)
        return answers

    def ranks(self, points: Points, values: Sequence[float]) -> list[float]:
        """Answer the part, from 0 to 1, that is in the step of each value or below; NaN of nothing."""
        if not points:
            return [math.nan] * len(values)
        total = sum(count for _, count in points)
        return [
            sum(count for floor, count in points if value >= 0 and floor <= self.floor(value)) / total
            for value in values
        ]

    def _width(self, value: float) -> float:
        if not value:
            return 0.0
        halves = (2 * 10**self.digits - 1).bit_length() - 1
        return math.ldexp(1.0, math.frexp(value)[1] - 1 - halves)
