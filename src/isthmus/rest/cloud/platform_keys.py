"""API keys of the platform over the platform API."""

from __future__ import annotations

from typing import Any

from isthmus.control.administrator import ADMINISTRATOR
from isthmus.control.failures import invalid_field
from isthmus.control.platform_keys import CreatedKey, PlatformKey, PlatformKeys
from isthmus.errors import Failure, FailureKind
from isthmus.rest.cloud.members import checked_members
from isthmus.rest.cloud.moments import rfc3339
from isthmus.rest.cloud.routes import CloudCall, CloudRouter
from isthmus.rest.http import Response, json_response


def register(router: CloudRouter, keys: PlatformKeys, organization_id: str) -> None:
    """Serve the caller's keys, everybody's and one user's: there is one user, so they are the same."""
    handlers = _Handlers(keys, organization_id)
    router.add("GET", "/users/auth/keys", handlers.list, ())
    router.add("POST", "/users/auth/keys", handlers.create, (), status=201)
    router.add("DELETE", "/users/auth/keys", handlers.delete_several, (), takes_body=True)
    router.add("GET", "/users/auth/keys/_all", handlers.list, ())
    router.add("DELETE", "/users/auth/keys/_all", handlers.delete_of_users, (), takes_body=True)
    router.add("GET", "/users/auth/keys/{key_id}", handlers.get, ())
    router.add("DELETE", "/users/auth/keys/{key_id}", handlers.delete, ())
    router.add("GET", "/users/{user_id}/auth/keys", handlers.list, ())
    router.add("DELETE", "/users/{user_id}/auth/keys", handlers.delete_all, ())
    router.add("GET", "/users/{user_id}/auth/keys/{key_id}", handlers.get, ())
    router.add("DELETE", "/users/{user_id}/auth/keys/{key_id}", handlers.delete, ())


class _Handlers:
    def __init__(self, keys: PlatformKeys, organization_id: str) -> None:
        self._keys = keys
        self._organization_id = organization_id

    async def list(self, call: CloudCall) -> Response:
        """List the API keys that have not ended."""
        _check_user(call)
        return json_response({"keys": [self._told(key) for key in await self._keys.all()]})

    async def create(self, call: CloudCall) -> Response:
        """Create an API key; the answer has it this once."""
        members = checked_members(call.request.json(), "", ("description", "expiration", "role_assignments"))
        if members.get("role_assignments"):
            raise invalid_field(
                "role_assignments",
                "not supported: a key may do what its creator may",
                "api_keys.invalid_input",
            )
        created = await self._keys.create(members.get("description"), members.get("expiration") or None)
        return json_response(self._told_once(created), 201)

    async def get(self, call: CloudCall) -> Response:
        """Show an API key, without its secret."""
        _check_user(call)
        return json_response(self._told(await self._keys.get(call.path_parameters["key_id"])))

    async def delete(self, call: CloudCall) -> Response:
        """Delete an API key; it ends at once."""
        _check_user(call)
        await self._keys.delete(call.path_parameters["key_id"])
        return json_response({})

    async def delete_several(self, call: CloudCall) -> Response:
        """Delete several API keys."""
        members = checked_members(call.request.json(), "", ("keys",))
        await self._keys.delete_several(_texts(members.get("keys"), "keys"))
        return json_response({})

    async def delete_of_users(self, call: CloudCall) -> Response:
        """Delete several API keys of several users."""
        listed = checked_members(call.request.json(), "", ("user_api_keys",)).get("user_api_keys")
        if not isinstance(listed, list):
            raise invalid_field("user_api_keys", "must be a list")
        ids = []
        for number, entry in enumerate(listed):
            path = f"user_api_keys[{number}]"
            members = checked_members(entry, path, ("user_id", "api_key_id"))
            ids += _texts([members.get("api_key_id")], f"{path}.api_key_id")
        await self._keys.delete_several(ids)
        return json_response({})

    async def delete_all(self, call: CloudCall) -> Response:
        """Delete all API keys of a user."""
        _check_user(call)
        await self._keys.delete_several([key.id for key in await self._keys.all()])
        return json_response({})

    def _told(self, key: PlatformKey) -> dict[str, Any]:
        told = {
            "id": key.id,
            "description": key.description,
            "creation_date": rfc3339(key.created_milliseconds),
            "user_id": key.user_id,
            "organization_id": self._organization_id,
        }
        if key.expires_milliseconds is not None:
            told["expiration_date"] = rfc3339(key.expires_milliseconds)
        return told

    def _told_once(self, created: CreatedKey) -> dict[str, Any]:
        return {**self._told(created.key), "key": created.credentials.reveal()}


def _check_user(call: CloudCall) -> None:
    user_id = call.path_parameters.get("user_id", ADMINISTRATOR)
    if user_id != ADMINISTRATOR:
        reason = f"no user [{user_id[:64]}] here; there is [{ADMINISTRATOR}]"
        raise Failure(FailureKind.NOT_FOUND, "users.user_not_found", reason)


def _texts(values: Any, path: str) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise invalid_field(path, "must be a list of ids")
    return values
