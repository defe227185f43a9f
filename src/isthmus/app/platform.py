"""The platform API with its parts: for an environment that runs, and for one that does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from isthmus.app.environment_lock import locked
from isthmus.clock import Clock, SystemClock
from isthmus.control.administrator import Administrator
from isthmus.control.deployments import Deployments
from isthmus.control.identity import region_of
from isthmus.control.layout import EnvironmentLayout
from isthmus.control.nodes import Nodes, NoNodes
from isthmus.control.records import DeploymentRecords
from isthmus.rest.cloud import deployments as deployment_routes
from isthmus.rest.cloud import keystores as keystore_routes
from isthmus.rest.cloud import platform as platform_routes
from isthmus.rest.cloud import sessions as session_routes
from isthmus.rest.cloud.api import CloudApi, CloudRouter
from isthmus.rest.cloud.rendering import Surroundings
from isthmus.settings import EnvironmentSettings, Ports
from isthmus.settings_file import SettingsError
from isthmus.store.database import Database, Line, sqlite_url
from isthmus.store.environment_records import SqlDeploymentRecords


@dataclass(frozen=True, slots=True)
class Platform:
    """The API for the network, and the same for those who may read the directory anyway."""

    api: CloudApi
    trusted_api: CloudApi


def build_platform(
    settings: EnvironmentSettings, ports: Ports, records: DeploymentRecords, nodes: Nodes, clock: Clock
) -> Platform:
    """Put the platform API together. Raises :class:`SettingsError` where the password's hash is lost."""
    layout = EnvironmentLayout(settings.directory)
    try:
        password_hash = layout.admin_password_hash.read_text().strip()
    except OSError as error:
        raise SettingsError(f"cannot read {layout.admin_password_hash}: {error.strerror}") from error
    administrator = Administrator(password_hash, clock)
    deployments = Deployments(settings, records, nodes, clock)
    router: CloudRouter = CloudRouter()
    deployment_routes.register(router, deployments, Surroundings(settings, ports, nodes.state))
    keystore_routes.register(router, deployments)
    platform_routes.register(router, settings, deployments)
    session_routes.register(router, administrator)
    region = region_of(settings.kind)
    return Platform(
        CloudApi(router, administrator, region), CloudApi(router, administrator, region, trusted=True)
    )


def open_database(settings: EnvironmentSettings) -> Database:
    """Open the environment's records."""
    return Database.open(sqlite_url(EnvironmentLayout(settings.directory).database), Line.ENVIRONMENT)


@asynccontextmanager
async def offline_platform(settings: EnvironmentSettings) -> AsyncIterator[CloudApi]:
    """Answer the platform of an environment that nobody serves, held for as long as it is used.

    Raises :class:`isthmus.app.environment_lock.EnvironmentBusyError` where somebody does.
    """
    with locked(EnvironmentLayout(settings.directory)):
        database = open_database(settings)
        try:
            records = SqlDeploymentRecords(database)
            platform = build_platform(settings, settings.ports, records, NoNodes(), SystemClock())
            yield platform.trusted_api
        finally:
            database.close()
