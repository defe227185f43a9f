"""What aggregations that make buckets have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.errors import illegal_argument
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.contract import not_orderable
from isthmus.search.aggregations.fields import Parameters


def read_ranges(parameters: Parameters) -> list[Json]:
    """Read the list of limits that every kind of ranges is given; each kind reads what is in it."""
    entries = parameters.take("ranges")
    if not isinstance(entries, list) or not entries:
        raise illegal_argument(f"No [ranges] specified for the [{parameters.name}] aggregation")
    return entries


def listed_or_keyed(buckets: list[JsonObject], *, keyed: bool) -> JsonObject:
    """Answer final buckets as a list, or as an object by their keys."""
    if keyed:
        return {"buckets": {bucket.pop("key"): bucket for bucket in buckets}}
    return {"buckets": buckets}


class Buckets:
    """An aggregation whose answer is buckets: none can be ordered by it."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def kind(self) -> str:
            """Answer the name under which a request gives it: a field of the kind or of its class."""
            ...

    def order_value(self, combined: JsonObject, metric: str) -> float:  # noqa: ARG002 - the contract's
        """Refuse: buckets cannot be ordered by buckets."""
        raise not_orderable(self.kind)

    def order_metric(self, metric: str) -> str:  # noqa: ARG002 - the contract's
        """Refuse likewise."""
        raise not_orderable(self.kind)

    def typed_name(self, final: JsonObject) -> str:  # noqa: ARG002 - the contract's
        """Answer the kind."""
        return self.kind
