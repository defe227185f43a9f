"""Roles: ``/_security/role``."""

from __future__ import annotations

from typing import Final

from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter
from isthmus.rest.elasticsearch.security_bodies import (
    REFRESH_PARAMETERS,
    check_refresh,
    listed_names,
    read_body,
)
from isthmus.rest.http import Response, json_response
from isthmus.security.audit_notes import note_change
from isthmus.security.authorize import require_cluster_action
from isthmus.security.role_format import audited_role, parse_role, render_role
from isthmus.security.roles import Roles

_ACTION: Final = "cluster:admin/xpack/security/role/"


def register(router: ElasticsearchRouter, roles: Roles) -> None:
    """Serve the roles of this deployment."""
    handlers = _RoleHandlers(roles)
    router.add("GET", "/_security/role", handlers.get, ())
    router.add("GET", "/_security/role/{name}", handlers.get, ())
    router.add("PUT POST", "/_security/role/{name}", handlers.put, REFRESH_PARAMETERS)
    router.add("DELETE", "/_security/role/{name}", handlers.delete, REFRESH_PARAMETERS)


class _RoleHandlers:
    def __init__(self, roles: Roles) -> None:
        self._roles = roles

    async def get(self, call: Call) -> Response:
        require_cluster_action(call.principal, f"{_ACTION}get")
        names = listed_names(call.path.get("name"))
        found = await self._roles.get(names)
        status = 404 if names and not found else 200
        return json_response({role.name: render_role(role) for role in found}, status)

    async def put(self, call: Call) -> Response:
        require_cluster_action(call.principal, f"{_ACTION}put")
        check_refresh(call)
        role = parse_role(call.path["name"], read_body(call))
        created = await self._roles.put(role)
        note_change("put_role", {"put": {"role": {"name": role.name, "role_descriptor": audited_role(role)}}})
        return json_response({"role": {"created": created}})

    async def delete(self, call: Call) -> Response:
        require_cluster_action(call.principal, f"{_ACTION}delete")
        check_refresh(call)
        found = await self._roles.delete(call.path["name"])
        if found:
            note_change("delete_role", {"delete": {"role": {"name": call.path["name"]}}})
        return json_response({"found": found}, 200 if found else 404)
