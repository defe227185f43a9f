"""Users: ``/_security/user``."""

from __future__ import annotations

from typing import Final

from isthmus.errors import illegal_argument
from isthmus.exchange import JsonObject
from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter
from isthmus.rest.elasticsearch.security_bodies import (
    REFRESH_PARAMETERS,
    check_refresh,
    listed_names,
    named_text,
    read_named_object,
    secret_text,
)
from isthmus.rest.http import Response, json_response
from isthmus.security.audit_notes import note_change
from isthmus.security.authorize import may_do_cluster_action, require_cluster_action
from isthmus.security.denial import action_denied
from isthmus.security.principal import Principal
from isthmus.security.records import StoredUser
from isthmus.security.strict_json import parse_exception, token_name
from isthmus.security.users import UserChange, Users

_ACTION: Final = "cluster:admin/xpack/security/user/"
_ADD_USER: Final = "add user request"
_CHANGE_PASSWORD: Final = "change password request"  # noqa: S105 - the name of a request
_USER_FIELDS: Final = (
    "username",
    "password",
    "password_hash",
    "roles",
    "full_name",
    "email",
    "metadata",
    "enabled",
)


def register(router: ElasticsearchRouter, users: Users) -> None:
    """Serve the users of this deployment."""
    handlers = _UserHandlers(users)
    user = "/_security/user/{username}"
    router.add("GET", "/_security/user", handlers.get, ())
    router.add("GET", user, handlers.get, ())
    router.add("PUT POST", user, handlers.put, REFRESH_PARAMETERS)
    router.add("DELETE", user, handlers.delete, REFRESH_PARAMETERS)
    router.add("PUT POST", "/_security/user/_password", handlers.change_password, REFRESH_PARAMETERS)
    router.add("PUT POST", f"{user}/_password", handlers.change_password, REFRESH_PARAMETERS)
    router.add("PUT POST", f"{user}/_enable", handlers.enable, REFRESH_PARAMETERS)
    router.add("PUT POST", f"{user}/_disable", handlers.disable, REFRESH_PARAMETERS)


class _UserHandlers:
    def __init__(self, users: Users) -> None:
        self._users = users

    async def get(self, call: Call) -> Response:
        require_cluster_action(call.principal, f"{_ACTION}get")
        names = listed_names(call.path.get("username"))
        found = await self._users.get(names)
        status = 404 if names and not found else 200
        return json_response({user.username: _render(user) for user in found}, status)

    async def put(self, call: Call) -> Response:
        require_cluster_action(call.principal, f"{_ACTION}put")
        check_refresh(call)
        change = _read_user(call)
        created = await self._users.put(change)
        note_change("put_user", {"put": {"user": _audited(change)}})
        return json_response({"created": created})

    async def delete(self, call: Call) -> Response:
        require_cluster_action(call.principal, f"{_ACTION}delete")
        check_refresh(call)
        found = await self._users.delete(call.path["username"])
        if found:
            note_change("delete_user", {"delete": {"user": {"name": call.path["username"]}}})
        return json_response({"found": found}, 200 if found else 404)

    async def change_password(self, call: Call) -> Response:
        username = call.path.get("username", call.principal.username)
        _require_password_change(call.principal, username)
        check_refresh(call)
        body = read_named_object(call, _CHANGE_PASSWORD, ("password", "password_hash"))
        _refuse_password_hash(body)
        password = secret_text(_CHANGE_PASSWORD, body, "password")
        if password is None:
            raise illegal_argument("[password] must be given")
        await self._users.change_password(username, password)
        note_change("change_password", {"change": {"password": {"user": {"name": username}}}})
        return json_response({})

    async def enable(self, call: Call) -> Response:
        return await self._set_enabled(call, enabled=True)

    async def disable(self, call: Call) -> Response:
        return await self._set_enabled(call, enabled=False)

    async def _set_enabled(self, call: Call, *, enabled: bool) -> Response:
        require_cluster_action(call.principal, f"{_ACTION}set_enabled")
        check_refresh(call)
        username = call.path["username"]
        await self._users.set_enabled(call.principal, username, enabled=enabled)
        verb = "enable" if enabled else "disable"
        note_change(f"change_{verb}_user", {"change": {verb: {"user": {"name": username}}}})
        return json_response({})


def _require_password_change(principal: Principal, username: str) -> None:
    """Everybody who came with their password may change it; that of others needs the privilege."""
    action = f"{_ACTION}change_password"
    oneself = principal.username == username and principal.api_key_id is None and principal.run_by is None
    if not oneself and not may_do_cluster_action(principal, action):
        raise action_denied(principal, action)


def _read_user(call: Call) -> UserChange:
    body = read_named_object(call, _ADD_USER, _USER_FIELDS)
    _refuse_password_hash(body)
    username = named_text(_ADD_USER, body, "username")
    if username is not None and username != call.path["username"]:
        raise illegal_argument(
            "the username in the path and in the body differ; leave [username] out of the body"
        )
    roles = body.get("roles")
    if isinstance(roles, str):
        roles = [role.strip() for role in roles.split(",") if role.strip()]
    if roles is not None and not (isinstance(roles, list) and all(isinstance(role, str) for role in roles)):
        raise parse_exception(
            f"failed to parse {_ADD_USER}. expected field [roles] to be an array of strings"
        )
    metadata = body.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise parse_exception(
            f"expected field [metadata] to be of type object, but found [{token_name(metadata)}] instead"
        )
    enabled = body.get("enabled")
    if enabled is not None and not isinstance(enabled, bool):
        raise parse_exception(
            f"expected field [enabled] to be of type boolean, but found [{token_name(enabled)}] instead"
        )
    return UserChange(
        username=call.path["username"],
        roles=None if roles is None else tuple(roles),
        password=secret_text(_ADD_USER, body, "password"),
        full_name=named_text(_ADD_USER, body, "full_name"),
        email=named_text(_ADD_USER, body, "email"),
        metadata=metadata or {},
        enabled=enabled,
    )


def _audited(change: UserChange) -> JsonObject:
    """Answer what the audit log tells of a user: that there is a password, never which."""
    return {
        "name": change.username,
        "enabled": True if change.enabled is None else change.enabled,
        "roles": list(change.roles or ()),
        "has_password": change.password is not None,
    }


def _refuse_password_hash(body: JsonObject) -> None:
    if body.get("password_hash") is not None:
        raise illegal_argument("[password_hash] is not supported: give the [password] itself")


def _render(user: StoredUser) -> JsonObject:
    return {
        "username": user.username,
        "roles": list(user.roles),
        "full_name": user.full_name,
        "email": user.email,
        "metadata": user.metadata,
        "enabled": user.enabled,
    }
