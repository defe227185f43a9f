"""Deployment templates and stack versions: what clients build their requests from. Pure.

There is one template. A deployment is one process here, so its tiers and sizes describe nothing: they
are those that clients expect to find, ``hot_content`` with a size and every other tier with none.
"""

from __future__ import annotations

from typing import Any, Final

from isthmus.control.failures import template_not_found
from isthmus.control.identity import REF_ID
from isthmus.settings import COMPATIBLE_VERSION

TEMPLATE_ID: Final = "default"
_SIZES: Final = (1024, 2048, 4096, 8192, 16384, 32768, 65536)
_DEFAULT_SIZE: Final = 4096
_ZONES: Final = 3
#: tier -> roles of its nodes, and the name that people see
_TIERS: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "hot_content": (
        (
            "master",
            "ingest",
            "transform",
            "data_hot",
            "remote_cluster_client",
            "data_content",
        ),
        "Hot data and content",
    ),
    "warm": (("data_warm", "remote_cluster_client"), "Warm data"),
    "cold": (("data_cold", "remote_cluster_client"), "Cold data"),
    "frozen": (("data_frozen",), "Frozen data"),
    "coordinating": (("ingest", "remote_cluster_client"), "Coordinating"),
    "master": (("master", "remote_cluster_client"), "Master"),
    "ml": (("ml", "remote_cluster_client"), "Machine learning"),
}


def template(region: str, *, with_instance_configurations: bool, with_max_zones: bool) -> dict[str, Any]:
    """Answer the template as the platform API tells it."""
    return {
        "id": TEMPLATE_ID,
        "name": "Default",
        "description": "One Elasticsearch-compatible node",
        "system_owned": True,
        "order": 0,
        "metadata": [],
        "instance_configurations": (
            [_instance_configuration(tier, with_max_zones=with_max_zones) for tier in _TIERS]
            if with_instance_configurations
            else []
        ),
        "deployment_template": {"resources": {"elasticsearch": [_resource(region)]}},
        "template_category_id": TEMPLATE_ID,
    }


def find_template(
    template_id: str, region: str, *, with_instance_configurations: bool, with_max_zones: bool
) -> dict[str, Any]:
    """Answer the template of that id; raises a 404 failure."""
    check_template(template_id)
    return template(
        region, with_instance_configurations=with_instance_configurations, with_max_zones=with_max_zones
    )


def check_template(template_id: str) -> None:
    """Return if there is a template of that id; raises a 404 failure."""
    if template_id != TEMPLATE_ID:
        raise template_not_found(template_id)


def stack_version() -> dict[str, Any]:
    """Answer the one version that is offered."""
    return {
        "version": COMPATIBLE_VERSION,
        "template": {"template_version": "", "hashes": []},
        "elasticsearch": {
            "docker_image": "",
            "plugins": [],
            "default_plugins": [],
            "blacklist": [],
            "capacity_constraints": {"min": _SIZES[0], "max": _SIZES[-1]},
            "compatible_node_types": [],
        },
        "kibana": {"docker_image": "", "blacklist": []},
        "upgradable_to": [],
        "deleted": False,
        "whitelisted": True,
        "accessible": True,
    }


def _resource(region: str) -> dict[str, Any]:
    return {
        "ref_id": REF_ID,
        "region": region,
        "plan": {
            "cluster_topology": [_topology_element(tier) for tier in _TIERS],
            "elasticsearch": {"version": COMPATIBLE_VERSION},
            "deployment_template": {"id": TEMPLATE_ID},
            "autoscaling_enabled": False,
        },
        "settings": {},
    }


def _topology_element(tier: str) -> dict[str, Any]:
    roles, _ = _TIERS[tier]
    is_used = tier == "hot_content"
    return {
        "id": tier,
        "node_roles": list(roles),
        "zone_count": 1,
        "elasticsearch": {},
        "instance_configuration_id": _instance_configuration_id(tier),
        "size": {"resource": "memory", "value": _DEFAULT_SIZE if is_used else 0},
        "topology_element_control": {
            "min": {"resource": "memory", "value": _SIZES[0] if is_used else 0},
        },
    }


def _instance_configuration_id(tier: str) -> str:
    return f"data.{tier}" if tier not in ("coordinating", "master", "ml") else tier


def _instance_configuration(tier: str, *, with_max_zones: bool) -> dict[str, Any]:
    roles, name = _TIERS[tier]
    told: dict[str, Any] = {
        "id": _instance_configuration_id(tier),
        "name": name,
        "description": name,
        "instance_type": "elasticsearch",
        "node_types": list(roles),
        "discrete_sizes": {"sizes": list(_SIZES), "default_size": _DEFAULT_SIZE, "resource": "memory"},
        "storage_multiplier": 32,
        "config_version": 1,
    }
    if with_max_zones:
        told["max_zones"] = _ZONES
    return told
