"""What can be done with deployments: one method a use case, each of them safe to repeat."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from isthmus.clock import Clock
from isthmus.control.account import Account
from isthmus.control.deployment_changes import Created, DeploymentChanges, NewDeployment, check_name
from isthmus.control.deployment_folders import fill_folder, remove_folder
from isthmus.control.failures import deployment_not_found, invalid_field, resource_not_found
from isthmus.control.identity import REF_ID, new_hex_id, new_node_id, new_password, region_of
from isthmus.control.keystores import change_keystore, keystore_names
from isthmus.control.layout import EnvironmentLayout
from isthmus.control.nodes import Nodes
from isthmus.control.plans import PlanAction, Plans
from isthmus.control.records import Deployment, DeploymentRecords, RemoteCluster, WantedState
from isthmus.control.remote_clusters import check_remotes
from isthmus.control.traffic_filters import TrafficFilters
from isthmus.control.trust import default_trust
from isthmus.control.trust_files import own_account_ids, write_trust_files
from isthmus.control.trust_records import (
    KnownTrustRelationships,
    TrustRelationship,
    TrustSettings,
)
from isthmus.errors import Failure, FailureKind
from isthmus.security.private_files import write_private
from isthmus.security.secret import Secret
from isthmus.settings import COMPATIBLE_VERSION, EnvironmentSettings

_TRANSIENT_REMOTES: Final = "resources.elasticsearch[0].plan.transient.remote_clusters"


@dataclass(frozen=True, slots=True)
class DeploymentParts:
    """What belongs to deployments besides the folders that they live in."""

    records: DeploymentRecords
    plans: Plans
    filters: TrafficFilters
    account: Account
    relationships: KnownTrustRelationships


class Deployments:
    """The deployments of one environment. Changes happen one after another."""

    def __init__(
        self, settings: EnvironmentSettings, parts: DeploymentParts, nodes: Nodes, clock: Clock
    ) -> None:
        self._settings = settings
        self._layout = EnvironmentLayout(settings.directory)
        self._records = parts.records
        self._plans = parts.plans
        self._filters = parts.filters
        self._account = parts.account
        self._relationships = parts.relationships
        self._nodes = nodes
        self._clock = clock
        self._changing = asyncio.Lock()

    async def all(self) -> tuple[Deployment, ...]:
        """Answer all deployments, the oldest first."""
        return await self._records.all()

    async def get(self, deployment_id: str) -> Deployment:
        """Answer one deployment; raises a 404 failure."""
        deployment = await self._records.find_or_none(deployment_id)
        if deployment is None:
            raise deployment_not_found(deployment_id)
        return deployment

    async def get_resource(self, deployment_id: str, ref_id: str) -> Deployment:
        """Answer the deployment that has this Elasticsearch resource; raises a 404 failure."""
        deployment = await self.get(deployment_id)
        if ref_id not in (deployment.ref_id, "_main"):
            raise resource_not_found(deployment_id, ref_id)
        return deployment

    async def check(self, wanted: NewDeployment) -> None:
        """Return if everything exists that this refers to; raises a 400 failure."""
        if wanted.trust is not None:
            await self.check_trust(wanted.trust)
        await self._filters.require(wanted.rule_sets, "settings.traffic_filter_settings.rulesets")
        known = {deployment.id for deployment in await self._records.all()}
        check_remotes(wanted.remote_clusters, known, _TRANSIENT_REMOTES)

    async def create(self, wanted: NewDeployment) -> Created:
        """Make a deployment and have its node started.

        A ``request_id`` that was used before answers the deployment made then. A failure
        leaves nothing behind.
        """
        name = None if wanted.name is None else check_name(wanted.name)
        async with self._changing:
            if wanted.request_id is not None:
                known = await self._records.find_by_request_or_none(wanted.request_id)
                if known is not None:
                    return Created(known, None)
            relationships = await self._relationships.all()
            trust = await self._default_trust(relationships) if wanted.trust is None else wanted.trust
            self._check_trust(trust, relationships)
            now_milliseconds = self._clock.now_milliseconds()
            deployment_id = new_hex_id()
            deployment = Deployment(
                id=deployment_id,
                name=name or deployment_id,
                cluster_id=new_hex_id(),
                node_id=new_node_id(),
                ref_id=REF_ID,
                region=region_of(self._settings.kind),
                version=COMPATIBLE_VERSION,
                created_milliseconds=now_milliseconds,
                modified_milliseconds=now_milliseconds,
                loopback_port=wanted.loopback_port,
                loopback_encrypted=wanted.loopback_encrypted,
                request_id=wanted.request_id,
                plan=wanted.plan,
                trust=trust,
                tags=wanted.tags,
                remote_clusters=wanted.remote_clusters,
            )
            password = new_password()
            folder = self._layout.deployment(deployment.id)
            try:
                await asyncio.to_thread(
                    fill_folder, self._settings, deployment, Secret(password), wanted.secrets
                )
                # Nobody knows of this folder yet. Once the record is there, whoever runs the nodes writes it.
                await asyncio.to_thread(write_trust_files, self._settings, deployment, relationships)
                await self._records.add(deployment)
                # Before the bell rings there is no node: nobody gets in who is not to.
                await self._filters.associate_new(deployment.id, wanted.rule_sets)
            except BaseException:
                await self._records.remove(deployment.id)
                shutil.rmtree(folder.directory, ignore_errors=True)
                raise
            await self._plans.begin(deployment, PlanAction.CREATE)
        self._nodes.ring()
        return Created(deployment, Secret(password))

    async def shut_down(self, deployment_id: str) -> Deployment:
        """Have the node stopped, and return once it has; its data stays."""
        deployment = await self._change(deployment_id, PlanAction.SHUT_DOWN, wanted=WantedState.STOPPED)
        await self._nodes.stopped(deployment_id)
        await self._plans.settle()
        return deployment

    async def restore(self, deployment_id: str) -> Deployment:
        """Have the node of a deployment that was shut down started again."""
        return await self._change(deployment_id, PlanAction.RESTORE, wanted=WantedState.STARTED)

    async def restart(self, deployment_id: str) -> None:
        """Stop the node and have it started again; one that was shut down is started.

        Returns once the node has stopped.
        """
        deployment = await self.get(deployment_id)
        if deployment.wanted is WantedState.STOPPED:
            await self.restore(deployment_id)
            return
        await self._nodes.restart(deployment_id)
        await self._plans.begin(deployment, PlanAction.RESTART)

    async def cancel_plan(self, deployment_id: str) -> bool:
        """End what is pending; False where nothing is. A node that was about to start stays down."""
        deployment = await self.get(deployment_id)
        is_cancelled = await self._plans.cancel(deployment_id)
        if is_cancelled and deployment.wanted is WantedState.STARTED:
            await self._change(deployment_id, wanted=WantedState.STOPPED)
            await self._nodes.stopped(deployment_id)
        return is_cancelled

    async def delete(self, deployment_id: str) -> Deployment:
        """Remove a deployment that was shut down, with its data; raises 404 and 400 failures."""
        async with self._changing:
            deployment = await self.get(deployment_id)
            if deployment.wanted is not WantedState.STOPPED:
                raise Failure(
                    FailureKind.INVALID_REQUEST,
                    "deployments.deployment_resource_not_stopped",
                    f"deployment [{deployment_id}] must be shut down before it can be deleted",
                )
            await self._nodes.stopped(deployment_id)
            await self._records.remove(deployment_id)
            await self._plans.forget(deployment_id)
            await asyncio.to_thread(remove_folder, self._layout.deployment(deployment_id).directory)
        # Whoever asks the door after this answer is told that there is no such deployment.
        await self._nodes.reconciled()
        with contextlib.suppress(OSError):
            (self._layout.logs / f"{deployment_id}.log").unlink(missing_ok=True)
        return deployment

    async def update(self, deployment_id: str, changes: DeploymentChanges) -> Deployment:
        """Make all these changes in one step, which is a plan of its own; no node is disturbed.

        Raises a 400 failure for an account or a trust relationship that does not exist.
        """
        members: dict[str, object] = {
            name: value
            for name in ("name", "plan", "tags", "trust", "remote_clusters")
            if (value := getattr(changes, name)) is not None
        }
        relationships = await self._relationships.all()
        if changes.default_trust:
            members["trust"] = await self._default_trust(relationships)
        if changes.trust is not None:
            self._check_trust(changes.trust, relationships)
        deployment = await self._change(deployment_id, PlanAction.UPDATE, **members)
        if "trust" in members:
            # Whoever runs the nodes writes what they watch: by the time that this is answered, it is written.
            await self._nodes.reconciled()
        return deployment

    async def replace_remote_clusters(
        self, deployment_id: str, remotes: tuple[RemoteCluster, ...]
    ) -> Deployment:
        """Keep which deployments are remote clusters of this one; whoever connects them does so later."""
        return await self._change(deployment_id, remote_clusters=remotes)

    async def check_trust(self, trust: TrustSettings) -> None:
        """Return if everything that this refers to exists; raises a 400 failure."""
        self._check_trust(trust, await self._relationships.all())

    async def _default_trust(self, relationships: tuple[TrustRelationship, ...]) -> TrustSettings:
        by_default = [each.id for each in relationships if each.trust_by_default]
        trust_all = await self._account.trust_all()
        return default_trust(self._account.id, by_default, trust_all=trust_all)

    def _check_trust(self, trust: TrustSettings, relationships: tuple[TrustRelationship, ...]) -> None:
        own = own_account_ids(self._settings)
        for number, account in enumerate(trust.accounts):
            if account.account_id not in own:
                raise invalid_field(
                    f"resources.elasticsearch[0].settings.trust.accounts[{number}].account_id",
                    f"no account [{account.account_id}] on this platform; it is [{own[0]}]",
                )
        known = {each.id for each in relationships}
        for number, external in enumerate(trust.external):
            if external.trust_relationship_id not in known:
                raise invalid_field(
                    f"resources.elasticsearch[0].settings.trust.external[{number}].trust_relationship_id",
                    f"no trust relationship has the id [{external.trust_relationship_id}]",
                )

    async def keystore_names(self, deployment_id: str) -> tuple[str, ...]:
        """Answer the names of the secure settings, sorted; never a value."""
        await self.get(deployment_id)
        return await asyncio.to_thread(keystore_names, self._layout.deployment(deployment_id))

    async def change_keystore(
        self, deployment_id: str, changes: Mapping[str, Secret | None]
    ) -> tuple[str, ...]:
        """Set the settings, remove those that are None; answer the names there are now."""
        async with self._changing:
            await self.get(deployment_id)
            return await asyncio.to_thread(change_keystore, self._layout.deployment(deployment_id), changes)

    async def reset_password(self, deployment_id: str) -> Secret:
        """Give the user ``elastic`` a new password and answer it.

        A node that does not run, or does not answer, takes it over at its next start; one that runs
        and does not answer is restarted for it.
        """
        password = new_password()
        async with self._changing:
            await self.get(deployment_id)
            try:
                await self._nodes.call(
                    deployment_id, "POST", "/_security/user/elastic/_password", {"password": password}
                )
            except Failure:
                layout = self._layout.deployment(deployment_id)
                await asyncio.to_thread(write_private, layout.first_password, password.encode())
            else:
                return Secret(password)
        await self._nodes.restart(deployment_id)
        return Secret(password)

    async def _change(
        self, deployment_id: str, action: PlanAction | None = None, **members: object
    ) -> Deployment:
        async with self._changing:
            deployment = await self.get(deployment_id)
            changed = deployment.changed(self._clock.now_milliseconds(), **members)
            if not await self._records.replace(changed):
                raise Failure(
                    FailureKind.CONFLICT,
                    "deployments.version_conflict",
                    f"deployment [{deployment_id}] was changed at the same time; try again",
                )
            if action is not None:
                await self._plans.begin(changed, action)
        self._nodes.ring()
        return changed
