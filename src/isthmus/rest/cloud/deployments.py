"""Deployments over the platform API: list, create, find, tell, update, shut down, restore, delete."""

from __future__ import annotations

from typing import Any, Final

from isthmus.control.deployment_changes import DeploymentChanges, NewDeployment
from isthmus.control.deployments import Deployments
from isthmus.control.failures import invalid_field
from isthmus.control.identity import region_of
from isthmus.control.records import Deployment
from isthmus.control.remote_cluster_keeper import RemoteClusters
from isthmus.control.templates import check_template
from isthmus.errors import illegal_argument
from isthmus.rest.cloud.deployment_views import READ_PARAMETERS, DeploymentViews, view_of
from isthmus.rest.cloud.payloads import ElasticsearchChanges, UpdatePayload, parse_create, parse_update
from isthmus.rest.cloud.plan_rendering import PlanView
from isthmus.rest.cloud.rendering import (
    Surroundings,
    View,
    created_deployment,
    deployment_details,
    deployment_summary,
    updated_deployment,
)
from isthmus.rest.cloud.routes import CloudCall, CloudRouter
from isthmus.rest.cloud.searching import parse_search, search
from isthmus.rest.http import Response, boolean_parameter, json_response

_SHORTEST_REQUEST_ID: Final = 32
_LONGEST_REQUEST_ID: Final = 128


def register(
    router: CloudRouter,
    deployments: Deployments,
    remotes: RemoteClusters,
    views: DeploymentViews,
    around: Surroundings,
) -> None:
    """Serve ``/deployments``, the search over them, and each of them as a whole."""
    handlers = _Handlers(deployments, remotes, views, around)
    creating = ("request_id", "validate_only", "template_id")
    updating = ("hide_pruned_orphans", "skip_snapshot", "validate_only", "version")
    router.add("GET", "/deployments", handlers.list, ())
    router.add("POST", "/deployments", handlers.create, creating, status=201)
    router.add("POST", "/deployments/_search", handlers.search, ("minimal_metadata",))
    router.add("GET", "/deployments/{id}", handlers.get, READ_PARAMETERS)
    router.add("PUT", "/deployments/{id}", handlers.update, updating)
    router.add("DELETE", "/deployments/{id}", handlers.delete, ())
    down = ("skip_snapshot", "hide")
    router.add("POST", "/deployments/{id}/_shutdown", handlers.shut_down, down, takes_body=False)
    up = ("restore_snapshot",)
    router.add("POST", "/deployments/{id}/_restore", handlers.restore, up, takes_body=False)


class _Handlers:
    def __init__(
        self, deployments: Deployments, remotes: RemoteClusters, views: DeploymentViews, around: Surroundings
    ) -> None:
        self._deployments = deployments
        self._remotes = remotes
        self._views = views
        self._around = around
        self._region = region_of(around.settings.kind)

    async def list(self, _call: CloudCall) -> Response:
        """List the deployments."""
        found = await self._deployments.all()
        return json_response({"deployments": [deployment_summary(each, self._around) for each in found]})

    async def search(self, call: CloudCall) -> Response:
        """Find deployments by a query."""
        request = parse_search(call.request.json_or_none())
        view = View(PlanView(logs=True), settings=True)
        told = [
            deployment_details(each, self._around, view)
            for each in await self._views.of_all(await self._deployments.all())
        ]
        found = search(request, told)
        answer: dict[str, Any] = {
            "return_count": len(found.page),
            "match_count": found.matched,
            "deployments": found.page,
        }
        if boolean_parameter(call.request.parameters, "minimal_metadata", default=False):
            answer["deployments"] = []
            answer["minimal_metadata"] = [{"id": each["id"], "name": each["name"]} for each in found.page]
        if found.cursor is not None:
            answer["cursor"] = found.cursor
        return json_response(answer)

    async def create(self, call: CloudCall) -> Response:
        """Create a deployment; the answer has the password of its user elastic, this once."""
        parameters = call.request.parameters
        request_id = parameters.get("request_id")
        if request_id is not None and not _SHORTEST_REQUEST_ID <= len(request_id) <= _LONGEST_REQUEST_ID:
            raise illegal_argument(
                f"request_id must have {_SHORTEST_REQUEST_ID} to {_LONGEST_REQUEST_ID} characters"
            )
        payload = parse_create(call.request.json(), self._region)
        plan = payload.elasticsearch.plan or {}
        if parameters.get("template_id"):
            check_template(parameters["template_id"])
            plan = {"deployment_template": {"id": parameters["template_id"]}, **plan}
        wanted = NewDeployment(
            name=payload.name,
            loopback_port=payload.loopback_port,
            loopback_encrypted=payload.loopback_encrypted,
            request_id=request_id,
            plan=plan,
            trust=payload.elasticsearch.trust,
            tags=payload.tags,
            rule_sets=payload.rule_sets,
            remote_clusters=payload.elasticsearch.remote_clusters or (),
            secrets=payload.elasticsearch.secrets,
        )
        await self._deployments.check(wanted)
        if boolean_parameter(parameters, "validate_only", default=False):
            return json_response({"name": payload.name, "created": False, "resources": []})
        created = await self._deployments.create(wanted)
        self._remotes.ring()
        # 202: this request was made before; its credentials were told then, and are not kept
        status = 201 if created.elastic_password is not None else 202
        return json_response(created_deployment(created, self._around), status)

    async def get(self, call: CloudCall) -> Response:
        """Show a deployment."""
        deployment = await self._deployments.get(call.path_parameters["id"])
        details = deployment_details(await self._views.of(deployment), self._around, view_of(call))
        return json_response(details, headers=_resource_headers(deployment.revision))

    async def update(self, call: CloudCall) -> Response:
        """Change a deployment; what the body does not speak of stays."""
        deployment = await self._deployments.get(call.path_parameters["id"])
        payload = parse_update(call.request.json(), self._region)
        version = call.request.parameters.get("version")
        if version is not None and version != str(deployment.revision):
            raise invalid_field("version", f"the deployment is at [{deployment.revision}]; read it again")
        changes = payload.elasticsearch
        if changes is not None and changes.trust is not None:
            await self._deployments.check_trust(changes.trust)
        if changes is not None and changes.remote_clusters is not None:
            await self._remotes.check(deployment, changes.remote_clusters)
        if not boolean_parameter(call.request.parameters, "validate_only", default=False):
            deployment = await self._apply(deployment, payload)
        return json_response(
            updated_deployment(deployment, self._around), headers=_resource_headers(deployment.revision)
        )

    async def _apply(self, deployment: Deployment, payload: UpdatePayload) -> Deployment:
        elasticsearch = payload.elasticsearch or ElasticsearchChanges()
        if elasticsearch.secrets:
            await self._deployments.change_keystore(deployment.id, elasticsearch.secrets)
        changed = await self._deployments.update(
            deployment.id,
            DeploymentChanges(
                name=payload.name,
                plan=elasticsearch.plan,
                tags=payload.tags,
                trust=elasticsearch.trust,
                default_trust=elasticsearch.default_trust,
                remote_clusters=elasticsearch.remote_clusters,
            ),
        )
        self._remotes.ring()
        return changed

    async def shut_down(self, call: CloudCall) -> Response:
        """Stop a deployment; its data stays."""
        deployment = await self._deployments.shut_down(call.path_parameters["id"])
        return json_response({"id": deployment.id, "name": deployment.name})

    async def restore(self, call: CloudCall) -> Response:
        """Start a deployment that was shut down."""
        if boolean_parameter(call.request.parameters, "restore_snapshot", default=False):
            raise illegal_argument("restore_snapshot: there are no snapshots; the data is still there")
        deployment = await self._deployments.restore(call.path_parameters["id"])
        return json_response({"id": deployment.id})

    async def delete(self, call: CloudCall) -> Response:
        """Delete a deployment that was shut down, with its data."""
        deployment = await self._deployments.delete(call.path_parameters["id"])
        self._remotes.ring()
        return json_response({"id": deployment.id, "name": deployment.name})


def _resource_headers(revision: int) -> tuple[tuple[str, str], ...]:
    return (("x-cloud-resource-version", str(revision)),)
