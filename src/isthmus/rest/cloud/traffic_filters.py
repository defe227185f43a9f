"""Traffic filters over the platform API: rule sets and which deployments have them."""

from __future__ import annotations

from isthmus.control.addresses import parse_address_or_none
from isthmus.control.identity import region_of
from isthmus.control.traffic_filters import Caller, TrafficFilters
from isthmus.rest.cloud.routes import CloudCall, CloudRouter
from isthmus.rest.cloud.traffic_filters_bodies import (
    associations_json,
    check_entity_type,
    parse_association,
    parse_rule_set,
    rule_set_json,
)
from isthmus.rest.http import Response, boolean_parameter, json_response
from isthmus.settings import EnvironmentSettings


def register(router: CloudRouter, settings: EnvironmentSettings, filters: TrafficFilters) -> None:
    """Serve everything below ``/deployments/traffic-filter``."""
    handlers = _Handlers(settings, filters)
    rule_sets = "/deployments/traffic-filter/rulesets"
    one, associations = f"{rule_sets}/{{id}}", f"{rule_sets}/{{id}}/associations"
    listing = ("include_associations", "region", "organization_id")
    router.add("GET", rule_sets, handlers.list, listing)
    router.add("POST", rule_sets, handlers.create, (), status=201)
    router.add("GET", one, handlers.get, ("include_associations",))
    router.add("PUT", one, handlers.replace, ("force",))
    router.add("DELETE", one, handlers.delete, ("ignore_associations", "force"))
    router.add("GET", associations, handlers.associations, ())
    router.add("POST", associations, handlers.associate, ("force",), status=201)
    router.add("DELETE", f"{associations}/{{type}}/{{entity_id}}", handlers.dissociate, ("force",))
    path = "/deployments/traffic-filter/associations/{type}/{entity_id}/rulesets"
    router.add("GET", path, handlers.rule_sets_of, ())


class _Handlers:
    def __init__(self, settings: EnvironmentSettings, filters: TrafficFilters) -> None:
        self._region = region_of(settings.kind)
        self._scope_id = settings.scope_id
        self._filters = filters

    async def list(self, call: CloudCall) -> Response:
        """List the rule sets."""
        region = call.request.parameters.get("region") or self._region
        organization = call.request.parameters.get("organization_id") or self._scope_id
        found = await self._filters.all()
        if (region, organization) != (self._region, self._scope_id):
            found = ()
        deployments = await self._filters.deployments_by_rule_set()
        with_associations = boolean_parameter(call.request.parameters, "include_associations", default=False)
        rule_sets = [
            rule_set_json(each, deployments.get(each.id, ()) if with_associations else None) for each in found
        ]
        return json_response({"rulesets": rule_sets})

    async def create(self, call: CloudCall) -> Response:
        """Make a rule set."""
        wanted = parse_rule_set(call.request.json(), self._region, self._scope_id)
        return json_response({"id": (await self._filters.create(wanted)).id}, 201)

    async def get(self, call: CloudCall) -> Response:
        """Tell a rule set."""
        rule_set = await self._filters.get(call.path_parameters["id"])
        if not boolean_parameter(call.request.parameters, "include_associations", default=False):
            return json_response(rule_set_json(rule_set, None))
        deployments = await self._filters.deployments_by_rule_set()
        return json_response(rule_set_json(rule_set, deployments.get(rule_set.id, ())))

    async def replace(self, call: CloudCall) -> Response:
        """Put other rules and facts in the place of a rule set's."""
        rule_set = await self._filters.get(call.path_parameters["id"])
        wanted = parse_rule_set(call.request.json(), self._region, self._scope_id)
        return json_response({"id": (await self._filters.replace(rule_set.id, wanted, _caller(call))).id})

    async def delete(self, call: CloudCall) -> Response:
        """Remove a rule set."""
        ignored = boolean_parameter(call.request.parameters, "ignore_associations", default=False)
        await self._filters.delete(call.path_parameters["id"], _caller(call), ignore_associations=ignored)
        return json_response({})

    async def associations(self, call: CloudCall) -> Response:
        """List the deployments that have a rule set."""
        rule_set = await self._filters.get(call.path_parameters["id"])
        deployments = await self._filters.deployments_by_rule_set()
        return json_response(associations_json(deployments.get(rule_set.id, ())))

    async def associate(self, call: CloudCall) -> Response:
        """Let a rule set hold for a deployment."""
        rule_set = await self._filters.get(call.path_parameters["id"])
        deployment_id = parse_association(call.request.json())
        is_new = await self._filters.associate(rule_set.id, deployment_id, _caller(call))
        return json_response({}, 201 if is_new else 200)

    async def dissociate(self, call: CloudCall) -> Response:
        """Let a rule set no longer hold for a deployment."""
        check_entity_type(call.path_parameters["type"], "association_type")
        await self._filters.dissociate(
            call.path_parameters["id"], call.path_parameters["entity_id"], _caller(call)
        )
        return json_response({})

    async def rule_sets_of(self, call: CloudCall) -> Response:
        """List the rule sets of a deployment."""
        check_entity_type(call.path_parameters["type"], "association_type")
        return json_response(
            {"rulesets": await self._filters.rule_sets_of(call.path_parameters["entity_id"])}
        )


def _caller(call: CloudCall) -> Caller:
    return Caller(
        address=parse_address_or_none(call.request.peer.address),
        force=boolean_parameter(call.request.parameters, "force", default=False),
    )
