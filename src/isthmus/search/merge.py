"""Make one answer of what the clusters said: the last of the three steps plan, ask, merge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import orjson

from isthmus.errors import Failure, FailureKind, Fault
from isthmus.exchange import FailureReport, Hit, JsonObject, SearchResult
from isthmus.names import ClusterAlias
from isthmus.search.aggregations import combine, with_cluster_alias
from isthmus.search.aggregations.sort_keys import formatted_sort
from isthmus.search.clusters import (
    ClusterDetail,
    cluster_detail,
    prefixed_failures,
    wrapped_for_caller,
)
from isthmus.search.ordering import Found, in_order, one_of_each_group
from isthmus.search.outcome import Outcome
from isthmus.search.plan import Plan
from isthmus.search.profiles import profile_of
from isthmus.search.shard_failures import search_phase_failure
from isthmus.search.suggestions import combine_suggestions
from isthmus.search.suggestions_of_clusters import suggestions_of_cluster
from isthmus.search.tallies import highest_score, shards_of, terminated_early, total_of

_Answered: TypeAlias = tuple[ClusterAlias | None, SearchResult]


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """The whole answer. ``result.aggregations`` is final; remote hits name ``alias:index``.

    ``clusters`` is empty where only this cluster took part. ``inner_hits`` holds by name what else is in
    the group of each hit, where hits were collapsed and that was asked for.
    """

    result: SearchResult
    clusters: tuple[ClusterDetail, ...] = ()
    reduce_phases: int = 1
    inner_hits: tuple[Mapping[str, SearchAnswer], ...] = ()


def merge(plan: Plan, outcomes: Sequence[Outcome], took_milliseconds: int) -> SearchAnswer:
    """Answer the merged result.

    A cluster that failed and may be skipped is left out and reported in ``clusters``. Raises the
    failure of one that may not be skipped, wrapped so that it names the cluster and keeps the
    status of its cause; 400 failures for values that cannot be compared.
    """
    answered: list[_Answered] = []
    timed_out = False
    for outcome in outcomes:
        if outcome.failure is not None:
            if outcome.is_fatal:
                raise wrapped_for_caller(outcome.part.alias, outcome.failure)
        elif outcome.result is not None:
            answered.append((outcome.part.alias, outcome.result))
            timed_out = timed_out or outcome.result.timed_out
        timed_out = timed_out or outcome.timed_out
    if not plan.allow_partial_results:
        _require_complete(outcomes)
    results = [result for _, result in answered]
    result = SearchResult(
        took_milliseconds=took_milliseconds,
        timed_out=timed_out,
        terminated_early=terminated_early(results),
        shards=shards_of(results),
        total=total_of(results, plan.request.track_total_hits),
        max_score=highest_score(results),
        hits=_hits(plan, answered),
        aggregations=_aggregations(plan, answered),
        failures=_failures(answered),
        profile=profile_of(answered) if plan.request.profile else (),
        suggestions=_suggestions(plan, answered) if plan.request.suggests else {},
    )
    if not plan.is_cross_cluster:
        return SearchAnswer(result, reduce_phases=1 + len(answered) if plan.is_shared else 1)
    details = tuple([cluster_detail(outcome, hops=plan.hops) for outcome in outcomes])
    return SearchAnswer(result, details, reduce_phases=1 + len(answered) if plan.is_shared else 1)


def _require_complete(outcomes: Sequence[Outcome]) -> None:
    """Refuse a partial answer; a cluster that may be skipped has leave to be partial."""
    for outcome in outcomes:
        result = outcome.result
        alias = outcome.part.alias
        fault = Fault.HERE if alias is None else Fault.REMOTE
        if result is None or outcome.part.may_be_skipped:
            continue
        if result.failures or result.shards.failed:
            failure = search_phase_failure("Partial shards failure", result.failures, fault)
            raise wrapped_for_caller(alias, failure)
        if result.timed_out:
            raise wrapped_for_caller(alias, search_phase_failure("Time exceeded", (), fault))


def _hits(plan: Plan, answered: Sequence[_Answered]) -> tuple[Hit, ...]:
    request = plan.request
    found: list[Found] = [(alias, hit) for alias, result in answered for hit in result.hits]
    if plan.is_shared:
        ordered = in_order(found, request.sort, _addresses(answered) if request.sort else ())
        if request.collapse is not None:
            ordered = one_of_each_group(ordered)
        found = ordered[request.offset : request.offset + request.size]
    if any(key.date_format for key in request.sort):
        found = [(alias, formatted_sort(hit, request.sort)) for alias, hit in found]
    return tuple([hit if alias is None else _prefixed(alias, hit) for alias, hit in found])


def _addresses(answered: Sequence[_Answered]) -> frozenset[int]:
    """Answer the positions of the sort keys whose values are IP addresses somewhere."""
    return frozenset(
        position for _, result in answered for position, kind in enumerate(result.sort_kinds) if kind == "ip"
    )


def _prefixed(alias: ClusterAlias, hit: Hit) -> Hit:
    _require_json(alias, hit.source)
    if hit.sections is not None:
        for section in hit.sections.values():
            _require_json(alias, section)
    return Hit(
        f"{alias}:{hit.index}",
        hit.id,
        hit.score,
        hit.source,
        hit.sort,
        hit.version,
        hit.seq_no,
        hit.primary_term,
        hit.sections,
        hit.group,
    )


def _require_json(alias: ClusterAlias, text: bytes | None) -> None:
    """Return if a peer's text can stand in an answer as it is: else it could write what others found."""
    if text is None:
        return
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Failure(
            FailureKind.INTERNAL,
            "search_exception",
            f"a hit of cluster [{alias}] was not understood: it holds what is no JSON",
            fault=Fault.REMOTE,
        ) from None


def _failures(answered: Sequence[_Answered]) -> tuple[FailureReport, ...]:
    failures: list[FailureReport] = []
    for alias, result in answered:
        if result.failures:
            failures += prefixed_failures(alias, result.failures)
    return tuple(failures)


def _aggregations(plan: Plan, answered: Sequence[_Answered]) -> JsonObject:
    tree = plan.aggregations
    if tree is None or not answered:
        return {}
    parts = [
        result.aggregations if alias is None else with_cluster_alias(tree, result.aggregations, alias)
        for alias, result in answered
    ]
    return combine(tree, parts)


def _suggestions(plan: Plan, answered: Sequence[_Answered]) -> JsonObject:
    request = plan.request
    parts = [
        result.suggestions if alias is None else suggestions_of_cluster(request, result.suggestions, alias)
        for alias, result in answered
    ]
    return combine_suggestions(request, parts, final=True)
