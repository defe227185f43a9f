"""Deployments as the platform API tells them. Pure."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from isthmus.control.deployment_changes import Created
from isthmus.control.nodes import NodeState, NodeStatus
from isthmus.control.plans import PlanAttempt
from isthmus.control.records import Deployment
from isthmus.control.trust import trust_of
from isthmus.rest.cloud.moments import rfc3339
from isthmus.rest.cloud.plan_rendering import PlanView, plan_info
from isthmus.settings import EnvironmentSettings, Ports

_EMPTY_KINDS: Final = ("kibana", "apm", "appsearch", "enterprise_search", "integrations_server")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What rendering needs to know besides a deployment: ``ports`` are those really in use."""

    settings: EnvironmentSettings
    ports: Ports
    state_of: Callable[[str], NodeState]


@dataclass(frozen=True, slots=True)
class Told:
    """All that is told of a deployment: its record, its plans, the ids of its rule sets."""

    deployment: Deployment
    attempts: Sequence[PlanAttempt] = ()
    rule_sets: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class View:
    """What a caller asked to be shown of a deployment."""

    plans: PlanView = field(default_factory=PlanView)
    settings: bool = False


def endpoint_of(deployment: Deployment, settings: EnvironmentSettings) -> str:
    """Answer the host name of a deployment."""
    return f"{deployment.cluster_id}.{settings.domain}"


def cloud_id_of(deployment: Deployment, around: Surroundings) -> str:
    """Answer the cloud id, which clients take in place of addresses."""
    place = f"{around.settings.domain}:{around.ports.data}${deployment.cluster_id}$"
    return f"{deployment.name}:{base64.b64encode(place.encode()).decode()}"


def deployment_summary(deployment: Deployment, around: Surroundings) -> dict[str, Any]:
    """Answer an entry of the list of deployments."""
    return {
        "id": deployment.id,
        "name": deployment.name,
        "resources": [_resource_reference(deployment, around)],
    }


def created_deployment(created: Created, around: Surroundings) -> dict[str, Any]:
    """Answer the reply to a creation; it has the credentials where the deployment is new."""
    resource = _resource_reference(created.deployment, around)
    if created.elastic_password is not None:
        resource["credentials"] = {"username": "elastic", "password": created.elastic_password.reveal()}
    return {
        "id": created.deployment.id,
        "name": created.deployment.name,
        "created": created.elastic_password is not None,
        "resources": [resource],
    }


def updated_deployment(deployment: Deployment, around: Surroundings) -> dict[str, Any]:
    """Answer the reply to an update."""
    return {
        "id": deployment.id,
        "name": deployment.name,
        "resources": [_resource_reference(deployment, around)],
        "shutdown_resources": {kind: [] for kind in ("elasticsearch", *_EMPTY_KINDS)},
    }


def deployment_details(told: Told, around: Surroundings, view: View) -> dict[str, Any]:
    """Answer ``GET /deployments/{id}``; settings and plans where they were asked for."""
    deployment = told.deployment
    state = around.state_of(deployment.id)
    resource = elasticsearch_resource(told, around, view)
    return {
        "id": deployment.id,
        "name": deployment.name,
        "healthy": _is_healthy(deployment, state),
        "resources": {"elasticsearch": [resource], **{kind: [] for kind in _EMPTY_KINDS}},
        "settings": {"traffic_filter_settings": {"rulesets": list(told.rule_sets)}},
        "metadata": {
            "last_modified": rfc3339(deployment.modified_milliseconds),
            "tags": [{"key": key, "value": value} for key, value in deployment.tags],
            "organization_id": around.settings.scope_id,
            "system_owned": False,
            "hidden": False,
        },
        "instance_configurations": [],
    }


def elasticsearch_resource(told: Told, around: Surroundings, view: View) -> dict[str, Any]:
    """Answer the one resource of a deployment with its state and addresses."""
    deployment = told.deployment
    state = around.state_of(deployment.id)
    healthy = _is_healthy(deployment, state)
    info: dict[str, Any] = {
        "cluster_id": deployment.cluster_id,
        "cluster_name": deployment.name,
        "deployment_id": deployment.id,
        "region": deployment.region,
        "healthy": healthy,
        "status": state.status.value,
        "plan_info": plan_info(told.attempts, view.plans, healthy=healthy),
        "metadata": _addresses(deployment, state, around),
        "topology": {"healthy": healthy, "instances": []},
        "elasticsearch": {"healthy": healthy, "blocking_issues": {"healthy": True, "cluster_level": []}},
        "snapshots": {"healthy": True, "count": 0, "recent_success": False},
        "associated_apm_clusters": [],
        "associated_kibana_clusters": [],
        "external_links": [],
        "system_alerts": [],
    }
    if view.settings:
        info["settings"] = {"trust": trust_of(deployment.trust)}
    return {
        "ref_id": deployment.ref_id,
        "id": deployment.cluster_id,
        "region": deployment.region,
        "info": info,
    }


def _resource_reference(deployment: Deployment, around: Surroundings) -> dict[str, Any]:
    return {
        "ref_id": deployment.ref_id,
        "id": deployment.cluster_id,
        "kind": "elasticsearch",
        "region": deployment.region,
        "cloud_id": cloud_id_of(deployment, around),
    }


def _is_healthy(deployment: Deployment, state: NodeState) -> bool:
    """Answer whether the node does what its record wants."""
    return state.status.value == deployment.wanted.value


def _addresses(deployment: Deployment, state: NodeState, around: Surroundings) -> dict[str, Any]:
    endpoint = endpoint_of(deployment, around.settings)
    services = [
        {"service": "elasticsearch", "url": f"https://{endpoint}:{around.ports.data}"},
        {"service": "remote_cluster", "url": f"{endpoint}:{around.ports.remote_cluster}"},
        {"service": "transport", "url": f"{endpoint}:{around.ports.transport}"},
    ]
    if state.status is NodeStatus.STARTED and state.loopback_port is not None:
        scheme = "https" if deployment.loopback_encrypted else "http"
        services.append({"service": "loopback", "url": f"{scheme}://127.0.0.1:{state.loopback_port}"})
    return {
        "version": deployment.revision,
        "last_modified": rfc3339(deployment.modified_milliseconds),
        "endpoint": endpoint,
        "service_url": services[0]["url"],
        "cloud_id": cloud_id_of(deployment, around),
        "ports": {"http": around.ports.data, "https": around.ports.data},
        "services_urls": services,
    }
