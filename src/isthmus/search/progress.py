"""A search that is still under way: what is known of it, and what can be answered by now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from isthmus.search.clusters import ClusterDetail, ClusterStatus, cluster_detail
from isthmus.search.merge import SearchAnswer, merge
from isthmus.search.outcome import Outcome
from isthmus.search.plan import Part, Plan


class SearchProgress(Protocol):
    """Whoever wants to see a search get on. Neither method may raise."""

    def planned(self, plan: Plan) -> None:
        """Learn what will be asked, before anything is."""
        ...

    def answered(self, outcome: Outcome) -> None:
        """Learn how one part ended, in the order in which they do."""
        ...


def answer_so_far(plan: Plan, outcomes: Sequence[Outcome], took_milliseconds: int) -> SearchAnswer:
    """Answer what the clusters that have answered make together; the others are ``running``.

    A cluster whose failure ends the whole search is ``failed`` here and no failure. Raises the
    400 failures of :func:`isthmus.search.merge.merge` for values that cannot be compared.
    """
    counted = [outcome for outcome in _in_order(plan, outcomes) if not outcome.is_fatal]
    answer = merge(replace(plan, allow_partial_results=True), counted, took_milliseconds)
    if not plan.is_cross_cluster:
        return answer
    details = {outcome.part.alias: cluster_detail(outcome, hops=plan.hops) for outcome in outcomes}
    clusters = tuple(details.get(part.alias) or _running(part) for part in plan.parts)
    # One for the clusters seen so far: nothing has been reduced for good yet.
    return replace(answer, clusters=clusters, reduce_phases=len(counted))


def is_partial(answer: SearchAnswer) -> bool:
    """Tell whether anything is missing from an answer, whatever was allowed to be missing."""
    if answer.clusters:
        return any(detail.status is not ClusterStatus.SUCCESSFUL for detail in answer.clusters)
    return answer.result.timed_out or answer.result.shards.failed > 0


def _in_order(plan: Plan, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Answer the outcomes in the order of the parts, which is that of equal hits."""
    by_alias = {outcome.part.alias: outcome for outcome in outcomes}
    return [by_alias[part.alias] for part in plan.parts if part.alias in by_alias]


def _running(part: Part) -> ClusterDetail:
    return ClusterDetail(part.alias, ClusterStatus.RUNNING, part.expressions)
