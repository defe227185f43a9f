"""Every pipeline aggregation, and what reads its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from isthmus.exchange import JsonObject
from isthmus.search.aggregations.contract import Pipeline
from isthmus.search.aggregations.fields import Parameters
from isthmus.search.aggregations.pipelines.scripts import BucketScript
from isthmus.search.aggregations.pipelines.sequences import (
    CumulativeSum,
    Derivative,
    Normalize,
    SerialDifference,
)
from isthmus.search.aggregations.pipelines.siblings import SIBLINGS, BucketMetric
from isthmus.search.aggregations.pipelines.sorting import BucketSort

PIPELINES: Final[Mapping[str, Callable[[Parameters], Pipeline]]] = MappingProxyType(
    {
        **dict.fromkeys(SIBLINGS, BucketMetric.parse),
        "bucket_script": BucketScript.parse,
        "bucket_selector": BucketScript.parse,
        "bucket_sort": BucketSort.parse,
        "cumulative_sum": CumulativeSum.parse,
        "derivative": Derivative.parse,
        "normalize": Normalize.parse,
        "serial_diff": SerialDifference.parse,
    }
)


def parse_pipeline(name: str, kind: str, body: JsonObject) -> Pipeline:
    """Read the parameters of a kind in :data:`PIPELINES`. Raises a failure that names what is wrong."""
    parameters = Parameters(name, kind, body)
    pipeline = PIPELINES[kind](parameters)
    parameters.finish()
    return pipeline
