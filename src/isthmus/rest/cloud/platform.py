"""The environment itself over the platform API: what it is, and the authorities of its deployments."""

from __future__ import annotations

from importlib.metadata import version

from isthmus.control.authorities import published_transport_authorities
from isthmus.control.deployments import Deployments
from isthmus.control.identity import region_of, trust_pattern
from isthmus.control.layout import EnvironmentLayout
from isthmus.control.trust import certificate_json
from isthmus.rest.cloud.routes import CloudCall, CloudRouter
from isthmus.rest.http import Response, json_response
from isthmus.settings import EnvironmentSettings


def register(router: CloudRouter, settings: EnvironmentSettings, deployments: Deployments) -> None:
    """Serve ``/platform`` and the authorities."""
    layout = EnvironmentLayout(settings.directory)

    async def platform(_call: CloudCall) -> Response:
        """Show what this environment is."""
        return json_response(
            {
                "version": version("isthmus"),
                "services": [],
                "phone_home_enabled": False,
                "eula_accepted": True,
                "regions": [{"region_id": region_of(settings.kind)}],
                "unreachable_regions": [],
            }
        )

    async def certificate_authority(call: CloudCall) -> Response:
        """Show the authorities of a deployment's nodes, and the pattern of their names."""
        deployment = await deployments.get(call.path_parameters["id"])
        authorities = published_transport_authorities(layout)
        return json_response(
            {
                "public_certificates": [
                    {"active": authority.active, **certificate_json(authority.pem)}
                    for authority in authorities
                ],
                "recommended_trust_restriction": trust_pattern(settings.scope_id, deployment.cluster_id),
            }
        )

    router.add("GET", "/platform", platform, ())
    router.add("GET", "/deployments/{id}/certificate-authority", certificate_authority, ())
