"""``_cat/tasks``: what runs, as a table."""

from __future__ import annotations

import pytest

from isthmus.errors import Failure, FailureKind
from isthmus.exchange import SearchRequest
from isthmus.remotes.records import NodeIdentity
from isthmus.remotes.trace import begin_trace
from isthmus.rest.elasticsearch.call import Call, Handler
from isthmus.rest.elasticsearch.cat_tasks import duration_text
from isthmus.rest.elasticsearch.tasks import register
from isthmus.rest.http import Request, parse_query_string
from isthmus.rest.routing import Match, Router
from isthmus.search.plan import SearchOrder
from isthmus.search.running import RunningTasks
from isthmus.security.principal import Principal, RoleDescriptor

IDENTITY = NodeIdentity("n1", "instance-1", "c1", "c1", "0.1.0", "c1.example.org:9243")


async def _table(running: RunningTasks, query: str, privilege: str = "monitor") -> str:
    router: Router[Handler] = Router()
    register(router, running, IDENTITY)
    match = router.find("GET", "/_cat/tasks")
    assert isinstance(match, Match)
    request = Request("GET", "/_cat/tasks", parse_query_string(query))
    assert match.parameters is not None
    assert set(request.parameters) <= match.parameters
    roles = ((RoleDescriptor(name="r", cluster=(privilege,)),),)
    principal = Principal("u", (), roles, "native1", "native")
    response = await match.handler(Call(request, match.path_parameters, principal))
    assert isinstance(response.body, bytes)
    return response.body.decode()


def _running() -> RunningTasks:
    begin_trace({})  # of no caller's: what another test asked in this context is not meant
    running = RunningTasks()
    running.begin_parent("indices:data/read/msearch")
    running.begin("indices:data/read/search", SearchOrder(("logs",), SearchRequest()))
    return running


async def test_one_row_for_each_task() -> None:
    """With Elasticsearch's columns, the list itself among the tasks."""
    running = _running()
    head, *rows = (await _table(running, "v=true")).splitlines()
    assert head.split() == [
        "action",
        "task_id",
        "parent_task_id",
        "type",
        "start_time",
        "timestamp",
        "running_time",
        "ip",
        "node",
    ]
    assert [row.split()[:4] for row in rows] == [
        ["indices:data/read/msearch", "n1:1", "-", "transport"],
        ["indices:data/read/search", "n1:2", "n1:1", "transport"],
        ["cluster:monitor/tasks/lists", "n1:3", "n1:1", "transport"],
    ]
    assert {tuple(row.split()[-2:]) for row in rows} == {("c1.example.org", "instance-1")}
    assert len(running.all()) == 2


@pytest.mark.parametrize(
    ("query", "table"),
    [
        ("h=id,po,ni,x&actions=*/search", "2 9243 n1 -\n"),
        ("h=ti&parent_task_id=n1:1&actions=indices:*", "n1:2\n"),
        ("h=ti&nodes=other", ""),
        ("h=ti&s=ti:desc&actions=indices:*", "n1:2\nn1:1\n"),
    ],
)
async def test_the_table_can_be_narrowed(query: str, table: str) -> None:
    """By columns as any table, by tasks as ``_tasks``."""
    assert await _table(_running(), query) == table


async def test_descriptions_are_for_whoever_asks() -> None:
    """The column is there with ``detailed`` only."""
    detailed = await _table(_running(), "detailed=true&h=description&actions=*/search")
    assert detailed.startswith("indices[logs], search_type[QUERY_THEN_FETCH], source[")
    assert "description" not in await _table(_running(), "help")
    assert "description" in await _table(_running(), "help&detailed=true")


async def test_the_table_takes_the_privilege_to_look() -> None:
    """As ``_tasks`` does."""
    with pytest.raises(Failure) as refused:
        await _table(_running(), "", "manage_security")
    assert refused.value.kind is FailureKind.FORBIDDEN


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0nanos"),
        (812, "812nanos"),
        (44_199, "44.1micros"),
        (2_000_000, "2ms"),
        (1_999_999_999, "1.9s"),
        (90_000_000_000, "1.5m"),
        (7_200_000_000_000, "2h"),
        (86_400_000_000_000, "1d"),
    ],
)
def test_durations_are_written_in_the_unit_that_fits(nanoseconds: int, text: str) -> None:
    """With one digit behind the point, cut."""
    assert duration_text(nanoseconds) == text
