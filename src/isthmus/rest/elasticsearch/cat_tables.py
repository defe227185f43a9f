"""What the tables of ``_cat`` hold. Pure: facts in, tables out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from isthmus.exchange import IndexDescription, IndexStatistics
from isthmus.names import IndexName
from isthmus.rest.elasticsearch.cat_table import Column, Table
from isthmus.rest.elasticsearch.cluster_health import Health, index_status
from isthmus.rest.elasticsearch.refresh import copies_of, primaries_of

_EPOCH: Final = Column("epoch", ("t", "time"), "seconds since 1970-01-01 00:00:00")
_TIMESTAMP: Final = Column("timestamp", ("ts", "hms", "hhmmss"), "time in HH:MM:SS")

INDICES_COLUMNS: Final = (
    Column("health", ("h",), "current health status"),
    Column("status", ("s",), "open/close status"),
    Column("index", ("i", "idx"), "index name"),
    Column("uuid", ("id",), "index uuid"),
    Column("pri", ("p", "shards.primary", "shardsPrimary"), "number of primary shards", right=True),
    Column("rep", ("r", "shards.replica", "shardsReplica"), "number of replica shards", right=True),
    Column("docs.count", ("dc", "docsCount"), "available docs", right=True),
    Column("docs.deleted", ("dd", "docsDeleted"), "deleted docs", right=True),
    Column("creation.date", ("cd",), "index creation date (millisecond value)", shown=False),
    Column("creation.date.string", ("cds",), "index creation date (as string)", shown=False),
    Column("store.size", ("ss", "storeSize"), "store size of primaries & replicas", right=True, is_size=True),
    Column("pri.store.size", (), "store size of primaries", right=True, is_size=True),
    Column("dataset.size", (), "total size of dataset", right=True, is_size=True),
)
HEALTH_COLUMNS: Final = (
    _EPOCH,
    _TIMESTAMP,
    Column("cluster", ("cl",), "cluster name"),
    Column("status", ("st",), "health status"),
    Column("node.total", ("nt", "nodeTotal"), "total number of nodes", right=True),
    Column("node.data", ("nd", "nodeData"), "number of nodes that can store data", right=True),
    Column("shards", ("t", "sh", "shards.total", "shardsTotal"), "total number of shards", right=True),
    Column("pri", ("p", "shards.primary", "shardsPrimary"), "number of primary shards", right=True),
    Column("relo", ("r", "shards.relocating", "shardsRelocating"), "number of relocating nodes", right=True),
    Column(
        "init", ("i", "shards.initializing", "shardsInitializing"), "number of initializing nodes", right=True
    ),
    Column(
        "unassign", ("u", "shards.unassigned", "shardsUnassigned"), "number of unassigned shards", right=True
    ),
    Column(
        "unassign.pri",
        ("up", "shards.unassigned.primary", "shardsUnassignedPrimary"),
        "number of unassigned primary shards",
        right=True,
    ),
    Column("pending_tasks", ("pt", "pendingTasks"), "number of pending tasks", right=True),
    Column(
        "max_task_wait_time", ("mtwt", "maxTaskWaitTime"), "wait time of longest task pending", right=True
    ),
    Column(
        "active_shards_percent",
        ("asp", "activeShardsPercent"),
        "active number of shards in percent",
        right=True,
    ),
)
COUNT_COLUMNS: Final = (
    _EPOCH,
    _TIMESTAMP,
    Column("count", ("dc", "docs.count", "docsCount"), "the document count"),
)
ALIASES_COLUMNS: Final = (
    Column("alias", ("a",), "alias name"),
    Column("index", ("i", "idx"), "index alias points to"),
    Column("filter", ("f", "fi"), "filter"),
    Column("routing.index", ("ri", "routingIndex"), "index routing"),
    Column("routing.search", ("rs", "routingSearch"), "search routing"),
    Column("is_write_index", ("w", "isWriteIndex"), "write index"),
)


def indices_table(
    descriptions: Sequence[IndexDescription], counts: Mapping[IndexName, IndexStatistics]
) -> Table:
    """Answer one row an index; what is not known of one (it was just removed) stays empty."""
    rows = []
    for one in descriptions:
        counted = counts.get(one.name)
        size_bytes = counted.size_bytes if counted else None
        created = datetime.fromtimestamp(one.created_milliseconds / 1000, UTC)
        rows.append(
            {
                "health": index_status(one),
                "status": "close" if one.closed else "open",
                "index": one.name,
                "uuid": one.uuid,
                "pri": primaries_of(one),
                "rep": copies_of(one) - 1,
                "docs.count": counted.documents if counted else None,
                "docs.deleted": counted.deleted_documents if counted else None,
                "creation.date": one.created_milliseconds,
                "creation.date.string": created.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "store.size": size_bytes,
                "pri.store.size": size_bytes,
                "dataset.size": size_bytes,
            }
        )
    return Table(INDICES_COLUMNS, tuple(rows))


def moment(now_milliseconds: int) -> dict[str, Any]:
    """Answer the columns ``epoch`` and ``timestamp``."""
    now_seconds = now_milliseconds // 1000
    return {
        "epoch": now_seconds,
        "timestamp": datetime.fromtimestamp(now_seconds, UTC).strftime("%H:%M:%S"),
    }


def health_table(
    cluster_name: str, health: Health, now_milliseconds: int, *, with_moment: bool = True
) -> Table:
    """Answer the one row that says how the deployment is."""
    row = {
        **moment(now_milliseconds),
        "cluster": cluster_name,
        "status": health.status,
        "node.total": 1,
        "node.data": 1,
        "shards": health.active,
        "pri": health.active,
        "relo": 0,
        "init": 0,
        "unassign": health.unassigned,
        "unassign.pri": 0,
        "pending_tasks": 0,
        "max_task_wait_time": "-",
        "active_shards_percent": f"{health.active_percent:.1f}%",
    }
    return Table(HEALTH_COLUMNS if with_moment else HEALTH_COLUMNS[2:], (row,))


def count_table(documents: int, now_milliseconds: int) -> Table:
    """Answer the one row that says how many documents there are."""
    return Table(COUNT_COLUMNS, ({**moment(now_milliseconds), "count": documents},))


def aliases_table(chosen: Sequence[tuple[IndexName, str, Mapping[str, Any]]]) -> Table:
    """Answer one row for each index that an alias has."""
    rows = [
        {
            "alias": alias,
            "index": index,
            "filter": "*" if "filter" in parameters else "-",
            "routing.index": parameters.get("index_routing", "-"),
            "routing.search": parameters.get("search_routing", "-"),
            "is_write_index": str(parameters["is_write_index"]).lower()
            if "is_write_index" in parameters
            else "-",
        }
        for index, alias, parameters in chosen
    ]
    return Table(ALIASES_COLUMNS, tuple(rows))
