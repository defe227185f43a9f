"""Values of the documents that come first by a number; every cluster answers as many as are shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from isthmus.errors import illegal_argument
from isthmus.exchange import Json, JsonObject, SearchRequest, SortKey
from isthmus.search.aggregations.contract import BucketBudget, Node, not_orderable
from isthmus.search.aggregations.fields import Parameters, unreadable
from isthmus.search.aggregations.metric import Metric
from isthmus.search.aggregations.numbers import read_number_or_none
from isthmus.search.aggregations.sort_keys import sort_of_body

_MOST: Final = 10


@dataclass(frozen=True, slots=True)
class TopMetrics(Metric):
    """The parameters of ``top_metrics``. ``sort`` is what was asked, ``key`` is that as it was read."""

    fields: tuple[str, ...]
    sort: Json
    key: SortKey
    size: int = 1

    kind: ClassVar[str] = "top_metrics"

    @classmethod
    def parse(cls, parameters: Parameters) -> TopMetrics:
        """Read the parameters."""
        fields = _fields(parameters)
        sort = parameters.take("sort")
        keys = () if sort is None else sort_of_body(sort)
        if len(keys) != 1:
            raise illegal_argument(
                "[top_metrics] requires exactly one [sort]"
                if not keys
                else "[top_metrics] only supports sorting on a single field"
            )
        size = parameters.integer("size")
        if size is not None and size < 1:
            raise illegal_argument(f"[size] must be more than 0 but was [{size}]")
        if size is not None and size > _MOST:
            raise illegal_argument(
                f"[top_metrics.size] must not be more than [{_MOST}] but was [{size}]. This limit can be set "
                "by changing the [index.top_metrics_max_size] index level setting."
            )
        return cls(fields, sort, keys[0], size or 1)

    def members(self) -> JsonObject:
        """Answer the parameters."""
        metrics = [{"field": field} for field in self.fields]
        return {"metrics": metrics, "sort": self.sort, "size": self.size}

    def request(self) -> SearchRequest:
        """Answer the search that finds the documents."""
        return SearchRequest(size=self.size, sort=(self.key,), source=False, track_total_hits=False)

    def combine(self, parts: Sequence[JsonObject], children: Sequence[Node]) -> JsonObject:  # noqa: ARG002 - the contract's
        """Merge the documents and keep those that are shown; equal ones stay in the clusters' order."""
        top = [self._document(each) for part in parts for each in part["top"]]
        top.sort(key=self._place)
        return {"top": top[: self.size]}

    def finish(self, combined: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:  # noqa: ARG002 - the contract's
        """Leave out what only orders."""
        return {"top": [{"sort": each["sort"], "metrics": each["metrics"]} for each in combined["top"]]}

    def order_value(self, combined: JsonObject, metric: str) -> float:
        """Answer a value of the first document; NaN where there is none."""
        name = self.order_metric(metric)
        value = combined["top"][0]["metrics"][name] if combined["top"] else None
        if isinstance(value, str):
            raise not_orderable(f"{self.kind}.{name}")
        return math.nan if value is None else float(value)

    def order_metric(self, metric: str) -> str:
        """Answer the same name; one must be given, and only one document shown."""
        if metric not in self.fields or self.size > 1:
            raise not_orderable(f"{self.kind}.{metric}" if metric else self.kind)
        return metric

    def _document(self, given: JsonObject) -> JsonObject:
        metrics = {field: given["metrics"][field] for field in self.fields}
        if not all(isinstance(value, str | int | float | None) for value in metrics.values()):
            raise TypeError("a metric is one value")
        sort = list(given["sort"])
        if not all(isinstance(value, str | int | float | None) for value in sort):
            raise TypeError("a sort value is one value")
        return {"order": read_number_or_none(given["order"]), "sort": sort, "metrics": metrics}

    def _place(self, document: JsonObject) -> tuple[int, float]:
        value = document["order"]
        if value is None:
            return (-1 if self.key.missing == "_first" else 1), 0.0
        return 0, (-value if self.key.descending else value)


def _fields(parameters: Parameters) -> tuple[str, ...]:
    given = parameters.take("metrics")
    if given is None:
        raise unreadable("[top_metrics] Required [metrics]")
    listed = given if isinstance(given, list) else [given]
    fields = []
    for each in listed:
        if not isinstance(each, dict):
            raise parameters.wrong_type("metrics", each)
        members = Parameters(parameters.name, "metrics", each)
        fields.append(members.field())
        members.finish()
    if not fields:
        raise illegal_argument("[top_metrics] requires at least one [metrics]")
    return tuple(dict.fromkeys(fields))
