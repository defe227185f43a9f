"""``GET /_remote/info``: how the links to remote clusters stand now. Contacts nobody."""

from __future__ import annotations

from typing import Final

from isthmus.remotes.registry import Remotes
from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter
from isthmus.rest.http import Response, json_response
from isthmus.security.authorize import require_cluster_action

_ACTION: Final = "cluster:monitor/remote/info"


def register(router: ElasticsearchRouter, remotes: Remotes) -> None:
    """Serve the state of the remote clusters."""

    async def info(call: Call) -> Response:
        require_cluster_action(call.principal, _ACTION)
        return json_response({alias: remotes.get(alias).info() for alias in remotes.aliases()})

    router.add("GET", "/_remote/info", info, ())
