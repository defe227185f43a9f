"""The bodies that create and update deployments: parsed strictly into what they change. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from isthmus.control.deployment_changes import check_name
from isthmus.control.failures import invalid_field
from isthmus.control.identity import REF_ID
from isthmus.control.records import RemoteCluster
from isthmus.control.remote_clusters import parse_remote_clusters
from isthmus.control.trust import parse_trust
from isthmus.control.trust_records import TrustSettings
from isthmus.exchange import JsonObject
from isthmus.rest.cloud.members import checked_members, optional_members, refuse_filled
from isthmus.rest.cloud.plan_payloads import check_plan, check_version
from isthmus.security.secret import Secret

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
_MAXIMUM_TAGS: Final = 64
_MAXIMUM_TAG_CHARACTERS: Final = 256
#: settings of a deployment, and of its Elasticsearch resource, that nothing here could follow
_REFUSED_SETTINGS: Final = ("observability", "autoscaling_enabled", "auto_ops", "byok")
_REFUSED_RESOURCE_SETTINGS: Final = (
    "snapshot",
    "monitoring",
    "curation",
    "dedicated_masters_threshold",
    "metadata",
)


@dataclass(frozen=True, slots=True)
class ElasticsearchChanges:
    """What a body says of the Elasticsearch resource; None is "not said".

    ``trust`` is replaced as a whole; ``default_trust`` is the body's null: back to the default.
    """

    trust: TrustSettings | None = None
    default_trust: bool = False
    secrets: dict[str, Secret | None] = field(default_factory=dict)
    plan: JsonObject | None = None
    remote_clusters: tuple[RemoteCluster, ...] | None = None
    rule_sets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CreatePayload:
    """A body of ``POST /deployments``; a ``name`` of None is for the platform to choose."""

    name: str | None
    elasticsearch: ElasticsearchChanges
    tags: tuple[tuple[str, str], ...] = ()
    rule_sets: tuple[str, ...] = ()
    loopback_port: int | None = None
    loopback_encrypted: bool = True


@dataclass(frozen=True, slots=True)
class UpdatePayload:
    """A body of ``PUT /deployments/{id}``; ``elasticsearch`` None where it has no such resource."""

    name: str | None
    prune_orphans: bool
    elasticsearch: ElasticsearchChanges | None
    tags: tuple[tuple[str, str], ...] | None = None


def parse_create(body: Any, region: str) -> CreatePayload:
    """Answer what to create; raises a 400 failure that names what it does not understand."""
    members = checked_members(
        body, "", ("name", "alias", "region", "version", "resources", "settings", "metadata", "isthmus")
    )
    refuse_filled(members, "", ("alias",))
    _check_region(members.get("region"), "region", region)
    check_version(members.get("version"), "version")
    port, encrypted = _parse_loopback(members.get("isthmus"))
    changes = _parse_resources(members.get("resources"), region) or ElasticsearchChanges()
    name = members.get("name")
    return CreatePayload(
        name=None if name is None else check_name(name),
        elasticsearch=changes,
        tags=_parse_metadata(members.get("metadata")) or (),
        rule_sets=(*_parse_settings(members.get("settings")), *changes.rule_sets),
        loopback_port=port,
        loopback_encrypted=encrypted,
    )


def parse_update(body: Any, region: str) -> UpdatePayload:
    """Answer what to change; raises a 400 failure that names what it does not understand."""
    members = checked_members(
        body, "", ("name", "alias", "prune_orphans", "resources", "settings", "metadata")
    )
    refuse_filled(members, "", ("alias",))
    if _parse_settings(members.get("settings")):
        raise invalid_field(
            "settings.traffic_filter_settings", "is changed through associations of rule sets"
        )
    prune = members.get("prune_orphans", False)
    if not isinstance(prune, bool):
        raise invalid_field("prune_orphans", "must be true or false")
    changes = _parse_resources(members.get("resources"), region)
    if prune and changes is None:
        raise invalid_field(
            "prune_orphans", "would remove the elasticsearch resource; shut the deployment down"
        )
    name = members.get("name")
    return UpdatePayload(
        name=None if name is None else check_name(name),
        prune_orphans=prune,
        elasticsearch=changes,
        tags=_parse_metadata(members.get("metadata")),
    )


def parse_keystore(body: Any, path: str = "") -> dict[str, Secret | None]:
    """Answer the settings of a keystore body; None is for those to be removed.

    Clients remove one by ``null``, ``{}``, no value or an empty value.
    """
    prefix = f"{path}." if path else ""
    secrets = checked_members(body, path, ("secrets",)).get("secrets")
    if not isinstance(secrets, dict) or len(secrets) > _MAXIMUM_SECRETS:
        raise invalid_field(f"{prefix}secrets", f"must be an object of at most {_MAXIMUM_SECRETS} settings")
    changes: dict[str, Secret | None] = {}
    for name, given in secrets.items():
        member = f"{prefix}secrets.{name[:100]}"
        entry = {} if given is None else checked_members(given, member, ("value", "as_file"))
        value = entry.get("value")
        if entry.get("as_file"):
            raise invalid_field(f"{member}.as_file", "settings kept as files are not supported")
        if value is not None and not isinstance(value, str):
            raise invalid_field(f"{member}.value", "must be a text")
        changes[name] = Secret(value) if value else None
    return changes


def _parse_resources(resources: Any, region: str) -> ElasticsearchChanges | None:
    members = optional_members(resources, "resources", _RESOURCE_KINDS)
    refuse_filled(members, "resources.", _RESOURCE_KINDS[1:])
    listed = members.get("elasticsearch") or []
    if not isinstance(listed, list) or len(listed) > 1:
        raise invalid_field("resources.elasticsearch", "must be a list of one resource")
    return _parse_elasticsearch(listed[0], "resources.elasticsearch[0]", region) if listed else None


def _parse_elasticsearch(payload: Any, path: str, region: str) -> ElasticsearchChanges:
    members = checked_members(payload, path, ("ref_id", "region", "display_name", "plan", "settings"))
    if members.get("ref_id", REF_ID) != REF_ID:
        raise invalid_field(f"{path}.ref_id", f"must be [{REF_ID}]")
    _check_region(members.get("region"), f"{path}.region", region)
    plan = members.get("plan")
    if plan is not None:
        plan = check_plan(plan, f"{path}.plan")
    remotes = ((plan or {}).get("transient") or {}).get("remote_clusters")
    settings = optional_members(
        members.get("settings"),
        f"{path}.settings",
        (*_REFUSED_RESOURCE_SETTINGS, "traffic_filter", "trust", "keystore_contents"),
    )
    refuse_filled(settings, f"{path}.settings.", _REFUSED_RESOURCE_SETTINGS)
    trust, keystore = settings.get("trust"), settings.get("keystore_contents")
    return ElasticsearchChanges(
        trust=None if trust is None else parse_trust(trust, f"{path}.settings.trust"),
        default_trust="trust" in settings and trust is None,
        secrets={} if keystore is None else parse_keystore(keystore, f"{path}.settings.keystore_contents"),
        plan=plan,
        remote_clusters=(
            None
            if remotes is None
            else parse_remote_clusters(remotes, f"{path}.plan.transient.remote_clusters")
        ),
        rule_sets=_parse_rule_sets(settings.get("traffic_filter"), f"{path}.settings.traffic_filter"),
    )


def _parse_settings(settings: Any) -> tuple[str, ...]:
    """Answer the ids of the rule sets that the settings of a deployment name."""
    members = optional_members(settings, "settings", ("traffic_filter_settings", *_REFUSED_SETTINGS))
    refuse_filled(members, "settings.", _REFUSED_SETTINGS)
    return _parse_rule_sets(members.get("traffic_filter_settings"), "settings.traffic_filter_settings")


def _parse_rule_sets(settings: Any, path: str) -> tuple[str, ...]:
    rule_sets = optional_members(settings, path, ("rulesets",)).get("rulesets") or []
    if not isinstance(rule_sets, list) or not all(isinstance(each, str) for each in rule_sets):
        raise invalid_field(f"{path}.rulesets", "must be a list of ids")
    return tuple(rule_sets)


def _parse_metadata(metadata: Any) -> tuple[tuple[str, str], ...] | None:
    """Answer the tags; None where the body does not speak of any."""
    members = optional_members(metadata, "metadata", ("tags", "hidden", "system_owned"))
    refuse_filled(members, "metadata.", ("hidden", "system_owned"))
    tags = members.get("tags")
    if tags is None:
        return None
    if not isinstance(tags, list) or len(tags) > _MAXIMUM_TAGS:
        raise invalid_field("metadata.tags", f"must be a list of at most {_MAXIMUM_TAGS} tags")
    return tuple(_parse_tag(tag, f"metadata.tags[{number}]") for number, tag in enumerate(tags))


def _parse_tag(tag: Any, path: str) -> tuple[str, str]:
    members = checked_members(tag, path, ("key", "value"))
    for name in ("key", "value"):
        value = members.get(name)
        if (
            not isinstance(value, str)
            or len(value) > _MAXIMUM_TAG_CHARACTERS
            or (name == "key" and not value)
        ):
            raise invalid_field(
                f"{path}.{name}", f"must be a text of at most {_MAXIMUM_TAG_CHARACTERS} characters"
            )
    return members["key"], members["value"]


def _check_region(given: Any, path: str, region: str) -> None:
    if given not in (None, region):
        raise invalid_field(path, f"must be [{region}], the one of this environment")


def _parse_loopback(extension: Any) -> tuple[int | None, bool]:
    """Read Isthmus's own member: a listener of the node's beside the door."""
    if extension is None:
        return None, True
    members = checked_members(extension, "isthmus", ("loopback_port", "insecure_http"))
    port, insecure = members.get("loopback_port"), members.get("insecure_http", False)
    if port is not None and (type(port) is not int or not 0 <= port <= _HIGHEST_PORT):
        raise invalid_field("isthmus.loopback_port", f"must be a number from 0 to {_HIGHEST_PORT}")
    if not isinstance(insecure, bool):
        raise invalid_field("isthmus.insecure_http", "must be true or false")
    if insecure and port is None:
        raise invalid_field("isthmus.insecure_http", "needs a loopback_port (0 picks a free one)")
    return port, not insecure
