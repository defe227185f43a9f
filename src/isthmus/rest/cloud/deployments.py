"""Deployments over the platform API: list, create, tell, update, shut down, restore, delete."""

from __future__ import annotations

from typing import Final

from isthmus.control.deployments import Deployments, NewDeployment
from isthmus.control.failures import invalid_field
from isthmus.control.identity import region_of
from isthmus.errors import illegal_argument
from isthmus.rest.cloud.api import CloudCall, CloudRouter
from isthmus.rest.cloud.payloads import parse_create, parse_update
from isthmus.rest.cloud.rendering import (
    Surroundings,
    created_deployment,
    deployment_details,
    deployment_summary,
    elasticsearch_resource,
    updated_deployment,
)
from isthmus.rest.http import Response, boolean_parameter, json_response

_SHORTEST_REQUEST_ID: Final = 32
_LONGEST_REQUEST_ID: Final = 128
#: What clients send with every read. ``show_plans`` and ``show_settings`` choose; the others ask for
#: parts that a deployment here does not have (logs of plans, alerts, templates), and change nothing.
_READ_PARAMETERS: Final = (
    "show_plans",
    "show_settings",
    "show_plan_logs",
    "show_plan_history",
    "show_plan_defaults",
    "show_metadata",
    "show_security",
    "show_system_alerts",
    "show_instance_configurations",
    "convert_legacy_plans",
    "clear_transient",
    "force_all_plan_history",
    "enrich_with_template",
)


def register(router: CloudRouter, deployments: Deployments, around: Surroundings) -> None:
    """Serve everything below ``/deployments`` but keystores."""
    handlers = _Handlers(deployments, around)
    router.add("GET", "/deployments", handlers.list)
    router.add("POST", "/deployments", handlers.create)
    router.add("GET", "/deployments/{id}", handlers.get)
    router.add("PUT", "/deployments/{id}", handlers.update)
    router.add("DELETE", "/deployments/{id}", handlers.delete)
    router.add("POST", "/deployments/{id}/_shutdown", handlers.shut_down)
    router.add("POST", "/deployments/{id}/_restore", handlers.restore)
    router.add("GET", "/deployments/{id}/elasticsearch/{ref_id}", handlers.get_elasticsearch)
    router.add("POST", "/deployments/{id}/elasticsearch/{ref_id}/_reset-password", handlers.reset_password)


class _Handlers:
    def __init__(self, deployments: Deployments, around: Surroundings) -> None:
        self._deployments = deployments
        self._around = around

    async def list(self, call: CloudCall) -> Response:
        call.allow_parameters()
        found = await self._deployments.all()
        return json_response({"deployments": [deployment_summary(each, self._around) for each in found]})

    async def create(self, call: CloudCall) -> Response:
        call.allow_parameters("request_id", "validate_only")
        request_id = call.request.parameters.get("request_id")
        if request_id is not None and not _SHORTEST_REQUEST_ID <= len(request_id) <= _LONGEST_REQUEST_ID:
            raise illegal_argument(
                f"request_id must have {_SHORTEST_REQUEST_ID} to {_LONGEST_REQUEST_ID} characters"
            )
        payload = parse_create(call.request.json(), self._region)
        wanted = NewDeployment(
            name=payload.name,
            loopback_port=payload.loopback_port,
            loopback_encrypted=payload.loopback_encrypted,
            request_id=request_id,
            plan=payload.elasticsearch.plan or {},
            trusted_authorities=payload.elasticsearch.trust or (),
            secrets=payload.elasticsearch.secrets,
        )
        if boolean_parameter(call.request.parameters, "validate_only", default=False):
            return json_response({"name": payload.name, "created": False, "resources": []})
        created = await self._deployments.create(wanted)
        # 202: this request was made before; its credentials were told then, and are not kept
        status = 201 if created.elastic_password is not None else 202
        return json_response(created_deployment(created, self._around), status)

    async def get(self, call: CloudCall) -> Response:
        with_plans, with_settings = _shown(call)
        deployment = await self._deployments.get(call.path_parameters["id"])
        details = deployment_details(
            deployment, self._around, with_plans=with_plans, with_settings=with_settings
        )
        return json_response(details, headers=_resource_headers(deployment.revision))

    async def get_elasticsearch(self, call: CloudCall) -> Response:
        with_plans, with_settings = _shown(call)
        deployment = await self._deployments.get_resource(
            call.path_parameters["id"], call.path_parameters["ref_id"]
        )
        resource = elasticsearch_resource(
            deployment, self._around, with_plans=with_plans, with_settings=with_settings
        )
        return json_response(resource)

    async def update(self, call: CloudCall) -> Response:
        call.allow_parameters("hide_pruned_orphans", "skip_snapshot", "validate_only", "version")
        deployment = await self._deployments.get(call.path_parameters["id"])
        payload = parse_update(call.request.json(), self._region)
        version = call.request.parameters.get("version")
        if version is not None and version != str(deployment.revision):
            raise invalid_field("version", f"the deployment is at [{deployment.revision}]; read it again")
        if boolean_parameter(call.request.parameters, "validate_only", default=False):
            return json_response(updated_deployment(deployment, self._around))
        changes = payload.elasticsearch
        if changes is not None and changes.secrets:
            await self._deployments.change_keystore(deployment.id, changes.secrets)
        if payload.name is not None and payload.name != deployment.name:
            deployment = await self._deployments.rename(deployment.id, payload.name)
        if changes is not None and changes.plan is not None and changes.plan != deployment.plan:
            deployment = await self._deployments.replace_plan(deployment.id, changes.plan)
        if changes is not None and changes.trust is not None:
            deployment = await self._deployments.replace_trust(deployment.id, changes.trust)
        return json_response(
            updated_deployment(deployment, self._around), headers=_resource_headers(deployment.revision)
        )

    async def shut_down(self, call: CloudCall) -> Response:
        call.allow_parameters("skip_snapshot", "hide")
        deployment = await self._deployments.shut_down(call.path_parameters["id"])
        return json_response({"id": deployment.id, "name": deployment.name})

    async def restore(self, call: CloudCall) -> Response:
        call.allow_parameters("restore_snapshot")
        if boolean_parameter(call.request.parameters, "restore_snapshot", default=False):
            raise illegal_argument("restore_snapshot: there are no snapshots; the data is still there")
        deployment = await self._deployments.restore(call.path_parameters["id"])
        return json_response({"id": deployment.id})

    async def delete(self, call: CloudCall) -> Response:
        call.allow_parameters()
        deployment = await self._deployments.delete(call.path_parameters["id"])
        return json_response({"id": deployment.id, "name": deployment.name})

    async def reset_password(self, call: CloudCall) -> Response:
        call.allow_parameters()
        deployment = await self._deployments.get_resource(
            call.path_parameters["id"], call.path_parameters["ref_id"]
        )
        password = await self._deployments.reset_password(deployment.id)
        return json_response({"username": "elastic", "password": password.reveal()})

    @property
    def _region(self) -> str:
        return region_of(self._around.settings.kind)


def _shown(call: CloudCall) -> tuple[bool, bool]:
    call.allow_parameters(*_READ_PARAMETERS)
    parameters = call.request.parameters
    return (
        boolean_parameter(parameters, "show_plans", default=True),
        boolean_parameter(parameters, "show_settings", default=False),
    )


def _resource_headers(revision: int) -> tuple[tuple[str, str], ...]:
    return (("x-cloud-resource-version", str(revision)),)
