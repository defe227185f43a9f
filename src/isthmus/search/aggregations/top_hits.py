"""The first documents of each bucket; every cluster answers as many as are shown, and they are merged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import msgspec
import orjson

from isthmus.errors import illegal_argument
from isthmus.exchange import Hit, Json, JsonObject, SearchRequest, SortKey
from isthmus.search.aggregations.contract import BucketBudget, Node
from isthmus.search.aggregations.fields import Parameters, without_nothing
from isthmus.search.aggregations.metric import Metric
from isthmus.search.aggregations.numbers import read_count, read_number_or_none
from isthmus.search.aggregations.sort_keys import formatted_sort, sort_of_body, without_default
from isthmus.search.ordering import Found, in_order

_DEFAULT_SIZE: Final = 3
#: Elasticsearch's default of ``index.max_inner_result_window``.
_LARGEST_WINDOW: Final = 100
#: Members that Elasticsearch has and that are refused unless they ask for nothing.
_UNSUPPORTED: Final = (
    "docvalue_fields",
    "explain",
    "fields",
    "highlight",
    "script_fields",
    "stored_fields",
)


@dataclass(frozen=True, slots=True)
class TopHits(Metric):
    """The parameters of ``top_hits``. ``sort`` is what was asked, ``keys`` is that as it was read."""

    offset: int = 0
    size: int = _DEFAULT_SIZE
    sort: Json = None
    keys: tuple[SortKey, ...] = ()
    source: Json = None
    version: bool = False
    seq_no_primary_term: bool = False
    track_scores: bool = False

    kind: ClassVar[str] = "top_hits"

    @classmethod
    def parse(cls, parameters: Parameters) -> TopHits:
        """Read the parameters."""
        for member in _UNSUPPORTED:
            if parameters.take(member) not in (None, False, [], {}):
                raise illegal_argument(
                    f"[{member}] of [{parameters.kind}] in [{parameters.name}] is not supported"
                )
        offset, size = _not_negative(parameters, "from", 0), _not_negative(parameters, "size", _DEFAULT_SIZE)
        if offset + size > _LARGEST_WINDOW:
            raise illegal_argument(
                f"Top hits result window is too large, the top hits aggregator [{parameters.name}]'s from + "
                f"size must be less than or equal to: [{_LARGEST_WINDOW}] but was [{offset + size}]. This "
                "limit can be set by changing the [index.max_inner_result_window] index level setting."
            )
        sort = parameters.take("sort")
        return cls(
            offset,
            size,
            sort,
            () if sort is None else without_default(sort_of_body(sort)),
            parameters.take("_source"),
            parameters.flag("version"),
            parameters.flag("seq_no_primary_term"),
            parameters.flag("track_scores"),
        )

    def members(self) -> JsonObject:
        """Answer the parameters as a cluster is asked: for all that could be shown."""
        return without_nothing(
            {
                "size": self.offset + self.size,
                "sort": self.sort,
                "_source": self.source,
                "version": self.version or None,
                "seq_no_primary_term": self.seq_no_primary_term or None,
                "track_scores": self.track_scores or None,
            }
        )

    def request(self) -> SearchRequest:
        """Answer the search that finds what a cluster is asked for."""
        return SearchRequest(
            size=self.offset + self.size,
            sort=self.keys,
            source=True if self.source is None else self.source,
            track_total_hits=True,
            track_scores=self.track_scores,
            version=self.version,
            seq_no_primary_term=self.seq_no_primary_term,
        )

    def combine(self, parts: Sequence[JsonObject], children: Sequence[Node]) -> JsonObject:  # noqa: ARG002 - the contract's
        """Merge the hits and keep those that could be shown."""
        addresses = frozenset(read_count(each) for part in parts for each in part["addresses"])
        found: list[Found] = [(None, hit) for part in parts for hit in _hits(part["hits"])]
        if len(parts) > 1:
            found = in_order(found, self.keys, addresses)
        scores = [score for part in parts if (score := read_number_or_none(part["max_score"])) is not None]
        return {
            "total": sum(read_count(part["total"]) for part in parts),
            "max_score": max(scores, default=None),
            "addresses": sorted(addresses),
            "hits": written(hit for _, hit in found[: self.offset + self.size]),
        }

    def finish(self, combined: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:  # noqa: ARG002 - the contract's
        """Answer the window as the hits of a search are."""
        hits = _hits(combined["hits"])[self.offset : self.offset + self.size]
        return {
            "hits": {
                "total": {"value": combined["total"], "relation": "eq"},
                "max_score": combined["max_score"],
                "hits": [_shown(formatted_sort(hit, self.keys)) for hit in hits],
            }
        }

    def with_cluster_alias(self, part: JsonObject, alias: str) -> JsonObject:
        """Answer another cluster's part with its indices named as they are here."""
        hits = [msgspec.structs.replace(hit, index=f"{alias}:{hit.index}") for hit in _hits(part["hits"])]
        return {**part, "hits": written(hits)}


def written(hits: Iterable[Hit]) -> list[Json]:
    """Answer hits as they travel inside of aggregations: their members in order, sources as base64."""
    return [msgspec.to_builtins(hit) for hit in hits]


def _hits(given: Json) -> list[Hit]:
    """Read them back. Raises ValueError for what they are not: a peer's source ends up in our answer."""
    try:
        hits = msgspec.convert(given, list[Hit])
    except msgspec.ValidationError as problem:
        raise ValueError(str(problem)) from problem
    for hit in hits:
        if hit.source is not None:
            orjson.loads(hit.source)
    return hits


def _shown(hit: Hit) -> JsonObject:
    shown: JsonObject = {"_index": hit.index, "_id": hit.id}
    if hit.version is not None:
        shown["_version"] = hit.version
    if hit.seq_no is not None:
        shown["_seq_no"] = hit.seq_no
        shown["_primary_term"] = hit.primary_term
    shown["_score"] = hit.score
    if hit.source is not None:
        shown["_source"] = orjson.Fragment(hit.source)
    if hit.sort is not None:
        shown["sort"] = list(hit.sort)
    return shown


def _not_negative(parameters: Parameters, member: str, default: int) -> int:
    number = parameters.integer(member)
    if number is not None and number < 0:
        raise illegal_argument(
            f"[{member}] must be greater than or equal to 0. Found [{number}] in [{parameters.name}]"
        )
    return default if number is None else number
