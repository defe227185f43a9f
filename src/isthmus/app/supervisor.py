"""Runs the nodes that the records want: a reconcile loop with a bell."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from isthmus.app.node_call import call_node
from isthmus.app.node_process import NodeProcess, NodeProcessOptions
from isthmus.clock import Clock
from isthmus.control.authorities import renew_node_certificate, renew_server_certificates
from isthmus.control.failures import node_unavailable
from isthmus.control.layout import EnvironmentLayout
from isthmus.control.nodes import NodeState, NodeStatus, node_settings
from isthmus.control.records import Deployment, DeploymentRecords, WantedState
from isthmus.control.trust_files import write_trust_files
from isthmus.control.trust_records import (
    KnownTrustRelationships,
    NoTrustRelationships,
    TrustRelationship,
)
from isthmus.door.routing import NodeAddress
from isthmus.settings import EnvironmentSettings, NodeSettings

logger = logging.getLogger(__name__)

#: the bell is enough; this is for records that another way than the bell's has changed
_LOOK_AGAIN_SECONDS: Final = 30.0


class Supervisor:
    """The nodes of an environment.

    Satisfies :class:`isthmus.control.nodes.Nodes` and :class:`isthmus.door.routing.Nodes`.
    """

    def __init__(
        self,
        settings: EnvironmentSettings,
        records: DeploymentRecords,
        socket_folder: Path,
        options: NodeProcessOptions,
        clock: Clock,
        relationships: KnownTrustRelationships | None = None,
    ) -> None:
        self._settings = settings
        self._layout = EnvironmentLayout(settings.directory)
        self._records = records
        self._relationships: KnownTrustRelationships = relationships or NoTrustRelationships()
        self._known_relationships: tuple[TrustRelationship, ...] = ()
        self._socket_folder = socket_folder
        self._options = options
        self._clock = clock
        self._bell = asyncio.Event()
        self._reconciling = asyncio.Lock()
        self._deployments: dict[str, Deployment] = {}
        self._id_of_cluster: dict[str, str] = {}
        self._nodes: dict[str, NodeProcess] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Reconcile until cancelled; then stop all nodes in order, and return when none runs."""
        try:
            while True:
                self._bell.clear()
                await self._reconcile()
                try:
                    await asyncio.wait_for(self._bell.wait(), _LOOK_AGAIN_SECONDS)
                except TimeoutError:
                    continue
        finally:
            for node in self._nodes.values():
                node.stop()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def first_attempts(self) -> None:
        """Return once every node that is wanted now has started or failed to start once."""
        await self._reconcile()
        await asyncio.gather(*(node.attempted() for node in self._nodes.values()))

    def state(self, deployment_id: str) -> NodeState:
        """Answer the state now; STOPPED for one never heard of."""
        node = self._nodes.get(deployment_id)
        return node.state if node is not None else NodeState(NodeStatus.STOPPED)

    def ring(self) -> None:
        """Have the records looked at."""
        self._bell.set()

    async def reconciled(self) -> None:
        """Return once the records as they are now have been acted on."""
        await self._reconcile()

    async def restart(self, deployment_id: str) -> None:
        """Restart the node if it runs; return once it has stopped."""
        node = self._nodes.get(deployment_id)
        if node is not None:
            await node.restart()

    async def stopped(self, deployment_id: str) -> None:
        """Return once no process of that deployment runs."""
        await self._reconcile()
        running = self._running.get(deployment_id)
        if running is not None:
            await asyncio.wait({running})

    async def call(self, deployment_id: str, method: str, path: str, body: Any = None) -> Any:
        """Ask the node something in the platform's own name; see :meth:`isthmus.control.nodes.Nodes.call`."""
        node = self._nodes.get(deployment_id)
        if node is None or node.state.status is not NodeStatus.STARTED:
            raise node_unavailable(deployment_id)
        return await call_node(node.settings.control_socket_path, deployment_id, method, path, body)

    def exists(self, cluster_id: str) -> bool:
        """Answer whether a deployment has this cluster id."""
        return cluster_id in self._id_of_cluster

    def running_or_none(self, cluster_id: str) -> NodeAddress | None:
        """Answer the sockets of a node that has started."""
        node = self._nodes.get(self._id_of_cluster.get(cluster_id, ""))
        if node is None or node.state.status is not NodeStatus.STARTED:
            return None
        return NodeAddress(node.settings.handover_socket_path, node.settings.local_socket_path)

    async def _reconcile(self) -> None:
        """Start what is wanted and does not run, stop what runs and is not wanted."""
        # One at a time: records read before those of another must not be acted on after.
        async with self._reconciling:
            found = await self._records.all()
            self._known_relationships = await self._relationships.all()
            await asyncio.to_thread(self._refresh_files, found)
            self._compare(found)

    def _refresh_files(self, found: tuple[Deployment, ...]) -> None:
        """Have every folder say what is trusted now, and every certificate be valid for long enough."""
        for name in renew_server_certificates(self._settings, datetime.now(UTC)):
            logger.info("certificate issued anew", extra={"server": name})
        for deployment in found:
            try:
                if self._layout.deployment(deployment.id).directory.exists():
                    self._refresh(deployment)
            except Exception:  # one broken folder must not keep the others from being looked after
                logger.exception("deployment's files not renewed", extra={"deployment": deployment.id})

    def _refresh(self, deployment: Deployment) -> None:
        # The folder follows the record, also where a crash came between the two.
        write_trust_files(self._settings, deployment, self._known_relationships)
        if renew_node_certificate(self._settings, deployment, datetime.now(UTC)):
            logger.info("node certificate issued anew", extra={"deployment": deployment.id})

    def _compare(self, found: tuple[Deployment, ...]) -> None:
        self._deployments = {deployment.id: deployment for deployment in found}
        self._id_of_cluster = {deployment.cluster_id: deployment.id for deployment in found}
        wanted = {each.id for each in found if each.wanted is WantedState.STARTED}
        for deployment_id in wanted - self._nodes.keys():
            self._start(deployment_id)
        for deployment_id in self._nodes.keys() - wanted:
            self._nodes[deployment_id].stop()

    def _start(self, deployment_id: str) -> None:
        def settings() -> NodeSettings:
            deployment = self._deployments[deployment_id]
            self._refresh(deployment)
            return node_settings(self._settings, deployment, self._socket_folder)

        try:
            node = NodeProcess(self._layout, settings, self._options, self._clock)
        except Exception:  # one broken deployment must not keep the others from starting
            logger.exception("node cannot be prepared", extra={"deployment": deployment_id})
            return
        self._nodes[deployment_id] = node
        running = asyncio.create_task(node.run(), name=f"node {deployment_id}")
        self._running[deployment_id] = running
        running.add_done_callback(lambda task: self._ended(deployment_id, task))

    def _ended(self, deployment_id: str, task: asyncio.Task[None]) -> None:
        self._nodes.pop(deployment_id, None)
        self._running.pop(deployment_id, None)
        if not task.cancelled() and task.exception() is not None:
            logger.error("node is no longer watched", exc_info=task.exception())
        self.ring()  # it may be wanted again by now
