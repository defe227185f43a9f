"""Who calls the platform API: the ``Authorization`` header to a caller."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from isthmus.control.administrator import Administrator
from isthmus.control.failures import unauthenticated
from isthmus.control.platform_keys import PlatformKeys
from isthmus.rest.http import Request
from isthmus.security.secret import Secret


@dataclass(frozen=True, slots=True)
class CloudAuthenticator:
    """Takes a password, a token from ``_login``, or an API key."""

    administrator: Administrator
    keys: PlatformKeys

    async def authenticate(self, request: Request) -> None:
        """Return if the caller may come in; raises a 401 failure."""
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        match scheme.lower():
            case "basic":
                username, password = _basic_credentials(credentials)
                await self.administrator.verify_password(username, password)
            case "bearer":
                self.administrator.verify_token(credentials.strip())
            case "apikey":
                await self.keys.verify(Secret(credentials.strip()))
            case _:
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
