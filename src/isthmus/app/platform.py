"""The platform API with its parts: for an environment that runs, and for one that does not."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from isthmus.app.environment_lock import locked
from isthmus.app.platform_audit import open_platform_audit
from isthmus.app.traffic_filters import build_traffic_filtering
from isthmus.clock import Clock, SystemClock
from isthmus.control.account import Account
from isthmus.control.administrator import Administrator
from isthmus.control.deployments import DeploymentParts, Deployments
from isthmus.control.identity import region_of
from isthmus.control.layout import EnvironmentLayout
from isthmus.control.nodes import Nodes, NoNodes
from isthmus.control.plans import Plans
from isthmus.control.platform_keys import PlatformKeys
from isthmus.control.records import DeploymentRecords
from isthmus.control.remote_cluster_keeper import RemoteClusters
from isthmus.control.remote_clusters import RemoteAddress
from isthmus.control.traffic_filters import TrafficFilters
from isthmus.control.trust_files import own_account_ids
from isthmus.control.trust_relationships import TrustRelationships
from isthmus.rest.cloud import account as account_routes
from isthmus.rest.cloud import deployment_resources as resource_routes
from isthmus.rest.cloud import deployments as deployment_routes
from isthmus.rest.cloud import keystores as keystore_routes
from isthmus.rest.cloud import openapi as openapi_routes
from isthmus.rest.cloud import platform as platform_routes
from isthmus.rest.cloud import platform_keys as key_routes
from isthmus.rest.cloud import remote_clusters as remote_cluster_routes
from isthmus.rest.cloud import sessions as session_routes
from isthmus.rest.cloud import templates as template_routes
from isthmus.rest.cloud import tls as tls_routes
from isthmus.rest.cloud import traffic_filters as traffic_filter_routes
from isthmus.rest.cloud import transport_authority as transport_authority_routes
from isthmus.rest.cloud import trust_relationships as trust_routes
from isthmus.rest.cloud.api import PREFIX, CloudApi
from isthmus.rest.cloud.audit import AuditedPlatform
from isthmus.rest.cloud.authentication import CloudAuthenticator
from isthmus.rest.cloud.deployment_views import DeploymentViews
from isthmus.rest.cloud.rendering import Surroundings
from isthmus.rest.cloud.routes import CloudRouter, Route
from isthmus.rest.http import HttpApplication
from isthmus.security.audit import Audit
from isthmus.settings import EnvironmentSettings, Ports
from isthmus.settings_file import SettingsError
from isthmus.store.database import Database, Line, sqlite_url
from isthmus.store.environment_records import SqlDeploymentRecords
from isthmus.store.plan_records import SqlPlanRecords
from isthmus.store.platform_key_records import SqlPlatformKeyRecords
from isthmus.store.platform_value_records import SqlPlatformValues
from isthmus.store.remote_connection_records import SqlConnectionRecords
from isthmus.store.trust_relationship_records import SqlTrustRelationshipRecords


@dataclass(frozen=True, slots=True)
class Platform:
    """The API for the network, and the same for those who may read the directory anyway.

    ``plans`` and ``remotes`` want to be run for as long as nodes do.
    """

    api: HttpApplication
    trusted_api: HttpApplication
    routes: tuple[Route, ...]
    plans: Plans
    remotes: RemoteClusters


@dataclass(frozen=True, slots=True)
class PlatformParts:
    """What the platform is built over. ``audit`` None: nothing is audited, as in tests of its answers."""

    settings: EnvironmentSettings
    ports: Ports
    database: Database
    records: DeploymentRecords
    nodes: Nodes
    filters: TrafficFilters
    clock: Clock
    audit: Audit | None = None


def build_platform(parts: PlatformParts) -> Platform:
    """Put the platform API together. Raises :class:`SettingsError` where the password's hash is lost."""
    settings, clock, nodes, database = parts.settings, parts.clock, parts.nodes, parts.database
    administrator = Administrator(_read_password_hash(EnvironmentLayout(settings.directory)), clock)
    keys = PlatformKeys(SqlPlatformKeyRecords(database), clock)
    plans = Plans(SqlPlanRecords(database), nodes, clock)
    account = Account(own_account_ids(settings)[0], SqlPlatformValues(database))
    relationships = SqlTrustRelationshipRecords(database)
    kept = DeploymentParts(parts.records, plans, parts.filters, account, relationships)
    deployments = Deployments(settings, kept, nodes, clock)
    address = RemoteAddress(_door_address(settings, parts.ports), settings.domain)
    remotes = RemoteClusters(deployments, SqlConnectionRecords(database), nodes, address, clock)
    around = Surroundings(settings, parts.ports, nodes.state)
    views = DeploymentViews(plans, parts.filters)

    router = CloudRouter()
    deployment_routes.register(router, deployments, remotes, views, around)
    resource_routes.register(router, deployments, plans, views, around)
    keystore_routes.register(router, deployments)
    remote_cluster_routes.register(router, deployments, remotes, views, around)
    template_routes.register(router, settings, deployments)
    traffic_filter_routes.register(router, settings, parts.filters)
    platform_routes.register(router, settings, deployments)
    tls_routes.register(router, settings, nodes, clock)
    transport_authority_routes.register(router, settings, nodes, clock)
    trust_routes.register(router, TrustRelationships(settings, relationships, nodes, clock))
    account_routes.register(router, account)
    session_routes.register(router, administrator)
    key_routes.register(router, keys, settings.scope_id)
    openapi_routes.register(router, PREFIX)

    authenticator = CloudAuthenticator(administrator, keys)
    region = region_of(settings.kind)
    return Platform(
        api=_audited(CloudApi(router, authenticator, region), parts, trusted=False),
        trusted_api=_audited(CloudApi(router, authenticator, region, trusted=True), parts, trusted=True),
        routes=router.routes,
        plans=plans,
        remotes=remotes,
    )


def _audited(api: CloudApi, parts: PlatformParts, *, trusted: bool) -> HttpApplication:
    if parts.audit is None:
        return api
    return AuditedPlatform(api, parts.audit, parts.clock, trusted=trusted)


def _read_password_hash(layout: EnvironmentLayout) -> str:
    try:
        return layout.admin_password_hash.read_text().strip()
    except OSError as error:
        raise SettingsError(f"cannot read {layout.admin_password_hash}: {error.strerror}") from error


def _door_address(settings: EnvironmentSettings, ports: Ports) -> str:
    """Answer where nodes of this environment reach its own door: without any name server."""
    host = ipaddress.ip_address(settings.host)
    if host.is_unspecified:
        host = ipaddress.ip_address("127.0.0.1")
    written = f"[{host}]" if isinstance(host, ipaddress.IPv6Address) else str(host)
    return f"{written}:{ports.remote_cluster}"


def open_database(settings: EnvironmentSettings) -> Database:
    """Open the environment's records."""
    return Database.open(sqlite_url(EnvironmentLayout(settings.directory).database), Line.ENVIRONMENT)


@asynccontextmanager
async def offline_platform(settings: EnvironmentSettings) -> AsyncIterator[HttpApplication]:
    """Answer the platform of an environment that nobody serves, held for as long as it is used.

    Raises :class:`isthmus.app.environment_lock.EnvironmentBusyError` where somebody does.
    """
    with locked(EnvironmentLayout(settings.directory)):
        database = open_database(settings)
        try:
            records, nodes, clock = SqlDeploymentRecords(database), NoNodes(), SystemClock()
            filtering = build_traffic_filtering(settings, database, records, clock)
            audit, audit_log = open_platform_audit(settings, clock)
            try:
                parts = PlatformParts(
                    settings, settings.ports, database, records, nodes, filtering.use_cases, clock, audit
                )
                yield build_platform(parts).trusted_api
            finally:
                audit_log.close()
        finally:
            database.close()
