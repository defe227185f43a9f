"""Who this node is, and ``_nodes`` for clients that look for addresses."""

from __future__ import annotations

from typing import Any, Final

from isthmus.errors import illegal_argument
from isthmus.remotes.records import NodeIdentity
from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter
from isthmus.rest.http import Response, json_response
from isthmus.rest.limits import HttpLimits
from isthmus.security.authorize import require_cluster_action
from isthmus.settings import COMPATIBLE_VERSION

ROLES: Final = ("data", "ingest", "master", "remote_cluster_client")
_PARAMETERS: Final = ("flat_settings", "timeout")
#: what there is to be told of a node; the others of Elasticsearch's metrics are refused by name
_METRICS: Final = ("_all", "_none", "http")
_SELECTORS: Final = ("_all", "_local", "_master", "*")


def node_object(identity: NodeIdentity, *, with_http: bool) -> dict[str, Any]:
    """Answer the node as ``_nodes`` shows it."""
    host = identity.publish_address.rpartition(":")[0]
    shown: dict[str, Any] = {
        "name": identity.node_name,
        "host": host,
        "ip": host,
        "version": COMPATIBLE_VERSION,
        "build_flavor": "default",
        "build_type": "pip",
        "build_hash": identity.software_version,
        "roles": list(ROLES),
        "attributes": dict(identity.attributes),
    }
    if with_http:
        shown["http"] = {
            "bound_address": [identity.publish_address],
            "publish_address": identity.publish_address,
            "max_content_length_in_bytes": HttpLimits().max_content_bytes,
        }
    return shown


def selects_node(selector: str, identity: NodeIdentity) -> bool:
    """Tell whether a comma-separated list of nodes has this one in it."""
    names = {identity.node_id, identity.node_name, *_SELECTORS}
    return any(name in names for name in selector.split(","))


def register(router: ElasticsearchRouter, identity: NodeIdentity) -> None:
    """Serve ``_nodes`` with what clients sniff for: the address of the data API."""

    def selects_this_node(selector: str) -> bool:
        return selects_node(selector, identity)

    def require_metrics(text: str) -> None:
        for metric in text.split(","):
            if metric not in _METRICS:
                raise illegal_argument(
                    f"the metric or node [{metric[:100]}] is not known; metrics are [{', '.join(_METRICS)}]"
                )

    async def nodes(call: Call) -> Response:
        require_cluster_action(call.principal, "cluster:monitor/nodes/info")
        selector = call.path.get("node_id", "_all")
        metrics = call.path.get("metric", "_all")
        if "metric" not in call.path and not selects_this_node(selector):
            selector, metrics = "_all", selector
        require_metrics(metrics)
        found = {}
        if selects_this_node(selector):
            found[identity.node_id] = node_object(identity, with_http=metrics != "_none")
        return json_response(
            {
                "_nodes": {"total": len(found), "successful": len(found), "failed": 0},
                "cluster_name": identity.cluster_name,
                "nodes": found,
            }
        )

    for template in ("/_nodes", "/_nodes/{node_id}", "/_nodes/{node_id}/{metric}"):
        router.add("GET", template, nodes, _PARAMETERS)
