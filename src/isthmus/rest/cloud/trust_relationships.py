"""Trust relationships of the platform with other environments, over the platform API."""

from __future__ import annotations

from typing import Any

from isthmus.control.certificates import facts_of, parse_certificates
from isthmus.control.trust_records import TrustRelationship
from isthmus.control.trust_relationships import LOCAL_ID, TrustRelationships, parse_relationship
from isthmus.errors import illegal_argument
from isthmus.rest.cloud.moments import rfc3339
from isthmus.rest.cloud.routes import CloudCall, CloudRouter
from isthmus.rest.http import Response, boolean_parameter, integer_parameter, json_response


def register(router: CloudRouter, relationships: TrustRelationships) -> None:
    """Serve ``/platform/configuration/trust-relationships``."""
    handlers = _Handlers(relationships)
    path = "/platform/configuration/trust-relationships"
    router.add("GET", path, handlers.list, ("include_certificate", "filter"))
    router.add("POST", path, handlers.create, (), status=201)
    router.add("GET", f"{path}/{{id}}", handlers.get, ("include_certificate",))
    router.add("PUT", f"{path}/{{id}}", handlers.update, ())
    router.add("DELETE", f"{path}/{{id}}", handlers.delete, ("version",))


class _Handlers:
    def __init__(self, relationships: TrustRelationships) -> None:
        self._relationships = relationships

    async def list(self, call: CloudCall) -> Response:
        """List the environments that this one knows, itself among them."""
        wanted = call.request.parameters.get("filter") or "all"
        if wanted not in ("all", "local", "non-local"):
            raise illegal_argument("filter must be [all], [local] or [non-local]")
        found: list[TrustRelationship] = []
        if wanted != "non-local":
            found.append(self._relationships.local())
        if wanted != "local":
            found += await self._relationships.all()
        return json_response({"trust_relationships": [_told(each, call) for each in found]})

    async def create(self, call: CloudCall) -> Response:
        """Make another environment known: its name, its authority, its accounts."""
        created = await self._relationships.create(parse_relationship(call.request.json()))
        return json_response(_summary(created), 201)

    async def get(self, call: CloudCall) -> Response:
        """Show an environment that this one knows."""
        found = await self._relationships.get(call.path_parameters["id"])
        return json_response(_told(found, call))

    async def update(self, call: CloudCall) -> Response:
        """Change what is known of an environment; what the body does not speak of stays."""
        changes = parse_relationship(call.request.json())
        return json_response(_summary(await self._relationships.update(call.path_parameters["id"], changes)))

    async def delete(self, call: CloudCall) -> Response:
        """Forget an environment; what was trusted through it no longer is."""
        version = None
        if "version" in call.request.parameters:
            version = integer_parameter(call.request.parameters, "version", 0)
        await self._relationships.delete(call.path_parameters["id"], version)
        return json_response({})


def _summary(relationship: TrustRelationship) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": relationship.id,
        "name": relationship.name,
        "trust_by_default": relationship.trust_by_default,
        "local": relationship.id == LOCAL_ID,
        "account_ids": list(relationship.account_ids),
    }
    if relationship.installation_id is not None:
        told["installation_id"] = relationship.installation_id
    return told


def _told(relationship: TrustRelationship, call: CloudCall) -> dict[str, Any]:
    modified = rfc3339(relationship.modified_milliseconds)
    if relationship.id == LOCAL_ID:  # it changes with the authority of this environment
        valid_from = facts_of(parse_certificates(relationship.certificates[0])[0]).valid_from
        modified = rfc3339(int(valid_from.timestamp() * 1000))
    told = {**_summary(relationship), "last_modified": modified}
    if boolean_parameter(call.request.parameters, "include_certificate", default=False):
        told["public_ca_cert"] = "".join(relationship.certificates)
    return told
