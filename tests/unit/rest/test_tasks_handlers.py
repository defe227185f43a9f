"""``_tasks`` as its callers see it."""

from __future__ import annotations

import asyncio
from typing import Any, Self

import orjson
import pytest

from isthmus.errors import Failure, FailureKind
from isthmus.exchange import SearchRequest
from isthmus.remotes.records import NodeIdentity
from isthmus.remotes.trace import begin_trace
from isthmus.rest.elasticsearch.call import Call, Handler
from isthmus.rest.elasticsearch.tasks import register
from isthmus.rest.http import Request, parse_query_string
from isthmus.rest.routing import Match, Router
from isthmus.search.plan import SearchOrder
from isthmus.search.running import RunningTasks
from isthmus.security.principal import Principal, RoleDescriptor

IDENTITY = NodeIdentity("n1", "instance-1", "c1", "c1", "0.1.0", "c1.example.org:9243")


def _caller(*privileges: str) -> Principal:
    return Principal("u", (), ((RoleDescriptor(name="r", cluster=privileges),),), "native1", "native")


ADMINISTRATOR = _caller("all")


async def _call(running: RunningTasks, method: str, uri: str, principal: Principal = ADMINISTRATOR) -> Any:
    router: Router[Handler] = Router()
    register(router, running, IDENTITY)
    path, _, query = uri.partition("?")
    match = router.find(method, path)
    assert isinstance(match, Match)
    request = Request(method, path, parse_query_string(query))
    assert match.parameters is not None
    assert set(request.parameters) <= match.parameters
    response = await match.handler(Call(request, match.path_parameters, principal))
    assert isinstance(response.body, bytes)
    assert response.status == 200
    return orjson.loads(response.body)


async def _search(running: RunningTasks, begun: asyncio.Event, gate: asyncio.Event) -> None:
    begin_trace({"x-opaque-id": "mine", "traceparent": "00-abc-def-01"})
    parent = running.begin_parent("indices:data/read/msearch")
    task = running.begin("indices:data/read/search", SearchOrder(("logs",), SearchRequest()))
    begun.set()
    try:
        await gate.wait()
    except asyncio.CancelledError:
        assert parent.cancellation() or task.cancellation()
    finally:
        running.end(task)
        running.end(parent)


class Running:
    """One search that runs, as a part of several."""

    def __init__(self) -> None:
        self.tasks = RunningTasks()
        self.gate = asyncio.Event()
        self.work: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        begun = asyncio.Event()
        self.work = asyncio.create_task(_search(self.tasks, begun, self.gate))
        await begun.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.gate.set()
        assert self.work is not None
        await self.work


async def test_the_list_tells_what_runs_and_itself() -> None:
    """By node, with Elasticsearch's members."""
    async with Running() as running:
        answer = await _call(running.tasks, "GET", "/_tasks")
    node = answer["nodes"]["n1"]
    assert (node["name"], node["host"], node["attributes"]) == ("instance-1", "c1.example.org", {})
    assert [task["action"] for task in node["tasks"].values()] == [
        "indices:data/read/msearch",
        "indices:data/read/search",
        "cluster:monitor/tasks/lists",
    ]
    task = node["tasks"]["n1:2"]
    assert task.pop("running_time_in_nanos") > 0
    assert task.pop("start_time_in_millis") > 1_600_000_000_000
    assert task == {
        "node": "n1",
        "id": 2,
        "type": "transport",
        "action": "indices:data/read/search",
        "cancellable": True,
        "cancelled": False,
        "parent_task_id": "n1:1",
        "headers": {"X-Opaque-Id": "mine", "trace.id": "abc"},
    }


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("actions=indices:data/read/search", [2]),
        ("actions=*search", [1, 2]),
        ("actions=indices:*,cluster:*", [1, 2, 3]),
        ("actions=nothing", []),
        ("actions=[i]*", []),
        ("parent_task_id=n1:1", [2]),
        ("parent_task_id=n1:9", []),
        ("nodes=n1", [1, 2, 3]),
        ("nodes=_local,other", [1, 2, 3]),
        ("nodes=other", []),
    ],
)
async def test_the_list_can_be_narrowed(query: str, numbers: list[int]) -> None:
    """By action, parent and node."""
    async with Running() as running:
        answer = await _call(running.tasks, "GET", f"/_tasks?{query}&group_by=none&detailed=true")
    assert [task["id"] for task in answer["tasks"]] == numbers
    for task in answer["tasks"]:
        if task["id"] == 2:
            assert task["description"].startswith("indices[logs], search_type[QUERY_THEN_FETCH], source[")


async def test_parts_can_be_shown_below_what_they_are_parts_of() -> None:
    """``group_by=parents``; one whose parent is not shown stands for itself."""
    async with Running() as running:
        tasks = (await _call(running.tasks, "GET", "/_tasks?group_by=parents"))["tasks"]
        assert list(tasks) == ["n1:1", "n1:3"]
        assert [child["id"] for child in tasks["n1:1"]["children"]] == [2]
        alone = await _call(running.tasks, "GET", "/_tasks?group_by=parents&actions=*/search")
        assert list(alone["tasks"]) == ["n1:2"]


async def test_one_task_and_its_end() -> None:
    """Waiting for it tells when it has ended."""
    async with Running() as running:
        answer = await _call(running.tasks, "GET", "/_tasks/n1:2")
        assert (answer["completed"], answer["task"]["action"]) == (False, "indices:data/read/search")
        waiting = asyncio.create_task(
            _call(running.tasks, "GET", "/_tasks/n1:2?wait_for_completion=true&timeout=10s")
        )
        listing = asyncio.create_task(
            _call(running.tasks, "GET", "/_tasks?wait_for_completion=true&actions=*&group_by=none")
        )
        await asyncio.sleep(0)
        with pytest.raises(Failure) as caught:
            await _call(running.tasks, "GET", "/_tasks/n1:2?wait_for_completion=true&timeout=1ms")
        assert caught.value.kind is FailureKind.TOO_MANY_REQUESTS
        running.gate.set()
        assert (await waiting)["completed"] is True
        assert len((await listing)["tasks"]) >= 2


async def test_cancelling_one() -> None:
    """It is told at once, and waited for where that is asked for."""
    async with Running() as running:
        answer = await _call(running.tasks, "POST", "/_tasks/n1:2/_cancel?wait_for_completion=true")
        assert answer["nodes"]["n1"]["tasks"]["n1:2"]["cancelled"] is True
        assert running.tasks.all() == []


async def test_cancelling_what_matches() -> None:
    """And nothing else; what matches nothing cancels nothing."""
    async with Running() as running:
        assert await _call(running.tasks, "POST", "/_tasks/_cancel?actions=unknown_action") == {"nodes": {}}
        assert len(running.tasks.all()) == 2
        answer = await _call(running.tasks, "POST", "/_tasks/_cancel?actions=*msearch&group_by=none")
        assert [task["id"] for task in answer["tasks"]] == [1]


@pytest.mark.parametrize(
    ("uri", "kind", "reason"),
    [
        (
            "/_tasks/foo:1",
            FailureKind.NOT_FOUND,
            (
                "task [foo:1] belongs to the node [foo] which isn't part of the cluster and there is no"
                " record of the task"
            ),
        ),
        ("/_tasks/n1:77", FailureKind.NOT_FOUND, "task [n1:77] isn't running and hasn't stored its results"),
        ("/_tasks/n1", FailureKind.INVALID_REQUEST, "malformed task id n1"),
        ("/_tasks/n1:x", FailureKind.INVALID_REQUEST, "malformed task id n1:x"),
        ("/_tasks/n1:%C2%B2", FailureKind.INVALID_REQUEST, "malformed task id n1:\u00b2"),
        ("/_tasks/:1", FailureKind.INVALID_REQUEST, "malformed task id :1"),
        (f"/_tasks/n1:{'9' * 5000}", FailureKind.INVALID_REQUEST, "malformed task id n1:999"),
        ("/_tasks?group_by=colour", FailureKind.INVALID_REQUEST, "[group_by] must be one of"),
        ("/_tasks?parent_task_id=x", FailureKind.INVALID_REQUEST, "malformed task id x"),
        ("/_tasks?timeout=soon", FailureKind.INVALID_REQUEST, "[timeout] with value [soon]"),
    ],
)
async def test_what_is_not_there_or_not_understood_is_told(uri: str, kind: FailureKind, reason: str) -> None:
    """As by Elasticsearch."""
    with pytest.raises(Failure) as caught:
        await _call(RunningTasks(), "GET", uri)
    assert caught.value.kind is kind
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("privilege", "allowed"),
    [("monitor", {"list", "get"}), ("cancel_task", {"cancel", "cancel one"}), ("manage_security", set())],
)
async def test_who_may(privilege: str, allowed: set[str]) -> None:
    """``monitor`` looks, ``cancel_task`` cancels."""
    caller = _caller(privilege)
    calls = {
        "list": ("GET", "/_tasks"),
        "get": ("GET", "/_tasks/n1:2"),
        "cancel": ("POST", "/_tasks/_cancel?actions=none"),
        "cancel one": ("POST", "/_tasks/n1:2/_cancel"),
    }
    async with Running() as running:
        for name, (method, uri) in calls.items():
            if name in allowed:
                await _call(running.tasks, method, uri, caller)
            else:
                with pytest.raises(Failure) as caught:
                    await _call(running.tasks, method, uri, caller)
                assert caught.value.kind is FailureKind.FORBIDDEN
