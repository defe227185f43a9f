"""``GET /``, and the questions that clients ask about features and licence."""

from __future__ import annotations

from typing import Final

from isthmus.remotes.records import NodeIdentity
from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter
from isthmus.rest.http import Response, json_response
from isthmus.security.authorize import require_cluster_action
from isthmus.settings import (
    COMPATIBLE_VERSION,
    MINIMUM_INDEX_COMPATIBLE_VERSION,
    MINIMUM_WIRE_COMPATIBLE_VERSION,
)

#: the Lucene that Elasticsearch of the version spoken was built with: some clients parse it
LUCENE_VERSION: Final = "10.3.0"
BUILD_DATE: Final = "1970-01-01T00:00:00.000000000Z"
TAGLINE: Final = "You Know, for Search"

#: the features that are here, of those that Elasticsearch lists
_FEATURES: Final = ("security",)


def register(router: ElasticsearchRouter, identity: NodeIdentity) -> None:
    """Serve ``/``, ``/_xpack`` and ``/_license``. Nothing here needs a licence: all of it is Apache-2.0."""

    async def root(call: Call) -> Response:
        require_cluster_action(call.principal, "cluster:monitor/main")
        return json_response(
            {
                "name": identity.node_name,
                "cluster_name": identity.cluster_name,
                "cluster_uuid": identity.cluster_id,
                "version": {
                    "number": COMPATIBLE_VERSION,
                    "build_flavor": "default",
                    "build_type": "pip",
                    "build_hash": identity.software_version,
                    "build_date": BUILD_DATE,
                    "build_snapshot": False,
                    "lucene_version": LUCENE_VERSION,
                    "minimum_wire_compatibility_version": MINIMUM_WIRE_COMPATIBLE_VERSION,
                    "minimum_index_compatibility_version": MINIMUM_INDEX_COMPATIBLE_VERSION,
                },
                "tagline": TAGLINE,
            }
        )

    async def features(call: Call) -> Response:
        require_cluster_action(call.principal, "cluster:monitor/xpack/info")
        return json_response(
            {
                "build": {"hash": identity.software_version, "date": BUILD_DATE},
                "license": {
                    "uid": identity.cluster_id,
                    "type": "basic",
                    "mode": "basic",
                    "status": "active",
                },
                "features": {name: {"available": True, "enabled": True} for name in _FEATURES},
                "tagline": "You know, for X",
            }
        )

    async def licence(call: Call) -> Response:
        require_cluster_action(call.principal, "cluster:monitor/xpack/license/get")
        return json_response(
            {
                "license": {
                    "status": "active",
                    "uid": identity.cluster_id,
                    "type": "basic",
                    "issued_to": identity.cluster_name,
                    "issuer": "isthmus",
                }
            }
        )

    router.add("GET", "/", root, ())
    router.add("GET", "/_xpack", features, ("categories", "accept_enterprise"))
    router.add("GET", "/_license", licence, ("local", "accept_enterprise"))
