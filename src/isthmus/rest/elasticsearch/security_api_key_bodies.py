"""API keys as JSON: the requests' bodies read strictly, the answers written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from isthmus.errors import illegal_argument
from isthmus.exchange import JsonObject
from isthmus.rest.http import Response, json_response
from isthmus.security.api_key_rules import KeyFilter
from isthmus.security.api_key_secrets import encode_credentials
from isthmus.security.api_keys import UNCHANGED, KeyChange, NewKey
from isthmus.security.cross_cluster_access import parse_access
from isthmus.security.principal import RoleDescriptor
from isthmus.security.records import ApiKeyType, StoredApiKey
from isthmus.security.role_format import parse_role, render_role
from isthmus.security.secret import Secret
from isthmus.security.strict_json import (
    content_failure,
    optional_flag,
    optional_object,
    optional_text,
    strict_object,
    wrong_type,
)

_REST_KEY: Final = "api_key_request"
_CROSS_CLUSTER_KEY: Final = "cross_cluster_api_key_request"
_UPDATE_REST_KEY: Final = "update_api_key_request_payload"
_UPDATE_CROSS_CLUSTER_KEY: Final = "update_cross_cluster_api_key_request_payload"
_INVALIDATE: Final = "invalidate_api_key"
_UPDATABLE_OF_REST: Final = ("role_descriptors", "metadata", "expiration")
_UPDATABLE_OF_CROSS_CLUSTER: Final = ("access", "metadata", "expiration", "certificate_identity")


def read_new_key(body: Any) -> NewKey:
    """Answer the REST key that a body asks for."""
    known = ("name", "expiration", "role_descriptors", "metadata")
    value = strict_object(_REST_KEY, body, known)
    return NewKey(
        name=_required_name(_REST_KEY, value),
        expiration=optional_text(_REST_KEY, value, "expiration"),
        metadata=optional_object(_REST_KEY, value, "metadata") or {},
        role_descriptors=_role_descriptors(_REST_KEY, value) or (),
    )


def read_new_cross_cluster_key(body: Any) -> NewKey:
    """Answer the cross-cluster key that a body asks for."""
    known = ("name", "access", "expiration", "metadata", "certificate_identity")
    value = strict_object(_CROSS_CLUSTER_KEY, body, known)
    name = _required_name(_CROSS_CLUSTER_KEY, value)
    if value.get("access") is None:
        raise content_failure(f"Required [access] in [{_CROSS_CLUSTER_KEY}]")
    return NewKey(
        name=name,
        expiration=optional_text(_CROSS_CLUSTER_KEY, value, "expiration"),
        metadata=optional_object(_CROSS_CLUSTER_KEY, value, "metadata") or {},
        access=parse_access(value["access"]),
        certificate_identity=optional_text(_CROSS_CLUSTER_KEY, value, "certificate_identity"),
    )


def read_key_change(body: Any) -> KeyChange:
    """Answer what is to change of a REST key; no body changes what its owner can do."""
    value = strict_object(_UPDATE_REST_KEY, {} if body is None else body, _UPDATABLE_OF_REST)
    return KeyChange(
        expiration=optional_text(_UPDATE_REST_KEY, value, "expiration"),
        metadata=optional_object(_UPDATE_REST_KEY, value, "metadata"),
        role_descriptors=_role_descriptors(_UPDATE_REST_KEY, value),
    )


def read_cross_cluster_key_change(body: Any) -> KeyChange:
    """Answer what is to change of a cross-cluster key; a null identity takes it away."""
    value = strict_object(_UPDATE_CROSS_CLUSTER_KEY, body, _UPDATABLE_OF_CROSS_CLUSTER)
    identity = optional_text(_UPDATE_CROSS_CLUSTER_KEY, value, "certificate_identity")
    access = value.get("access")
    return KeyChange(
        expiration=optional_text(_UPDATE_CROSS_CLUSTER_KEY, value, "expiration"),
        metadata=optional_object(_UPDATE_CROSS_CLUSTER_KEY, value, "metadata"),
        access=None if access is None else parse_access(access),
        certificate_identity=identity if "certificate_identity" in value else UNCHANGED,
    )


def read_invalidation(body: Any) -> KeyFilter:
    """Answer which keys a body means; the old ``id`` is one of ``ids``."""
    value = strict_object(_INVALIDATE, body, ("ids", "id", "name", "realm_name", "username", "owner"))
    ids = value.get("ids")
    if ids is None:
        ids = []
    if not isinstance(ids, list) or not all(isinstance(key_id, str) and key_id for key_id in ids):
        raise wrong_type(_INVALIDATE, "ids", "an array of strings", ids)
    if "ids" in value and not ids:
        raise illegal_argument("Field [ids] cannot be an empty array")
    single = optional_text(_INVALIDATE, value, "id")
    return KeyFilter(
        ids=(*ids, *([single] if single else [])),
        name=optional_text(_INVALIDATE, value, "name"),
        realm_name=optional_text(_INVALIDATE, value, "realm_name"),
        username=optional_text(_INVALIDATE, value, "username"),
        owner=optional_flag(_INVALIDATE, value, "owner") or False,
    )


def created_response(key: StoredApiKey, secret: Secret) -> Response:
    """Answer a new key: the only time that its secret is shown."""
    described: JsonObject = {"id": key.id, "name": key.name}
    if key.expires_milliseconds is not None:
        described["expiration"] = key.expires_milliseconds
    described["api_key"] = secret.reveal()
    described["encoded"] = encode_credentials(key.id, secret)
    return json_response(described)


def render_key(key: StoredApiKey, *, with_limited_by: bool) -> JsonObject:
    """Answer the key as the API shows it: never a secret, nor the hash of one."""
    described: JsonObject = {
        "id": key.id,
        "name": key.name,
        "type": key.type.value,
        "creation": key.created_milliseconds,
    }
    if key.expires_milliseconds is not None:
        described["expiration"] = key.expires_milliseconds
    described["invalidated"] = key.invalidated_milliseconds is not None
    if key.invalidated_milliseconds is not None:
        described["invalidation"] = key.invalidated_milliseconds
    described["username"] = key.owner_username
    described["realm"] = key.owner_realm
    described["realm_type"] = key.owner_realm_type
    described["metadata"] = key.metadata
    described["role_descriptors"] = _rendered(key.role_descriptors)
    if with_limited_by and key.type is ApiKeyType.REST:
        described["limited_by"] = [_rendered(key.limited_by)]
    if key.type is ApiKeyType.CROSS_CLUSTER:
        described["access"] = key.access
        if key.certificate_identity is not None:
            described["certificate_identity"] = key.certificate_identity
    return described


def _rendered(roles: Sequence[RoleDescriptor]) -> JsonObject:
    return {role.name: render_role(role) for role in roles}


def _required_name(parser: str, value: JsonObject) -> str:
    name = optional_text(parser, value, "name")
    if name is None:
        raise content_failure(f"Required [name] in [{parser}]")
    return name


def _role_descriptors(parser: str, value: JsonObject) -> tuple[RoleDescriptor, ...] | None:
    descriptors = optional_object(parser, value, "role_descriptors")
    if descriptors is None:
        return None
    return tuple(parse_role(name, descriptor) for name, descriptor in descriptors.items())
