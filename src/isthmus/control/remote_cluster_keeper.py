"""Connects deployments of one environment as their records want, and takes apart what they no longer want.

Every step is safe to repeat: what a crash or a stopped deployment interrupts is done again later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from isthmus.clock import Clock
from isthmus.control.deployments import Deployments
from isthmus.control.nodes import Nodes
from isthmus.control.records import Deployment, RemoteCluster
from isthmus.control.remote_clusters import (
    Configure,
    Connect,
    Connection,
    ConnectionRecords,
    Disconnect,
    RemoteAddress,
    Step,
    check_remotes,
    key_name,
    refuse_taken,
    undone,
    work_left,
)
from isthmus.errors import Failure, FailureKind
from isthmus.security.secret import Secret

logger = logging.getLogger(__name__)

#: a deployment that was down may be back by then
_AGAIN_SECONDS: Final = 1.0
#: the bell is enough; this is for keys and settings that somebody removed meanwhile
_LOOK_AGAIN_SECONDS: Final = 30.0
#: as far as certificates would let them: each deployment's own roles say the rest
_ACCESS: Final[dict[str, Any]] = {
    "search": [{"names": ["*"]}],
    "replication": [{"names": ["*"]}],
}
_NO_INFO: Final = {
    "healthy": False,
    "connected": False,
    "compatible": True,
    "trusted": False,
    "trusted_back": False,
}


class RemoteClusters:
    """The remote clusters that deployments of one environment have in one another."""

    def __init__(
        self,
        deployments: Deployments,
        records: ConnectionRecords,
        nodes: Nodes,
        address: RemoteAddress,
        clock: Clock,
    ) -> None:
        self._deployments = deployments
        self._records = records
        self._nodes = nodes
        self._address = address
        self._clock = clock
        self._bell = asyncio.Event()
        self._working = asyncio.Lock()
        self._told_failures: set[str] = set()

    def ring(self) -> None:
        """Have the records looked at."""
        self._bell.set()

    async def check(self, local: Deployment, remotes: tuple[RemoteCluster, ...]) -> None:
        """Return if the deployment can have these remote clusters; raises a 400 failure."""
        known = {deployment.id for deployment in await self._deployments.all()}
        check_remotes(remotes, known, local_id=local.id)
        own = {each.alias for each in await self._records.all() if each.local_id == local.id}
        refuse_taken(remotes, await self._aliases_by_hand(local) - own)

    async def replace(self, deployment_id: str, remotes: tuple[RemoteCluster, ...]) -> Deployment:
        """Want exactly these; they are connected, and others disconnected, right after.

        Those that are wanted already and are not connected get new keys. Raises 404 and 400 failures.
        """
        await self.check(await self._deployments.get(deployment_id), remotes)
        deployment = await self._deployments.replace_remote_clusters(deployment_id, remotes)
        async with self._working:
            await self._forget_broken(deployment)
        self._bell.set()
        return deployment

    async def told(self, local: Deployment) -> list[dict[str, Any]]:
        """Answer the remote clusters of a deployment and the state of each, as the API tells them."""
        if not local.remote_clusters:
            return []
        made = {each.alias: each for each in await self._records.all() if each.local_id == local.id}
        try:
            links = await self._nodes.call(local.id, "GET", "/_remote/info")
        except Failure:
            links = {}
        return [
            {
                "deployment_id": remote.deployment_id,
                "elasticsearch_ref_id": remote.ref_id,
                "alias": remote.alias,
                "skip_unavailable": remote.skip_unavailable,
                "info": _info(made.get(remote.alias), links.get(remote.alias)),
            }
            for remote in local.remote_clusters
        ]

    async def run(self) -> None:
        """Do what is left whenever the bell rings, until cancelled."""
        while True:
            self._bell.clear()
            try:
                is_done = await self.work()
            except Failure as failure:
                logger.warning("remote clusters not looked after", extra={"reason": failure.reason})
                is_done = False
            wait_seconds = _LOOK_AGAIN_SECONDS if is_done else _AGAIN_SECONDS
            waiting = asyncio.create_task(self._bell.wait())
            sleeping = asyncio.ensure_future(self._clock.sleep(wait_seconds))
            try:
                await asyncio.wait({waiting, sleeping}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
                sleeping.cancel()

    async def work(self) -> bool:
        """Take every step that is left once; answer whether all of them succeeded."""
        async with self._working:
            deployments = await self._deployments.all()
            steps = work_left(deployments, await self._records.all(), self._address.proxy_address)
            done = [await self._take(step) for step in steps]
        return all(done)

    async def _take(self, step: Step) -> bool:
        try:
            match step:
                case Connect():
                    await self._connect(step)
                case Configure():
                    await self._configure(step.connection, step.local, step.remote, step.wanted)
                case Disconnect():
                    return await self._disconnect(step)
        except Failure as failure:
            self._tell_once(step, failure)
            return False
        return True

    async def _connect(self, step: Connect) -> None:
        local, remote, alias = step.local, step.remote, step.wanted.alias
        await self._forget_key(remote, local.id, alias)
        made = await self._nodes.call(
            remote.id,
            "POST",
            "/_security/cross_cluster/api_key",
            {
                "name": key_name(local.id, alias),
                "access": _ACCESS,
                "metadata": {"managed_by": "platform", "deployment_id": local.id, "alias": alias},
            },
        )
        connection = Connection(
            local_id=local.id, alias=alias, remote_id=remote.id, key_id=made["id"], configured=True
        )
        # Kept before anything is done with it: whatever happens now, it can be taken apart.
        await self._records.put(connection)
        await self._deployments.change_keystore(
            local.id, {f"cluster.remote.{alias}.credentials": Secret(made["encoded"])}
        )
        await self._configure(connection, local, remote, step.wanted)
        logger.info("remote cluster connected", extra={"deployment": local.id, "alias": alias})

    async def _configure(
        self, connection: Connection, local: Deployment, remote: Deployment, wanted: RemoteCluster
    ) -> None:
        settings = {
            "mode": "proxy",
            "proxy_address": self._address.proxy_address,
            "server_name": self._address.server_name(remote.cluster_id),
            "skip_unavailable": wanted.skip_unavailable,
        }
        await self._put_settings(local, wanted.alias, settings)
        await self._records.put(
            msgspec.structs.replace(
                connection,
                proxy_address=self._address.proxy_address,
                skip_unavailable=wanted.skip_unavailable,
            )
        )

    async def _disconnect(self, step: Disconnect) -> bool:
        """Undo each side that can be undone now; answer whether nothing is left."""
        left: Connection | None = step.connection
        failed: Failure | None = None
        try:
            if step.remote is not None:
                await self._forget_key(step.remote, step.connection.local_id, step.connection.alias)
            left = undone(step.connection, remote=True)
        except Failure as failure:
            failed = failure
        if left is not None and left.configured:
            try:
                await self._unconfigure(step)
                left = undone(left, local=True)
            except Failure as failure:
                failed = failure
        if left is None:
            await self._records.remove(step.connection.local_id, step.connection.alias)
            extra = {"deployment": step.connection.local_id, "alias": step.connection.alias}
            logger.info("remote cluster disconnected", extra=extra)
            return True
        await self._records.put(left)
        if failed is not None:
            self._tell_once(step, failed)
        return False

    async def _unconfigure(self, step: Disconnect) -> None:
        if step.local is None:
            return
        alias = step.connection.alias
        await self._deployments.change_keystore(step.local.id, {f"cluster.remote.{alias}.credentials": None})
        await self._put_settings(step.local, alias, None)

    async def _put_settings(self, local: Deployment, alias: str, settings: Mapping[str, Any] | None) -> None:
        body = {"persistent": {"cluster": {"remote": {alias: settings}}}}
        await self._nodes.call(local.id, "PUT", "/_cluster/settings", body)

    async def _forget_broken(self, local: Deployment) -> None:
        """Have the connections made anew that somebody took apart in the deployments themselves."""
        broken = {each["alias"] for each in await self.told(local) if not each["info"]["connected"]}
        for connection in await self._records.all():
            if connection.local_id == local.id and connection.alias in broken and connection.configured:
                await self._records.put(msgspec.structs.replace(connection, proxy_address=""))

    async def _forget_key(self, remote: Deployment, local_id: str, alias: str) -> None:
        name = {"name": key_name(local_id, alias)}
        try:
            await self._nodes.call(remote.id, "DELETE", "/_security/api_key", name)
        except Failure as failure:
            if failure.kind is not FailureKind.NOT_FOUND:
                raise

    async def _aliases_by_hand(self, local: Deployment) -> set[str]:
        """Answer the aliases that are configured; those in the keystore only, while no node answers."""
        names = await self._deployments.keystore_names(local.id)
        parts = [name.split(".") for name in names if name.startswith("cluster.remote.")]
        aliases = {each[2] for each in parts if len(each) > 3}  # noqa: PLR2004 - cluster.remote.<alias>.credentials
        try:
            aliases |= set(await self._nodes.call(local.id, "GET", "/_remote/info"))
        except Failure:
            logger.debug("remote clusters of a node that does not answer are not known")
        return aliases

    def _tell_once(self, step: Step, failure: Failure) -> None:
        """Log why a step did not succeed, not at each of its tries."""
        place = step.connection.alias if isinstance(step, Disconnect) else step.wanted.alias
        text = f"{type(step).__name__} {place}: {failure.reason}"
        if text not in self._told_failures:
            self._told_failures = {*sorted(self._told_failures)[-99:], text}
            logger.warning("remote cluster waits", extra={"step": text})


def _info(connection: Connection | None, link: Any) -> dict[str, bool]:
    if connection is None or not isinstance(link, dict):
        return _NO_INFO
    is_connected = bool(link.get("connected"))
    has_key = connection.key_id is not None and connection.configured
    return {
        "healthy": is_connected,
        "connected": is_connected,
        "compatible": True,  # one environment, one version
        "trusted": has_key,
        "trusted_back": has_key,
    }
