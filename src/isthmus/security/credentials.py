"""The ``Authorization`` header, read; and the 401 failures."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Final, TypeAlias

from isthmus.errors import Failure, FailureKind
from isthmus.security.api_key_secrets import decode_credentials
from isthmus.security.secret import Secret

#: longer is no password that a person or program uses, only work for us
_MAXIMUM_HEADER_LENGTH: Final = 16_384


@dataclass(frozen=True, slots=True)
class PasswordCredentials:
    """A name and a password."""

    username: str
    password: Secret


@dataclass(frozen=True, slots=True)
class ApiKeyCredentials:
    """An API key's id and its secret."""

    key_id: str
    secret: Secret


Credentials: TypeAlias = PasswordCredentials | ApiKeyCredentials


def unauthenticated(reason: str, log_note: str | None = None) -> Failure:
    """Answer the 401 failure with this reason; ``log_note`` is what only this side's logs may tell."""
    return Failure(FailureKind.UNAUTHENTICATED, "security_exception", reason, log_note=log_note)


def read_authorization(header: str) -> Credentials:
    """Answer the credentials in an ``Authorization`` header; raises a 401 failure when there are none."""
    if len(header) > _MAXIMUM_HEADER_LENGTH:
        raise unauthenticated(
            f"the authorization header is longer than [{_MAXIMUM_HEADER_LENGTH}] characters"
        )
    scheme, _, value = header.strip().partition(" ")
    if scheme.lower() == "basic":
        return _read_basic(value)
    if scheme.lower() == "apikey":
        return _read_api_key(value)
    raise unauthenticated(
        f"unable to authenticate with provided credentials: the scheme [{scheme[:20]}] is not supported, "
        "use [Basic] or [ApiKey]"
    )


def _read_basic(value: str) -> PasswordCredentials:
    try:
        decoded = base64.b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise unauthenticated("invalid basic authentication header encoding") from None
    username, separator, password = decoded.partition(":")
    if not separator:
        raise unauthenticated("invalid basic authentication header value")
    return PasswordCredentials(username, Secret(password))


def _read_api_key(value: str) -> ApiKeyCredentials:
    decoded = decode_credentials(value)
    if decoded is None:
        raise unauthenticated("invalid ApiKey value")
    return ApiKeyCredentials(*decoded)
