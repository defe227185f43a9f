"""How many different values a field has: exactly up to ``precision_threshold``, then estimated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from isthmus.exchange import JsonObject
from isthmus.search.aggregations.contract import BucketBudget, Node
from isthmus.search.aggregations.fields import Parameters, without_nothing
from isthmus.search.aggregations.metric import OneNumber
from isthmus.search.aggregations.sketches.distinct import DistinctValues

#: Elasticsearch's default and its maximum.
_DEFAULT_THRESHOLD: Final = 3_000
_MAXIMUM_THRESHOLD: Final = 40_000
#: Names of indices travel as they are, because the name of the cluster comes to be a part of them.
INDEX_FIELD: Final = "_index"
_NAMES: Final = "names"


@dataclass(frozen=True, slots=True)
class Cardinality(OneNumber):
    """The parameters of ``cardinality``.

    The combinable form is that of :class:`DistinctValues`; of the field ``_index`` it has ``names``.
    """

    path: str
    missing: str | int | float | bool | None = None
    threshold: int = _DEFAULT_THRESHOLD

    kind: ClassVar[str] = "cardinality"

    @classmethod
    def parse(cls, parameters: Parameters) -> Cardinality:
        """Read the parameters."""
        threshold = parameters.integer("precision_threshold")
        if threshold is not None and threshold < 0:
            raise parameters.refuse(
                "precision_threshold",
                f"[precisionThreshold] must be greater than or equal to 0. Found [{threshold}] "
                f"in [{parameters.name}]",
            )
        # a hint for an engine that has several ways to do the same
        parameters.text("execution_hint")
        return cls(
            parameters.field(),
            parameters.scalar("missing"),
            _DEFAULT_THRESHOLD if threshold is None else min(threshold, _MAXIMUM_THRESHOLD),
        )

    def members(self) -> JsonObject:
        """Answer the parameters."""
        return without_nothing(
            {"field": self.path, "missing": self.missing, "precision_threshold": self.threshold}
        )

    def combine(self, parts: Sequence[JsonObject], children: Sequence[Node]) -> JsonObject:  # noqa: ARG002 - the contract's
        """Unite the values."""
        if self.path == INDEX_FIELD:
            return {_NAMES: sorted({str(name) for part in parts for name in part[_NAMES]})}
        return self._united(parts).write()

    def finish(self, combined: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:  # noqa: ARG002 - the contract's
        """Count them."""
        return {"value": self._count(combined)}

    def order_value(self, combined: JsonObject, metric: str) -> float:
        """Answer the number of values."""
        self.order_metric(metric)
        return self._count(combined)

    def with_cluster_alias(self, part: JsonObject, alias: str) -> JsonObject:
        """Answer another cluster's part with its indices named as they are here."""
        if self.path != INDEX_FIELD:
            return part
        return {_NAMES: [f"{alias}:{name}" for name in part[_NAMES]]}

    def _count(self, combined: JsonObject) -> int:
        return len(combined[_NAMES]) if self.path == INDEX_FIELD else self._united([combined]).count()

    def _united(self, parts: Sequence[JsonObject]) -> DistinctValues:
        united = DistinctValues(self.threshold)
        for part in parts:
            united.read(part)
        return united
