"""Remote clusters of the same environment over the platform API."""

from __future__ import annotations

from isthmus.control.deployments import Deployments
from isthmus.control.remote_cluster_keeper import RemoteClusters
from isthmus.control.remote_clusters import parse_remote_clusters
from isthmus.rest.cloud.deployment_views import DeploymentViews
from isthmus.rest.cloud.rendering import Surroundings, View, deployment_details
from isthmus.rest.cloud.routes import CloudCall, CloudRouter
from isthmus.rest.cloud.searching import parse_search, search
from isthmus.rest.http import Response, json_response


def register(
    router: CloudRouter,
    deployments: Deployments,
    remotes: RemoteClusters,
    views: DeploymentViews,
    around: Surroundings,
) -> None:
    """Serve the remote clusters of a deployment, and which deployments could be some."""
    resource = "/deployments/{id}/elasticsearch/{ref_id}"

    async def get(call: CloudCall) -> Response:
        """Show the remote clusters of a deployment that are of this environment, and their state."""
        deployment = await deployments.get_resource(
            call.path_parameters["id"], call.path_parameters["ref_id"]
        )
        return json_response({"resources": await remotes.told(deployment)})

    async def put(call: CloudCall) -> Response:
        """Make exactly these deployments of this environment remote clusters of a deployment."""
        deployment = await deployments.get_resource(
            call.path_parameters["id"], call.path_parameters["ref_id"]
        )
        await remotes.replace(deployment.id, parse_remote_clusters(call.request.json()))
        return json_response({}, 202)

    async def eligible(call: CloudCall) -> Response:
        """Find the deployments that could be remote clusters: every other one, as all have one version."""
        request = parse_search(call.request.json_or_none())
        own = call.path_parameters.get("id")
        if own is not None:
            await deployments.get_resource(own, call.path_parameters["ref_id"])
        others = tuple(each for each in await deployments.all() if each.id != own)
        told = [deployment_details(each, around, View()) for each in await views.of_all(others)]
        found = search(request, told)
        return json_response(
            {"return_count": len(found.page), "match_count": found.matched, "deployments": found.page}
        )

    router.add("GET", f"{resource}/remote-clusters", get, ())
    router.add("PUT", f"{resource}/remote-clusters", put, (), status=202)
    router.add("POST", f"{resource}/eligible-remote-clusters", eligible, ())
    router.add("POST", "/deployments/eligible-remote-clusters", eligible, ("version",))
