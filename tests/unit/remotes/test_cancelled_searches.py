"""Searches that are cancelled, over real links: the far side stops, whoever it was that wanted it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from remotes_harness import ALIAS, READ, FakeEngine, FarCluster, Near, until

from isthmus.clock import SystemClock
from isthmus.errors import Failure, FailureKind
from isthmus.exchange import SearchRequest
from isthmus.remotes.address import HostAndPort
from isthmus.rest.http import json_text
from isthmus.search.async_searches import AsyncSearches, Submission
from isthmus.search.clusters import ClusterStatus
from isthmus.search.coordinator import SearchCoordinator
from isthmus.search.merge import SearchAnswer
from isthmus.search.plan import SearchOrder
from isthmus.security.principal import (
    IndexPrivileges,
    Principal,
    RemoteIndexPrivileges,
    RoleDescriptor,
)
from isthmus.store.async_search_records import SqlAsyncSearchRecords
from isthmus.store.database import Database, Line, sqlite_url

ROLE = RoleDescriptor(
    name="reader",
    indices=(IndexPrivileges(names=("*",), privileges=("read",)),),
    remote_indices=(RemoteIndexPrivileges(clusters=("*",), names=("*",), privileges=READ),),
)
ANN = Principal("ann", ("reader",), ((ROLE,),), "default_native", "native")
BOTH = SearchOrder(("here", "eu:logs-*"), SearchRequest())
NO_WAIT = Submission(keep_alive_milliseconds=60_000, wait_seconds=0.0, keep_on_completion=False)


def written(answer: SearchAnswer, *, typed_keys: bool) -> bytes:
    """Write the ids that were found and how the clusters stand."""
    del typed_keys
    return json_text(
        {
            "ids": [hit.id for hit in answer.result.hits],
            "clusters": [detail.status.value for detail in answer.clusters],
        }
    )


@dataclass
class Searching:
    """A near side that searches."""

    coordinator: SearchCoordinator
    submitted: AsyncSearches


@pytest.fixture
async def searching(near: Near, far: FarCluster, tmp_path: Path) -> AsyncIterator[Searching]:
    """Search one index here and three there."""
    near.connect(far.address)
    await near.remotes.settle([ALIAS], 5)
    coordinator = SearchCoordinator(FakeEngine(here=["0"]), near.remotes)  # type: ignore[arg-type]
    database = await asyncio.to_thread(Database.open, sqlite_url(tmp_path / "node.sqlite3"), Line.NODE)
    submitted = AsyncSearches(coordinator, SqlAsyncSearchRecords(database), SystemClock(), lambda: 10_000_000)
    yield Searching(coordinator, submitted)
    await submitted.close()
    database.close()


def hold(far: FarCluster) -> asyncio.Event:
    """Have the far side's searches wait for the answer."""
    far.engine.hold = asyncio.Event()
    far.engine.searching.clear()
    return far.engine.hold


async def test_a_slow_cluster_does_not_hold_back_what_the_others_found(
    searching: Searching, far: FarCluster
) -> None:
    """What is here is answered while the far side works, and all of it once it has answered."""
    gate = hold(far)
    search, is_kept = await searching.submitted.submit(ANN, BOTH, NO_WAIT, written)
    assert is_kept
    await far.engine.searching.wait()
    run = searching.submitted._runs[search.id]
    await until(lambda: b'"0"' in (run.now().response or b""))
    partial = await searching.submitted.get(ANN, search.id)
    assert partial.response == b'{"ids":["0"],"clusters":["successful","running"]}'
    assert (partial.is_running, partial.is_partial) == (True, True)
    gate.set()
    whole = await searching.submitted.get(ANN, search.id, wait_seconds=10)
    assert whole.response == b'{"ids":["0","1","2","3"],"clusters":["successful","successful"]}'
    assert (whole.is_running, whole.is_partial) == (False, False)


async def test_deleting_a_submitted_search_ends_it_over_there(searching: Searching, far: FarCluster) -> None:
    """The far side's engine is told to stop, and nobody finds the search again."""
    hold(far)
    search, _ = await searching.submitted.submit(ANN, BOTH, NO_WAIT, written)
    await far.engine.searching.wait()
    await searching.submitted.delete(ANN, search.id)
    await until(lambda: far.engine.cancelled == 1)
    assert searching.coordinator.running.all() == []
    with pytest.raises(Failure, match=search.id):
        await searching.submitted.get(ANN, search.id)


async def test_cancelling_the_task_of_a_submitted_search_ends_it_over_there(
    searching: Searching, far: FarCluster
) -> None:
    """The search is kept with the reason, and with what had come in by then."""
    hold(far)
    search, _ = await searching.submitted.submit(ANN, BOTH, NO_WAIT, written)
    await far.engine.searching.wait()
    (task,) = searching.coordinator.running.all()
    assert task.action == "indices:data/read/async_search/submit"
    task.cancel()
    await until(lambda: far.engine.cancelled == 1)
    ended = await searching.submitted.get(ANN, search.id, wait_seconds=10)
    assert (ended.is_running, ended.is_partial) == (False, True)
    assert ended.error is not None
    assert ended.error.caused_by is not None
    assert ended.error.caused_by.error_type == "task_cancelled_exception"
    assert ended.response == b'{"ids":["0"],"clusters":["successful","running"]}'


async def test_cancelling_the_task_of_a_search_ends_it_over_there(
    searching: Searching, far: FarCluster
) -> None:
    """The caller who still waits is told that it was cancelled."""
    hold(far)
    asking = asyncio.create_task(searching.coordinator.search(ANN, BOTH))
    await far.engine.searching.wait()
    (task,) = searching.coordinator.running.all()
    assert task.action == "indices:data/read/search"
    assert task.description.startswith("indices[here,eu:logs-*], search_type[QUERY_THEN_FETCH], source[")
    task.cancel()
    with pytest.raises(Failure) as caught:
        await asking
    assert caught.value.kind is FailureKind.INVALID_REQUEST
    assert caught.value.reason == "task cancelled [by user request]"
    await until(lambda: far.engine.cancelled == 1)
    assert searching.coordinator.running.all() == []


async def test_a_caller_who_goes_away_ends_it_over_there(searching: Searching, far: FarCluster) -> None:
    """Also while the submitting itself still waits for the end."""
    hold(far)
    patient = Submission(keep_alive_milliseconds=60_000, wait_seconds=60, keep_on_completion=True)
    for number, work in enumerate(
        (
            searching.coordinator.search(ANN, BOTH),
            searching.submitted.submit(ANN, BOTH, patient, written),
        ),
        start=1,
    ):
        far.engine.searching.clear()
        asking = asyncio.create_task(work)  # type: ignore[arg-type]
        await far.engine.searching.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await until(lambda number=number: far.engine.cancelled == number)
        assert searching.coordinator.running.all() == []


async def test_a_request_may_say_that_a_cluster_must_not_be_missing(
    searching: Searching, far: FarCluster
) -> None:
    """Whatever the settings of the cluster say: its failure is the answer, or it is not."""
    order = SearchOrder(("here", "eu:missing"), SearchRequest(), skip_unavailable=False)
    with pytest.raises(Failure, match="error while communicating with remote cluster"):
        await searching.coordinator.search(ANN, order)
    lenient = SearchOrder(("here", "eu:missing"), SearchRequest(), skip_unavailable=True)
    answer = await searching.coordinator.search(ANN, lenient)
    assert [detail.status for detail in answer.clusters] == [ClusterStatus.SUCCESSFUL, ClusterStatus.SKIPPED]
    assert far.engine.searches == 0


async def test_a_request_that_insists_waits_for_a_connection(
    near: Near, searching: Searching, far: FarCluster
) -> None:
    """A cluster that must not be missing is worth an attempt though its settings would have it skipped."""
    await far.kill()
    await until(lambda: near.state["isthmus"]["state"] == "backing_off")
    lenient = SearchOrder(("here", "eu:logs-*"), SearchRequest())
    loop = asyncio.get_running_loop()
    started = loop.time()
    for _ in range(20):
        answer = await searching.coordinator.search(ANN, lenient)
        assert answer.clusters[1].status is ClusterStatus.SKIPPED
    assert loop.time() - started < 2.0
    await far.start()
    insisting = SearchOrder(("here", "eu:logs-*"), SearchRequest(), skip_unavailable=False)
    answer = await searching.coordinator.search(ANN, insisting)
    assert [hit.id for hit in answer.result.hits] == ["0", "1", "2", "3"]


async def test_a_link_that_is_known_to_be_down_costs_a_search_a_moment(
    near: Near, searching: Searching
) -> None:
    """Also while the next attempt is under way, and that takes long: nobody waits for it."""

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    try:
        near.connect(HostAndPort("127.0.0.1", server.sockets[0].getsockname()[1]))
        link = near.remotes.get(ALIAS).link
        for _ in range(3):
            await until(
                lambda: link.status().failures_in_a_row > 0 and link.status().state.value == "connecting"
            )
            started = asyncio.get_running_loop().time()
            answer = await searching.coordinator.search(ANN, BOTH)
            assert asyncio.get_running_loop().time() - started < 0.5  # an attempt takes 1 s here
            assert answer.clusters[1].status is ClusterStatus.SKIPPED
            assert answer.clusters[1].failures[0].error_type == "no_seed_node_left_exception"
    finally:
        server.close()
        for writer in held:
            writer.close()


async def test_the_time_of_a_hop_is_told_where_it_is_asked_for(searching: Searching, far: FarCluster) -> None:
    """In all, and of that over there; the rest was on the way."""
    gate = hold(far)
    order = SearchOrder(("here", "eu:logs-*"), SearchRequest(), hops=True)
    asking = asyncio.create_task(searching.coordinator.search(ANN, order))
    await far.engine.searching.wait()
    await asyncio.sleep(0.05)
    gate.set()
    here, there = (await asking).clusters
    assert here.hop is None
    assert there.hop is not None
    assert there.hop.exact
    assert 50_000_000 <= there.hop.remote_nanoseconds <= there.hop.total_nanoseconds
    assert there.hop.network_nanoseconds == there.hop.total_nanoseconds - there.hop.remote_nanoseconds
    far.engine.hold = None
    assert [detail.hop for detail in (await searching.coordinator.search(ANN, BOTH)).clusters] == [None, None]
