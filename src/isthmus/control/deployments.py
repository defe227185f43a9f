"""What can be done with deployments: one method a use case, each of them safe to repeat."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from isthmus.clock import Clock
from isthmus.control.authorities import renew_node_certificate
from isthmus.control.failures import deployment_not_found, invalid_field, resource_not_found
from isthmus.control.identity import REF_ID, new_hex_id, new_node_id, new_password, region_of
from isthmus.control.keystores import change_keystore, create_keystore, keystore_names
from isthmus.control.layout import DeploymentLayout, EnvironmentLayout
from isthmus.control.nodes import Nodes
from isthmus.control.private_files import make_private_directory, write_private
from isthmus.control.records import Deployment, DeploymentRecords, TrustedAuthority, WantedState
from isthmus.control.trust import write_trusted_folder
from isthmus.errors import Failure, FailureKind
from isthmus.exchange import JsonObject
from isthmus.security.secret import Secret
from isthmus.settings import COMPATIBLE_VERSION, EnvironmentSettings

_MAXIMUM_NAME_CHARACTERS: Final = 255
_DELETED_PREFIX: Final = ".deleted-"


@dataclass(frozen=True, slots=True)
class NewDeployment:
    """What a caller wants; ``secrets`` go into the keystore."""

    name: str
    loopback_port: int | None = None
    loopback_encrypted: bool = True
    request_id: str | None = None
    plan: JsonObject = field(default_factory=dict)
    trusted_authorities: tuple[TrustedAuthority, ...] = ()
    secrets: Mapping[str, Secret | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Created:
    """A deployment and the password of its user ``elastic``: None where it was there already."""

    deployment: Deployment
    elastic_password: Secret | None


def check_name(name: object, path: str = "name") -> str:
    """Answer the name of a deployment if it can be one; raises a 400 failure."""
    if not isinstance(name, str) or not name.strip() or len(name) > _MAXIMUM_NAME_CHARACTERS:
        raise invalid_field(path, f"must be a text of 1 to {_MAXIMUM_NAME_CHARACTERS} characters")
    if not name.isprintable():
        raise invalid_field(path, "must not hold control characters")
    return name.strip()


class Deployments:
    """The deployments of one environment. Changes happen one after another."""

    def __init__(
        self, settings: EnvironmentSettings, records: DeploymentRecords, nodes: Nodes, clock: Clock
    ) -> None:
        self._settings = settings
        self._layout = EnvironmentLayout(settings.directory)
        self._records = records
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

    async def create(self, wanted: NewDeployment) -> Created:
        """Make a deployment and have its node started.

        A ``request_id`` that was used before answers the deployment made then. A failure
        leaves nothing behind.
        """
        name = check_name(wanted.name)
        async with self._changing:
            if wanted.request_id is not None:
                known = await self._records.find_by_request_or_none(wanted.request_id)
                if known is not None:
                    return Created(known, None)
            now_milliseconds = self._clock.now_milliseconds()
            deployment = Deployment(
                id=new_hex_id(),
                name=name,
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
                trusted_authorities=wanted.trusted_authorities,
            )
            password = new_password()
            folder = self._layout.deployment(deployment.id)
            try:
                await asyncio.to_thread(self._fill_folder, folder, deployment, password, wanted.secrets)
                await self._records.add(deployment)
            except BaseException:
                shutil.rmtree(folder.directory, ignore_errors=True)
                raise
        self._nodes.ring()
        return Created(deployment, Secret(password))

    async def shut_down(self, deployment_id: str) -> Deployment:
        """Have the node stopped, and return once it has; its data stays."""
        deployment = await self._change(deployment_id, wanted=WantedState.STOPPED)
        await self._nodes.stopped(deployment_id)
        return deployment

    async def restore(self, deployment_id: str) -> Deployment:
        """Have the node of a deployment that was shut down started again."""
        return await self._change(deployment_id, wanted=WantedState.STARTED)

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
            await asyncio.to_thread(_remove_folder, self._layout.deployment(deployment_id).directory)
        self._nodes.ring()
        with contextlib.suppress(OSError):
            (self._layout.logs / f"{deployment_id}.log").unlink(missing_ok=True)
        return deployment

    async def rename(self, deployment_id: str, name: str) -> Deployment:
        """Give the deployment another name; its node learns of it at its next start."""
        return await self._change(deployment_id, name=check_name(name))

    async def replace_plan(self, deployment_id: str, plan: JsonObject) -> Deployment:
        """Keep the plan that a client sent, to be told back."""
        return await self._change(deployment_id, plan=plan)

    async def replace_trust(
        self, deployment_id: str, authorities: tuple[TrustedAuthority, ...]
    ) -> Deployment:
        """Trust exactly these authorities for remote clusters' servers; the node sees it by itself."""
        deployment = await self._change(deployment_id, trusted_authorities=authorities)
        await asyncio.to_thread(
            write_trusted_folder, self._layout.deployment(deployment_id).trusted, authorities
        )
        return deployment

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

        The node takes it over when it starts: one that runs is restarted.
        """
        async with self._changing:
            await self.get(deployment_id)
            password = new_password()
            layout = self._layout.deployment(deployment_id)
            await asyncio.to_thread(write_private, layout.first_password, password.encode())
        await self._nodes.restart(deployment_id)
        return Secret(password)

    async def _change(self, deployment_id: str, **members: object) -> Deployment:
        async with self._changing:
            deployment = await self.get(deployment_id)
            changed = deployment.changed(self._clock.now_milliseconds(), **members)
            if not await self._records.replace(changed):
                raise Failure(
                    FailureKind.CONFLICT,
                    "deployments.version_conflict",
                    f"deployment [{deployment_id}] was changed at the same time; try again",
                )
        self._nodes.ring()
        return changed

    def _fill_folder(
        self,
        layout: DeploymentLayout,
        deployment: Deployment,
        password: str,
        secrets: Mapping[str, Secret | None],
    ) -> None:
        make_private_directory(layout.directory)
        make_private_directory(layout.data)
        now = datetime.fromtimestamp(deployment.created_milliseconds / 1000, UTC)
        renew_node_certificate(self._settings, deployment, now)
        create_keystore(layout, secrets)
        write_trusted_folder(layout.trusted, deployment.trusted_authorities)
        write_private(layout.first_password, password.encode())


def remove_leftovers(layout: EnvironmentLayout) -> None:
    """Finish deletions that a crash interrupted."""
    for directory in layout.deployments.glob(f"{_DELETED_PREFIX}*"):
        shutil.rmtree(directory, ignore_errors=True)


def _remove_folder(directory: Path) -> None:
    """Remove the folder; renamed first, so that a crash half-way leaves nothing that looks whole."""
    if directory.exists():
        shutil.rmtree(directory.rename(directory.with_name(f"{_DELETED_PREFIX}{directory.name}")))
