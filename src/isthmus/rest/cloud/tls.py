"""The certificate chains of the environment's servers over the platform API."""

from __future__ import annotations

import asyncio
import logging

from isthmus.clock import Clock
from isthmus.control.authorities import renew_server_certificates
from isthmus.control.layout import EnvironmentLayout
from isthmus.control.nodes import Nodes
from isthmus.control.tls_chains import (
    check_service,
    forget_chain,
    now_utc,
    parse_chain,
    read_chain,
    uploaded_text,
    write_chain,
)
from isthmus.rest.cloud.routes import CloudCall, CloudRouter
from isthmus.rest.http import Response, json_response
from isthmus.settings import EnvironmentSettings

logger = logging.getLogger(__name__)


def register(router: CloudRouter, settings: EnvironmentSettings, nodes: Nodes, clock: Clock) -> None:
    """Serve ``/platform/configuration/security/tls/{service}``."""
    layout = EnvironmentLayout(settings.directory)
    path = "/platform/configuration/security/tls/{service}"

    async def get(call: CloudCall) -> Response:
        """Show the certificate chain that a service presents: proxy (deployments) or ui (this API)."""
        chain = await asyncio.to_thread(read_chain, layout, check_service(call.path_parameters["service"]))
        return json_response(
            {
                "user_supplied": chain.user_supplied,
                "chain": chain.certificates,
                "chain_status": {
                    "expiration_date": chain.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "first_certificate_to_expire": chain.first_to_expire,
                },
                "api_managed": True,
            }
        )

    async def post(call: CloudCall) -> Response:
        """Have a service present a chain of one's own: private key and certificates, PEM."""
        service = check_service(call.path_parameters["service"])
        text = uploaded_text(call.request.body)
        domain = settings.domain if service == "proxy" else None
        chain = await asyncio.to_thread(parse_chain, text, now_utc(clock.now_milliseconds()), domain)
        await asyncio.to_thread(write_chain, layout, service, chain)
        logger.info("certificate chain uploaded", extra={"service": service})
        nodes.ring()  # deployments trust the servers of their own environment
        return json_response({"service": service}, 202)

    async def delete(call: CloudCall) -> Response:
        """Have a service present the environment's own chain again. Not in Elastic Cloud."""
        service = check_service(call.path_parameters["service"])
        forget_chain(layout, service)
        await asyncio.to_thread(renew_server_certificates, settings, now_utc(clock.now_milliseconds()))
        nodes.ring()
        return json_response({})

    router.add("GET", path, get, ())
    router.add("POST", path, post, (), status=202)
    router.add("DELETE", path, delete, ())
