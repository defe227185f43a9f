"""``_tasks``: what runs here now, waiting for it, cancelling it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.remotes.records import NodeIdentity
from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter
from isthmus.rest.elasticsearch.cat_table import TABLE_PARAMETERS, rendered
from isthmus.rest.elasticsearch.cat_tasks import tasks_table
from isthmus.rest.elasticsearch.nodes import selects_node
from isthmus.rest.elasticsearch.search_values import time_milliseconds
from isthmus.rest.elasticsearch.tasks_rendering import matches, task_id, task_object, tasks_object
from isthmus.rest.http import Response, boolean_parameter, json_response
from isthmus.search.running import RunningTask, RunningTasks
from isthmus.security.authorize import require_cluster_action

_LIST_ACTION: Final = "cluster:monitor/tasks/lists"
_GET_ACTION: Final = "cluster:monitor/task/get"
_CANCEL_ACTION: Final = "cluster:admin/tasks/cancel"
_GROUPINGS: Final = ("nodes", "parents", "none")
_FILTERS: Final = ("actions", "nodes", "parent_task_id")
_WAITING: Final = ("timeout", "wait_for_completion")
_DEFAULT_TIMEOUT: Final = "30s"
#: not ``time``: the one column that it changes is always in the unit that fits
_CAT_PARAMETERS: Final = tuple([name for name in TABLE_PARAMETERS if name != "time"])


class Tasks:
    """The handlers."""

    def __init__(self, running: RunningTasks, identity: NodeIdentity) -> None:
        self._running = running
        self._identity = identity

    async def list_tasks(self, call: Call) -> Response:
        """Answer what runs, after its end where that is waited for."""
        require_cluster_action(call.principal, _LIST_ACTION)
        group_by = _group_by(call.parameters)
        detailed = boolean_parameter(call.parameters, "detailed", default=False)
        listing = self._running.begin(_LIST_ACTION, cancellable=False)
        try:
            tasks = self._selected(call.parameters)
            # Two lists that waited for each other would wait for ever.
            await self._wait([task for task in tasks if task.action != _LIST_ACTION], call.parameters)
            return json_response(tasks_object(self._identity, tasks, group_by, detailed=detailed))
        finally:
            self._running.end(listing)

    async def table(self, call: Call) -> Response:
        """Answer what runs as a table."""
        detailed = boolean_parameter(call.parameters, "detailed", default=False)
        accept = call.request.headers.get("accept", "")
        if boolean_parameter(call.parameters, "help", default=False):
            return rendered(tasks_table(self._identity, (), detailed=detailed), call.parameters, accept)
        require_cluster_action(call.principal, _LIST_ACTION)
        listing = self._running.begin(_LIST_ACTION, cancellable=False)
        try:
            shown = tasks_table(self._identity, self._selected(call.parameters), detailed=detailed)
            return rendered(shown, call.parameters, accept)
        finally:
            self._running.end(listing)

    async def get_task(self, call: Call) -> Response:
        """Answer one task that runs, after its end where that is waited for."""
        require_cluster_action(call.principal, _GET_ACTION)
        task = self._find(call.path["task_id"])
        await self._wait([task], call.parameters)
        ended = self._running.find(task.number) is None
        return json_response({"completed": ended, "task": task_object(self._identity, task, detailed=True)})

    async def cancel_tasks(self, call: Call) -> Response:
        """Cancel every task that is asked for and can be cancelled; answer those."""
        require_cluster_action(call.principal, _CANCEL_ACTION)
        tasks = [task for task in self._selected(call.parameters) if task.work is not None]
        return await self._cancel(tasks, call.parameters)

    async def cancel_task(self, call: Call) -> Response:
        """Cancel one task; raises 404 for one that does not run, 400 for one that cannot be cancelled."""
        require_cluster_action(call.principal, _CANCEL_ACTION)
        task = self._find(call.path["task_id"])
        if task.work is None:
            raise illegal_argument(f"task [{call.path['task_id'][:200]}] doesn't support cancellation")
        return await self._cancel([task], call.parameters)

    async def _cancel(self, tasks: list[RunningTask], parameters: Mapping[str, str]) -> Response:
        group_by = _group_by(parameters)
        for task in tasks:
            task.cancel()
        shown = tasks_object(self._identity, tasks, group_by, detailed=True)
        await self._wait(tasks, parameters)
        return json_response(shown)

    def _selected(self, parameters: Mapping[str, str]) -> list[RunningTask]:
        """Answer the tasks that a query string asks for."""
        actions = tuple(part for part in parameters.get("actions", "").split(",") if part)
        parent = parameters.get("parent_task_id")
        if parent is not None:
            _parse(parent)
        if not selects_node(parameters.get("nodes") or "_all", self._identity):
            return []
        return [
            task
            for task in self._running.all()
            if matches(task, actions) and (parent is None or self._is_child(task, parent))
        ]

    def _is_child(self, task: RunningTask, parent: str) -> bool:
        return task.parent is not None and task_id(self._identity, task.parent) == parent

    def _find(self, text: str) -> RunningTask:
        node, number = _parse(text)
        if node != self._identity.node_id:
            raise _not_found(
                f"task [{text[:200]}] belongs to the node [{node[:200]}] which isn't part of the cluster and"
                " there is no record of the task"
            )
        task = self._running.find(number)
        if task is None:
            raise _not_found(f"task [{text[:200]}] isn't running and hasn't stored its results")
        return task

    async def _wait(self, tasks: list[RunningTask], parameters: Mapping[str, str]) -> None:
        """Return once these have ended, if that is asked for; raises a 429 failure after the ``timeout``."""
        timeout = time_milliseconds("timeout", parameters.get("timeout", _DEFAULT_TIMEOUT))
        if not boolean_parameter(parameters, "wait_for_completion", default=False):
            return
        try:
            await self._running.until_ended(tasks, None if timeout is None else timeout / 1000)
        except TimeoutError:
            raise Failure(
                FailureKind.TOO_MANY_REQUESTS,
                "timeout_exception",
                f"Timed out waiting for completion of [{len(tasks)}] tasks",
            ) from None


def register(router: ElasticsearchRouter, running: RunningTasks, identity: NodeIdentity) -> None:
    """Serve the list of tasks, single ones, and cancelling."""
    tasks = Tasks(running, identity)
    listing = (*_FILTERS, *_WAITING, "detailed", "group_by", "master_timeout")
    cancelling = (*_WAITING, "group_by")
    router.add("GET", "/_tasks", tasks.list_tasks, listing)
    router.add("GET", "/_cat/tasks", tasks.table, (*_CAT_PARAMETERS, *_FILTERS, "detailed"))
    router.add("GET", "/_tasks/{task_id}", tasks.get_task, _WAITING)
    router.add("POST", "/_tasks/_cancel", tasks.cancel_tasks, (*_FILTERS, *cancelling))
    router.add("POST", "/_tasks/{task_id}/_cancel", tasks.cancel_task, cancelling)


def _parse(text: str) -> tuple[str, int]:
    """Read ``node:number``; raises a 400 failure for anything else."""
    node, separator, number = text.rpartition(":")
    if not (separator and node and number.isascii() and number.isdecimal() and len(number) < 20):  # noqa: PLR2004 - as many digits as a long has
        raise illegal_argument(f"malformed task id {text[:200]}")
    return node, int(number)


def _not_found(reason: str) -> Failure:
    return Failure(FailureKind.NOT_FOUND, "resource_not_found_exception", reason)


def _group_by(parameters: Mapping[str, str]) -> str:
    group_by = parameters.get("group_by", "nodes")
    if group_by not in _GROUPINGS:
        raise illegal_argument(
            f"[group_by] must be one of [{', '.join(_GROUPINGS)}] but was [{group_by[:100]}]"
        )
    return group_by
