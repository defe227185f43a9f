"""The most frequent values of a field, with bounds on what cutting the lists may have hidden."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from isthmus.errors import Failure, FailureKind
from isthmus.exchange import Json, JsonObject
from isthmus.search.addresses import address_rank
from isthmus.search.aggregations.buckets import Buckets
from isthmus.search.aggregations.contract import (
    BucketBudget,
    Node,
    finish_all,
)
from isthmus.search.aggregations.fields import Parameters, without_nothing
from isthmus.search.aggregations.frequent import ERROR, OTHER, hidden_bound, join_lists
from isthmus.search.aggregations.order import BY_FALLING_COUNT, BucketOrder, KeyOf
from isthmus.search.aggregations.selection import Selection, read_selection, selection_json

_DEFAULT_SIZE: Final = 10
#: Elasticsearch asks each shard for this many times the size and some more, so that a value that is
#: frequent everywhere but nowhere at the top is still found.
_SHARD_FACTOR: Final = 1.5
_SHARD_EXTRA: Final = 10
_MAXIMUM_SIZE: Final = 2**31 - 1
#: Member of a combinable answer that says how its keys compare where their JSON does not tell.
KEY_TYPE: Final = "key_type"
ADDRESS_KEYS: Final = "ip"
#: what ``value_type`` may say of a field that an index has not -> the type of field that it stands for
VALUE_TYPES: Final = {
    "string": "keyword",
    **dict.fromkeys(("double", "float", "number", "numeric"), "double"),
    **dict.fromkeys(("long", "integer", "short", "byte"), "long"),
    "date": "date",
    "ip": "ip",
    "boolean": "boolean",
}
WITHOUT_EFFECT: Final = frozenset({"collect_mode", "execution_hint", "precision"})
"""Parameters that say how to go about it, and never change the answer."""

_COLLECT_MODES: Final = ("depth_first", "breadth_first")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms(Buckets):
    """The parameters of ``terms``; ``size`` is what is shown, ``shard_size`` what each part is asked for."""

    field: str
    size: int = _DEFAULT_SIZE
    shard_size: int
    order: BucketOrder = BY_FALLING_COUNT
    min_doc_count: int = 1
    shard_min_doc_count: int = 0
    missing: str | int | float | bool | None = None
    value_type: str | None = None
    include: Selection = None
    exclude: Selection = None
    show_error: bool = False

    kind: ClassVar[str] = "terms"

    @classmethod
    def parse(cls, parameters: Parameters) -> Terms:
        """Read the parameters."""
        # a hint for an engine that has several ways to do the same
        parameters.text("execution_hint")
        return dataclasses.replace(
            cls.parse_list(parameters, parameters.field()),
            missing=parameters.scalar("missing"),
            value_type=read_value_type(parameters),
            include=read_selection(parameters, "include"),
            exclude=read_selection(parameters, "exclude"),
        )

    @classmethod
    def parse_list(cls, parameters: Parameters, field: str) -> Terms:
        """Read the parameters that say how long the list is and in what order."""
        size = _positive(parameters, "size")
        order = BucketOrder.parse(parameters, BY_FALLING_COUNT)
        shown = _DEFAULT_SIZE if size is None else size
        shard_size = _positive(parameters, "shard_size")
        if shard_size is None:
            shard_size = shown if order.is_by_key else int(shown * _SHARD_FACTOR) + _SHARD_EXTRA
        mode = parameters.text("collect_mode")
        if mode is not None and mode.lower() not in _COLLECT_MODES:
            raise parameters.refuse("collect_mode", f"no [collect_mode] found for value [{mode}]")
        return cls(
            field=field,
            size=shown,
            shard_size=min(max(shown, shard_size), _MAXIMUM_SIZE),
            order=order,
            min_doc_count=_not_negative(parameters, "min_doc_count", 1),
            shard_min_doc_count=_not_negative(parameters, "shard_min_doc_count", 0),
            show_error=parameters.flag("show_term_doc_count_error"),
        )

    def ask(self, children: Sequence[Node]) -> JsonObject:
        """Ask for more buckets than are shown, and for the error of each."""
        return {
            self.kind: without_nothing(
                {
                    "field": self.field,
                    "size": self.shard_size,
                    "shard_size": self.shard_size,
                    "order": self.order.ask(children),
                    # how often a value is found everywhere is not known to any part
                    "min_doc_count": 0 if self.min_doc_count == 0 else max(1, self.shard_min_doc_count),
                    "missing": self.missing,
                    "value_type": self.value_type,
                    "include": selection_json(self.include),
                    "exclude": selection_json(self.exclude),
                    "show_term_doc_count_error": True,
                }
            )
        }

    def combine(self, parts: Sequence[JsonObject], children: Sequence[Node]) -> JsonObject:
        """Merge the buckets of equal keys; nothing is cut, so that combining again loses nothing."""
        hidden = [hidden_bound(part, self.shard_size, self.order) for part in parts]
        joined = join_lists(parts, children, lambda bucket: bucket["key"], hidden)
        keys = common_type([bucket["key"] for bucket in joined["buckets"]], self.field)
        key_type = next((part[KEY_TYPE] for part in parts if part.get(KEY_TYPE)), None)
        buckets = [{**bucket, "key": key} for bucket, key in zip(joined["buckets"], keys, strict=True)]
        return {
            **joined,
            **({} if key_type is None else {KEY_TYPE: key_type}),
            "buckets": self.order.sorted(buckets, children, comparable_keys(key_type)),
        }

    def finish(self, combined: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:
        """Cut the list; what falls off is counted as other."""
        frequent = [bucket for bucket in combined["buckets"] if bucket["doc_count"] >= self.min_doc_count]
        shown, cut = frequent[: self.size], frequent[self.size :]
        budget.take(len(shown))
        return {
            ERROR: combined[ERROR],
            OTHER: combined[OTHER] + sum(bucket["doc_count"] for bucket in cut),
            "buckets": [self._finished_bucket(bucket, children, budget) for bucket in shown],
        }

    def typed_name(self, final: JsonObject) -> str:
        """Answer which kind of values these are; without any it is not known."""
        if not final["buckets"]:
            return "umterms"
        key = final["buckets"][0]["key"]
        if isinstance(key, str):
            return "sterms"
        return "dterms" if isinstance(key, float) else "lterms"

    def _finished_bucket(
        self, bucket: JsonObject, children: Sequence[Node], budget: BucketBudget
    ) -> JsonObject:
        members = ["key", "key_as_string", "doc_count", *([ERROR] if self.show_error else [])]
        shown = {member: bucket[member] for member in members if member in bucket}
        return {**shown, **finish_all(children, bucket, budget)}


def read_value_type(parameters: Parameters) -> str | None:
    """Take ``value_type``: what a field is taken for by an index that has not got it."""
    value_type = parameters.text("value_type")
    if value_type is not None and value_type.lower() not in VALUE_TYPES:
        raise parameters.refuse("value_type", f"Unknown value type [{value_type}]")
    return None if value_type is None else value_type.lower()


def comparable_keys(key_type: str | None) -> KeyOf:
    """Answer how to compare keys: numbers and texts as they are, addresses by their bytes."""
    if key_type != ADDRESS_KEYS:
        return lambda bucket: bucket["key"]
    return lambda bucket: address_rank(bucket["key"])


def common_type(keys: list[Json], field: str) -> list[Json]:
    """Answer the keys with one type: whole numbers become doubles beside doubles, text mixes with neither."""
    texts = sum(isinstance(key, str) for key in keys)
    if 0 < texts < len(keys):
        raise Failure(
            FailureKind.INVALID_REQUEST,
            "aggregation_execution_exception",
            f"Merging/Reducing the aggregations failed when computing the aggregation on [{field}] because "
            "the field you gave in the aggregation query existed as two different types in two different "
            "indices",
        )
    if any(isinstance(key, float) for key in keys):
        return [float(key) for key in keys]
    return keys


def _positive(parameters: Parameters, member: str) -> int | None:
    value = parameters.integer(member)
    if value is not None and value <= 0:
        raise parameters.refuse(
            member, f"[{member}] must be greater than 0. Found [{value}] in [{parameters.name}]"
        )
    return value


def _not_negative(parameters: Parameters, member: str, default: int) -> int:
    value = parameters.integer(member)
    if value is None:
        return default
    if value < 0:
        spoken = {"min_doc_count": "minDocCount", "shard_min_doc_count": "shardMinDocCount"}[member]
        raise parameters.refuse(
            member,
            f"[{spoken}] must be greater than or equal to 0. Found [{value}] in [{parameters.name}]",
        )
    return value
