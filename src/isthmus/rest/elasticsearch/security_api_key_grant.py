"""Making an API key for somebody who has told their password: ``/_security/api_key/grant``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from isthmus.errors import Failure, FailureKind, validation_failure
from isthmus.rest.elasticsearch.call import Call, ElasticsearchRouter
from isthmus.rest.elasticsearch.security_api_key_bodies import created_response, read_new_key
from isthmus.rest.elasticsearch.security_api_key_changes import note_key_created
from isthmus.rest.elasticsearch.security_bodies import REFRESH_PARAMETERS, check_refresh, read_body
from isthmus.rest.http import Response
from isthmus.security.api_keys import ApiKeys, NewKey
from isthmus.security.audit_notes import note_authentication_failure
from isthmus.security.authenticate import Authenticator
from isthmus.security.authorize import require_cluster_action
from isthmus.security.secret import Secret
from isthmus.security.strict_json import content_failure, optional_text, strict_object

_ACTION: Final = "cluster:admin/xpack/security/api_key/grant"
_PARSER: Final = "grant_api_key_request"


def register(router: ElasticsearchRouter, api_keys: ApiKeys, authenticator: Authenticator) -> None:
    """Serve the making of keys for others."""

    async def grant(call: Call) -> Response:
        require_cluster_action(call.principal, _ACTION)
        check_refresh(call)
        wanted = read_grant(read_body(call))
        try:
            owner = await authenticator.authenticate_password(
                wanted.username, wanted.password, call.request.path, wanted.run_as
            )
        except Failure as failure:
            if failure.kind is FailureKind.UNAUTHENTICATED:
                note_authentication_failure(failure, wanted.username)
            raise
        made = await api_keys.create(owner, wanted.key)
        note_key_created(made[0])
        return created_response(*made)

    router.add("POST", "/_security/api_key/grant", grant, REFRESH_PARAMETERS)


@dataclass(frozen=True, slots=True)
class Grant:
    """A key that is to be made for the user of this name and password, or for whom they act as."""

    username: str
    password: Secret
    key: NewKey
    run_as: str | None = None


def read_grant(body: Any) -> Grant:
    """Answer the grant that a body asks for; only passwords are taken, not access tokens."""
    known = ("grant_type", "username", "password", "access_token", "api_key", "run_as")
    value = strict_object(_PARSER, body, known)
    grant_type = optional_text(_PARSER, value, "grant_type")
    if grant_type is None:
        raise content_failure(f"Required [grant_type] in [{_PARSER}]")
    if grant_type != "password" or value.get("access_token") is not None:
        raise validation_failure(f"grant_type [{grant_type[:100]}] is not supported, only [password] is")
    username = optional_text(_PARSER, value, "username")
    password = optional_text(_PARSER, value, "password")
    if not username or not password:
        raise validation_failure("[username] and [password] are required for grant_type [password]")
    return Grant(
        username=username,
        password=Secret(password),
        key=read_new_key(value.get("api_key")),
        run_as=optional_text(_PARSER, value, "run_as"),
    )
