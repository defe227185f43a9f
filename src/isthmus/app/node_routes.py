"""The data API of a node: which modules of the dialect it serves."""

from __future__ import annotations

from isthmus.exchange import Engine
from isthmus.remotes.cluster_settings import ClusterSettingsService
from isthmus.remotes.records import NodeIdentity
from isthmus.remotes.registry import Remotes
from isthmus.rest.elasticsearch import (
    aliases,
    bulk,
    cluster_settings,
    documents,
    documents_multi_get,
    index_settings,
    indices,
    mappings,
    refresh,
    remote_info,
    resolve_cluster,
    search,
    secure_settings,
)
from isthmus.rest.elasticsearch.api import DataApi
from isthmus.rest.elasticsearch.call import ElasticsearchRouter
from isthmus.rest.routing import Router
from isthmus.search.coordinator import SearchCoordinator
from isthmus.security.service import Security


def build_data_api(
    security: Security,
    engine: Engine,
    remotes: Remotes,
    settings: ClusterSettingsService,
    identity: NodeIdentity,
) -> DataApi:
    """Answer the whole data API of a node over these parts."""
    router: ElasticsearchRouter = Router()
    for module in (
        aliases,
        bulk,
        documents,
        documents_multi_get,
        index_settings,
        indices,
        mappings,
        refresh,
    ):
        module.register(router, engine)
    search.register(router, SearchCoordinator(engine, remotes))
    cluster_settings.register(router, settings, remotes)
    remote_info.register(router, remotes)
    resolve_cluster.register(router, engine, remotes, identity)
    secure_settings.register(router, remotes, identity)
    return DataApi(router, security.authenticator)
