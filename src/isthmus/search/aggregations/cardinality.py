"""How many different values a field has: the values themselves are asked for and united.

Elasticsearch answers a sketch inside a cluster but never shows it, so that only values can be
united across clusters. The answer is exact, up to ``precision_threshold`` values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from isthmus.errors import illegal_argument
from isthmus.exchange import JsonObject
from isthmus.search.aggregations.contract import BucketBudget, Node, not_orderable
from isthmus.search.aggregations.fields import Parameters
from isthmus.search.aggregations.order import BY_RISING_KEY
from isthmus.search.aggregations.terms import Terms

#: Elasticsearch's default and its maximum.
_DEFAULT_THRESHOLD: Final = 3_000
_MAXIMUM_THRESHOLD: Final = 40_000


@dataclass(frozen=True, slots=True)
class Cardinality:
    """The parameters of ``cardinality``."""

    path: str
    missing: str | int | float | bool | None
    threshold: int
    _values: Terms = field(init=False, repr=False, compare=False)

    kind: ClassVar[str] = "cardinality"

    def __post_init__(self) -> None:
        size = self.threshold + 1
        values = Terms(field=self.path, size=size, shard_size=size, order=BY_RISING_KEY, missing=self.missing)
        object.__setattr__(self, "_values", values)

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

    def ask(self, children: Sequence[Node]) -> JsonObject:
        """Ask for the values, and one more than may be."""
        return self._values.ask(children)

    def combine(self, parts: Sequence[JsonObject], children: Sequence[Node]) -> JsonObject:
        """Unite the values; more than the threshold allows are not carried on."""
        combined = self._values.combine(parts, children)
        return {**combined, "buckets": combined["buckets"][: self.threshold + 1]}

    def finish(self, combined: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:  # noqa: ARG002
        """Count the values. Raises an ``illegal_argument_exception`` failure when there are too many."""
        count = len(combined["buckets"])
        if count > self.threshold:
            raise illegal_argument(
                f"[cardinality] counts exactly and field [{self.path}] has more than [{self.threshold}] "
                f"values: raise [precision_threshold] (at most [{_MAXIMUM_THRESHOLD}]) or narrow the search"
            )
        return {"value": count}

    def order_value(self, combined: JsonObject, metric: str) -> float:  # noqa: ARG002 - the contract's
        """Refuse: a cluster that is asked for values cannot order by their number."""
        raise not_orderable(self.kind)

    def order_metric(self, metric: str) -> str:  # noqa: ARG002 - the contract's
        """Refuse likewise."""
        raise not_orderable(self.kind)

    def typed_name(self, final: JsonObject) -> str:  # noqa: ARG002 - the contract's
        """Answer the kind."""
        return self.kind
