"""Secure settings over the platform API: names go out, values only come in."""

from __future__ import annotations

from isthmus.control.deployments import Deployments
from isthmus.rest.cloud.payloads import parse_keystore
from isthmus.rest.cloud.routes import CloudCall, CloudRouter
from isthmus.rest.http import Response, json_response


def register(router: CloudRouter, deployments: Deployments) -> None:
    """Serve ``GET`` and ``PATCH`` of a deployment's keystore."""
    path = "/deployments/{id}/elasticsearch/{ref_id}/keystore"

    async def get(call: CloudCall) -> Response:
        """Show the names of a deployment's secure settings."""
        deployment = await deployments.get_resource(
            call.path_parameters["id"], call.path_parameters["ref_id"]
        )
        return _contents(await deployments.keystore_names(deployment.id))

    async def patch(call: CloudCall) -> Response:
        """Set and remove secure settings of a deployment; others stay."""
        deployment = await deployments.get_resource(
            call.path_parameters["id"], call.path_parameters["ref_id"]
        )
        changes = parse_keystore(call.request.json())
        return _contents(await deployments.change_keystore(deployment.id, changes))

    router.add("GET", path, get, ())
    router.add("PATCH", path, patch, ())


def _contents(names: tuple[str, ...]) -> Response:
    return json_response({"secrets": {name: {"as_file": False} for name in names}})
