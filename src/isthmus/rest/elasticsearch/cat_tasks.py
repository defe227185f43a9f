"""What the table ``_cat/tasks`` holds. Pure: facts in, a table out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from isthmus.remotes.records import NodeIdentity
from isthmus.rest.elasticsearch.cat_table import Column, Table
from isthmus.rest.elasticsearch.tasks_rendering import task_object
from isthmus.search.running import RunningTask

#: of the larger units first: how many nanoseconds each has
_UNITS: Final = (
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("micros", 1_000),
)
_COLUMNS: Final = (
    Column("id", (), "id of the task with the node", shown=False),
    Column("action", ("ac",), "task action"),
    Column("task_id", ("ti",), "unique task id"),
    Column("parent_task_id", ("pti",), "parent task id"),
    Column("type", ("ty",), "task type"),
    Column("start_time", ("start",), "start time in ms"),
    Column("timestamp", ("ts", "hms", "hhmmss"), "start time in HH:MM:SS"),
    Column("running_time_ns", ("time",), "running time ns", shown=False),
    Column("running_time", ("time",), "running time"),
    Column("node_id", ("ni",), "unique node id", shown=False),
    Column("ip", ("i",), "ip address"),
    Column("port", ("po",), "bound transport port", shown=False),
    Column("node", ("n",), "node name"),
    Column("x_opaque_id", ("x",), "X-Opaque-ID header", shown=False),
)
_DESCRIPTION: Final = Column("description", ("desc",), "task action")


def duration_text(nanoseconds: int) -> str:
    """Answer a duration as Elasticsearch writes it: ``812nanos``, ``44.1micros``, ``2s``."""
    for name, size in _UNITS:
        if nanoseconds >= size:
            tenths = nanoseconds * 10 // size  # cut, not rounded
            return f"{tenths // 10}.{tenths % 10}{name}" if tenths % 10 else f"{tenths // 10}{name}"
    return f"{nanoseconds}nanos"


def tasks_table(identity: NodeIdentity, tasks: Iterable[RunningTask], *, detailed: bool) -> Table:
    """Answer one row a task, with its description where details are wanted."""
    columns = (*_COLUMNS, _DESCRIPTION) if detailed else _COLUMNS
    return Table(columns, tuple([_row(identity, task, detailed=detailed) for task in tasks]))


def _row(identity: NodeIdentity, task: RunningTask, *, detailed: bool) -> dict[str, Any]:
    shown = task_object(identity, task, detailed=detailed)
    host, _, port = identity.publish_address.rpartition(":")
    started_milliseconds = shown["start_time_in_millis"]
    started = datetime.fromtimestamp(started_milliseconds // 1000, UTC)
    row = {
        "id": shown["id"],
        "action": shown["action"],
        "task_id": f"{shown['node']}:{shown['id']}",
        "parent_task_id": shown.get("parent_task_id", "-"),
        "type": shown["type"],
        "start_time": started_milliseconds,
        "timestamp": started.strftime("%H:%M:%S"),
        "running_time_ns": shown["running_time_in_nanos"],
        "running_time": duration_text(shown["running_time_in_nanos"]),
        "node_id": shown["node"],
        "ip": host,
        "port": port,
        "node": identity.node_name,
        "x_opaque_id": shown["headers"].get("X-Opaque-Id", "-"),
    }
    return {**row, "description": shown["description"]} if detailed else row
