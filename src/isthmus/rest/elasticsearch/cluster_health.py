"""The health of a deployment of one node: computed from what its indices ask for. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from isthmus.errors import illegal_argument
from isthmus.exchange import IndexDescription
from isthmus.rest.elasticsearch.refresh import copies_of, primaries_of

#: from good to bad
STATUSES: Final = ("green", "yellow", "red")
_NODES: Final = re.compile(r"(>=|<=|>|<|ge\(|le\(|gt\(|lt\()?\s*(\d{1,9})\)?\Z")
_NODE_COUNT: Final = 1


@dataclass(frozen=True, slots=True)
class Health:
    """How many shards there should be and are. ``missing`` is True where an index asked for is not there."""

    active: int
    unassigned: int
    missing: bool = False

    @property
    def status(self) -> str:
        """Green: all there. Yellow: replicas have no second node to be on. Red: an index is missing."""
        if self.missing:
            return "red"
        return "yellow" if self.unassigned else "green"

    @property
    def active_percent(self) -> float:
        """How many of the shards are there, of a hundred."""
        total = self.active + self.unassigned
        return 100.0 * self.active / total if total else 100.0


def health_of(descriptions: Iterable[IndexDescription], *, missing: bool = False) -> Health:
    """Answer the health of these indices together."""
    active = unassigned = 0
    for description in descriptions:
        primaries = primaries_of(description)
        active += primaries
        unassigned += primaries * (copies_of(description) - 1)
    return Health(active=active, unassigned=unassigned, missing=missing)


def index_status(description: IndexDescription) -> str:
    """Answer the status of one index."""
    return health_of([description]).status


def parse_status(text: str) -> str:
    """Read a status name; raises a 400 failure for another word."""
    if text.lower() not in STATUSES:
        raise illegal_argument(f"unknown cluster health status [{text[:100]}]")
    return text.lower()


def is_met(health: Health, parameters: Mapping[str, str]) -> bool:
    """Tell whether everything that the caller waits for is so. Raises a 400 failure for a bad value."""
    wanted = parameters.get("wait_for_status")
    if health.missing:
        return False
    if wanted is not None and STATUSES.index(health.status) > STATUSES.index(parse_status(wanted)):
        return False
    nodes = parameters.get("wait_for_nodes")
    if nodes is not None and not _node_count_is(nodes):
        return False
    active = parameters.get("wait_for_active_shards")
    if active is None:
        return True
    if active == "all":
        return health.unassigned == 0
    if not (active.isascii() and active.isdigit() and len(active) < 10):  # noqa: PLR2004 - digits of an int
        raise illegal_argument(f"cannot parse ActiveShardCount[{active[:100]}]")
    return health.active >= int(active)


def _node_count_is(expression: str) -> bool:
    match = _NODES.match(expression)
    if match is None:
        raise illegal_argument(f"[wait_for_nodes] does not understand [{expression[:100]}]")
    operator, number = (match.group(1) or "").rstrip("("), int(match.group(2))
    if operator in {">=", "ge"}:
        return number <= _NODE_COUNT
    if operator in {"<=", "le"}:
        return number >= _NODE_COUNT
    if operator in {">", "gt"}:
        return number < _NODE_COUNT
    if operator in {"<", "lt"}:
        return number > _NODE_COUNT
    return number == _NODE_COUNT


def health_object(cluster_name: str, health: Health, *, timed_out: bool) -> dict[str, Any]:
    """Answer the body of ``_cluster/health`` at level ``cluster``."""
    return {
        "cluster_name": cluster_name,
        "status": health.status,
        "timed_out": timed_out,
        "number_of_nodes": _NODE_COUNT,
        "number_of_data_nodes": _NODE_COUNT,
        "active_primary_shards": health.active,
        "active_shards": health.active,
        "relocating_shards": 0,
        "initializing_shards": 0,
        "unassigned_shards": health.unassigned,
        "unassigned_primary_shards": 0,
        "delayed_unassigned_shards": 0,
        "number_of_pending_tasks": 0,
        "number_of_in_flight_fetch": 0,
        "task_max_waiting_in_queue_millis": 0,
        "active_shards_percent_as_number": health.active_percent,
    }


def index_health_object(description: IndexDescription, *, with_shards: bool) -> dict[str, Any]:
    """Answer the health of one index as it stands under ``indices``."""
    health = health_of([description])
    counts = {
        "active_shards": health.active,
        "relocating_shards": 0,
        "initializing_shards": 0,
        "unassigned_shards": health.unassigned,
        "unassigned_primary_shards": 0,
    }
    shown = {
        "status": health.status,
        "number_of_shards": primaries_of(description),
        "number_of_replicas": copies_of(description) - 1,
        "active_primary_shards": health.active,
        **counts,
    }
    if with_shards:
        replicas = copies_of(description) - 1
        one_shard = {"status": health.status, "primary_active": True, **counts}
        one_shard.update(active_shards=1, unassigned_shards=replicas)
        shown["shards"] = {str(number): one_shard for number in range(primaries_of(description))}
    return shown
