"""The tasks of this node as ``_tasks`` shows them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from isthmus.remotes.records import NodeIdentity
from isthmus.rest.elasticsearch.nodes import ROLES
from isthmus.search.running import RunningTask


def task_id(identity: NodeIdentity, task: RunningTask) -> str:
    """Answer the id by which the task is named everywhere."""
    return f"{identity.node_id}:{task.number}"


def task_object(identity: NodeIdentity, task: RunningTask, *, detailed: bool) -> dict[str, Any]:
    """Answer one task; its description is for whoever asks for details."""
    running = task.running_nanoseconds
    described: dict[str, Any] = {
        "node": identity.node_id,
        "id": task.number,
        "type": "transport",
        "action": task.action,
    }
    if detailed:
        described["description"] = task.description
    described |= {
        "start_time_in_millis": (time.time_ns() - running) // 1_000_000,
        "running_time_in_nanos": running,
        "cancellable": task.work is not None,
    }
    if task.work is not None:
        described["cancelled"] = task.cancelled_because is not None
    if task.parent is not None:
        described["parent_task_id"] = task_id(identity, task.parent)
    described["headers"] = _headers(task)
    return described


def tasks_object(
    identity: NodeIdentity, tasks: Iterable[RunningTask], group_by: str, *, detailed: bool
) -> dict[str, Any]:
    """Answer a list of tasks: by ``nodes``, by ``parents``, or as they are (``none``)."""
    shown = {task_id(identity, task): task_object(identity, task, detailed=detailed) for task in tasks}
    if group_by == "none":
        return {"tasks": list(shown.values())}
    if group_by == "parents":
        return {"tasks": _by_parents(shown)}
    return {"nodes": {identity.node_id: {**node_of_tasks(identity), "tasks": shown}} if shown else {}}


def node_of_tasks(identity: NodeIdentity) -> dict[str, Any]:
    """Answer the node as the list of its tasks introduces it."""
    host = identity.publish_address.rpartition(":")[0]
    return {
        "name": identity.node_name,
        "transport_address": identity.publish_address,
        "host": host,
        "ip": identity.publish_address,
        "roles": list(ROLES),
        "attributes": {},
    }


def matches(task: RunningTask, actions: tuple[str, ...]) -> bool:
    """Tell whether the task's action is one of these names or patterns; none of them stand for all."""
    return not actions or any(fnmatchcase(task.action, _without_sets(pattern)) for pattern in actions)


def _without_sets(pattern: str) -> str:
    """Answer the pattern with brackets as they are: only ``*`` means anything."""
    return pattern.replace("[", "[[]").replace("?", "[?]")


def _by_parents(shown: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    roots: dict[str, dict[str, Any]] = {}
    for identity, described in shown.items():
        parent = shown.get(described.get("parent_task_id", ""))
        if parent is None:
            roots[identity] = described
        else:
            parent.setdefault("children", []).append(described)
    return roots


def _headers(task: RunningTask) -> dict[str, str]:
    headers = {}
    if task.trace.opaque_id is not None:
        headers["X-Opaque-Id"] = task.trace.opaque_id
    parts = (task.trace.trace_parent or "").split("-")
    if len(parts) == 4:  # noqa: PLR2004 - version, trace, parent, flags
        headers["trace.id"] = parts[1]
    return headers
