"""API keys: ``/_security/api_key`` and ``/_security/cross_cluster/api_key``."""

from __future__ import annotations

from typing import Final

from isthmus.rest.elasticsearch import security_api_key_query
from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter
from isthmus.rest.elasticsearch.errors import failure_object
from isthmus.rest.elasticsearch.security_api_key_bodies import (
    created_response,
    read_cross_cluster_key_change,
    read_invalidation,
    read_key_change,
    read_new_cross_cluster_key,
    read_new_key,
    render_key,
)
from isthmus.rest.elasticsearch.security_api_key_changes import (
    note_key_changed,
    note_key_created,
    note_keys_invalidated,
)
from isthmus.rest.elasticsearch.security_bodies import (
    REFRESH_PARAMETERS,
    check_refresh,
    read_body,
)
from isthmus.rest.http import Response, boolean_parameter, json_response
from isthmus.security.api_key_rules import KeyFilter, require_key_access
from isthmus.security.api_keys import ApiKeys
from isthmus.security.authorize import require_cluster_action
from isthmus.security.records import ApiKeyType
from isthmus.security.strict_json import require_shallow

_ACTION: Final = "cluster:admin/xpack/security/api_key/"
_CROSS_CLUSTER_ACTION: Final = "cluster:admin/xpack/security/cross_cluster/api_key/"
_FILTER_PARAMETERS: Final = (
    "id",
    "name",
    "realm_name",
    "username",
    "owner",
    "with_limited_by",
    "active_only",
)


def register(router: ElasticsearchRouter, api_keys: ApiKeys) -> None:
    """Serve the API keys of this deployment."""
    handlers = _ApiKeyHandlers(api_keys)
    security_api_key_query.register(router, api_keys)
    router.add("GET", "/_security/api_key", handlers.get, _FILTER_PARAMETERS)
    router.add("PUT POST", "/_security/api_key", handlers.create, REFRESH_PARAMETERS)
    router.add("DELETE", "/_security/api_key", handlers.invalidate, ())
    router.add("PUT", "/_security/api_key/{id}", handlers.update, ())
    router.add("POST", "/_security/cross_cluster/api_key", handlers.create_cross_cluster, ())
    router.add("PUT", "/_security/cross_cluster/api_key/{id}", handlers.update_cross_cluster, ())


class _ApiKeyHandlers:
    def __init__(self, api_keys: ApiKeys) -> None:
        self._api_keys = api_keys

    async def get(self, call: Call) -> Response:
        parameters = call.parameters
        key_id = parameters.get("id")
        wanted = KeyFilter(
            ids=() if not key_id else (key_id,),
            name=parameters.get("name") or None,
            realm_name=parameters.get("realm_name") or None,
            username=parameters.get("username") or None,
            owner=boolean_parameter(parameters, "owner", default=False),
            active_only=boolean_parameter(parameters, "active_only", default=False),
        )
        require_key_access(call.principal, f"{_ACTION}get", wanted)
        with_limited_by = boolean_parameter(parameters, "with_limited_by", default=False)
        keys = await self._api_keys.find(call.principal, wanted)
        status = 404 if wanted.ids and not keys else 200
        described = [render_key(key, with_limited_by=with_limited_by) for key in keys]
        return json_response({"api_keys": described}, status)

    async def create(self, call: Call) -> Response:
        require_cluster_action(call.principal, f"{_ACTION}create")
        check_refresh(call)
        made = await self._api_keys.create(call.principal, read_new_key(read_body(call)))
        note_key_created(made[0])
        return created_response(*made)

    async def create_cross_cluster(self, call: Call) -> Response:
        require_cluster_action(call.principal, f"{_CROSS_CLUSTER_ACTION}create")
        wanted = read_new_cross_cluster_key(read_body(call))
        made = await self._api_keys.create_cross_cluster(call.principal, wanted)
        note_key_created(made[0])
        return created_response(*made)

    async def update(self, call: Call) -> Response:
        require_cluster_action(call.principal, f"{_ACTION}update")
        body = call.request.json_or_none()
        require_shallow(body)
        updated = await self._api_keys.update(call.principal, call.path["id"], read_key_change(body))
        note_key_changed(call.path["id"], ApiKeyType.REST, updated=updated)
        return json_response({"updated": updated})

    async def update_cross_cluster(self, call: Call) -> Response:
        require_cluster_action(call.principal, f"{_CROSS_CLUSTER_ACTION}update")
        change = read_cross_cluster_key_change(read_body(call))
        updated = await self._api_keys.update_cross_cluster(call.principal, call.path["id"], change)
        note_key_changed(call.path["id"], ApiKeyType.CROSS_CLUSTER, updated=updated)
        return json_response({"updated": updated})

    async def invalidate(self, call: Call) -> Response:
        wanted = read_invalidation(read_body(call))
        require_key_access(call.principal, f"{_ACTION}invalidate", wanted)
        outcome = await self._api_keys.invalidate(call.principal, wanted)
        note_keys_invalidated(outcome.invalidated)
        described = {
            "invalidated_api_keys": list(outcome.invalidated),
            "previously_invalidated_api_keys": list(outcome.previously_invalidated),
            "error_count": len(outcome.failures),
        }
        if outcome.failures:
            described["error_details"] = [failure_object(failure) for failure in outcome.failures]
        return json_response(described)
