"""What a node with shared records does beside serving: it says that it is there, and follows the others."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from isthmus.app.node_shared_files import SharedFiles
from isthmus.clock import Clock
from isthmus.errors import Failure
from isthmus.remotes.cluster_settings import ClusterSettingsService
from isthmus.remotes.protocol import GatewayNode
from isthmus.rest.elasticsearch.nodes import ROLES
from isthmus.search.async_search import lost
from isthmus.search.stored_scripts import StoredScripts
from isthmus.security.changes import Changes
from isthmus.store.async_search_records import SqlAsyncSearchRecords
from isthmus.store.change_listener import ChangeListener
from isthmus.store.change_watch import Topic
from isthmus.store.database import Database
from isthmus.store.node_records import SharingNode, SqlNodeRecords

logger = logging.getLogger(__name__)

_TELL_SECONDS: Final = 2.0


class OneNodeOnlyError(Exception):
    """A second node of a deployment whose documents are in the first one's own folder."""


class OtherNodes:
    """The nodes of this deployment that were there a moment ago; only this one where nothing is shared."""

    def __init__(self, own_id: str) -> None:
        self._own_id = own_id
        self.known: tuple[SharingNode, ...] = ()

    def gateways(self, own: tuple[GatewayNode, ...]) -> Callable[[], tuple[GatewayNode, ...]]:
        """Answer what tells the nodes that other clusters can reach, this one first."""

        def gateways() -> tuple[GatewayNode, ...]:
            others = (
                GatewayNode(
                    node_id=node.node_id,
                    name=node.name,
                    address=node.remote_cluster_address,
                    server_name=node.server_name,
                    roles=ROLES,
                )
                for node in self.known
                if node.node_id != self._own_id and node.remote_cluster_address
            )
            return own + tuple(others)

        return gateways


@dataclass(frozen=True, slots=True)
class SharingParts:
    """What follows the changes that other nodes make."""

    database: Database
    node: SharingNode
    others: OtherNodes
    changes: Changes
    settings: ClusterSettingsService
    scripts: StoredScripts
    files: SharedFiles
    clock: Clock = field(repr=False)


async def take_part(parts: SharingParts) -> None:
    """Say that this node is there before it serves; raises :class:`OneNodeOnlyError` where it must not be."""
    records = SqlNodeRecords(parts.database)
    others = [node for node in await records.living() if node.node_id != parts.node.node_id]
    embedded = [node for node in (parts.node, *others) if node.engine == "embedded"]
    if others and embedded:
        raise OneNodeOnlyError(
            f"node [{others[0].name}] serves this deployment already, and one whose documents are in "
            "its embedded engine has one node: only deployments with an attached engine can have several"
        )
    parts.others.known = tuple(others)
    await parts.files.take_up()
    await records.put(parts.node)


@contextlib.asynccontextmanager
async def sharing(parts: SharingParts) -> AsyncIterator[None]:
    """Follow the others, and tell that this node is there, for as long as the block lasts."""
    listener = ChangeListener(parts.database, parts.node.node_id, _reader(parts))
    tasks = [
        asyncio.create_task(work, name=name)
        for name, work in (
            ("changes of records", listener.run()),
            ("shared files", parts.files.run()),
            ("membership", _tell(parts)),
        )
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(Failure):
            await SqlNodeRecords(parts.database).remove(parts.node.node_id)


def _reader(parts: SharingParts) -> Callable[[Topic], Awaitable[None]]:
    async def read_again(topic: Topic) -> None:
        match topic:
            case Topic.SECURITY:
                parts.changes.ring()
            case Topic.SETTINGS:
                await parts.settings.reload()
            case Topic.SCRIPTS:
                await parts.scripts.load()
            case Topic.KEYSTORE:
                await parts.files.take_up()
            case Topic.NODES:
                parts.others.known = await SqlNodeRecords(parts.database).living()

    return read_again


async def _tell(parts: SharingParts) -> None:
    records = SqlNodeRecords(parts.database)
    searches = SqlAsyncSearchRecords(parts.database, parts.node.node_id)
    while True:
        await asyncio.sleep(_TELL_SECONDS)
        try:
            await records.put(parts.node)
            parts.others.known = await records.living()
            gone = await records.owners_gone()
            if gone:
                now = parts.clock.now_milliseconds()
                count = await searches.fail_unfinished_of(gone, now, lost("has gone"))
                logger.warning("searches were lost with a node", extra={"searches": count})
        except Failure as failure:  # the database: told again when it is back
            logger.debug("membership not told", extra={"reason": failure.reason})
