"""The egress addresses of an environment, published."""

from __future__ import annotations

import json

from isthmus.errors import Failure
from isthmus.rest.cloud.errors import cloud_failure_response
from isthmus.rest.cloud.traffic_filters_egress import EgressPublisher
from isthmus.rest.http import Request, Response


class _Api:
    async def handle(self, request: Request) -> Response:
        return Response(401, request.path.encode())

    async def admit(self, head: Request) -> Response | None:  # noqa: ARG002 - as the protocol has it
        return Response(401)

    def refuse(self, failure: Failure) -> Response:
        return cloud_failure_response(failure)

    def may_be_abandoned(self, method: str, path: str) -> bool:  # noqa: ARG002 - as the protocol has it
        return method == "GET"


async def test_egress_addresses_are_published_to_everybody() -> None:
    """In the shape that Elastic publishes; every other path is the platform API's as before."""
    publisher = EgressPublisher(_Api(), "local-region", ("203.0.113.7", "2001:db8::/64"))
    found = await publisher.handle(Request("GET", "/egress.json"))
    assert found.status == 200
    assert found.content_type == "application/json"
    assert isinstance(found.body, bytes)
    assert json.loads(found.body) == {"regions": {"local-region": ["203.0.113.7", "2001:db8::/64"]}}
    assert (await publisher.handle(Request("POST", "/egress.json"))).status == 405
    assert (await publisher.handle(Request("GET", "/api/v1/deployments"))).status == 401
    assert (await publisher.handle(Request("GET", "/egress.json/x"))).status == 401
