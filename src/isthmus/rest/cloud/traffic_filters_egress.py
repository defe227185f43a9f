"""Where an environment's connections come from, published for everybody at ``/egress.json``."""

from __future__ import annotations

from typing import Final

from isthmus.errors import Failure, FailureKind
from isthmus.rest.cloud.errors import cloud_failure_response
from isthmus.rest.http import HttpApplication, Request, Response, json_response

PATH: Final = "/egress.json"


class EgressPublisher:
    """Answers ``GET /egress.json`` without credentials, and leaves everything else to the platform API.

    The document is ``{"regions": {"<region>": ["<address or CIDR block>", …]}}``, as Elastic
    publishes its own. Satisfies :class:`isthmus.rest.http.HttpApplication`.
    """

    def __init__(self, api: HttpApplication, region: str, addresses: tuple[str, ...]) -> None:
        self._api = api
        self._document = json_response({"regions": {region: list(addresses)}})

    async def handle(self, request: Request) -> Response:
        """Answer the request; raises nothing."""
        if request.path != PATH:
            return await self._api.handle(request)
        if request.method not in ("GET", "HEAD"):
            failure = Failure(
                FailureKind.METHOD_NOT_ALLOWED, "root.method_not_allowed", "allowed here: GET, HEAD"
            )
            refusal = cloud_failure_response(failure)
            headers = (*refusal.headers, ("Allow", "GET, HEAD"))
            return Response(refusal.status, refusal.body, headers=headers)
        return self._document

    async def admit(self, head: Request) -> Response | None:
        """Answer why a large body is not read."""
        return await self._api.admit(head)

    def refuse(self, failure: Failure) -> Response:
        """Answer for a request that never became one."""
        return self._api.refuse(failure)

    def may_be_abandoned(self, method: str, path: str) -> bool:
        """Tell whether work for this request may stop half-way."""
        return self._api.may_be_abandoned(method, path)
