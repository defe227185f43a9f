"""The bodies that create and update deployments: parsed strictly into what they change. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from isthmus.control.deployments import check_name
from isthmus.control.failures import invalid_field
from isthmus.control.identity import REF_ID
from isthmus.control.records import TrustedAuthority
from isthmus.control.trust import parse_trust
from isthmus.exchange import JsonObject
from isthmus.security.secret import Secret
from isthmus.settings import COMPATIBLE_VERSION

_RESOURCE_KINDS: Final = (
    "elasticsearch",
    "kibana",
    "apm",
    "appsearch",
    "enterprise_search",
    "integrations_server",
)
_HIGHEST_PORT: Final = 65535
_MAXIMUM_SECRETS: Final = 1000


@dataclass(frozen=True, slots=True)
class ElasticsearchChanges:
    """What a body says of the Elasticsearch resource; None is "not said"."""

    trust: tuple[TrustedAuthority, ...] | None = None
    secrets: dict[str, Secret | None] = field(default_factory=dict)
    plan: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class CreatePayload:
    """A body of ``POST /deployments``."""

    name: str
    elasticsearch: ElasticsearchChanges
    loopback_port: int | None = None
    loopback_encrypted: bool = True


@dataclass(frozen=True, slots=True)
class UpdatePayload:
    """A body of ``PUT /deployments/{id}``; ``elasticsearch`` None where it has no such resource."""

    name: str | None
    prune_orphans: bool
    elasticsearch: ElasticsearchChanges | None


def parse_create(body: Any, region: str) -> CreatePayload:
    """Answer what to create; raises a 400 failure that names what it does not understand."""
    members = _members(
        body, "", ("name", "alias", "region", "version", "resources", "settings", "metadata", "isthmus")
    )
    _refuse_filled(members, "", ("alias", "settings", "metadata"))
    _check_region(members.get("region"), "region", region)
    _check_version(members.get("version"), "version")
    port, encrypted = _parse_loopback(members.get("isthmus"))
    changes = _parse_resources(members.get("resources"), region) or ElasticsearchChanges()
    return CreatePayload(check_name(members.get("name")), changes, port, encrypted)


def parse_update(body: Any, region: str) -> UpdatePayload:
    """Answer what to change; raises a 400 failure that names what it does not understand."""
    members = _members(body, "", ("name", "alias", "prune_orphans", "resources", "settings", "metadata"))
    _refuse_filled(members, "", ("alias", "settings", "metadata"))
    prune = members.get("prune_orphans", False)
    if not isinstance(prune, bool):
        raise invalid_field("prune_orphans", "must be true or false")
    changes = _parse_resources(members.get("resources"), region)
    if prune and changes is None:
        raise invalid_field(
            "prune_orphans", "would remove the elasticsearch resource; shut the deployment down"
        )
    name = members.get("name")
    return UpdatePayload(None if name is None else check_name(name), prune, changes)


def parse_keystore(body: Any, path: str = "") -> dict[str, Secret | None]:
    """Answer the settings of a keystore body; None is for those to be removed.

    Clients remove one by ``null``, ``{}``, no value or an empty value.
    """
    prefix = f"{path}." if path else ""
    secrets = _members(body, path, ("secrets",)).get("secrets")
    if not isinstance(secrets, dict) or len(secrets) > _MAXIMUM_SECRETS:
        raise invalid_field(f"{prefix}secrets", f"must be an object of at most {_MAXIMUM_SECRETS} settings")
    changes: dict[str, Secret | None] = {}
    for name, given in secrets.items():
        member = f"{prefix}secrets.{name[:100]}"
        entry = {} if given is None else _members(given, member, ("value", "as_file"))
        value = entry.get("value")
        if entry.get("as_file"):
            raise invalid_field(f"{member}.as_file", "settings kept as files are not supported")
        if value is not None and not isinstance(value, str):
            raise invalid_field(f"{member}.value", "must be a text")
        changes[name] = Secret(value) if value else None
    return changes


def _parse_resources(resources: Any, region: str) -> ElasticsearchChanges | None:
    members = _members(resources if resources is not None else {}, "resources", _RESOURCE_KINDS)
    _refuse_filled(members, "resources.", _RESOURCE_KINDS[1:])
    listed = members.get("elasticsearch") or []
    if not isinstance(listed, list) or len(listed) > 1:
        raise invalid_field("resources.elasticsearch", "must be a list of one resource")
    return _parse_elasticsearch(listed[0], "resources.elasticsearch[0]", region) if listed else None


def _parse_elasticsearch(payload: Any, path: str, region: str) -> ElasticsearchChanges:
    members = _members(payload, path, ("ref_id", "region", "display_name", "plan", "settings"))
    if members.get("ref_id", REF_ID) != REF_ID:
        raise invalid_field(f"{path}.ref_id", f"must be [{REF_ID}]")
    _check_region(members.get("region"), f"{path}.region", region)
    plan = members.get("plan")
    if plan is not None:
        _check_plan(plan, f"{path}.plan")
    settings = members.get("settings") or {}
    known = ("snapshot", "monitoring", "curation", "dedicated_masters_threshold", "traffic_filter")
    settings = _members(settings, f"{path}.settings", (*known, "metadata", "trust", "keystore_contents"))
    _refuse_filled(settings, f"{path}.settings.", (*known, "metadata"))
    trust, keystore = settings.get("trust"), settings.get("keystore_contents")
    return ElasticsearchChanges(
        trust=None if trust is None else parse_trust(trust, f"{path}.settings.trust"),
        secrets={} if keystore is None else parse_keystore(keystore, f"{path}.settings.keystore_contents"),
        plan=plan,
    )


def _check_plan(plan: Any, path: str) -> None:
    """Check the version. The rest sizes machines that are not here: kept, and told back unchanged."""
    if not isinstance(plan, dict):
        raise invalid_field(path, "must be an object")
    elasticsearch = plan.get("elasticsearch") or {}
    if not isinstance(elasticsearch, dict):
        raise invalid_field(f"{path}.elasticsearch", "must be an object")
    _check_version(elasticsearch.get("version"), f"{path}.elasticsearch.version")


def _check_version(version: Any, path: str) -> None:
    if version not in (None, COMPATIBLE_VERSION):
        raise invalid_field(path, f"must be [{COMPATIBLE_VERSION}], the one that this environment offers")


def _check_region(given: Any, path: str, region: str) -> None:
    if given not in (None, region):
        raise invalid_field(path, f"must be [{region}], the one of this environment")


def _parse_loopback(extension: Any) -> tuple[int | None, bool]:
    """Read Isthmus's own member: a listener of the node's beside the door."""
    if extension is None:
        return None, True
    members = _members(extension, "isthmus", ("loopback_port", "insecure_http"))
    port, insecure = members.get("loopback_port"), members.get("insecure_http", False)
    if port is not None and (type(port) is not int or not 0 <= port <= _HIGHEST_PORT):
        raise invalid_field("isthmus.loopback_port", f"must be a number from 0 to {_HIGHEST_PORT}")
    if not isinstance(insecure, bool):
        raise invalid_field("isthmus.insecure_http", "must be true or false")
    if insecure and port is None:
        raise invalid_field("isthmus.insecure_http", "needs a loopback_port (0 picks a free one)")
    return port, not insecure


def _members(value: Any, path: str, known: tuple[str, ...]) -> dict[str, Any]:
    """Answer the object if it has no other members than these."""
    if not isinstance(value, dict):
        raise invalid_field(path or "(whole)", "must be an object")
    for name in value:
        if name not in known:
            raise invalid_field(f"{path}.{name[:100]}" if path else name[:100], "unknown member")
    return value


def _refuse_filled(members: dict[str, Any], prefix: str, names: tuple[str, ...]) -> None:
    """Refuse members that are known but not offered; empty ones, which clients always send, pass."""
    for name in names:
        if members.get(name):
            raise invalid_field(f"{prefix}{name}", "not supported")
