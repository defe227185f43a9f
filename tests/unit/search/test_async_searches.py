"""Searches that go on without their callers, over real records in SQLite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from isthmus.clock import SystemClock
from isthmus.errors import Failure, FailureKind, index_not_found
from isthmus.exchange import Hit, SearchRequest, SearchResult, ShardCounts
from isthmus.names import ClusterAlias, IndicesOptions
from isthmus.rest.http import json_text
from isthmus.search.async_search import KeptAmount
from isthmus.search.async_searches import LIMIT, AsyncSearches, Submission
from isthmus.search.merge import SearchAnswer, merge
from isthmus.search.outcome import Outcome
from isthmus.search.plan import Part, Plan, SearchOrder
from isthmus.search.progress import SearchProgress
from isthmus.security.principal import IndexPrivileges, Principal, RoleDescriptor
from isthmus.store.async_search_records import SqlAsyncSearchRecords
from isthmus.store.database import Database, Line, sqlite_url

READER = RoleDescriptor(name="r", indices=(IndexPrivileges(names=("*",), privileges=("read",)),))
ANN = Principal("ann", ("r",), ((READER,),), "default_native", "native")
BOB = replace(ANN, username="bob")
ANN_OF_FILE = replace(ANN, realm_name="default_file", realm_type="file")
KEY_OF_ANN = replace(ANN, api_key_id="k1")
OTHER_KEY_OF_ANN = replace(ANN, api_key_id="k2")
MONITOR = replace(BOB, role_sets=((RoleDescriptor(name="m", cluster=("monitor",)),),))
CANCELLER = replace(BOB, role_sets=((RoleDescriptor(name="c", cluster=("cancel_task",)),),))
NOBODY = replace(BOB, role_sets=((RoleDescriptor(name="n"),),))
ORDER = SearchOrder(("here", "eu:logs"), SearchRequest())
EU = ClusterAlias("eu")


@dataclass
class FakeClock(SystemClock):
    """The wall clock can be moved."""

    ahead_milliseconds: int = 0

    def now_milliseconds(self) -> int:
        return super().now_milliseconds() + self.ahead_milliseconds


@dataclass
class FakeSearcher:
    """Answers for this cluster at once, and for ``eu`` when its gate opens."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    failure: BaseException | None = None
    padding: int = 0
    orders: list[SearchOrder] = field(default_factory=list)

    async def search(
        self, _principal: Principal, order: SearchOrder, progress: SearchProgress | None, action: str
    ) -> SearchAnswer:
        """Answer as the gate lets."""
        assert progress is not None
        assert action == "indices:data/read/async_search/submit"
        self.orders.append(order)
        parts = tuple(Part(alias, ("i",), order.request, False, None) for alias in (None, EU))
        plan = Plan(order.request, IndicesOptions(), parts, None)
        progress.planned(plan)
        outcomes = []
        for part in parts:
            if part.alias is not None:
                await self.gate.wait()
                if self.failure is not None:
                    raise self.failure
            source = b'"%s"' % (b"x" * self.padding)
            result = SearchResult(
                shards=ShardCounts(total=1, successful=1), hits=(Hit("i", str(part.alias), 1.0, source),)
            )
            outcomes.append(Outcome(part, result=result))
            progress.answered(outcomes[-1])
        return merge(plan, outcomes, 1)


@dataclass
class Place:
    """A node's folder: what is stored in it outlives the searches."""

    records: SqlAsyncSearchRecords
    clock: FakeClock
    searcher: FakeSearcher = field(default_factory=FakeSearcher)
    maximum_bytes: int = 1_000_000
    limit: KeptAmount = LIMIT

    async def start(self) -> AsyncSearches:
        """Start a node on it."""
        searches = AsyncSearches(
            self.searcher, self.records, self.clock, lambda: self.maximum_bytes, self.limit
        )
        await searches.load()
        return searches


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """Make an empty folder of a node."""
    database = await asyncio.to_thread(Database.open, sqlite_url(tmp_path / "node.sqlite3"), Line.NODE)
    yield Place(SqlAsyncSearchRecords(database), FakeClock())
    database.close()


def written(answer: SearchAnswer, *, typed_keys: bool) -> bytes:
    """Write what was found, and in which form that was wanted."""
    ids = [[hit.id, (hit.source or b"").decode()] for hit in answer.result.hits]
    return json_text({"typed": typed_keys, "ids": ids})


def submission(wait_seconds: float | None = 0.0, *, keep: bool = False, seconds: int = 60) -> Submission:
    """Answer how to treat a search that is kept for a minute."""
    return Submission(seconds * 1000, wait_seconds, keep)


def ids(response: bytes | None) -> list[str]:
    """Answer the ids in what :func:`written` wrote."""
    return [] if response is None else [each[0] for each in orjson.loads(response)["ids"]]


async def test_one_that_ends_in_time_is_answered_whole_and_not_kept(place: Place) -> None:
    """There is nothing left of it."""
    searches = await place.start()
    place.searcher.gate.set()
    search, is_kept = await searches.submit(ANN, ORDER, submission(10), written)
    assert (is_kept, search.is_running, search.is_partial) == (False, False, False)
    assert ids(search.response) == ["None", "eu"]
    assert (await place.records.kept()).searches == 0
    assert place.searcher.orders[0].remote_timeout_seconds == 3600


async def test_one_that_ends_in_time_is_kept_where_that_is_wanted(place: Place) -> None:
    """Until its time is over, and over a restart."""
    searches = await place.start()
    place.searcher.gate.set()
    search, is_kept = await searches.submit(ANN, ORDER, submission(10, keep=True), written)
    assert is_kept
    again = await (await place.start()).get(ANN, search.id)
    assert again == search
    assert again.typed_response is not None
    place.clock.ahead_milliseconds = 61_000
    with pytest.raises(Failure) as caught:
        await searches.get(ANN, search.id)
    assert (caught.value.kind, caught.value.reason) == (FailureKind.NOT_FOUND, search.id)
    await searches.remove_expired()
    assert (await place.records.kept()).searches == 0


async def test_one_that_takes_longer_can_be_looked_at_and_waited_for(place: Place) -> None:
    """What has come in is there; the end frees everybody who waits."""
    searches = await place.start()
    search, is_kept = await searches.submit(ANN, ORDER, submission(), written)
    assert (is_kept, search.is_running, search.is_partial) == (True, True, True)
    partial = await searches.get(ANN, search.id, wait_seconds=0.01)
    assert ids(partial.response) == ["None"]
    assert partial.clusters is not None
    assert partial.clusters["details"]["eu"]["status"] == "running"
    bare = await searches.get(ANN, search.id, with_intermediate_hits=False)
    assert (ids(bare.response), bare.shards.total) == ([], 1)
    waiting = asyncio.create_task(searches.get(ANN, search.id, wait_seconds=None))
    await asyncio.sleep(0)
    place.searcher.gate.set()
    whole = await waiting
    assert (ids(whole.response), whole.is_running, whole.is_partial) == (["None", "eu"], False, False)
    assert whole.completed_milliseconds is not None
    assert (await searches.status(ANN, search.id)).response is None


async def test_a_restart_loses_what_ran_and_says_so(place: Place) -> None:
    """It is not running any longer, and why is told; nothing is passed off as an answer."""
    searches = await place.start()
    search, _ = await searches.submit(ANN, ORDER, submission(), written)
    for run in searches._runs.values():  # as a process that is killed: nothing is stored any more
        assert run.work is not None
        run.work.cancel()
    lost = await (await place.start()).get(ANN, search.id)
    assert (lost.is_running, lost.is_partial, lost.response) == (False, True, None)
    assert lost.error is not None
    assert lost.error.kind == "UNAVAILABLE"
    assert lost.error.reason.startswith("the node was restarted while this search ran")


async def test_a_node_that_stops_in_order_keeps_what_had_come_in(place: Place) -> None:
    """With the reason why that is not all."""
    searches = await place.start()
    search, _ = await searches.submit(ANN, ORDER, submission(), written)
    await searches.close()
    found = await (await place.start()).get(ANN, search.id)
    assert (ids(found.response), found.is_running, found.is_partial) == (["None"], False, True)
    assert found.error is not None
    assert found.error.reason.startswith("the node was stopped while this search ran")


@pytest.mark.parametrize(
    ("caller", "gets", "sees_status", "deletes"),
    [
        (ANN, True, True, True),
        (BOB, False, False, False),
        (ANN_OF_FILE, False, False, False),
        (KEY_OF_ANN, False, False, False),
        (MONITOR, False, True, False),
        (CANCELLER, False, False, True),
    ],
)
async def test_a_search_is_its_owners(
    place: Place, caller: Principal, gets: bool, sees_status: bool, deletes: bool
) -> None:
    """Others are told that there is none; ``monitor`` sees the status of any, ``cancel_task`` deletes any."""
    searches = await place.start()
    running, _ = await searches.submit(ANN, ORDER, submission(), written)
    place.searcher.gate.set()
    ended, _ = await searches.submit(ANN, ORDER, submission(10, keep=True), written)
    for search in (running, ended):
        for work, allowed in (
            (searches.get(caller, search.id), gets),
            (searches.status(caller, search.id), sees_status),
            (searches.delete(caller, search.id), deletes),
        ):
            if allowed:
                await work
            else:
                with pytest.raises(Failure) as caught:
                    await work
                assert (caught.value.kind, caught.value.reason) == (FailureKind.NOT_FOUND, search.id)
    await searches.close()


async def test_an_api_key_owns_what_it_submits(place: Place) -> None:
    """Its owner and other keys of the owner do not."""
    searches = await place.start()
    search, _ = await searches.submit(KEY_OF_ANN, ORDER, submission(), written)
    assert (await searches.get(KEY_OF_ANN, search.id)).id == search.id
    for other in (ANN, OTHER_KEY_OF_ANN):
        with pytest.raises(Failure, match=search.id):
            await searches.get(other, search.id)
    await searches.close()


async def test_a_caller_without_any_privilege_is_refused_at_once(place: Place) -> None:
    """Nothing is begun."""
    searches = await place.start()
    with pytest.raises(Failure) as caught:
        await searches.submit(NOBODY, ORDER, submission(), written)
    assert caught.value.kind is FailureKind.FORBIDDEN
    assert "indices:data/read/async_search/submit" in caught.value.reason
    assert place.searcher.orders == []


async def test_a_failure_is_kept_beside_what_was_found(place: Place) -> None:
    """As Elasticsearch wraps it."""
    searches = await place.start()
    place.searcher.failure = index_not_found("logs")
    search, _ = await searches.submit(ANN, ORDER, submission(), written)
    place.searcher.gate.set()
    now = await searches.get(ANN, search.id, wait_seconds=10)
    await searches.close()
    for found in (now, await (await place.start()).get(ANN, search.id)):
        assert (ids(found.response), found.is_partial, found.is_running) == (["None"], True, False)
        assert found.error is not None
        assert (found.error.error_type, found.error.reason) == (
            "status_exception",
            "error while executing search",
        )
        assert found.error.caused_by is not None
        assert found.error.caused_by.error_type == "index_not_found_exception"


async def test_a_bug_ends_the_search_without_telling_its_text(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """It is in the log, under the search's id."""
    searches = await place.start()
    place.searcher.failure = ZeroDivisionError("a secret")
    place.searcher.gate.set()
    search, _ = await searches.submit(ANN, ORDER, submission(10, keep=True), written)
    assert search.error is not None
    assert "secret" not in str(search.error)
    assert "async search failed inside the server" in caplog.text


async def test_keeping_it_longer(place: Place) -> None:
    """Asking with ``keep_alive`` counts from now, running or stored."""
    searches = await place.start()
    search, _ = await searches.submit(ANN, ORDER, submission(seconds=60), written)
    longer = await searches.get(ANN, search.id, keep_alive_milliseconds=600_000)
    assert longer.expires_milliseconds - search.expires_milliseconds >= 539_000
    place.searcher.gate.set()
    await searches.get(ANN, search.id, wait_seconds=10)
    place.clock.ahead_milliseconds = 500_000
    assert (await searches.status(ANN, search.id)).expires_milliseconds == longer.expires_milliseconds
    longest = await searches.status(ANN, search.id, keep_alive_milliseconds=2**62)
    assert longest.expires_milliseconds == 2**53 - 1
    assert (await searches.get(ANN, search.id)).expires_milliseconds == 2**53 - 1


async def test_what_has_expired_is_ended(place: Place) -> None:
    """Whoever waits for it is not left waiting."""
    searches = await place.start()
    search, _ = await searches.submit(ANN, ORDER, submission(seconds=1), written)
    waiting = asyncio.create_task(searches.get(ANN, search.id, wait_seconds=30))
    await asyncio.sleep(0)
    place.clock.ahead_milliseconds = 2_000
    await searches.remove_expired()
    assert (await waiting).error is not None
    assert searches._runs == {}
    with pytest.raises(Failure, match=search.id):
        await searches.get(ANN, search.id)


async def test_a_response_that_is_too_large_is_not_kept(place: Place) -> None:
    """What is kept instead says which setting is in the way."""
    place.maximum_bytes = 1_000
    place.searcher.padding = 1_000
    place.searcher.gate.set()
    searches = await place.start()
    search, _ = await searches.submit(ANN, ORDER, submission(10, keep=True), written)
    assert search.response is None
    assert search.error is not None
    assert search.error.reason == (
        "Can't store an async search response larger than [1000] bytes. This limit can be set by changing"
        " the [search.max_async_search_response_size] setting."
    )
    assert (await (await place.start()).get(ANN, search.id)).error == search.error
    large, is_kept = await searches.submit(ANN, ORDER, submission(10), written)
    assert (is_kept, ids(large.response)) == (False, ["None", "eu"])  # nothing has to be stored


async def test_all_that_is_kept_is_limited(place: Place) -> None:
    """In size and in number; deleting makes room."""
    place.limit = KeptAmount(searches=2, size_bytes=3_000)
    place.searcher.padding = 400
    place.searcher.gate.set()
    searches = await place.start()
    first, _ = await searches.submit(ANN, ORDER, submission(10, keep=True), written)
    second, _ = await searches.submit(ANN, ORDER, submission(10, keep=True), written)
    assert first.error is None
    assert second.error is not None
    assert second.error.error_type == "circuit_breaking_exception"
    with pytest.raises(Failure) as caught:
        await searches.submit(ANN, ORDER, submission(10, keep=True), written)
    assert caught.value.kind is FailureKind.TOO_MANY_REQUESTS
    for search in (first, second):
        await searches.delete(ANN, search.id)
    third, _ = await searches.submit(ANN, ORDER, submission(10, keep=True), written)
    assert third.error is None


@pytest.mark.parametrize("text", ["", "x", "a" * 31, "a" * 33, "a" * 31 + "\n", "ä" * 32, "../" * 10 + "ab"])
async def test_an_id_that_never_was_one_is_refused(place: Place, text: str) -> None:
    """400, where 404 would send the caller looking for a search."""
    searches = await place.start()
    with pytest.raises(Failure) as caught:
        await searches.get(ANN, text)
    assert caught.value.kind is FailureKind.INVALID_REQUEST
    assert caught.value.reason.startswith("invalid id: [")


async def test_many_at_once_are_each_themselves(place: Place) -> None:
    """Each has its own id and end, whatever ends first."""
    searches = await place.start()
    submitted: list[Any] = await asyncio.gather(
        *(searches.submit(ANN, ORDER, submission(number % 3 / 100), written) for number in range(30))
    )
    place.searcher.gate.set()
    ended = await asyncio.gather(
        *(searches.get(ANN, search.id, wait_seconds=10) for search, is_kept in submitted if is_kept)
    )
    assert len({search.id for search in ended}) == 30
    assert all(ids(search.response) == ["None", "eu"] for search in ended)
    async with asyncio.timeout(10):
        await asyncio.gather(*(run.work for run in searches._runs.values() if run.work is not None))
    assert searches._runs == {}
    assert (await place.records.kept()).searches == 30
