"""How searches share threads, end in time, and never take the process with them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from isthmus.engines.embedded import searching as searching_module
from isthmus.engines.embedded.engine import EmbeddedEngine
from isthmus.engines.embedded.searching import Searching
from isthmus.engines.embedded.searching_pool import SearchPool, Stop, Stopped
from isthmus.engines.embedded.snapshot import Snapshot
from isthmus.errors import Failure, FailureKind
from isthmus.exchange import (
    IndexSelection,
    RefreshPolicy,
    SearchRequest,
    WriteKind,
    WriteOperation,
)
from isthmus.names import IndexName

LOGS = IndexName("logs")


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[EmbeddedEngine]:
    """Make an engine with three documents."""
    made = EmbeddedEngine(tmp_path)
    await made.create_index(LOGS, {}, {}, {})
    operations = [
        WriteOperation(kind=WriteKind.INDEX, id=str(number), source=orjson.dumps({"n": number}))
        for number in range(3)
    ]
    await made.write(LOGS, operations, RefreshPolicy.IMMEDIATE)
    yield made
    await made.close()


async def test_more_searches_than_may_wait_are_refused() -> None:
    """Beyond the threads and the queue a search is a 429, and there is room again afterwards."""
    pool = SearchPool(threads=1, queue_length=1)
    release = threading.Event()
    running = [asyncio.create_task(pool.run(release.wait, Stop())) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Failure) as caught:
        await pool.run(release.wait, Stop())
    assert caught.value.kind is FailureKind.TOO_MANY_REQUESTS
    assert caught.value.error_type == "es_rejected_execution_exception"
    release.set()
    assert await asyncio.gather(*running) == [True, True]
    assert await pool.run(lambda: 7, Stop()) == 7
    pool.close()


async def test_a_search_past_its_grace_is_left_behind() -> None:
    """The caller goes on at once; the thread is told to stop; what never started is cleaned up."""
    pool = SearchPool(threads=1)
    release = threading.Event()
    first, second = Stop(), Stop()
    cleaned: list[bool] = []
    started = time.monotonic()
    assert await pool.run(release.wait, first, grace_seconds=0.05) is None
    assert await pool.run(release.wait, second, 0.05, lambda: cleaned.append(True)) is None
    assert time.monotonic() - started < 2
    assert cleaned == [True]
    with pytest.raises(Stopped):
        first.check()
    release.set()
    pool.close()
    assert pool.in_flight == 0


async def test_cancelling_abandons_the_search() -> None:
    """A caller that goes away is not waited for by anybody."""
    pool = SearchPool(threads=1)
    stop = Stop()
    release = threading.Event()
    task = asyncio.create_task(pool.run(release.wait, stop))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(Stopped):
        stop.check()
    release.set()
    pool.close()


class Opened:
    """Counts the snapshots that are open."""

    def __init__(self, engine: EmbeddedEngine) -> None:
        self.number = 0
        self._engine = engine

    def __call__(self) -> AbstractContextManager[Snapshot]:
        return self._opened()

    @contextmanager
    def _opened(self) -> Any:
        with self._engine._index(LOGS).snapshot() as snapshot:
            self.number += 1
            yield snapshot
            self.number -= 1


async def test_a_search_that_takes_too_long_answers_what_it_has(
    engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the timeout the answer says so, comes soon, and the snapshots are closed by the thread."""
    monkeypatch.setattr(searching_module, "_INLINE_DOCUMENTS", -1)
    release = threading.Event()

    def slow_aggregation(indices: Any, _aggregations: Any) -> dict[str, Any]:
        if indices:
            release.wait(5)
        return {"made": {"of": len(indices)}}

    pool = SearchPool(threads=1)
    opened = Opened(engine)
    request = SearchRequest(aggregations={"made": {"x": {}}}, timeout_milliseconds=50)
    result = await Searching(pool, slow_aggregation).search([(IndexSelection(index=LOGS), opened)], request)
    assert result.timed_out
    assert (result.hits, result.aggregations) == ((), {"made": {"of": 0}})
    assert opened.number == 1
    release.set()
    pool.close()
    assert opened.number == 0


async def test_a_timeout_between_two_steps_keeps_the_parts_found(engine: EmbeddedEngine) -> None:
    """A search that notices its time is over hands in what it has."""

    def late_aggregation(indices: Any, _aggregations: Any) -> dict[str, Any]:
        if indices:
            time.sleep(0.06)
            indices[0].check()
        return {"made": {"of": len(indices)}}

    pool = SearchPool(threads=1)
    request = SearchRequest(aggregations={"made": {"x": {}}}, timeout_milliseconds=50)
    result = await Searching(pool, late_aggregation).search(
        [(IndexSelection(index=LOGS), engine._index(LOGS).snapshot)], request
    )
    assert result.timed_out
    assert len(result.hits) == 3
    assert result.aggregations == {"made": {"of": 0}}
    pool.close()


async def test_a_panic_of_the_library_ends_one_search_only(
    engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What is no Exception at all still becomes a failure, and the next search works."""
    import tantivy

    def panicking(snapshot: Snapshot, *_arguments: Any) -> Any:
        # the library panics on a phrase of one word
        query = tantivy.Query.phrase_query(snapshot.schema, "_exists", ["one"])
        return snapshot.searcher.search(query)

    with monkeypatch.context() as patched:
        patched.setattr(searching_module, "searched_index", panicking)
        result = await engine.search([IndexSelection(index=LOGS)], SearchRequest())
    assert result.shards.failed == 1
    assert result.failures[0].reason == "the embedded engine could not carry out this search"
    assert "search failed inside the index library" in caplog.text
    assert len((await engine.search([IndexSelection(index=LOGS)], SearchRequest())).hits) == 3


async def test_searches_run_in_threads_when_the_index_is_large(
    engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Away from the event loop the answers are the same, counts and failures too."""
    monkeypatch.setattr(searching_module, "_INLINE_DOCUMENTS", -1)
    selections = [IndexSelection(index=LOGS)]
    assert len((await engine.search(selections, SearchRequest())).hits) == 3
    assert await engine.count(selections, {"range": {"n": {"gte": 1}}}) == 2
    with pytest.raises(Failure, match="For input string"):
        await engine.count(selections, {"term": {"n": "x"}})
    with pytest.raises(Failure, match="Result window is too large"):
        await engine.search(selections, SearchRequest(size=10_001))
