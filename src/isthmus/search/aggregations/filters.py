"""Buckets of documents that match a query, lack a field, or are simply all there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from isthmus.errors import illegal_argument
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.buckets import Buckets
from isthmus.search.aggregations.contract import (
    BucketBudget,
    Node,
    combine_all,
    finish_all,
    not_orderable,
)
from isthmus.search.aggregations.fields import Parameters, without_nothing
from isthmus.search.aggregations.numbers import read_count

_OTHER: Final = "_other_"
#: Elasticsearch's limit, indices.query.bool.max_clause_count, applies to filters likewise.
_MAXIMUM_FILTERS: Final = 1_024


@dataclass(frozen=True, slots=True)
class SingleBucket:
    """``filter`` (with a query), ``missing`` (with a field) or ``global`` (with neither)."""

    kind: str
    query: Json = None
    field: str | None = None
    #: what stands for a field that is not there: with it no document lacks the field
    missing: str | int | float | bool | None = None

    @classmethod
    def parse_missing(cls, parameters: Parameters) -> SingleBucket:
        """Read the parameters of ``missing``."""
        return cls("missing", field=parameters.field(), missing=parameters.scalar("missing"))

    @classmethod
    def parse_global(cls, parameters: Parameters) -> SingleBucket:
        """Read the parameters of ``global``: there are none."""
        return cls(parameters.kind)

    def ask(self, children: Sequence[Node]) -> JsonObject:  # noqa: ARG002 - the contract's
        """Ask for the same."""
        if self.kind == "filter":
            return {"filter": self.query}
        return {self.kind: without_nothing({"field": self.field, "missing": self.missing})}

    def combine(self, parts: Sequence[JsonObject], children: Sequence[Node]) -> JsonObject:
        """Add up."""
        count = sum(read_count(part["doc_count"]) for part in parts)
        return {"doc_count": count, **combine_all(children, parts)}

    def finish(self, combined: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:
        """Answer the bucket itself."""
        budget.take(1)
        return {"doc_count": combined["doc_count"], **finish_all(children, combined, budget)}

    def order_value(self, combined: JsonObject, metric: str) -> float:  # noqa: ARG002 - the contract's
        """Answer the number of documents."""
        return read_count(combined["doc_count"])

    def order_metric(self, metric: str) -> str:
        """Answer that the only number needs no name."""
        if metric:
            raise not_orderable(f"{self.kind}.{metric}")
        return ""

    def typed_name(self, final: JsonObject) -> str:  # noqa: ARG002 - the contract's
        """Answer the kind."""
        return self.kind


@dataclass(frozen=True, slots=True)
class Filters(Buckets):
    """One bucket a query, and maybe one for what none matches. ``names`` is None for anonymous ones."""

    queries: tuple[Json, ...]
    names: tuple[str, ...] | None
    other: str | None = None
    keyed: bool = True

    kind: ClassVar[str] = "filters"

    @classmethod
    def parse(cls, parameters: Parameters) -> Filters:
        """Read the parameters."""
        filters = parameters.take("filters")
        if filters is None:
            raise illegal_argument("[filters] cannot be empty.")
        if not isinstance(filters, dict | list):
            raise parameters.wrong_type("filters", filters)
        queries = list(filters.values()) if isinstance(filters, dict) else filters
        if not queries:
            raise illegal_argument("[filters] cannot be empty.")
        if len(queries) > _MAXIMUM_FILTERS:
            raise illegal_argument(
                f"Number of filters is too large, must be less than or equal to: [{_MAXIMUM_FILTERS}] but "
                f"was [{len(queries)}]"
            )
        for query in queries:
            check_query(parameters.name, query)
        other_key = parameters.text("other_bucket_key")
        other = parameters.flag("other_bucket", default=other_key is not None)
        return cls(
            tuple(queries),
            tuple(filters) if isinstance(filters, dict) else None,
            (other_key or _OTHER) if other else None,
            parameters.flag("keyed", default=True),
        )

    def ask(self, children: Sequence[Node]) -> JsonObject:  # noqa: ARG002 - the contract's
        """Ask for the same."""
        filters: Json = list(self.queries)
        if self.names is not None:
            filters = dict(zip(self.names, self.queries, strict=True))
        other: JsonObject = {} if self.other is None else {"other_bucket_key": self.other}
        return {self.kind: {"filters": filters, **other}}

    def combine(self, parts: Sequence[JsonObject], children: Sequence[Node]) -> JsonObject:
        """Add up bucket by bucket."""
        combined = {}
        for place in self.places():
            same = [part["buckets"][place] for part in parts]
            count = sum(read_count(each["doc_count"]) for each in same)
            combined[place] = {"doc_count": count, **combine_all(children, same)}
        return {"buckets": combined if self.names is not None else list(combined.values())}

    def finish(self, combined: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:
        """Answer an object by name, or a list."""
        places = self.places()
        budget.take(len(places))
        final: dict[str | int, JsonObject] = {}
        for place in places:
            bucket = combined["buckets"][place]
            final[place] = {"doc_count": bucket["doc_count"], **finish_all(children, bucket, budget)}
        if self.names is None:
            return {"buckets": list(final.values())}
        if self.keyed:
            return {"buckets": final}
        return {"buckets": [{"key": name, **bucket} for name, bucket in final.items()]}

    def places(self) -> list[str | int]:
        """Answer where the buckets stand in an answer: by name, or by number; the other one is last."""
        if self.names is None:
            return list(range(len(self.queries) + (self.other is not None)))
        return [*self.names, *([] if self.other is None else [self.other])]


def check_query(name: str, query: Json) -> None:
    """Check the outer form of a query; what is in it, the engine checks."""
    if not isinstance(query, dict) or len(query) != 1:
        raise illegal_argument(
            f"query malformed, empty clause found in aggregation [{name}]"
            if not query
            else f"[{name}] must hold one query"
        )
