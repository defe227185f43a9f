"""Pipelines with a script of the caller's: a number of each bucket, or which buckets to keep."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from isthmus.errors import illegal_argument, parsing_failure
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.contract import Node
from isthmus.search.aggregations.fields import Parameters
from isthmus.search.aggregations.number_format import NumberFormat
from isthmus.search.aggregations.pipelines.expressions import Expression, Value, script_failure
from isthmus.search.aggregations.pipelines.members import named_paths, number_format, shown_number
from isthmus.search.aggregations.pipelines.paths import parse_path, words_of
from isthmus.search.aggregations.pipelines.sequences import put
from isthmus.search.aggregations.pipelines.values import FinalBucket, GapPolicy, bucket_value

_LANGUAGES: Final = ("painless", "expression")


@dataclass(frozen=True, slots=True)
class BucketScript:
    """``bucket_script`` and ``bucket_selector``: a script over numbers of a bucket.

    ``named``: the path to each of those numbers, by the name that the script has for it.
    """

    kind: str
    named: Mapping[str, str]
    script: Expression
    given: Mapping[str, Value]
    gap: GapPolicy
    format: NumberFormat | None = None

    typed_name: ClassVar[str] = "simple_value"
    SELECTOR: ClassVar[str] = "bucket_selector"

    @classmethod
    def parse(cls, parameters: Parameters) -> BucketScript:
        """Read the parameters."""
        named = named_paths(parameters)
        script, given = _script(parameters)
        for name in sorted(script.names - given.keys() - named.keys()):
            raise script_failure("compile", script.source, f"there is no parameter [{name}]")
        chosen = None if parameters.kind == cls.SELECTOR else number_format(parameters)
        return cls(parameters.kind, named, script, given, GapPolicy.parse(parameters), chosen)

    @property
    def paths(self) -> tuple[str, ...]:
        """Answer all paths."""
        return tuple(self.named.values())

    def transform(
        self, name: str, meta: JsonObject | None, parent: Node, buckets: list[FinalBucket]
    ) -> list[FinalBucket]:
        """Add the number to every bucket, or answer the buckets to keep."""
        words = {each: words_of(parse_path(path)) for each, path in self.named.items()}
        kept = []
        for bucket in buckets:
            values = {
                each: bucket_value(bucket, parent.level, path, parent.name, self.gap)
                for each, path in words.items()
            }
            if self.kind == self.SELECTOR:
                if self._selects(values):
                    kept.append(bucket)
            elif self.gap is GapPolicy.INSERT_ZEROS or not any(map(math.isnan, values.values())):
                put(bucket, name, meta, shown_number(self._number(values), self.format))
        return kept if self.kind == self.SELECTOR else buckets

    def _selects(self, values: Mapping[str, Value]) -> bool:
        value = self.script.evaluate({**self.given, **values})
        if isinstance(value, bool):
            return value
        raise script_failure("runtime", self.script.source, "the script must answer a boolean, not a number")

    def _number(self, values: Mapping[str, Value]) -> float:
        value = self.script.evaluate({**self.given, **values})
        if isinstance(value, bool):
            raise script_failure(
                "runtime", self.script.source, "the script must answer a number, not a boolean"
            )
        return float(value)


def _script(parameters: Parameters) -> tuple[Expression, Mapping[str, Value]]:
    """Take the script: its text, or an object of ``source``, ``lang`` and ``params``."""
    value = parameters.take("script")
    if value is None:
        raise parsing_failure(
            f"Missing required field [script] for {parameters.kind} aggregation [{parameters.name}]"
        )
    written = _members(parameters, {"source": value} if isinstance(value, str) else value)
    source, language = written.get("source"), written.get("lang", "painless")
    if not isinstance(source, str):
        raise illegal_argument(
            "must specify either [source] for an inline script or [id] for a stored script"
        )
    if language not in _LANGUAGES:
        raise illegal_argument(f"script_lang not supported [{language}]")
    given = written.get("params") or {}
    if not isinstance(given, dict):
        raise parameters.wrong_type("params", given)
    for name, each in given.items():
        if not isinstance(each, int | float):
            raise parameters.refuse("script", f"the parameter [{name}] must be a number or a boolean")
    return Expression.parse(source, plain_names=language == "expression"), given


def _members(parameters: Parameters, written: Json) -> JsonObject:
    if not isinstance(written, dict):
        raise parameters.wrong_type("script", written)
    if "id" in written:
        raise parameters.refuse("script", "stored scripts are not supported")
    for unknown in written.keys() - {"source", "lang", "params"}:
        raise parameters.refuse("script", f"[script] unknown field [{unknown}]")
    return written
