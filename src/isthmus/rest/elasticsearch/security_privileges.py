"""Who am I and what may I do: ``_authenticate``, ``_has_privileges``, ``_privileges``, ``_builtin``."""

from __future__ import annotations

from typing import Any, Final

from isthmus.errors import illegal_argument
from isthmus.exchange import JsonObject
from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter
from isthmus.rest.elasticsearch.security_bodies import read_body
from isthmus.rest.http import Response, json_response
from isthmus.security.authorize import require_cluster_action
from isthmus.security.has_privileges import check_privileges
from isthmus.security.principal import IndexPrivileges, Principal, RemoteIndexPrivileges, RoleDescriptor
from isthmus.security.privileges import (
    CLUSTER_PRIVILEGE_NAMES,
    INDEX_PRIVILEGE_NAMES,
    REMOTE_CLUSTER_PRIVILEGE_NAMES,
)
from isthmus.security.role_format import parse_index_entry, parse_role, render_query
from isthmus.security.strict_json import parse_exception, token_name

_SECURITY: Final = "cluster:admin/xpack/security/"
_CHECKED_FIELDS: Final = ("names", "privileges", "allow_restricted_indices")


def register(router: ElasticsearchRouter) -> None:
    """Serve what callers may ask about themselves, and (with the privilege) about others."""
    router.add("GET", "/_security/_authenticate", _authenticate, ())
    router.add("GET POST", "/_security/user/_has_privileges", _has_privileges, ())
    router.add("GET POST", "/_security/user/{username}/_has_privileges", _has_privileges, ())
    router.add("GET", "/_security/user/_privileges", _own_privileges, ())
    router.add("GET", "/_security/privilege/_builtin", _built_in_privileges, ())


async def _authenticate(call: Call) -> Response:
    principal = call.principal
    authenticated = principal.run_by or principal
    described: JsonObject = {
        "username": principal.username,
        "roles": list(principal.role_names),
        "full_name": principal.full_name,
        "email": principal.email,
        "metadata": principal.metadata,
        "enabled": True,
        "authentication_realm": _realm(authenticated),
        "lookup_realm": _realm(principal),
        "authentication_type": authenticated.authentication_type,
    }
    if authenticated.api_key_id is not None:
        described["api_key"] = {"id": authenticated.api_key_id, "name": authenticated.api_key_name}
    return json_response(described)


def _realm(principal: Principal) -> JsonObject:
    return {"name": principal.realm_name, "type": principal.realm_type}


async def _has_privileges(call: Call) -> Response:
    principal = call.principal
    username = call.path.get("username", principal.username)
    if username != principal.username:
        require_cluster_action(principal, f"{_SECURITY}user/has_privileges")
        raise illegal_argument(
            f"users may only check the privileges of their own account: use [es-security-runas-user] to ask "
            f"as [{username[:200]}]"
        )
    body = read_body(call)
    subject = f"failed to parse privileges check [{username}]."
    if not isinstance(body, dict):
        raise parse_exception(f"{subject} expected an object but found [{token_name(body)}] instead")
    for member in body:
        if member not in ("cluster", "index", "application", "applications"):
            raise parse_exception(f"{subject} unexpected field [{member}]")
    if not body:
        raise parse_exception(f"{subject} All privilege fields [cluster,index,applications] are missing")
    entries = body.get("index") or []
    if not isinstance(entries, list):
        raise parse_exception(f"{subject} expected field [index] to be an array")
    # The other two have the form that they have in a role.
    parsed = parse_role(
        username,
        {
            "cluster": body.get("cluster"),
            "applications": body.get("application", body.get("applications")),
        },
    )
    held = check_privileges(
        principal,
        parsed.cluster,
        [parse_index_entry(username, _plain_entry(entry), allowed=_CHECKED_FIELDS) for entry in entries],
        parsed.applications,
    )
    return json_response(
        {
            "username": username,
            "has_all_requested": held.has_all_requested,
            "cluster": held.cluster,
            "index": held.index,
            "application": held.application,
        }
    )


def _plain_entry(entry: Any) -> Any:
    for member in ("field_security", "query"):
        if isinstance(entry, dict) and member in entry:
            raise parse_exception(f"Field [{member}] is not supported in a has_privileges request")
    return entry


async def _own_privileges(call: Call) -> Response:
    if len(call.principal.role_sets) > 1:
        raise illegal_argument(
            "Cannot retrieve privileges for API keys with assigned role descriptors. Please use the Get API "
            "key information API https://ela.st/es-api-get-api-key"
        )
    roles = tuple(role for roles in call.principal.role_sets for role in roles)
    described: JsonObject = {
        "cluster": sorted({name for role in roles for name in role.cluster}),
        "global": [],
        "indices": [_merged_entry(entry) for role in roles for entry in role.indices],
        "applications": [
            {
                "application": entry.application,
                "privileges": list(entry.privileges),
                "resources": list(entry.resources),
            }
            for role in roles
            for entry in role.applications
        ],
        "run_as": sorted({name for role in roles for name in role.run_as}),
    }
    described |= _remote_privileges(roles)
    return json_response(described)


def _remote_privileges(roles: tuple[RoleDescriptor, ...]) -> JsonObject:
    described: JsonObject = {}
    indices = [
        _merged_entry(entry) | {"clusters": list(entry.clusters)}
        for role in roles
        for entry in role.remote_indices
    ]
    cluster = [
        {"privileges": list(entry.privileges), "clusters": list(entry.clusters)}
        for role in roles
        for entry in role.remote_cluster
    ]
    if indices:
        described["remote_indices"] = indices
    if cluster:
        described["remote_cluster"] = cluster
    return described


def _merged_entry(entry: IndexPrivileges | RemoteIndexPrivileges) -> JsonObject:
    """Answer an entry in this answer's own form: field security and queries are lists here."""
    described: JsonObject = {"names": list(entry.names), "privileges": list(entry.privileges)}
    if entry.field_security is not None:
        described["field_security"] = [entry.field_security]
    if entry.query is not None:
        described["query"] = [render_query(entry.query)]
    described["allow_restricted_indices"] = entry.allow_restricted_indices
    return described


async def _built_in_privileges(call: Call) -> Response:
    require_cluster_action(call.principal, f"{_SECURITY}privilege/builtin/get")
    return json_response(
        {
            "cluster": sorted(CLUSTER_PRIVILEGE_NAMES),
            "index": sorted(INDEX_PRIVILEGE_NAMES),
            "remote_cluster": list(REMOTE_CLUSTER_PRIVILEGE_NAMES),
        }
    )
