"""Rule sets as the platform API reads and tells them. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from isthmus.control.addresses import AddressError, parse_network
from isthmus.control.failures import invalid_field
from isthmus.control.identity import HEX_ID_PATTERN, new_hex_id
from isthmus.control.traffic_filter_rules import MAXIMUM_RULES, FilterType, Rule, RuleSet
from isthmus.control.traffic_filters import WantedRuleSet

#: types of Elastic's platforms that cannot have an effect here, and why
_REASON_OF_OTHER_TYPE: Final = {
    "egress_firewall": "only incoming connections are filtered",
    "vpce": "there are no private links of cloud providers here",
    "azure_private_endpoint": "there are no private links of cloud providers here",
    "gcp_private_service_connect_endpoint": "there are no private links of cloud providers here",
}
_RULE_SET_MEMBERS: Final = ("name", "type", "include_by_default", "region", "rules", "description")
#: what clients send back of a rule set that they have read; it cannot be changed here
_READ_ONLY_MEMBERS: Final = ("id", "associations", "total_associations")
_NOT_OFFERED_RULE_MEMBERS: Final = ("egress_rule", "azure_endpoint_name", "azure_endpoint_guid")
_RULE_ID_PATTERN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAXIMUM_NAME_CHARACTERS: Final = 255
_MAXIMUM_DESCRIPTION_CHARACTERS: Final = 1024
ENTITY_TYPE: Final = "deployment"


def parse_rule_set(body: Any, region: str, scope_id: str) -> WantedRuleSet:
    """Answer the rule set of a body; raises a 400 failure that names what it does not understand."""
    members = _object(body, "", (*_RULE_SET_MEMBERS, *_READ_ONLY_MEMBERS))
    for name in ("name", "type", "include_by_default", "region", "rules"):
        if members.get(name) is None:
            raise invalid_field(name, "is required")
    by_default, listed = members["include_by_default"], members["rules"]
    if not isinstance(by_default, bool):
        raise invalid_field("include_by_default", "must be true or false")
    if members["region"] != region:
        raise invalid_field("region", f"must be [{region}], the one of this environment")
    if not isinstance(listed, list) or len(listed) > MAXIMUM_RULES:
        raise invalid_field("rules", f"must be a list of at most {MAXIMUM_RULES} rules")
    filter_type = _parse_type(members["type"])
    rules = tuple(
        _parse_rule(rule, f"rules[{number}]", filter_type, scope_id) for number, rule in enumerate(listed)
    )
    if len({rule.id for rule in rules}) != len(rules):
        raise invalid_field("rules", "two rules have the same id")
    return WantedRuleSet(
        name=_required_text(members, "name"),
        type=filter_type,
        region=region,
        rules=rules,
        include_by_default=by_default,
        description=_text(members, "description", "description", _MAXIMUM_DESCRIPTION_CHARACTERS),
    )


def parse_association(body: Any) -> str:
    """Answer the id of the deployment of an association's body."""
    members = _object(body, "", ("entity_type", "id"))
    check_entity_type(_required_text(members, "entity_type"), "entity_type")
    return _required_text(members, "id")


def check_entity_type(entity_type: str, path: str) -> None:
    """Return if rule sets can be associated with this type of thing; raises a 400 failure."""
    if entity_type != ENTITY_TYPE:
        raise invalid_field(path, f"[{entity_type[:64]}] is not supported; use [{ENTITY_TYPE}]")


def rule_set_json(rule_set: RuleSet, deployment_ids: Sequence[str] | None) -> dict[str, Any]:
    """Answer a rule set; with its associations where they were asked for."""
    told: dict[str, Any] = {
        "id": rule_set.id,
        "name": rule_set.name,
        "type": rule_set.type.value,
        "include_by_default": rule_set.include_by_default,
        "region": rule_set.region,
        "rules": [_rule_json(rule) for rule in rule_set.rules],
    }
    if rule_set.description is not None:
        told["description"] = rule_set.description
    return told if deployment_ids is None else {**told, **associations_json(deployment_ids)}


def associations_json(deployment_ids: Sequence[str]) -> dict[str, Any]:
    """Answer the deployments that have a rule set."""
    associations = [{"entity_type": ENTITY_TYPE, "id": each} for each in deployment_ids]
    return {"associations": associations, "total_associations": len(associations)}


def _rule_json(rule: Rule) -> dict[str, str]:
    members = {name: getattr(rule, name) for name in Rule.__struct_fields__}
    return {name: value for name, value in members.items() if value is not None}


def _parse_type(text: Any) -> FilterType:
    if not isinstance(text, str):
        raise invalid_field("type", "must be a text")
    try:
        return FilterType(text)
    except ValueError:
        reason = _REASON_OF_OTHER_TYPE.get(text, "unknown type")
        raise invalid_field(
            "type", f"[{text[:64]}] is not supported: {reason}; use [ip] or [remote_cluster]"
        ) from None


def _parse_rule(rule: Any, path: str, filter_type: FilterType, scope_id: str) -> Rule:
    members = _object(rule, path, (*Rule.__struct_fields__, *_NOT_OFFERED_RULE_MEMBERS))
    for name in _NOT_OFFERED_RULE_MEMBERS:
        if members.get(name):
            raise invalid_field(f"{path}.{name}", "not supported")
    rule_id = members.get("id") or new_hex_id()
    if not isinstance(rule_id, str) or not _RULE_ID_PATTERN.fullmatch(rule_id):
        raise invalid_field(f"{path}.id", "must be a text of 1 to 64 letters, digits, - and _")
    source = _text(members, "source", f"{path}.source", _MAXIMUM_NAME_CHARACTERS)
    cluster_id = _text(members, "remote_cluster_id", f"{path}.remote_cluster_id", _MAXIMUM_NAME_CHARACTERS)
    org_id = _text(
        members, "remote_cluster_org_id", f"{path}.remote_cluster_org_id", _MAXIMUM_NAME_CHARACTERS
    )
    if filter_type is FilterType.IP:
        _check_source(source, f"{path}.source")
        for name, value in (("remote_cluster_id", cluster_id), ("remote_cluster_org_id", org_id)):
            if value is not None:
                raise invalid_field(f"{path}.{name}", "only rules of type [remote_cluster] have it")
    else:
        if source is not None:
            raise invalid_field(f"{path}.source", "only rules of type [ip] have it")
        _check_caller(cluster_id, org_id, path, scope_id)
    return Rule(
        id=rule_id,
        source=source,
        description=_text(members, "description", f"{path}.description", _MAXIMUM_DESCRIPTION_CHARACTERS),
        remote_cluster_id=cluster_id,
        remote_cluster_org_id=org_id,
    )


def _check_source(source: str | None, path: str) -> None:
    if source is None:
        raise invalid_field(path, "is required")
    try:
        parse_network(source)
    except AddressError as error:
        raise invalid_field(path, str(error)) from None


def _check_caller(cluster_id: str | None, org_id: str | None, path: str, scope_id: str) -> None:
    if cluster_id is None and org_id is None:
        raise invalid_field(path, "needs a remote_cluster_id or a remote_cluster_org_id")
    if cluster_id is not None and not HEX_ID_PATTERN.fullmatch(cluster_id):
        raise invalid_field(f"{path}.remote_cluster_id", "must be a cluster id: 32 hexadecimal digits")
    if org_id not in (None, scope_id):
        raise invalid_field(
            f"{path}.remote_cluster_org_id",
            f"must be [{scope_id}]: only deployments of this environment can prove who they are; "
            "let others in by a rule of type [ip]",
        )


def _object(value: Any, path: str, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid_field(path or "(whole)", "must be an object")
    for name in value:
        if name not in known:
            raise invalid_field(f"{path}.{name[:100]}" if path else name[:100], "unknown member")
    return value


def _required_text(members: dict[str, Any], name: str) -> str:
    text = _text(members, name, name, _MAXIMUM_NAME_CHARACTERS)
    if text is None or not text.strip():
        raise invalid_field(name, "is required")
    return text


def _text(members: dict[str, Any], name: str, path: str, maximum: int) -> str | None:
    """Answer a text; None where it is absent, null or empty, which clients send alike."""
    value = members.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > maximum or not value.isprintable():
        raise invalid_field(path, f"must be a text of at most {maximum} printable characters")
    return value
