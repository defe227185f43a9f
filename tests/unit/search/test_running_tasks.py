"""The list of what runs here."""

from __future__ import annotations

import asyncio

import pytest

from isthmus.errors import Failure, FailureKind
from isthmus.exchange import SearchRequest
from isthmus.remotes.trace import begin_trace
from isthmus.search.plan import SearchOrder
from isthmus.search.running import RunningTask, RunningTasks


async def _work(running: RunningTasks, begun: asyncio.Event) -> str:
    task = running.begin("indices:data/read/search", SearchOrder(("logs",), SearchRequest(size=3)))
    try:
        begun.set()
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        cancellation = task.cancellation()
        if cancellation is None:
            raise
        raise cancellation from None
    finally:
        running.end(task)
    return "never"


async def _begun(running: RunningTasks) -> tuple[asyncio.Task[str], RunningTask]:
    begun = asyncio.Event()
    work = asyncio.create_task(_work(running, begun))
    await begun.wait()
    return work, running.all()[-1]


async def test_a_task_is_listed_while_it_runs() -> None:
    """With what it is about, whose request it was, and how long it has run."""
    running = RunningTasks()
    begin_trace({"x-opaque-id": "mine"})
    work, task = await _begun(running)
    assert running.find(task.number) is task
    assert task.trace.opaque_id == "mine"
    assert task.running_nanoseconds > 0
    assert task.description == 'indices[logs], search_type[QUERY_THEN_FETCH], source[{"size":3}]'
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert running.all() == []
    assert running.find(task.number) is None


async def test_a_cancelled_task_tells_its_caller() -> None:
    """As a failure of type ``task_cancelled_exception``; the asyncio task itself goes on."""
    running = RunningTasks()
    work, task = await _begun(running)
    task.cancel()
    task.cancel()
    assert task.cancelled_because == "by user request"
    with pytest.raises(Failure, match=r"task cancelled \[by user request\]") as caught:
        await work
    assert caught.value.kind is FailureKind.INVALID_REQUEST
    assert work.cancelling() == 0


async def test_the_end_of_tasks_can_be_waited_for() -> None:
    """Also by several, and not longer than wanted."""
    running = RunningTasks()
    works = [await _begun(running) for _ in range(2)]
    tasks = running.all()
    with pytest.raises(TimeoutError):
        await running.until_ended(tasks, 0.01)
    waiting = [asyncio.create_task(running.until_ended(tasks, 10)) for _ in range(2)]
    await asyncio.sleep(0)
    for work, task in works:
        task.cancel()
        with pytest.raises(Failure):
            await work
    await asyncio.gather(*waiting)
    await running.until_ended(tasks, 10)


async def test_what_a_task_begins_is_a_part_of_it() -> None:
    """And what others begin is not."""
    running = RunningTasks()

    async def several() -> RunningTask:
        parent = running.begin_parent("indices:data/read/msearch")
        return (await asyncio.create_task(_child())).parent or parent

    async def _child() -> RunningTask:
        return running.begin("indices:data/read/search")

    parent = await asyncio.create_task(several())
    assert parent.action == "indices:data/read/msearch"
    assert [task.parent for task in running.all()] == [None, parent]
    assert running.begin("indices:data/read/search").parent is None
