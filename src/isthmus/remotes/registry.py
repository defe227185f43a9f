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
from isthmus.remotes.records import Revealable, SecureSettings
from isthmus.remotes.rotation import same_key
from isthmus.remotes.settings import RemoteSettings, credentials_name, next_credentials_name

logger = logging.getLogger(__name__)

#: how soon a key or an authority that changed on disk counts
_LOOK_INTERVAL_SECONDS: Final = 1.0
#: how long requests under way may go on over connections that the settings no longer want: as long as any may
_DRAIN_SECONDS: Final = 300.0


class Remotes:
    """The configured remote clusters. ``run`` must be running for any of them to connect."""

    def __init__(self, secure_settings: SecureSettings, context: LinkContext) -> None:
        self._secure_settings = secure_settings
        self._context = context
        self._clusters: dict[ClusterAlias, RemoteCluster] = {}
        self._running: dict[Link, asyncio.Task[None]] = {}
        self._draining: set[asyncio.Task[None]] = set()
        self._draining_links: set[Link] = set()
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
                cluster.link.adopt(settings)
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
        self._context.signing.look_for_changes()
        if self._context.trust.reload_if_changed():
            for cluster in self._clusters.values():
                cluster.link.trust_changed()

    def certificates_changed(self) -> None:
        """Have every link without a key drop nodes that are trusted no longer, and connect anew."""
        links = {*self._running, *self._draining_links, *(each.link for each in self._clusters.values())}
        for link in links:
            link.certificates_changed()

    def reload_secure_settings(self) -> None:
        """Hand every link its keys as they are in the keystore now; raises :class:`Failure`."""
        for alias, cluster in self._clusters.items():
            current, following = self._keys_of(alias)
            known_current, known_following = cluster.link.keys
            if same_key(current, following):
                following = None
            if not same_key(current, known_current) or not same_key(following, known_following):
                cluster.link.set_keys(current, following)
                present = {"present": current is not None, "next_present": following is not None}
                logger.info("remote cluster credentials changed", extra={"alias": alias, **present})

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
        current = following = None
        try:
            current, following = self._keys_of(settings.alias)
        except Failure as failure:
            logger.warning("keystore cannot be read", extra={"reason": failure.reason})
        return Link(settings, current, self._context, following)

    def _keys_of(self, alias: ClusterAlias) -> tuple[Revealable | None, Revealable | None]:
        """Answer the current and the next key of the keystore."""
        return (
            self._secure_settings.get(credentials_name(alias)),
            self._secure_settings.get(next_credentials_name(alias)),
        )

    def _reconcile(self) -> None:
        """Start the links that are wanted and not running; stop those that run and are not wanted."""
        wanted = {cluster.link for cluster in self._clusters.values()}
        for link in [link for link in self._running if link not in wanted]:
            task = self._running.pop(link)
            task.cancel()
            self._draining_links.add(link)
            self._start_draining(self._drain(link, task))
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

    async def _drain(self, link: Link, task: asyncio.Task[None]) -> None:
        await asyncio.gather(task, return_exceptions=True)
        try:
            await link.drain(_DRAIN_SECONDS)
        finally:
            await link.close()
            self._draining_links.discard(link)

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


async def _settled(cluster: RemoteCluster, timeout_seconds: float) -> None:
    try:
        await cluster.link.ensure_connected(timeout_seconds, insist=False)
    except Failure:
        return  # known to fail: `_remote/info` tells why
