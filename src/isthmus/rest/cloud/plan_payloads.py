"""The ``plan`` of an Elasticsearch resource: what is done, kept and refused of it. Pure.

Sizes, zones and tiers describe machines; a deployment here is one process, so they are kept and told
back unchanged, as are the strategy and the timing of a change. What would change how the deployment
behaves (settings, plugins, bundles, other versions, autoscaling) is refused by name.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from isthmus.control.failures import invalid_field
from isthmus.exchange import JsonObject
from isthmus.rest.cloud.members import checked_members, refuse_filled
from isthmus.settings import COMPATIBLE_VERSION

#: a plan with every tier takes about 8 KiB; fifty of them are kept for each deployment
_MAXIMUM_BYTES: Final = 128 * 1024
_MAXIMUM_LEVELS: Final = 32
_REFUSED_SETTINGS: Final = (
    "docker_image",
    "user_settings_json",
    "user_settings_yaml",
    "user_settings_override_json",
    "user_settings_override_yaml",
    "enabled_built_in_plugins",
    "user_plugins",
    "user_bundles",
    "system_settings",
    "curation",
    "node_attributes",
)
_TOPOLOGY_MEMBERS: Final = (
    "id",
    "node_type",
    "node_roles",
    "memory_per_node",
    "node_count_per_zone",
    "zone_count",
    "elasticsearch",
    "instance_configuration_id",
    "instance_configuration_version",
    "size",
    "autoscaling_min",
    "autoscaling_max",
    "autoscaling_policy_override_json",
    "topology_element_control",
    "autoscaling_tier_override",
)
_TRANSIENT_MEMBERS: Final = ("strategy", "plan_configuration", "remote_clusters")
_REFUSED_TRANSIENT: Final = ("restore_snapshot", "cluster_settings_json")


def check_plan(plan: Any, path: str) -> JsonObject:
    """Answer the plan if all of it can be; raises a 400 failure that names what cannot."""
    members = checked_members(
        plan,
        path,
        ("cluster_topology", "elasticsearch", "deployment_template", "transient", "autoscaling_enabled"),
    )
    refuse_filled(members, f"{path}.", ("autoscaling_enabled",))
    _check_settings(members.get("elasticsearch"), f"{path}.elasticsearch")
    topology = [] if members.get("cluster_topology") is None else members["cluster_topology"]
    if not isinstance(topology, list):
        raise invalid_field(f"{path}.cluster_topology", "must be a list")
    for number, element in enumerate(topology):
        element_path = f"{path}.cluster_topology[{number}]"
        checked = checked_members(element, element_path, _TOPOLOGY_MEMBERS)
        _check_settings(checked.get("elasticsearch"), f"{element_path}.elasticsearch")
    template = members.get("deployment_template")
    if template is not None:
        checked = checked_members(template, f"{path}.deployment_template", ("id", "version"))
        if not isinstance(checked.get("id"), str):
            raise invalid_field(f"{path}.deployment_template.id", "must be a text")
    transient = members.get("transient")
    if transient is not None:
        checked = checked_members(transient, f"{path}.transient", (*_TRANSIENT_MEMBERS, *_REFUSED_TRANSIENT))
        refuse_filled(checked, f"{path}.transient.", _REFUSED_TRANSIENT)
    if _is_nested_deeper(members, _MAXIMUM_LEVELS):
        raise invalid_field(path, f"must not nest deeper than {_MAXIMUM_LEVELS} levels")
    if len(msgspec.json.encode(members)) > _MAXIMUM_BYTES:
        raise invalid_field(path, f"must not be larger than {_MAXIMUM_BYTES} bytes")
    return members


def check_version(version: Any, path: str) -> None:
    """Return if this is the version that is offered, or none; raises a 400 failure otherwise."""
    if version not in (None, "", COMPATIBLE_VERSION):
        raise invalid_field(path, f"must be [{COMPATIBLE_VERSION}], the one that this environment offers")


def _is_nested_deeper(value: Any, levels: int) -> bool:
    layer = [value]
    for _ in range(levels):
        layer = [
            inner
            for each in layer
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return any(isinstance(each, dict | list) for each in layer)


def _check_settings(settings: Any, path: str) -> None:
    if settings is None:
        return
    members = checked_members(settings, path, ("version", *_REFUSED_SETTINGS))
    refuse_filled(members, f"{path}.", _REFUSED_SETTINGS)
    check_version(members.get("version"), f"{path}.version")
