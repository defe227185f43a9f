"""The platform API without a server: a request in, a response out."""

from __future__ import annotations

import logging
import re
from typing import Final

from isthmus.errors import Failure, FailureKind
from isthmus.rest.cloud.authentication import CloudAuthenticator
from isthmus.rest.cloud.errors import cloud_failure_response
from isthmus.rest.cloud.openapi import FREE
from isthmus.rest.cloud.routes import CloudCall, CloudRouter, Handler, refuse_other_parameters
from isthmus.rest.http import Request, Response

__all__ = ["PREFIX", "CloudApi", "CloudCall", "CloudRouter", "Handler"]

logger = logging.getLogger(__name__)

PREFIX: Final = "/api/v1"


class CloudApi:
    """Authenticates, finds the handler, and turns whatever happens into this dialect's answers.

    Every path is served with and without ``/regions/{region}`` after the prefix, as clients differ.
    Satisfies :class:`isthmus.rest.http.HttpApplication`. Callers of a ``trusted`` one need no
    credentials: it is for the Unix socket that only the environment's owner can open.
    """

    def __init__(
        self, router: CloudRouter, authenticator: CloudAuthenticator, region: str, *, trusted: bool = False
    ) -> None:
        self._router = router
        self._authenticator = authenticator
        self._region = region
        self._trusted = trusted

    async def handle(self, request: Request) -> Response:
        """Answer the request; raises nothing."""
        try:
            return await self._answer(request)
        except Failure as failure:
            return cloud_failure_response(failure)
        except Exception:
            logger.exception("platform request failed", extra={"method": request.method})
            reason = "an unexpected error; the environment's log has more"
            return cloud_failure_response(Failure(FailureKind.INTERNAL, "root.internal_error", reason))

    async def admit(self, head: Request) -> Response | None:
        """Answer why a large body is not read: who sends one must have credentials first."""
        try:
            await self._authenticate_unless_free(head)
        except Failure as failure:
            return cloud_failure_response(failure)
        return None

    def refuse(self, failure: Failure) -> Response:
        """Answer for a request that never became one."""
        return cloud_failure_response(failure)

    def may_be_abandoned(self, method: str, path: str) -> bool:  # noqa: ARG002 - the method says enough
        """Tell that only reading may stop half-way: a change is finished even if nobody waits."""
        return method in ("GET", "HEAD")

    async def _answer(self, request: Request) -> Response:
        await self._authenticate_unless_free(request)
        path = self._plain_path(request.path)
        if path is None:
            raise Failure(FailureKind.NOT_FOUND, "root.resource_not_found", "no such resource")
        found = self._router.find(request.method, path)
        if isinstance(found, frozenset):
            if not found:
                raise Failure(FailureKind.NOT_FOUND, "root.resource_not_found", "no such resource")
            methods = ", ".join(sorted(found))
            failure = Failure(
                FailureKind.METHOD_NOT_ALLOWED, "root.method_not_allowed", f"allowed here: {methods}"
            )
            refusal = cloud_failure_response(failure)
            return Response(refusal.status, refusal.body, headers=(*refusal.headers, ("Allow", methods)))
        if found.parameters is not None:
            refuse_other_parameters(request, found.parameters)
        return await found.handler(CloudCall(request, found.path_parameters))

    def _plain_path(self, path: str) -> str | None:
        """Answer the path below the prefix and region, None where it is not below them."""
        collapsed = re.sub("/{2,}", "/", path)
        if not collapsed.startswith(f"{PREFIX}/"):
            return None
        rest = collapsed.removeprefix(PREFIX).removesuffix("/")
        if not rest.startswith("/regions/"):
            return rest
        region, slash, below = rest.removeprefix("/regions/").partition("/")
        if region != self._region:
            reason = f"no region [{region[:64]}] here; it is [{self._region}]"
            raise Failure(FailureKind.NOT_FOUND, "root.region_not_found", reason)
        return slash + below

    async def _authenticate_unless_free(self, request: Request) -> None:
        """Return if the caller may come in; signing in, and learning how, is free to all."""
        if not self._trusted and not self._is_free(request):
            await self._authenticator.authenticate(request)

    def _is_free(self, request: Request) -> bool:
        try:
            return (request.method, self._plain_path(request.path)) in FREE
        except Failure:  # another region: those who are known are told so
            return False
