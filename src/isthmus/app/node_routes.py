"""The data API of a node: which modules of the dialect it serves."""

from __future__ import annotations

from dataclasses import dataclass

from isthmus.app.node_searches import NodeSearches
from isthmus.clock import Clock
from isthmus.doctor.doctor import Doctor
from isthmus.exchange import Engine
from isthmus.remotes.cluster_settings import ClusterSettingsService
from isthmus.remotes.records import NodeIdentity
from isthmus.remotes.registry import Remotes
from isthmus.rest.elasticsearch import (
    aliases,
    async_search,
    bulk,
    cat,
    cluster,
    cluster_settings,
    documents,
    documents_multi_get,
    explain,
    field_caps,
    index_settings,
    indices,
    indices_open_close,
    mappings,
    nodes,
    other_languages,
    point_in_time,
    refresh,
    remote_diagnose,
    remote_info,
    remote_privileges,
    resolve_cluster,
    resolve_index,
    root,
    scripts,
    scroll,
    search,
    search_template,
    secure_settings,
    security_api_key_grant,
    security_api_keys,
    security_privileges,
    security_roles,
    security_users,
    stats,
    tasks,
    terms_enum,
    validate_query,
)
from isthmus.rest.elasticsearch.api import DataApi
from isthmus.rest.elasticsearch.call import ElasticsearchRouter
from isthmus.rest.routing import Router
from isthmus.search.metadata import ClusterMetadata
from isthmus.security.service import Security


@dataclass(frozen=True, slots=True)
class NodeParts:
    """What the handlers of the data API work on."""

    security: Security
    engine: Engine
    remotes: Remotes
    cluster_settings: ClusterSettingsService
    identity: NodeIdentity
    clock: Clock
    doctor: Doctor
    searches: NodeSearches


def build_data_api(parts: NodeParts) -> DataApi:
    """Answer the whole data API of a node over these parts."""
    engine, remotes, identity, security = parts.engine, parts.remotes, parts.identity, parts.security
    router: ElasticsearchRouter = Router()
    for module in (
        aliases,
        bulk,
        documents,
        documents_multi_get,
        explain,
        index_settings,
        mappings,
        refresh,
        stats,
        validate_query,
    ):
        module.register(router, engine)

    def destructive_requires_name() -> bool:
        return parts.cluster_settings.current.destructive_requires_name

    indices.register(router, engine, destructive_requires_name)
    indices_open_close.register(router, engine, destructive_requires_name)
    cat.register(router, engine, identity, parts.clock)
    cluster.register(router, engine, identity, parts.clock)
    nodes.register(router, identity)
    root.register(router, identity)
    security_api_keys.register(router, security.api_keys)
    security_api_key_grant.register(router, security.api_keys, security.authenticator)
    security_privileges.register(router)
    security_roles.register(router, security.roles)
    security_users.register(router, security.users)
    searches = parts.searches
    search.register(router, searches.coordinator, searches.running, searches.scrolls)
    search_template.register(
        router, searches.coordinator, searches.scripts, searches.running, searches.scrolls
    )
    scripts.register(router, searches.scripts)
    terms_enum.register(router, searches.coordinator)
    scroll.register(router, searches.scrolls)
    point_in_time.register(router, searches.points)
    async_search.register(router, searches.submitted)
    tasks.register(router, searches.running, identity)
    other_languages.register(router)
    cluster_settings.register(router, parts.cluster_settings, remotes)
    remote_info.register(router, remotes)
    remote_privileges.register(router, remotes)
    remote_diagnose.register(router, parts.doctor)
    metadata = ClusterMetadata(engine, remotes)
    field_caps.register(router, metadata)
    resolve_index.register(router, metadata)
    resolve_cluster.register(router, engine, remotes, identity)
    secure_settings.register(router, remotes, identity)
    return DataApi(router, security.authenticator)
