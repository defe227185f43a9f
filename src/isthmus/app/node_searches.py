"""Everything of a node that searches: one list of what runs, whoever asked for it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from isthmus.clock import SystemClock
from isthmus.exchange import Engine
from isthmus.remotes.cluster_settings import ClusterSettingsService
from isthmus.remotes.registry import Remotes
from isthmus.search.async_searches import AsyncSearches
from isthmus.search.coordinator import SearchCoordinator
from isthmus.search.keep_alive import KeepAliveLimits
from isthmus.search.point_in_time import PointsInTime
from isthmus.search.running import RunningTasks
from isthmus.search.scroll import Scrolls
from isthmus.search.stored_scripts import StoredScripts
from isthmus.search.views import HeldViews
from isthmus.store.async_search_records import SqlAsyncSearchRecords
from isthmus.store.database import Database
from isthmus.store.stored_script_records import SqlStoredScriptRecords


@dataclass(frozen=True, slots=True)
class NodeSearches:
    """What answers searches, and what can be seen and cancelled of them."""

    coordinator: SearchCoordinator
    running: RunningTasks
    submitted: AsyncSearches
    views: HeldViews
    points: PointsInTime
    scrolls: Scrolls
    scripts: StoredScripts


async def open_searches(
    engine: Engine,
    remotes: Remotes,
    settings: ClusterSettingsService,
    database: Database,
    stack: contextlib.AsyncExitStack,
    node_id: str = "",
) -> NodeSearches:
    """Build it; submitted searches end, and are kept, when the stack unwinds.

    ``node_id`` is what profiles call this node.
    """
    clock = SystemClock()
    running = RunningTasks()
    views = HeldViews(engine, clock, lambda: KeepAliveLimits(*settings.current.keep_alives), node_id)
    stack.callback(views.close)
    points = PointsInTime(views, remotes)
    coordinator = SearchCoordinator(
        engine,
        remotes,
        clock,
        allows_partial_results=lambda: settings.current.allows_partial_results,
        running=running,
        points=points,
        node_id=node_id,
    )
    submitted = AsyncSearches(
        coordinator,
        SqlAsyncSearchRecords(database, node_id),
        clock,
        lambda: settings.current.maximum_async_response_bytes,
    )
    await submitted.load()
    stack.push_async_callback(submitted.close)
    removing = asyncio.create_task(submitted.run(), name="expired searches")

    async def stop_removing() -> None:
        removing.cancel()
        await asyncio.gather(removing, return_exceptions=True)

    stack.push_async_callback(stop_removing)
    scrolls = Scrolls(coordinator, points, clock)
    scripts = StoredScripts(SqlStoredScriptRecords(database))
    await scripts.load()
    return NodeSearches(coordinator, running, submitted, views, points, scrolls, scripts)
