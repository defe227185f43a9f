"""The numbers in final answers that paths lead to, and what stands for one that is not there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from isthmus.errors import illegal_argument
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.contract import Level, Node
from isthmus.search.aggregations.fields import Parameters
from isthmus.search.aggregations.numbers import java_double
from isthmus.search.aggregations.pipelines.paths import BUCKET_COUNT, COUNT, KEY, invalid_path, is_quoted

#: Aggregations with exactly one bucket.
SINGLE_BUCKET = frozenset({"filter", "global", "missing"})


class GapPolicy(Enum):
    """What stands for a number that a bucket has not."""

    SKIP = "skip"
    INSERT_ZEROS = "insert_zeros"
    KEEP_VALUES = "keep_values"

    @classmethod
    def parse(cls, parameters: Parameters) -> GapPolicy:
        """Take the member ``gap_policy``."""
        text = parameters.text("gap_policy")
        if text is None:
            return cls.SKIP
        try:
            return cls(text.lower())
        except ValueError:
            raise parameters.refuse(
                "gap_policy",
                f"Invalid gap policy: [{text}], accepted values: [insert_zeros, skip, keep_values]",
            ) from None


@dataclass(slots=True)
class FinalBucket:
    """A bucket of a final answer. ``name`` is its key where buckets stand in an object."""

    members: JsonObject
    name: str | None = None

    @property
    def key_text(self) -> str:
        """Answer the key as Elasticsearch shows it in ``keys``."""
        if "key_as_string" in self.members:
            return str(self.members["key_as_string"])
        return self.name if self.name is not None and "key" not in self.members else text_of(self.key)

    @property
    def key(self) -> Json:
        """Answer the key as it is."""
        return self.members.get("key", self.name)


def text_of(key: Json) -> str:
    """Write a key as Java does."""
    if isinstance(key, float):
        return java_double(key)
    if isinstance(key, dict):
        return "{" + ", ".join(f"{name}={text_of(each)}" for name, each in key.items()) + "}"
    if isinstance(key, bool) or key is None:
        return {True: "true", False: "false", None: "null"}[key]
    return str(key)


def buckets_of(answer: JsonObject) -> list[FinalBucket]:
    """Answer the buckets of an aggregation that has any number of them."""
    held = answer["buckets"]
    if isinstance(held, dict):
        return [FinalBucket(members, name) for name, members in held.items()]
    return [FinalBucket(members) for members in held]


def bucket_value(
    bucket: FinalBucket, level: Level, words: Sequence[str], within: str, gap: GapPolicy
) -> float:
    """Answer the number that a path leads to from a bucket; NaN where there is none.

    Raises a failure for a path that leads to no number in any bucket.
    """
    if not words:
        raise _no_number("InternalBucket", within)
    found = _bucket_property(bucket, level, words, within)
    if words[0] in (COUNT, KEY) and len(words) == 1:
        return _number(found, words[0])
    if isinstance(found, _Several):
        raise found.refusal(words[0])
    is_empty = not bucket.members.get("doc_count") and gap is not GapPolicy.KEEP_VALUES
    number = math.nan if found is None else _number(found, words[0])
    if is_empty or not math.isfinite(number):
        return 0.0 if gap is GapPolicy.INSERT_ZEROS else math.nan
    return number


@dataclass(frozen=True, slots=True)
class _Several:
    """What a path leads to that is no number: ``shape`` is what Elasticsearch calls it."""

    shape: str
    is_metric: bool = False

    def refusal(self, name: str) -> Exception:
        if self.is_metric:
            return invalid_path(
                "buckets_path must reference either a number value or a single value numeric metric "
                f"aggregation, but [{name}] contains multiple values. Please specify which to use."
            )
        return _no_number(self.shape, name)


def _no_number(shape: str, name: str) -> Exception:
    return invalid_path(
        "buckets_path must reference either a number value or a single value numeric metric aggregation, "
        f"got: [{shape}] at aggregation [{name}]"
    )


def _number(value: Any, name: str) -> float:
    if isinstance(value, str):
        words = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
        if value in words:
            return words[value]
    if isinstance(value, int | float):
        return float(value)
    shape = "String" if isinstance(value, str) else "Map" if isinstance(value, dict) else "Object"
    raise _no_number(shape, name)


def _bucket_property(bucket: FinalBucket, level: Level, words: Sequence[str], within: str) -> Any:
    name, rest = words[0], words[1:]
    if name in (COUNT, KEY):
        if rest:
            raise invalid_path(f"{name} must be the last element in the path")
        return bucket.members["doc_count"] if name == COUNT else bucket.key
    return _named(bucket.members, level, name, rest, within)


def _named(members: JsonObject, level: Level, name: str, rest: Sequence[str], within: str) -> Any:
    node = next((each for each in level.nodes if each.name == name), None)
    if node is not None and name in members:
        return _property(node, members[name], rest)
    if any(each.name == name for each in level.pipelines):
        # a pipeline adds nothing to a bucket for which it has no number
        return _metric(name, members[name], rest) if name in members else None
    raise invalid_path(f"Cannot find an aggregation named [{name}] in [{within}]")


def _property(node: Node, answer: JsonObject, words: Sequence[str]) -> Any:
    kind = node.aggregation.kind
    if kind in SINGLE_BUCKET:
        if not words:
            return _Several(f"Internal{kind.capitalize()}")
        if words[0] == COUNT:
            return answer["doc_count"]
        return _named(answer, node.level, words[0], words[1:], node.name)
    if "buckets" not in answer:
        return _metric(node.name, answer, words)
    if not words:
        return _Several(_class_name(node, answer))
    if words[0] == BUCKET_COUNT:
        return len(answer["buckets"])
    return _of_a_bucket(node, answer, words) if is_quoted(words[0]) else _Several("Object[]")


def _of_a_bucket(node: Node, answer: JsonObject, words: Sequence[str]) -> Any:
    key = words[0][1:-1]
    for bucket in buckets_of(answer):
        if bucket.key_text == key:
            if len(words) == 1:
                return _Several("InternalBucket")
            return _bucket_property(bucket, node.level, words[1:], node.name)
    raise invalid_path(f"Cannot find an key [{words[0]}] in [{node.name}]")


def _metric(name: str, answer: JsonObject, words: Sequence[str]) -> Any:
    if not words:
        return answer["value"] if "value" in answer else _Several(_metric_class(answer), is_metric=True)
    if len(words) == 1:
        word = words[0]
        if "values" in answer:
            return _percentile(answer["values"], word, name)
        if "top" in answer:
            first = answer["top"][0] if answer["top"] else {"metrics": {word: None}}
            if word in first["metrics"]:
                return first["metrics"][word]
        if word in answer:
            return answer[word]
        bounds = answer.get("std_deviation_bounds")
        bound = word.removeprefix("std_")
        if isinstance(bounds, dict) and word.startswith("std_") and bound in bounds:
            return bounds[bound]
    raise illegal_argument(f"path not supported for [{name}]: [{', '.join(words)}]")


def _metric_class(answer: JsonObject) -> str:
    return "InternalTopHits" if "hits" in answer else "InternalStats"


def _percentile(values: Json, word: str, name: str) -> Any:
    try:
        wanted = float(word)
    except ValueError:
        raise illegal_argument(f"path not supported for [{name}]: [{word}]") from None
    entries = (
        [(entry["key"], entry["value"]) for entry in values] if isinstance(values, list) else values.items()
    )
    for key, value in entries:
        if not str(key).endswith("_as_string") and float(key) == wanted:
            return value
    return None


def _class_name(node: Node, answer: JsonObject) -> str:
    typed = node.aggregation.typed_name(answer)
    terms = {
        "lterms": "LongTerms",
        "sterms": "StringTerms",
        "dterms": "DoubleTerms",
        "umterms": "UnmappedTerms",
    }
    return terms.get(typed) or "Internal" + "".join(word.capitalize() for word in typed.split("_"))
