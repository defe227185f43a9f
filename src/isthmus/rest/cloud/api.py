"""The platform API without a server: a request in, a response out."""

from __future__ import annotations

import base64
import binascii
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from isthmus.control.administrator import Administrator
from isthmus.control.failures import unauthenticated
from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.rest.cloud.errors import cloud_failure_response
from isthmus.rest.http import Request, Response
from isthmus.rest.routing import Router

logger = logging.getLogger(__name__)

PREFIX: Final = "/api/v1"


@dataclass(frozen=True, slots=True)
class CloudCall:
    """A request that was authenticated, with its path's parameters."""

    request: Request
    path_parameters: Mapping[str, str]

    def allow_parameters(self, *names: str) -> None:
        """Return if the query string has no other parameters; raises a 400 failure that names one."""
        for name in self.request.parameters:
            if name not in names:
                raise illegal_argument(f"unknown query parameter [{name[:100]}]")


Handler = Callable[[CloudCall], Awaitable[Response]]
CloudRouter = Router[Handler]


class CloudApi:
    """Authenticates, finds the handler, and turns whatever happens into this dialect's answers.

    Every path is served with and without ``/regions/{region}`` after the prefix, as clients differ.
    Satisfies :class:`isthmus.rest.http.HttpApplication`. Callers of a ``trusted`` one need no
    credentials: it is for the Unix socket that only the environment's owner can open.
    """

    def __init__(
        self, router: CloudRouter, administrator: Administrator, region: str, *, trusted: bool = False
    ) -> None:
        self._router = router
        self._administrator = administrator
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
        """Return if the caller may come in; signing in is free to all."""
        is_login = request.method == "POST" and request.path.endswith("/users/auth/_login")
        if not self._trusted and not (is_login and self._plain_path(request.path) == "/users/auth/_login"):
            await self._authenticate(request.headers.get("authorization", ""))

    async def _authenticate(self, header: str) -> None:
        scheme, _, credentials = header.partition(" ")
        if scheme.lower() == "basic":
            username, password = _basic_credentials(credentials)
            await self._administrator.verify_password(username, password)
        elif scheme.lower() == "bearer":
            self._administrator.verify_token(credentials.strip())
        elif scheme.lower() == "apikey":
            raise unauthenticated("platform API keys are not supported; use Basic or a token from _login")
        else:
            raise unauthenticated("the request has no credentials")


def bearer_token(request: Request) -> str:
    """Answer the token that a request was authenticated with, empty where it was in another way."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""


def _basic_credentials(credentials: str) -> tuple[str, str]:
    try:
        decoded = base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise unauthenticated("the Basic credentials are not base64 of UTF-8 text") from None
    username, _, password = decoded.partition(":")
    return username, password
