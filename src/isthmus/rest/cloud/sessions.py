"""Signing in to the platform API: a password becomes a token for an hour."""

from __future__ import annotations

from typing import Any, Final

from isthmus.control.administrator import ADMINISTRATOR, Administrator
from isthmus.control.failures import invalid_field
from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.rest.cloud.authentication import bearer_token
from isthmus.rest.cloud.moments import rfc3339
from isthmus.rest.cloud.routes import CloudCall, CloudRouter
from isthmus.rest.http import Response, json_response

_USER: Final = {
    "user_name": ADMINISTRATOR,
    "builtin": True,
    "security": {
        "enabled": True,
        "roles": ["ece_platform_admin"],
        "permissions": [],
        "security_realm": {"id": "native", "type": "native"},
    },
}


def register(router: CloudRouter, administrator: Administrator) -> None:
    """Serve login, refresh, logout, and who one is."""

    async def log_in(call: CloudCall) -> Response:
        """Sign in with a password; the answer has a token for an hour."""
        username, password = _parse_login(call.request.json())
        return _token(await administrator.log_in(username, password))

    async def refresh(call: CloudCall) -> Response:
        """Get a new token in place of the one that the request shows."""
        return _token(administrator.refresh(bearer_token(call.request)))

    async def log_out(call: CloudCall) -> Response:
        """Give back the token that the request shows."""
        administrator.log_out(bearer_token(call.request))
        return json_response({})

    async def methods(_call: CloudCall) -> Response:
        """Show how one can sign in."""
        return json_response({"password": True, "saml": False, "openid": False, "sso_methods": []})

    async def authentication(_call: CloudCall) -> Response:
        """Show how the caller is signed in."""
        return json_response(
            {"has_elevated_permissions": True, "refresh_token_url": "/api/v1/users/auth/_refresh"}
        )

    async def user(call: CloudCall) -> Response:
        """Show the user: there is the administrator."""
        named = call.path_parameters.get("user_name", ADMINISTRATOR)
        if named != ADMINISTRATOR:
            reason = f"no user [{named[:64]}] here; there is [{ADMINISTRATOR}]"
            raise Failure(FailureKind.NOT_FOUND, "users.user_not_found", reason)
        return json_response(_USER)

    async def users(_call: CloudCall) -> Response:
        """List the users: there is the administrator."""
        return json_response({"users": [_USER]})

    router.add("POST", "/users/auth/_login", log_in, ())
    router.add("POST", "/users/auth/_refresh", refresh, (), takes_body=False)
    router.add("POST", "/users/auth/_logout", log_out, (), takes_body=False)
    router.add("GET", "/users/auth", authentication, ())
    router.add("GET", "/users/auth/methods", methods, ())
    router.add("GET", "/user", user, ())
    router.add("GET", "/users", users, ("include_disabled",))
    router.add("GET", "/users/{user_name}", user, ())


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
