"""Buckets between limits that the caller gives: of numbers, or of dates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.buckets import Buckets, listed_or_keyed, read_ranges
from isthmus.search.aggregations.contract import (
    BucketBudget,
    Node,
    combine_all,
    finish_all,
)
from isthmus.search.aggregations.fields import Parameters, without_nothing
from isthmus.search.aggregations.numbers import java_double, read_count

_LIMITS = ("from", "from_as_string", "to", "to_as_string")


@dataclass(frozen=True, slots=True)
class Limits:
    """One bucket: ``least`` is in it, ``most`` is not. None is open."""

    least: float | None
    most: float | None
    name: str | None = None

    @property
    def key(self) -> str:
        """Answer the name given, or the one made of the limits: ``*-50.0``."""
        if self.name is not None:
            return self.name
        return f"{_limit_text(self.least)}-{_limit_text(self.most)}"

    @property
    def rank(self) -> tuple[float, float]:
        """Answer by what buckets are ordered."""
        return (
            -math.inf if self.least is None else self.least,
            math.inf if self.most is None else self.most,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges(Buckets):
    """The parameters of ``range``. The buckets are in Elasticsearch's order: by their limits."""

    field: str
    ranges: tuple[Limits, ...]
    missing: str | int | float | bool | None = None
    keyed: bool = False

    kind: ClassVar[str] = "range"

    @classmethod
    def parse(cls, parameters: Parameters) -> Ranges:
        """Read the parameters."""
        field = parameters.field()
        entries = read_ranges(parameters)
        limits = [_limits(parameters, entry) for entry in entries]
        return cls(
            field=field,
            ranges=tuple(sorted(limits, key=lambda each: each.rank)),
            missing=parameters.scalar("missing"),
            keyed=parameters.flag("keyed"),
        )

    def ask(self, children: Sequence[Node]) -> JsonObject:  # noqa: ARG002 - the contract's
        """Ask for the same, as a list."""
        ranges = [
            without_nothing({"key": each.key, "from": each.least, "to": each.most}) for each in self.ranges
        ]
        return {self.kind: without_nothing({"field": self.field, "ranges": ranges, "missing": self.missing})}

    def combine(self, parts: Sequence[JsonObject], children: Sequence[Node]) -> JsonObject:
        """Add up place by place: every part has the same buckets in the same order."""
        buckets = []
        for place, limits in enumerate(self.ranges):
            same = [part["buckets"][place] for part in parts]
            bucket: JsonObject = {"key": limits.key}
            written = {member: same[0][member] for member in _LIMITS if member in same[0]} if same else {}
            bucket.update(written or without_nothing({"from": limits.least, "to": limits.most}))
            bucket["doc_count"] = sum(read_count(each["doc_count"]) for each in same)
            bucket.update(combine_all(children, same))
            buckets.append(bucket)
        return {"buckets": buckets}

    def finish(self, combined: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:
        """Answer a list, or an object by key."""
        budget.take(len(self.ranges))
        members = ("key", *_LIMITS, "doc_count")
        final = [
            {
                **{member: bucket[member] for member in members if member in bucket},
                **finish_all(children, bucket, budget),
            }
            for bucket in combined["buckets"]
        ]
        return listed_or_keyed(final, keyed=self.keyed)


def _limits(parameters: Parameters, entry: Json) -> Limits:
    if not isinstance(entry, dict):
        raise parameters.wrong_type("ranges", entry)
    for unknown in entry.keys() - {"key", "from", "to"}:
        raise parameters.refuse("ranges", f"[range] unknown field [{unknown}]")
    name = entry.get("key")
    if name is not None and not isinstance(name, str):
        raise parameters.wrong_type("key", name)
    least, most = (
        None if entry.get(end) is None else parameters.as_number(end, entry[end]) for end in ("from", "to")
    )
    return Limits(least, most, name)


def _limit_text(limit: float | None) -> str:
    return "*" if limit is None else java_double(limit)
