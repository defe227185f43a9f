"""What metrics have in common: they are asked for as they are, and what they combine to is the answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final

from isthmus.exchange import JsonObject
from isthmus.search.aggregations.contract import BucketBudget, Node, not_orderable
from isthmus.search.aggregations.numbers import read_number_or_none

#: What Elasticsearch takes for the least and the greatest of nothing; of everything else it is NaN.
_OF_NOTHING: Final[Mapping[str, float]] = MappingProxyType({"min": math.inf, "max": -math.inf})


class Metric:
    """A metric that buckets cannot be ordered by, unless a kind says otherwise.

    A kind says ``members`` (its parameters as a request gives them) and ``combine``.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def kind(self) -> str:
            """Answer the name under which a request gives it: a field of the kind or of its class."""
            ...

        def members(self) -> JsonObject:
            """Answer the parameters as a cluster is asked for them."""
            ...

    def ask(self, children: Sequence[Node]) -> JsonObject:  # noqa: ARG002 - the contract's
        """Ask for the same."""
        return {self.kind: self.members()}

    def finish(self, combined: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:  # noqa: ARG002
        """Answer it as it is."""
        return combined

    def order_value(self, combined: JsonObject, metric: str) -> float:  # noqa: ARG002 - the contract's
        """Refuse: this is not one number."""
        raise not_orderable(self.kind)

    def order_metric(self, metric: str) -> str:  # noqa: ARG002 - the contract's
        """Refuse likewise."""
        raise not_orderable(self.kind)

    def typed_name(self, final: JsonObject) -> str:  # noqa: ARG002 - the contract's
        """Answer the kind."""
        return self.kind


class OneNumber(Metric):
    """A metric whose answer is one number, which the combinable form has under ``value``."""

    __slots__ = ()

    def order_value(self, combined: JsonObject, metric: str) -> float:
        """Answer the number."""
        return number_to_order_by(combined[self.order_metric(metric) or "value"], self.kind)

    def order_metric(self, metric: str) -> str:
        """Answer that the only number needs no name."""
        if metric not in ("", "value"):
            raise not_orderable(f"{self.kind}.{metric}")
        return ""


class SeveralNumbers(Metric):
    """A metric whose answer is several numbers, of which an order names one."""

    __slots__ = ()
    METRICS: ClassVar[frozenset[str]]

    def order_value(self, combined: JsonObject, metric: str) -> float:
        """Answer one of the numbers."""
        return number_to_order_by(combined[self.order_metric(metric)], metric)

    def order_metric(self, metric: str) -> str:
        """Answer the same name; one must be given."""
        if metric not in self.METRICS:
            raise not_orderable(f"{self.kind}.{metric}" if metric else self.kind)
        return metric


def number_to_order_by(value: float | str | None, metric: str) -> float:
    """Answer a number of an answer, and what buckets without one are ordered by."""
    number = read_number_or_none(value)
    return _OF_NOTHING.get(metric, math.nan) if number is None else number
