"""What an engine answers to a search, read as a :class:`SearchResult`. Documents keep their very text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec
import orjson

from isthmus.engines.attached.answers import not_understood, read_answer, report_of_object, type_of
from isthmus.engines.attached.field_types import FieldType
from isthmus.engines.attached.limits import HIDDEN, Limits, unhidden
from isthmus.engines.attached.sorting import read_values, sort_kinds
from isthmus.engines.embedded.source_filter import SourceFilter, shown_source
from isthmus.errors import Failure, FailureKind
from isthmus.exchange import (
    FailureReport,
    Hit,
    Json,
    JsonObject,
    SearchRequest,
    SearchResult,
    ShardCounts,
    SortValue,
    TotalHits,
)

_EVERYTHING: Final = SourceFilter()
Raw: TypeAlias = msgspec.Raw
_ABSENT: Final = msgspec.Raw()


class EngineHit(msgspec.Struct, gc=False):
    """One hit as it comes; what is JSON of the document stays text."""

    index: str = msgspec.field(name="_index")
    id: str = msgspec.field(name="_id", default="")
    score: float | None = msgspec.field(name="_score", default=None)
    source: Raw = msgspec.field(name="_source", default=_ABSENT)
    version: int | None = msgspec.field(name="_version", default=None)
    seq_no: int | None = msgspec.field(name="_seq_no", default=None)
    primary_term: int | None = msgspec.field(name="_primary_term", default=None)
    sort: list[Any] | None = None
    fields: Raw = _ABSENT
    highlight: Raw = _ABSENT
    explanation: Raw = msgspec.field(name="_explanation", default=_ABSENT)
    matched_queries: Raw = _ABSENT
    ignored: Raw = msgspec.field(name="_ignored", default=_ABSENT)
    routing: str | None = msgspec.field(name="_routing", default=None)


class EngineTotal(msgspec.Struct):
    """How many match, of engines from version 7 on."""

    value: int
    relation: str = "eq"


class EngineHits(msgspec.Struct):
    """The member ``hits``."""

    total: EngineTotal | int | None = None
    max_score: float | None = None
    hits: list[EngineHit] = []


class EngineShards(msgspec.Struct):
    """The member ``_shards``."""

    total: int = 0
    successful: int = 0
    skipped: int = 0
    failed: int = 0
    failures: list[Any] = []


class EngineAnswer(msgspec.Struct):
    """A whole answer to a search."""

    hits: EngineHits = msgspec.field(default_factory=EngineHits)
    took: int = 0
    timed_out: bool = False
    terminated_early: bool | None = None
    shards: EngineShards = msgspec.field(name="_shards", default_factory=EngineShards)
    aggregations: Raw = _ABSENT
    suggest: Raw = _ABSENT
    profile: Any = None
    pit_id: str | None = None


def read_search(body: bytes) -> EngineAnswer:
    """Read an answer. Raises a failure for what is none."""
    return read_answer(body, EngineAnswer)


def result_of(
    answer: EngineAnswer, request: SearchRequest, limits: Limits, types: Mapping[str, FieldType]
) -> SearchResult:
    """Answer the result, without aggregations. Raises a failure for an answer that is not understood."""
    try:
        return SearchResult(
            took_milliseconds=answer.took,
            timed_out=answer.timed_out,
            terminated_early=_terminated_early(answer, request),
            shards=_shards(answer.shards),
            total=_total(answer.hits.total, request),
            max_score=answer.hits.max_score,
            hits=tuple([_hit(each, request, limits, types) for each in answer.hits.hits]),
            failures=failures_of(answer.shards.failures),
            sort_kinds=sort_kinds(request.sort, types),
            suggestions=_suggestions(answer, request),
            profile=_profile(answer.profile),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise not_understood(repr(problem)) from problem


def result_of_failure(error: JsonObject, status_kind: FailureKind) -> SearchResult | None:
    """Answer the result of a search that all shards failed; None for a failure of the request itself.

    ``error`` is the object of an error of type ``search_phase_execution_exception``.
    """
    if type_of(error.get("type")) != "search_phase_execution_exception":
        return None
    failed = error.get("failed_shards")
    if not isinstance(failed, list) or not failed:
        return None
    reports = failures_of(failed, status_kind)
    return SearchResult(
        shards=ShardCounts(total=len(reports), failed=len(reports)),
        total=TotalHits(value=0),
        failures=reports,
    )


def failures_of(
    given: Sequence[Json], default: FailureKind = FailureKind.INTERNAL
) -> tuple[FailureReport, ...]:
    """Answer the failures of shards."""
    reports = []
    for each in given:
        if isinstance(each, dict):
            index = each.get("index")
            report = report_of_object(each.get("reason"), index if isinstance(index, str) else None, default)
            if HIDDEN in report.reason:
                report = msgspec.structs.replace(report, reason=unhidden(report.reason))
            reports.append(report)
    return tuple(reports)


def shards_failed(answer: EngineAnswer) -> Failure:
    """Answer the failure of a question of which some shards have failed."""
    reports = failures_of(answer.shards.failures)
    first = reports[0] if reports else None
    return Failure(
        FailureKind[first.kind] if first is not None else FailureKind.UNAVAILABLE,
        "search_phase_execution_exception",
        "some shards failed" if first is None else f"some shards failed: {first.reason}",
        metadata={"phase": "query", "grouped": True},
    )


def failure_unhidden(failure: Failure) -> Failure:
    """Answer a failure whose message names fields as the caller did."""
    if HIDDEN not in failure.reason:
        return failure
    return Failure(
        failure.kind,
        failure.error_type,
        unhidden(failure.reason),
        metadata=failure.metadata,
        fault=failure.fault,
    )


def _shards(shards: EngineShards) -> ShardCounts:
    return ShardCounts(
        total=shards.total, successful=shards.successful, skipped=shards.skipped, failed=shards.failed
    )


def _terminated_early(answer: EngineAnswer, request: SearchRequest) -> bool | None:
    if request.terminate_after is None:
        return answer.terminated_early
    return bool(answer.terminated_early)


def _total(total: EngineTotal | int | None, request: SearchRequest) -> TotalHits | None:
    if request.track_total_hits is False or total is None:
        return None
    if isinstance(total, int):
        return TotalHits(value=total)
    if total.relation == "gte":
        return TotalHits(value=total.value, relation="gte")
    return TotalHits(value=total.value)


def _hit(hit: EngineHit, request: SearchRequest, limits: Limits, types: Mapping[str, FieldType]) -> Hit:
    source = bytes(hit.source) or None
    if source == b"null":
        source = None
    if source is not None and limits.hides_fields:
        source = shown_source(source, _EVERYTHING, limits.visible)
    sections = _sections(hit, limits)
    hides_id = request.fetch is not None and request.fetch.hide_id
    return Hit(
        hit.index,
        "" if hides_id else hit.id,
        hit.score,
        source,
        read_values(request.sort, hit.sort or (), types) if request.sort else None,
        hit.version,
        hit.seq_no if request.seq_no_primary_term else None,
        hit.primary_term if request.seq_no_primary_term else None,
        sections,
        None if request.collapse is None else _group(hit, limits.field(request.collapse.field)),
    )


def _sections(hit: EngineHit, limits: Limits) -> dict[str, bytes] | None:
    sections: dict[str, bytes] = {}
    for name, raw in (
        ("fields", hit.fields),
        ("highlight", hit.highlight),
        ("_explanation", hit.explanation),
        ("matched_queries", hit.matched_queries),
    ):
        text = bytes(raw)
        if text and text not in (b"{}", b"[]", b"null"):
            sections[name] = text
    if limits.hides_fields:
        for name in ("fields", "highlight"):
            if name in sections:
                kept = {
                    path: value
                    for path, value in orjson.loads(sections[name]).items()
                    if not path.startswith(HIDDEN) and limits.visible(path)
                }
                if kept:
                    sections[name] = orjson.dumps(kept)
                else:
                    del sections[name]
    return sections or None


def _group(hit: EngineHit, path: str) -> tuple[SortValue, ...]:
    text = bytes(hit.fields)
    values = orjson.loads(text).get(path) if text else None
    return () if values is None or values == [None] else tuple(values)


def _suggestions(answer: EngineAnswer, request: SearchRequest) -> JsonObject:
    if not request.suggests or not bytes(answer.suggest):
        return {}
    suggested = msgspec.json.decode(answer.suggest, type=dict[str, list[dict[str, Any]]])
    terms = {each.name: suggested[each.name] for each in request.suggest if each.name in suggested}
    completed = {
        each.name: [_completed(entry) for entry in suggested[each.name]]
        for each in request.completions
        if each.name in suggested
    }
    return {**terms, **completed}


def _completed(entry: JsonObject) -> JsonObject:
    options = []
    for option in entry["options"]:
        shown = {name: value for name, value in option.items() if name != "_type"}
        if "_source" in shown:
            shown["_source"] = orjson.dumps(shown["_source"])
        options.append(shown)
    return {**entry, "options": options}


def _profile(profile: Json) -> tuple[JsonObject, ...]:
    shards = profile.get("shards") if isinstance(profile, dict) else None
    return tuple(each for each in shards if isinstance(each, dict)) if isinstance(shards, list) else ()
