"""All remote clusters of a node: follows the settings, the keystore and the trusted authorities."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Coroutine, Iterable, Mapping
from typing import Any, Final

from isthmus.errors import Failure
from isthmus.names import ClusterAlias
from isthmus.names.grouping import no_such_remote_cluster
from isthmus.remotes.cluster import RemoteCluster
from isthmus.remotes.dialling import LinkContext
from isthmus.remotes.link import Link
from isthmus.remotes.records import SecureSettings
from isthmus.remotes.settings import RemoteSettings, credentials_name

logger = logging.getLogger(__name__)

#: how soon a key or an authority that changed on disk counts
_LOOK_INTERVAL_SECONDS: Final = 1.0
#: how long requests under way may go on over connections that the settings no longer want
_DRAIN_SECONDS: Final = 30.0


class Remotes:
    """The configured remote clusters. ``run`` must be running for any of them to connect."""

    def __init__(self, secure_settings: SecureSettings, context: LinkContext) -> None:
        self._secure_settings = secure_settings
        self._context = context
        self._clusters: dict[ClusterAlias, RemoteCluster] = {}
        self._running: dict[Link, asyncio.Task[None]] = {}
        self._draining: set[asyncio.Task[None]] = set()
        self._bell = asyncio.Event()

    def aliases(self) -> Collection[ClusterAlias]:
        """Answer every configured alias, in order."""
        return sorted(self._clusters)

    def get(self, alias: ClusterAlias) -> RemoteCluster:
        """Answer the cluster of this alias; raises ``no_such_remote_cluster_exception`` (404)."""
        cluster = self._clusters.get(alias)
        if cluster is None:
            raise no_such_remote_cluster(alias)
        return cluster

    def apply(self, wanted: Mapping[ClusterAlias, RemoteSettings]) -> None:
        """Make these the configured clusters, from now on. Connecting happens in :meth:`run`.

        Connections whose settings changed are opened anew; requests under way over the old ones
        may finish.
        """
        for alias in [alias for alias in self._clusters if alias not in wanted]:
            del self._clusters[alias]
        for alias, settings in wanted.items():
            cluster = self._clusters.get(alias)
            if cluster is None:
                link = self._new_link(settings)
                self._clusters[alias] = RemoteCluster(link, self._context, self.look_for_changes)
            elif cluster.settings.connects_like(settings):
                cluster.link.set_skip_unavailable(settings)
            else:
                cluster.replace_link(self._new_link(settings))
        self._bell.set()

    def look_for_changes(self) -> None:
        """Take up what has changed in the keystore and among the trusted authorities.

        Done every second by :meth:`run`; call it to have it done now. Raises nothing: a keystore
        that cannot be read leaves the keys as they are.
        """
        try:
            self.reload_secure_settings()
        except Failure as failure:
            logger.warning("keystore cannot be read", extra={"reason": failure.reason})
        if self._context.trust.reload_if_changed():
            for cluster in self._clusters.values():
                cluster.link.trust_changed()

    def reload_secure_settings(self) -> None:
        """Hand every link its key as it is in the keystore now; raises :class:`Failure`."""
        for alias, cluster in self._clusters.items():
            key = self._secure_settings.get(credentials_name(alias))
            current = cluster.link.key
            if (key is None) != (current is None) or (
                key is not None and current is not None and key.reveal() != current.reveal()
            ):
                cluster.link.set_key(key)
                logger.info(
                    "remote cluster credentials changed", extra={"alias": alias, "present": key is not None}
                )

    async def settle(self, aliases: Iterable[ClusterAlias], timeout_seconds: float) -> None:
        """Return once each of these is connected or known to fail, or after this time.

        Elasticsearch waits likewise before it acknowledges new settings, so that what is asked next
        finds the connection that was just configured.
        """
        clusters = [self._clusters[alias] for alias in aliases if alias in self._clusters]
        await asyncio.gather(*(_settled(cluster, timeout_seconds) for cluster in clusters))

    async def run(self) -> None:
        """Keep every configured cluster connected until cancelled; then close all connections."""
        try:
            while True:
                self._bell.clear()
                self.look_for_changes()
                self._reconcile()
                await self._wait()
        finally:
            await self._close()

    def _new_link(self, settings: RemoteSettings) -> Link:
        key = None
        try:
            key = self._secure_settings.get(credentials_name(settings.alias))
        except Failure as failure:
            logger.warning("keystore cannot be read", extra={"reason": failure.reason})
        return Link(settings, key, self._context)

    def _reconcile(self) -> None:
        """Start the links that are wanted and not running; stop those that run and are not wanted."""
        wanted = {cluster.link for cluster in self._clusters.values()}
        for link in [link for link in self._running if link not in wanted]:
            task = self._running.pop(link)
            task.cancel()
            self._start_draining(_drain(link, task))
        for link in wanted:
            task_or_none = self._running.get(link)
            if task_or_none is None or task_or_none.done():
                if task_or_none is not None and not task_or_none.cancelled():
                    logger.error("link ended unexpectedly", exc_info=task_or_none.exception())
                self._running[link] = asyncio.create_task(link.run(), name=f"link {link.settings.alias}")

    def _start_draining(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)

    async def _wait(self) -> None:
        tasks: set[asyncio.Task[object]] = {
            asyncio.create_task(self._bell.wait()),
            asyncio.create_task(self._context.clock.sleep(_LOOK_INTERVAL_SECONDS)),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    async def _close(self) -> None:
        tasks = [*self._running.values(), *self._draining]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        links = {*self._running, *(cluster.link for cluster in self._clusters.values())}
        await asyncio.gather(*(link.close() for link in links))
        self._running.clear()


async def _drain(link: Link, task: asyncio.Task[None]) -> None:
    await asyncio.gather(task, return_exceptions=True)
    try:
        await link.drain(_DRAIN_SECONDS)
    finally:
        await link.close()


async def _settled(cluster: RemoteCluster, timeout_seconds: float) -> None:
    try:
        await cluster.link.ensure_connected(timeout_seconds, insist=False)
    except Failure:
        return  # known to fail: `_remote/info` tells why
