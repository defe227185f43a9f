"""Signing in to the platform API: a password becomes a token for an hour."""

from __future__ import annotations

from typing import Any

from isthmus.control.administrator import ADMINISTRATOR, Administrator
from isthmus.control.failures import invalid_field
from isthmus.errors import illegal_argument
from isthmus.rest.cloud.api import CloudCall, CloudRouter, bearer_token
from isthmus.rest.cloud.rendering import rfc3339
from isthmus.rest.http import Response, json_response


def register(router: CloudRouter, administrator: Administrator) -> None:
    """Serve login, refresh, logout, and who one is."""

    async def log_in(call: CloudCall) -> Response:
        call.allow_parameters()
        username, password = _parse_login(call.request.json())
        return _token(await administrator.log_in(username, password))

    async def refresh(call: CloudCall) -> Response:
        call.allow_parameters()
        return _token(administrator.refresh(bearer_token(call.request)))

    async def log_out(call: CloudCall) -> Response:
        call.allow_parameters()
        administrator.log_out(bearer_token(call.request))
        return json_response({})

    async def user(call: CloudCall) -> Response:
        call.allow_parameters()
        security = {"enabled": True, "roles": ["ece_platform_admin"], "permissions": [], "security_realm": {}}
        return json_response({"user_name": ADMINISTRATOR, "builtin": True, "security": security})

    router.add("POST", "/users/auth/_login", log_in)
    router.add("POST", "/users/auth/_refresh", refresh)
    router.add("POST", "/users/auth/_logout", log_out)
    router.add("GET", "/user", user)


def _parse_login(body: Any) -> tuple[str, str]:
    if not isinstance(body, dict):
        raise illegal_argument("the body must be an object with username and password")
    for name in body:
        if name not in ("username", "password", "login_state"):
            raise invalid_field(name[:100], "unknown member")
    for name in ("username", "password"):
        if not isinstance(body.get(name), str):
            raise invalid_field(name, "must be a text")
    if body.get("login_state"):
        raise invalid_field("login_state", "redirects are not supported")
    return body["username"], body["password"]


def _token(session: tuple[str, int]) -> Response:
    token, ends_milliseconds = session
    return json_response({"token": token, "session_expiration_time": rfc3339(ends_milliseconds)})
