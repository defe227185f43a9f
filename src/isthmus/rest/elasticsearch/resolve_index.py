"""``_resolve/index``: which indices and aliases there are, here and in other clusters."""

from __future__ import annotations

from typing import Any, Final

from isthmus.rest.elasticsearch.call import (
    INDICES_OPTIONS_PARAMETERS,
    Call,
    ElasticsearchRouter,
    indices_options,
)
from isthmus.rest.elasticsearch.search_parameters import expressions_of
from isthmus.rest.elasticsearch.search_warnings import warning_header
from isthmus.rest.http import Response, json_response
from isthmus.search.metadata import ClusterMetadata, IndicesAsked

_PARAMETERS: Final = ("ignore_throttled", *INDICES_OPTIONS_PARAMETERS)


def register(router: ElasticsearchRouter, metadata: ClusterMetadata) -> None:
    """Serve the resolution of names."""

    async def resolve(call: Call) -> Response:
        asked = IndicesAsked(expressions_of(call.path["name"]), indices_options(call))
        found = await metadata.resolve(call.principal, asked)
        body: dict[str, Any] = {
            "indices": [
                {
                    "name": each.name,
                    **({"aliases": each.aliases} if each.aliases else {}),
                    "attributes": each.attributes,
                }
                for each in found.indices
            ],
            "aliases": [{"name": each.name, "indices": each.indices} for each in found.aliases],
            "data_streams": [],
        }
        # Elasticsearch says nothing of a cluster that did not answer; whoever reads the answer would take
        # it for whole.
        warnings = tuple(
            warning_header(f"remote cluster [{alias}] was skipped: {failure.reason}")
            for alias, failure in found.skipped.items()
        )
        return json_response(body, headers=warnings)

    router.add("GET POST", "/_resolve/index/{name}", resolve, _PARAMETERS)
