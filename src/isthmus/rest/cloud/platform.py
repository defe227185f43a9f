"""The environment itself over the platform API: what it is, and the certificates to trust."""

from __future__ import annotations

from importlib.metadata import version

from isthmus.control.certificates import facts_of, parse_certificates, to_pem
from isthmus.control.deployments import Deployments
from isthmus.control.identity import region_of, trust_pattern
from isthmus.control.layout import EnvironmentLayout
from isthmus.control.trust import certificate_json
from isthmus.errors import Failure, FailureKind
from isthmus.rest.cloud.api import CloudCall, CloudRouter
from isthmus.rest.http import Response, json_response
from isthmus.settings import EnvironmentSettings


def register(router: CloudRouter, settings: EnvironmentSettings, deployments: Deployments) -> None:
    """Serve ``/platform`` and the certificates."""
    layout = EnvironmentLayout(settings.directory)

    async def platform(call: CloudCall) -> Response:
        call.allow_parameters()
        region = region_of(settings.kind)
        return json_response(
            {
                "version": version("isthmus"),
                "services": [],
                "phone_home_enabled": False,
                "eula_accepted": True,
                "regions": [region],
                "unreachable_regions": [],
            }
        )

    async def tls(call: CloudCall) -> Response:
        call.allow_parameters()
        service = call.path_parameters["service"]
        if service not in ("proxy", "ui"):
            raise Failure(
                FailureKind.NOT_FOUND,
                "platform.tls_service_not_found",
                f"no certificates for the service [{service[:64]}]; there are [proxy] and [ui]",
            )
        chain = parse_certificates(layout.server(service).certificate.read_text())
        ends = [facts_of(certificate).valid_to for certificate in chain]
        status = {
            "expiration_date": min(ends).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "first_certificate_to_expire": to_pem(chain[ends.index(min(ends))]),
        }
        return json_response(
            {
                "user_supplied": False,
                "chain": [to_pem(certificate) for certificate in chain],
                "chain_status": status,
            }
        )

    async def certificate_authority(call: CloudCall) -> Response:
        call.allow_parameters()
        deployment = await deployments.get(call.path_parameters["id"])
        pem = layout.authority("transport").certificate.read_text()
        return json_response(
            {
                "public_certificates": [{"active": True, **certificate_json(pem)}],
                "recommended_trust_restriction": trust_pattern(settings.scope_id, deployment.cluster_id),
            }
        )

    router.add("GET", "/platform", platform)
    router.add("GET", "/platform/configuration/security/tls/{service}", tls)
    router.add("GET", "/deployments/{id}/certificate-authority", certificate_authority)
