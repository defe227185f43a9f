"""Deployments with all that is told of them: gathered from where it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from isthmus.control.plans import Plans, first_attempt
from isthmus.control.records import Deployment
from isthmus.control.traffic_filters import TrafficFilters
from isthmus.rest.cloud.plan_rendering import PlanView
from isthmus.rest.cloud.rendering import Told, View
from isthmus.rest.cloud.routes import CloudCall
from isthmus.rest.http import boolean_parameter

#: What clients send with every read. Those that :func:`view_of` does not read ask for parts that a
#: deployment here does not have (alerts, defaults of templates), and change nothing.
READ_PARAMETERS: Final = (
    "show_plans",
    "show_settings",
    "show_plan_logs",
    "show_plan_history",
    "show_plan_defaults",
    "show_metadata",
    "show_security",
    "show_system_alerts",
    "show_instance_configurations",
    "convert_legacy_plans",
    "clear_transient",
    "force_all_plan_history",
    "enrich_with_template",
)


def view_of(call: CloudCall) -> View:
    """Answer what the query string asks to be shown."""
    parameters = call.request.parameters

    def flag(name: str, *, default: bool = False) -> bool:
        return boolean_parameter(parameters, name, default=default)

    plans = PlanView(
        plans=flag("show_plans", default=True),
        logs=flag("show_plan_logs"),
        history=flag("show_plan_history") or flag("force_all_plan_history"),
        clear_transient=flag("clear_transient"),
    )
    return View(plans, settings=flag("show_settings"))


@dataclass(frozen=True, slots=True)
class DeploymentViews:
    """Gathers what is told of deployments beside their records."""

    plans: Plans
    filters: TrafficFilters

    async def of(self, deployment: Deployment) -> Told:
        """Answer all that is told of one deployment."""
        return Told(
            deployment, await self.plans.of(deployment), await self.filters.rule_sets_of(deployment.id)
        )

    async def of_all(self, deployments: tuple[Deployment, ...]) -> tuple[Told, ...]:
        """Answer the same of many, with as few reads."""
        attempts = await self.plans.all()
        rule_sets: dict[str, list[str]] = {}
        for rule_set_id, ids in (await self.filters.deployments_by_rule_set()).items():
            for deployment_id in ids:
                rule_sets.setdefault(deployment_id, []).append(rule_set_id)
        return tuple(
            Told(each, attempts.get(each.id) or (first_attempt(each),), rule_sets.get(each.id, ()))
            for each in deployments
        )
