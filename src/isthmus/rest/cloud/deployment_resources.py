"""The resources of a deployment over the platform API: there is one, Elasticsearch's."""

from __future__ import annotations

from isthmus.control.deployments import Deployments
from isthmus.control.failures import resource_not_found
from isthmus.control.plans import Plans, no_pending_plan
from isthmus.control.records import Deployment
from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.rest.cloud.deployment_views import READ_PARAMETERS, DeploymentViews, view_of
from isthmus.rest.cloud.plan_rendering import PlanView, attempt_details
from isthmus.rest.cloud.rendering import Surroundings, elasticsearch_resource
from isthmus.rest.cloud.routes import CloudCall, CloudRouter
from isthmus.rest.http import Response, boolean_parameter, json_response


def register(
    router: CloudRouter, deployments: Deployments, plans: Plans, views: DeploymentViews, around: Surroundings
) -> None:
    """Serve the Elasticsearch resource; of other kinds a deployment has none, which is a 404."""
    handlers = _Handlers(deployments, plans, views, around)
    resource = "/deployments/{id}/{kind}/{ref_id}"
    router.add("GET", resource, handlers.get, READ_PARAMETERS)
    down = ("hide", "skip_snapshot")
    router.add("POST", f"{resource}/_shutdown", handlers.shut_down, down, takes_body=False)
    again = ("cancel_pending", "group_attribute", "restore_snapshot", "skip_snapshot", "shard_init_wait_time")
    router.add("POST", f"{resource}/_restart", handlers.restart, again, status=202, takes_body=False)
    checked = ("check_completion",)
    router.add("POST", f"{resource}/_reset-password", handlers.reset_password, checked, takes_body=False)
    router.add("DELETE", f"{resource}/plan/pending", handlers.cancel_plan, ("force_delete", "ignore_missing"))
    router.add("GET", f"{resource}/activity/{{attempt_id}}", handlers.activity, ())


class _Handlers:
    def __init__(
        self, deployments: Deployments, plans: Plans, views: DeploymentViews, around: Surroundings
    ) -> None:
        self._deployments = deployments
        self._plans = plans
        self._views = views
        self._around = around

    async def get(self, call: CloudCall) -> Response:
        """Show a resource of a deployment."""
        told = await self._views.of(await self._deployment(call))
        return json_response(elasticsearch_resource(told, self._around, view_of(call)))

    async def shut_down(self, call: CloudCall) -> Response:
        """Stop a resource of a deployment; its data stays."""
        await self._deployments.shut_down((await self._deployment(call)).id)
        return json_response({})

    async def restart(self, call: CloudCall) -> Response:
        """Restart a resource of a deployment; one that is stopped is started."""
        if boolean_parameter(call.request.parameters, "restore_snapshot", default=False):
            raise illegal_argument("restore_snapshot: there are no snapshots; the data is still there")
        await self._deployments.restart((await self._deployment(call)).id)
        return json_response({}, 202)

    async def reset_password(self, call: CloudCall) -> Response:
        """Give the user elastic a new password, which the answer has this once."""
        deployment = await self._deployment(call)
        password = await self._deployments.reset_password(deployment.id)
        return json_response({"username": "elastic", "password": password.reveal()})

    async def cancel_plan(self, call: CloudCall) -> Response:
        """Cancel the pending plan of a resource."""
        parameters = call.request.parameters
        boolean_parameter(parameters, "force_delete", default=False)  # there is one way to cancel
        deployment = await self._deployment(call)
        is_cancelled = await self._deployments.cancel_plan(deployment.id)
        if not is_cancelled and not boolean_parameter(parameters, "ignore_missing", default=False):
            raise no_pending_plan(deployment.id)
        return json_response({"id": deployment.id, "kind": "elasticsearch", "ref_id": deployment.ref_id})

    async def activity(self, call: CloudCall) -> Response:
        """Show one attempt of a plan with its log."""
        deployment = await self._deployment(call)
        wanted = call.path_parameters["attempt_id"]
        for attempt in await self._plans.of(deployment):
            if attempt.id == wanted:
                return json_response(attempt_details(attempt, PlanView(logs=True)))
        reason = f"deployment [{deployment.id}] has no plan attempt [{wanted[:64]}]"
        raise Failure(FailureKind.NOT_FOUND, "deployments.plan_attempt_not_found", reason)

    async def _deployment(self, call: CloudCall) -> Deployment:
        deployment_id, ref_id = call.path_parameters["id"], call.path_parameters["ref_id"]
        deployment = await self._deployments.get_resource(deployment_id, ref_id)
        if call.path_parameters["kind"] != "elasticsearch":
            raise resource_not_found(deployment_id, ref_id, call.path_parameters["kind"])
        return deployment
