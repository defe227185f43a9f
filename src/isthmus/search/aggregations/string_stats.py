"""How long texts are and which characters they are made of; counts of both combine."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from isthmus.exchange import JsonObject
from isthmus.search.aggregations.contract import BucketBudget, Node
from isthmus.search.aggregations.fields import Parameters, without_nothing
from isthmus.search.aggregations.metric import SeveralNumbers, number_to_order_by
from isthmus.search.aggregations.numbers import read_count

#: The last character that is one unit of UTF-16.
_BASIC_PLANE: Final = "\uffff"


@dataclass(frozen=True, slots=True)
class StringStats(SeveralNumbers):
    """The parameters of ``string_stats``. ``show_distribution``: answer the part of each character too."""

    path: str
    missing: str | int | float | bool | None = None
    show_distribution: bool = False

    kind: ClassVar[str] = "string_stats"
    METRICS: ClassVar = frozenset({"count", "min_length", "max_length", "avg_length", "entropy"})

    @classmethod
    def parse(cls, parameters: Parameters) -> StringStats:
        """Read the parameters."""
        shows = parameters.flag("show_distribution")
        return cls(parameters.field(), parameters.scalar("missing"), shows)

    def members(self) -> JsonObject:
        """Answer the parameters."""
        shows = self.show_distribution or None
        return without_nothing({"field": self.path, "missing": self.missing, "show_distribution": shows})

    def combine(self, parts: Sequence[JsonObject], children: Sequence[Node]) -> JsonObject:  # noqa: ARG002 - the contract's
        """Add up."""
        lengths: Counter[int] = Counter()
        characters: Counter[str] = Counter()
        for part in parts:
            for length, count in part["lengths"].items():
                lengths[int(length)] += read_count(count)
            for character, count in part["characters"].items():
                characters[str(character)] += read_count(count)
        return written(lengths, characters)

    def finish(self, combined: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:  # noqa: ARG002 - the contract's
        """Answer the numbers; all but the count are null where there are no texts."""
        lengths = {int(length): count for length, count in combined["lengths"].items()}
        characters: Mapping[str, int] = combined["characters"]
        count = sum(lengths.values())
        total = sum(length * number for length, number in lengths.items())
        all_characters = sum(characters.values())
        parts = {
            each: number / all_characters
            for each, number in sorted(characters.items(), key=lambda item: (-item[1], item[0]))
        }
        final: JsonObject = {
            "count": count,
            "min_length": min(lengths, default=None),
            "max_length": max(lengths, default=None),
            "avg_length": total / count if count else None,
            # adding nothing makes a negative zero positive
            "entropy": 0.0 - math.fsum(part * math.log2(part) for part in parts.values()) if count else None,
        }
        if self.show_distribution:
            final["distribution"] = parts if count else None
        return final

    def order_value(self, combined: JsonObject, metric: str) -> float:
        """Answer one of the numbers."""
        final = self.finish(combined, (), BucketBudget())
        return number_to_order_by(final[self.order_metric(metric)], metric)


def summed_up(values: Iterable[tuple[str, int]]) -> JsonObject:
    """Answer the combinable form of texts, each with how often it is there.

    A length is as in Java: an emoji counts two. Among the characters it is one.
    """
    lengths: Counter[int] = Counter()
    characters: Counter[str] = Counter()
    for text, count in values:
        lengths[len(text) + sum(character > _BASIC_PLANE for character in text)] += count
        for character, number in Counter(text).items():
            characters[character] += number * count
    return written(lengths, characters)


def written(lengths: Mapping[int, int], characters: Mapping[str, int]) -> JsonObject:
    """Answer counts as they travel."""
    return {
        "lengths": {str(length): count for length, count in sorted(lengths.items())},
        "characters": dict(characters),
    }
