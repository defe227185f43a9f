"""Templates and stack versions over the platform API."""

from __future__ import annotations

from typing import Any

from isthmus.control.deployments import Deployments
from isthmus.control.identity import region_of
from isthmus.control.templates import TEMPLATE_ID, check_template, find_template, stack_version, template
from isthmus.errors import Failure, FailureKind
from isthmus.rest.cloud.plan_rendering import told_plan
from isthmus.rest.cloud.routes import CloudCall, CloudRouter
from isthmus.rest.http import Response, boolean_parameter, json_response
from isthmus.settings import EnvironmentSettings

_SHOW = ("region", "show_instance_configurations", "show_max_zones", "stack_version", "hide_deprecated")


def register(router: CloudRouter, settings: EnvironmentSettings, deployments: Deployments) -> None:
    """Serve templates, stack versions and the payload that moves a deployment to another template."""
    handlers = _Handlers(region_of(settings.kind), deployments)
    router.add("GET", "/deployments/templates", handlers.list, (*_SHOW, "metadata", "show_hidden"))
    router.add("GET", "/deployments/templates/{template_id}", handlers.get, _SHOW)
    router.add("GET", "/deployments/{id}/migrate_template", handlers.migrate, ("template_id",))
    router.add("GET", "/stack/versions", handlers.versions, ("show_deleted", "show_unusable"))
    router.add("GET", "/stack/versions/{version}", handlers.version, ())


class _Handlers:
    def __init__(self, region: str, deployments: Deployments) -> None:
        self._region = region
        self._deployments = deployments

    async def list(self, call: CloudCall) -> Response:
        """List the deployment templates."""
        self._check_region(call)
        # A filter on metadata that no template has finds none.
        found = [] if call.request.parameters.get("metadata") else [template(self._region, **_shown(call))]
        return json_response(found)

    async def get(self, call: CloudCall) -> Response:
        """Show a deployment template."""
        self._check_region(call)
        template_id = call.path_parameters["template_id"]
        return json_response(find_template(template_id, self._region, **_shown(call)))

    async def migrate(self, call: CloudCall) -> Response:
        """Answer the update that moves a deployment to a template."""
        deployment = await self._deployments.get(call.path_parameters["id"])
        template_id = call.request.parameters.get("template_id") or TEMPLATE_ID
        check_template(template_id)
        plan = told_plan(deployment.plan, deployment.version, clear_transient=True)
        resource = {
            "ref_id": deployment.ref_id,
            "region": deployment.region,
            "plan": {**plan, "deployment_template": {"id": template_id}},
        }
        return json_response(
            {
                "name": deployment.name,
                "prune_orphans": False,
                "resources": {"elasticsearch": [resource]},
            }
        )

    async def versions(self, call: CloudCall) -> Response:
        """List the versions that deployments can have."""
        boolean_parameter(call.request.parameters, "show_deleted", default=False)
        return json_response({"stacks": [stack_version()]})

    async def version(self, call: CloudCall) -> Response:
        """Show a version that deployments can have."""
        told = stack_version()
        wanted = call.path_parameters["version"]
        if wanted != told["version"]:
            reason = f"no version [{wanted[:64]}] here; it is [{told['version']}]"
            raise Failure(FailureKind.NOT_FOUND, "stackpack.version_not_found", reason)
        return json_response(told)

    def _check_region(self, call: CloudCall) -> None:
        region = call.request.parameters.get("region") or self._region
        if region != self._region:
            reason = f"no region [{region[:64]}] here; it is [{self._region}]"
            raise Failure(FailureKind.INVALID_REQUEST, "templates.region_not_found", reason)


def _shown(call: CloudCall) -> dict[str, Any]:
    parameters = call.request.parameters
    return {
        "with_instance_configurations": boolean_parameter(
            parameters, "show_instance_configurations", default=True
        ),
        "with_max_zones": boolean_parameter(parameters, "show_max_zones", default=False),
    }
