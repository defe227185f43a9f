"""The values that few documents have.

A value is rare when it is so in all clusters together: each lists its rare values, and by name alone those
that are not rare there, since they are not rare anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from isthmus.errors import illegal_argument
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.buckets import Buckets
from isthmus.search.aggregations.contract import BucketBudget, Node, combine_all
from isthmus.search.aggregations.fields import Parameters, without_nothing
from isthmus.search.aggregations.keyed import finished_bucket
from isthmus.search.aggregations.numbers import read_count
from isthmus.search.aggregations.order import COUNT, KEY, BucketOrder, OrderKey
from isthmus.search.aggregations.selection import Selection, read_selection, selection_json
from isthmus.search.aggregations.terms import KEY_TYPE, common_type, comparable_keys, read_value_type

#: Member of a combinable answer: the keys that are not rare.
FREQUENT: Final = "frequent"

_MAXIMUM_COUNT: Final = 100
_LEAST_PRECISION: Final = 0.00001
_ORDER: Final = BucketOrder((OrderKey(COUNT, descending=False), OrderKey(KEY, descending=False)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RareTerms(Buckets):
    """The parameters of ``rare_terms``."""

    field: str
    max_doc_count: int = 1
    missing: str | int | float | bool | None = None
    value_type: str | None = None
    include: Selection = None
    exclude: Selection = None

    kind: ClassVar[str] = "rare_terms"

    @classmethod
    def parse(cls, parameters: Parameters) -> RareTerms:
        """Read the parameters."""
        most = parameters.integer("max_doc_count")
        if most is not None and not 0 < most <= _MAXIMUM_COUNT:
            problem = (
                f"[max_doc_count] must be smaller than or equal to [{_MAXIMUM_COUNT}] in [{parameters.name}]"
                if most > 0
                else f"[max_doc_count] must be greater than 0. Found [{most}] in [{parameters.name}]"
            )
            raise parameters.refuse("max_doc_count", problem)
        precision = parameters.number("precision")
        # how often a frequent value may be taken for a rare one: here never
        if precision is not None and precision < _LEAST_PRECISION:
            raise illegal_argument("[precision] must be greater than 0.00001")
        return cls(
            field=parameters.field(),
            max_doc_count=1 if most is None else most,
            missing=parameters.scalar("missing"),
            value_type=read_value_type(parameters),
            include=read_selection(parameters, "include"),
            exclude=read_selection(parameters, "exclude"),
        )

    def ask(self, children: Sequence[Node]) -> JsonObject:  # noqa: ARG002 - the contract's
        """Ask for the same."""
        return {
            self.kind: without_nothing(
                {
                    "field": self.field,
                    "max_doc_count": self.max_doc_count,
                    "missing": self.missing,
                    "value_type": self.value_type,
                    "include": selection_json(self.include),
                    "exclude": selection_json(self.exclude),
                }
            )
        }

    def combine(self, parts: Sequence[JsonObject], children: Sequence[Node]) -> JsonObject:
        """Add up; what is frequent in a part or by the sum of all is frequent."""
        frequent = {key for part in parts for key in part.get(FREQUENT, ())}
        grouped: dict[Json, list[JsonObject]] = {}
        for part in parts:
            for bucket in part["buckets"]:
                grouped.setdefault(bucket["key"], []).append(bucket)
        rare = []
        for key, same in grouped.items():
            count = sum(read_count(each["doc_count"]) for each in same)
            if key in frequent or count > self.max_doc_count:
                frequent.add(key)
            else:
                rare.append({**same[0], "doc_count": count, **combine_all(children, same)})
        keys = common_type([bucket["key"] for bucket in rare], self.field)
        key_type = next((part[KEY_TYPE] for part in parts if part.get(KEY_TYPE)), None)
        rare = [{**bucket, "key": key} for bucket, key in zip(rare, keys, strict=True)]
        return {
            **({} if key_type is None else {KEY_TYPE: key_type}),
            FREQUENT: list(frequent),
            "buckets": _ORDER.sorted(rare, children, comparable_keys(key_type)),
        }

    def finish(self, combined: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:
        """Answer the rare ones, the rarest first."""
        budget.take(len(combined["buckets"]))
        buckets = []
        for bucket in combined["buckets"]:
            final = finished_bucket(bucket, children, budget)
            buckets.append({"key": final.pop("key"), **final})
        return {"buckets": buckets}

    def typed_name(self, final: JsonObject) -> str:
        """Answer which kind of values these are; without any it is not known."""
        if not final["buckets"]:
            return "umrareterms"
        return "srareterms" if isinstance(final["buckets"][0]["key"], str) else "lrareterms"
