"""The most frequent combinations of values of several fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from isthmus.errors import illegal_argument
from isthmus.exchange import Json, JsonObject
from isthmus.search.addresses import address_rank
from isthmus.search.aggregations.buckets import Buckets
from isthmus.search.aggregations.contract import BucketBudget, Node, finish_all
from isthmus.search.aggregations.fields import Parameters, unreadable, without_nothing
from isthmus.search.aggregations.frequent import ERROR, OTHER, hidden_bound, join_lists
from isthmus.search.aggregations.order import BucketOrder, KeyOf
from isthmus.search.aggregations.terms import ADDRESS_KEYS, Terms, common_type

#: Members of a combinable answer: how keys compare, field by field, and a bucket's values as they compare.
KEY_TYPES: Final = "key_types"
VALUES: Final = "values"

_FEWEST_FIELDS: Final = 2
_MOST_FIELDS: Final = 16


@dataclass(frozen=True, slots=True)
class TermsSource:
    """One of the fields."""

    field: str
    missing: str | int | float | bool | None = None

    def ask(self) -> JsonObject:
        """Answer the members back."""
        return without_nothing({"field": self.field, "missing": self.missing})


@dataclass(frozen=True, slots=True)
class MultiTerms(Buckets):
    """The parameters of ``multi_terms``. ``list``: size, order and so on, as of one field."""

    sources: tuple[TermsSource, ...]
    list: Terms

    kind: ClassVar[str] = "multi_terms"

    @property
    def order(self) -> BucketOrder:
        """Answer the order of the buckets."""
        return self.list.order

    @classmethod
    def parse(cls, parameters: Parameters) -> MultiTerms:
        """Read the parameters."""
        entries = parameters.take("terms")
        if not isinstance(entries, list) or not _FEWEST_FIELDS <= len(entries) <= _MOST_FIELDS:
            raise illegal_argument(
                f"The [terms] parameter in the aggregation [{parameters.name}] must be present and have at "
                f"least {_FEWEST_FIELDS} and at most {_MOST_FIELDS} fields or scripts."
            )
        return cls(
            tuple(_source(parameters, entry) for entry in entries),
            Terms.parse_list(parameters, field=""),
        )

    def ask(self, children: Sequence[Node]) -> JsonObject:
        """Ask for more buckets than are shown, and for the error of each."""
        asked = self.list.ask(children)[Terms.kind]
        del asked["field"]
        asked["min_doc_count"] = max(1, asked["min_doc_count"])
        return {self.kind: {"terms": [source.ask() for source in self.sources], **asked}}

    def combine(self, parts: Sequence[JsonObject], children: Sequence[Node]) -> JsonObject:
        """Merge the buckets of equal values; nothing is cut, so that combining again loses nothing."""
        hidden = [hidden_bound(part, self.list.shard_size, self.order) for part in parts]
        joined = join_lists(parts, children, lambda bucket: tuple(_values(bucket)), hidden)
        rows = [_values(bucket) for bucket in joined["buckets"]]
        columns = [
            common_type([row[place] for row in rows], source.field)
            for place, source in enumerate(self.sources)
        ]
        for place, bucket in enumerate(joined["buckets"]):
            bucket[VALUES] = [column[place] for column in columns]
            bucket["key"] = [
                float(shown) if isinstance(value, float) and isinstance(shown, int) else shown
                for shown, value in zip(bucket["key"], bucket[VALUES], strict=True)
            ]
        types = next((part[KEY_TYPES] for part in parts if part.get(KEY_TYPES)), None)
        ordered = self.order.sorted(joined["buckets"], children, comparable_values(types))
        return {**joined, **({} if types is None else {KEY_TYPES: types}), "buckets": ordered}

    def finish(self, combined: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:
        """Cut the list; what falls off is counted as other."""
        frequent = [each for each in combined["buckets"] if each["doc_count"] >= self.list.min_doc_count]
        shown, cut = frequent[: self.list.size], frequent[self.list.size :]
        budget.take(len(shown))
        members = ["key", "key_as_string", "doc_count", *([ERROR] if self.list.show_error else [])]
        return {
            ERROR: combined[ERROR],
            OTHER: combined[OTHER] + sum(bucket["doc_count"] for bucket in cut),
            "buckets": [
                {
                    **{member: bucket[member] for member in members if member in bucket},
                    **finish_all(children, bucket, budget),
                }
                for bucket in shown
            ],
        }


def comparable_values(types: Sequence[str | None] | None) -> KeyOf:
    """Answer how to compare buckets by their values: addresses by their bytes, all else as it is."""

    def rank(bucket: JsonObject) -> list[Any]:
        values = _values(bucket)
        if types is None:
            return values
        return [
            address_rank(value) if type_ == ADDRESS_KEYS else value
            for value, type_ in zip(values, types, strict=True)
        ]

    return rank


def _values(bucket: JsonObject) -> list[Json]:
    values: list[Json] = bucket.get(VALUES) or bucket["key"]
    return values


def _source(parameters: Parameters, entry: Json) -> TermsSource:
    if not isinstance(entry, dict):
        raise parameters.wrong_type("terms", entry)
    inner = Parameters(parameters.name, parameters.kind, entry)
    source = TermsSource(inner.field(), inner.scalar("missing"))
    inner.finish()
    if source.field == "_index":
        raise unreadable("[multi_terms] over [_index] is not supported")
    return source
