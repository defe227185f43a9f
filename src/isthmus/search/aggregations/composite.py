"""Every combination of the values of several sources, in pages.

The first page over all clusters is made of their first pages; so is that which follows a key of the
caller's, since every cluster is asked for what follows the same key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.buckets import Buckets
from isthmus.search.aggregations.composite_sources import Source, read_source
from isthmus.search.aggregations.contract import (
    MAXIMUM_BUCKETS,
    BucketBudget,
    Node,
    combine_all,
    finish_all,
)
from isthmus.search.aggregations.fields import Parameters, without_nothing
from isthmus.search.aggregations.numbers import read_count
from isthmus.search.aggregations.terms import common_type

_DEFAULT_SIZE: Final = 10
#: Member of a combinable answer: how the values of a source compare where their JSON does not tell.
KEY_TYPES: Final = "key_types"


@dataclass(frozen=True, slots=True)
class Composite(Buckets):
    """The parameters of ``composite``. ``after``: a value a source, dates as milliseconds; None at first."""

    sources: tuple[Source, ...]
    size: int = _DEFAULT_SIZE
    after: tuple[Json, ...] | None = None

    kind: ClassVar[str] = "composite"

    @classmethod
    def parse(cls, parameters: Parameters) -> Composite:
        """Read the parameters."""
        size = parameters.integer("size")
        if size is not None and size <= 0:
            raise illegal_argument(f"[size] must be greater than 0. Found [{size}]")
        if size is not None and size > MAXIMUM_BUCKETS:
            raise _too_many(size)
        sources = _sources(parameters)
        after = parameters.take("after")
        if after is not None and not isinstance(after, dict):
            raise parameters.wrong_type("after", after)
        return cls(
            sources,
            _DEFAULT_SIZE if size is None else size,
            None if after is None else _after(sources, after),
        )

    def ask(self, children: Sequence[Node]) -> JsonObject:  # noqa: ARG002 - the contract's
        """Ask for the same page."""
        after = None
        if self.after is not None:
            after = {source.name: value for source, value in zip(self.sources, self.after, strict=True)}
        return {
            self.kind: without_nothing(
                {"size": self.size, "sources": [source.ask() for source in self.sources], "after": after}
            )
        }

    def combine(self, parts: Sequence[JsonObject], children: Sequence[Node]) -> JsonObject:
        """Merge the buckets of equal keys and cut: what is on no part's page is on no page of the whole."""
        grouped: dict[tuple[Json, ...], list[JsonObject]] = {}
        for part in parts:
            for bucket in part["buckets"]:
                key = tuple(source.read_value(bucket["key"][source.name]) for source in self.sources)
                grouped.setdefault(key, []).append(bucket)
        types = next((part[KEY_TYPES] for part in parts if part.get(KEY_TYPES)), None)
        buckets = self.ordered(
            [{"key": self._key(key), "same": same} for key, same in grouped.items()], types
        )[: self.size]
        return {
            **({} if types is None else {KEY_TYPES: types}),
            "buckets": [
                {
                    "key": bucket["key"],
                    "doc_count": sum(read_count(each["doc_count"]) for each in bucket["same"]),
                    **combine_all(children, bucket["same"]),
                }
                for bucket in buckets
            ],
        }

    def finish(self, combined: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:
        """Write the dates, and say after which key the next page begins."""
        budget.take(len(combined["buckets"]))
        buckets = [
            {
                "key": {source.name: source.show(bucket["key"][source.name]) for source in self.sources},
                "doc_count": bucket["doc_count"],
                **finish_all(children, bucket, budget),
            }
            for bucket in combined["buckets"]
        ]
        after = {"after_key": buckets[-1]["key"]} if buckets else {}
        return {**after, "buckets": buckets}

    def ordered(self, buckets: list[JsonObject], types: Sequence[str | None] | None) -> list[JsonObject]:
        """Answer buckets in the order of the sources; numbers of several types become of one."""
        for source in self.sources:
            given = [bucket["key"][source.name] for bucket in buckets]
            present = [value for value in given if value is not None]
            values = iter(common_type(present, source.values.field))
            for bucket, value in zip(buckets, given, strict=True):
                bucket["key"][source.name] = None if value is None else next(values)
        ordered = buckets
        for place in reversed(range(len(self.sources))):
            source = self.sources[place]
            rank = source.rank(None if types is None else types[place])
            ordered = sorted(
                ordered,
                key=lambda bucket, name=source.name, rank=rank: rank(bucket["key"][name]),  # type: ignore[misc]
                reverse=source.descending,
            )
        return ordered

    def _key(self, values: tuple[Json, ...]) -> JsonObject:
        return {source.name: value for source, value in zip(self.sources, values, strict=True)}


def _sources(parameters: Parameters) -> tuple[Source, ...]:
    entries = parameters.take("sources")
    if entries is None:
        raise illegal_argument("Required [sources]")
    if isinstance(entries, dict):
        entries = [{name: definition} for name, definition in entries.items()]
    if not isinstance(entries, list):
        raise parameters.wrong_type("sources", entries)
    if not entries:
        raise illegal_argument("Composite [sources] cannot be null or empty")
    sources = tuple(read_source(parameters.name, entry) for entry in entries)
    names = [source.name for source in sources]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise illegal_argument(
            f"Composite source names must be unique, found duplicates: [{', '.join(twice)}]"
        )
    return sources


def _after(sources: Sequence[Source], after: JsonObject) -> tuple[Json, ...]:
    if len(after) != len(sources):
        raise illegal_argument(f"[after] has {len(after)} value(s) but [sources] has {len(sources)}")
    for source in sources:
        if source.name not in after:
            raise illegal_argument(f"Missing value for [after.{source.name}]")
    return tuple(source.read_after(after[source.name]) for source in sources)


def _too_many(size: int) -> Failure:
    return Failure(
        FailureKind.INVALID_REQUEST,
        "too_many_buckets_exception",
        f"Trying to create too many buckets. Must be less than or equal to: [{MAXIMUM_BUCKETS}] but was "
        f"[{size}]. This limit can be set by changing the [search.max_buckets] cluster level setting.",
        metadata={"max_buckets": MAXIMUM_BUCKETS},
    )
