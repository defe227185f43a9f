"""All clusters at once, under deadlines, with failures as data."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from isthmus.clock import SystemClock
from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.exchange import FailureReport, Hit, SearchRequest, SearchResult, SearchTarget, ShardCounts
from isthmus.names import ClusterAlias, IndicesOptions
from isthmus.search.ask import ask_all
from isthmus.search.outcome import Outcome
from isthmus.search.plan import Part, Plan

EU, US = ClusterAlias("eu"), ClusterAlias("us")
DOWN = Failure(FailureKind.UNAVAILABLE, "connect_transport_exception", "[eu] connect timed out")


@dataclass
class FakeCluster:
    """Answers when its gate is open, and tells what became of the call."""

    result: SearchResult = field(default_factory=lambda: SearchResult(hits=(Hit("i", "1"),)))
    failure: Failure | None = None
    gate: asyncio.Event | None = None
    journal: list[str] = field(default_factory=list)
    name: str = ""
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def search(
        self, expressions: tuple[str, ...], _options: IndicesOptions, _request: SearchRequest
    ) -> SearchResult:
        """Answer, fail or wait."""
        self.journal.append(f"{self.name} asked for {','.join(expressions)}")
        self.asked.set()
        try:
            if self.gate is not None:
                await self.gate.wait()
        except asyncio.CancelledError:
            self.journal.append(f"{self.name} abandoned")
            raise
        if self.failure is not None:
            raise self.failure
        return self.result


def _plan(*aliases: ClusterAlias | None, skip: bool = True, timeout_seconds: float | None = None) -> Plan:
    request = SearchRequest()
    parts = tuple(
        Part(alias, (f"index-of-{alias}",), request, skip and alias is not None, timeout_seconds)
        for alias in aliases
    )
    return Plan(request, IndicesOptions(), parts, None)


async def _ask(plan: Plan, targets: dict[ClusterAlias | None, SearchTarget]) -> tuple[Outcome, ...]:
    async with asyncio.timeout(10):
        return await ask_all(plan, targets, SystemClock())


async def test_every_cluster_answers_in_the_order_of_the_parts() -> None:
    """Each part has its outcome."""
    outcomes = await _ask(_plan(None, EU, US), {None: FakeCluster(), EU: FakeCluster(), US: FakeCluster()})
    assert [outcome.part.alias for outcome in outcomes] == [None, EU, US]
    assert all(outcome.result is not None and outcome.failure is None for outcome in outcomes)


async def test_others_are_asked_before_the_search_here_starts() -> None:
    """They have the longer way."""
    journal: list[str] = []
    targets: dict[ClusterAlias | None, SearchTarget] = {
        alias: FakeCluster(journal=journal, name=str(alias)) for alias in (None, EU, US)
    }
    await _ask(_plan(None, EU, US), targets)
    assert journal == [
        "eu asked for index-of-eu",
        "us asked for index-of-us",
        "None asked for index-of-None",
    ]


async def test_a_failure_is_an_outcome() -> None:
    """A cluster that is down does not raise."""
    outcomes = await _ask(_plan(None, EU), {None: FakeCluster(), EU: FakeCluster(failure=DOWN)})
    assert outcomes[0].result is not None
    assert (outcomes[1].result, outcomes[1].failure) == (None, DOWN)
    assert not outcomes[1].is_fatal


async def test_a_single_cluster_fails_as_data_too() -> None:
    """The short way for one cluster follows the same rules."""
    (outcome,) = await _ask(_plan(EU, skip=False), {EU: FakeCluster(failure=DOWN)})
    assert outcome.failure is DOWN
    assert outcome.is_fatal


@pytest.mark.parametrize("aliases", [(None, EU), (EU,)])
async def test_a_cluster_that_never_answers_is_given_up_on(aliases: tuple[ClusterAlias | None, ...]) -> None:
    """It holds the others no longer than its timeout, and its call is abandoned."""
    journal: list[str] = []
    silent = FakeCluster(gate=asyncio.Event(), journal=journal, name="eu")
    outcomes = await _ask(_plan(*aliases, timeout_seconds=0.02), {None: FakeCluster(), EU: silent})
    given_up = outcomes[-1]
    assert given_up.timed_out
    assert given_up.failure is not None
    assert given_up.failure.error_type == "receive_timeout_transport_exception"
    assert given_up.failure.reason.startswith("[eu][indices:data/read/search] timed out after [")
    assert journal[-1] == "eu abandoned"


async def test_a_fatal_outcome_ends_the_waiting() -> None:
    """Nobody waits for clusters whose answers can no longer matter, and they are told."""
    journal: list[str] = []
    silent = FakeCluster(gate=asyncio.Event(), journal=journal, name="us")
    targets: dict[ClusterAlias | None, SearchTarget] = {EU: FakeCluster(failure=DOWN), US: silent}
    outcomes = await _ask(_plan(EU, US, skip=False), targets)
    assert [outcome.failure for outcome in outcomes] == [DOWN]
    assert journal[-1] == "us abandoned"


async def test_cancelling_abandons_every_cluster() -> None:
    """When the caller goes away nothing runs on."""
    journal: list[str] = []
    clusters = {
        alias: FakeCluster(gate=asyncio.Event(), journal=journal, name=str(alias)) for alias in (None, EU)
    }
    asking = asyncio.create_task(_ask(_plan(None, EU), dict(clusters)))
    for cluster in clusters.values():
        await cluster.asked.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert sorted(journal[2:]) == ["None abandoned", "eu abandoned"]


async def test_a_cluster_all_of_whose_shards_failed_has_failed() -> None:
    """What it answered is kept beside the failure, for the report."""
    report = FailureReport(
        kind="INVALID_REQUEST", error_type="query_shard_exception", reason="failed to create query", index="i"
    )
    broken = SearchResult(shards=ShardCounts(total=2, failed=2), failures=(report,))
    (outcome,) = await _ask(_plan(EU), {EU: FakeCluster(result=broken)})
    assert outcome.result is broken
    assert outcome.failure is not None
    assert outcome.failure.error_type == "search_phase_execution_exception"
    assert outcome.failure.kind is FailureKind.INVALID_REQUEST
    assert outcome.failure.caused_by is not None
    assert outcome.failure.caused_by.reason == "failed to create query"


async def test_a_bug_is_not_swallowed() -> None:
    """Only failures are data: anything else surfaces, and the other clusters are abandoned."""

    class Broken:
        async def search(self, *_: object) -> SearchResult:
            raise ZeroDivisionError

    journal: list[str] = []
    silent = FakeCluster(gate=asyncio.Event(), journal=journal, name="us")
    with pytest.raises(ZeroDivisionError):
        await _ask(_plan(EU, US), {EU: Broken(), US: silent})
    assert journal[-1] == "us abandoned"


async def test_failing_here_is_fatal_whatever_may_be_skipped() -> None:
    """This cluster is never skipped."""
    outcomes = await _ask(
        _plan(None, EU), {None: FakeCluster(failure=illegal_argument("no")), EU: FakeCluster()}
    )
    assert any(outcome.is_fatal for outcome in outcomes)
