"""``isthmus traffic-filter``: rule sets that say who may connect, and which deployments have them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from isthmus.cli.deployment import AS_JSON, DIRECTORY, find_deployment
from isthmus.cli.failures import CommandError
from isthmus.cli.output import print_facts, print_json, print_table
from isthmus.cli.platform_client import PlatformClient, platform_client
from isthmus.control.identity import region_of
from isthmus.settings_file import load_settings

NAME = click.argument("name")
_SOURCES = click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="ADDRESS",
    help="Let in an IPv4 or IPv6 address or CIDR block. May be repeated.",
)
_CLUSTERS = click.option(
    "--remote-cluster",
    "clusters",
    multiple=True,
    metavar="ID",
    help="Let in a deployment of this environment on 9443, by its cluster ID. May be repeated.",
)
_ENVIRONMENT = click.option(
    "--same-environment", is_flag=True, help="Let in all deployments of this environment on 9443."
)
_DESCRIPTION = click.option("--description", help="What the rule set is for.")
_RULE_SETS = "/deployments/traffic-filter/rulesets"


@click.group("traffic-filter")
def traffic_filter() -> None:
    """Say who may connect to deployments.

    A rule set takes effect where it is associated with a deployment. A deployment without one lets
    everybody in; with one or more it lets in only whom a rule of any of them names.
    """


@traffic_filter.command("create")
@DIRECTORY
@NAME
@_SOURCES
@_CLUSTERS
@_ENVIRONMENT
@_DESCRIPTION
@click.option("--include-by-default", is_flag=True, help="New deployments get it by themselves.")
@AS_JSON
def create(  # noqa: PLR0913 - one parameter an option
    directory: Path,
    name: str,
    *,
    sources: tuple[str, ...],
    clusters: tuple[str, ...],
    same_environment: bool,
    description: str | None,
    include_by_default: bool,
    as_json: bool,
) -> None:
    """Create a rule set called NAME; no deployment has it yet."""
    with platform_client(directory) as client:
        if any(each["name"] == name for each in _all(client)):
            raise CommandError(f"there is a rule set called [{name}] already; choose another name")
        rules = _rules(sources, clusters, _scope_ids(directory, same_environment=same_environment))
        if rules is None:
            raise click.UsageError("say whom to let in: --source, --remote-cluster or --same-environment")
        body = {
            "name": name,
            "type": rules[0],
            "region": region_of(load_settings(directory, os.environ).kind),
            "description": description or "",
            "include_by_default": include_by_default,
            "rules": rules[1],
        }
        made = client.call("POST", _RULE_SETS, body)
    _tell(f"traffic filter {name} created", {"id": made["id"], "name": name}, as_json=as_json)


@traffic_filter.command("list")
@DIRECTORY
@AS_JSON
def list_(directory: Path, *, as_json: bool) -> None:
    """List the rule sets."""
    with platform_client(directory) as client:
        found = _all(client)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["name"],
            each["type"],
            str(len(each["rules"])),
            str(each["total_associations"]),
            "yes" if each["include_by_default"] else "no",
            each["id"],
        )
        for each in found
    ]
    print_table(("NAME", "TYPE", "RULES", "DEPLOYMENTS", "BY DEFAULT", "ID"), rows)


@traffic_filter.command("show")
@DIRECTORY
@NAME
@AS_JSON
def show(directory: Path, name: str, *, as_json: bool) -> None:
    """Show the rule set NAME (or its id) and the deployments that have it."""
    with platform_client(directory) as client:
        found = _find(client, name)
        deployments = {each["id"]: each["name"] for each in client.call("GET", "/deployments")["deployments"]}
    if as_json:
        print_json(found)
        return
    names = [deployments.get(each["id"], each["id"]) for each in found["associations"]]
    print_facts(
        [
            ("Name", found["name"]),
            ("ID", found["id"]),
            ("Type", found["type"]),
            ("Description", found.get("description")),
            ("By default", "yes" if found["include_by_default"] else "no"),
            ("Lets in", ", ".join(_whom(rule) for rule in found["rules"]) or "nobody"),
            ("Deployments", ", ".join(names) or "none"),
        ]
    )


@traffic_filter.command("update")
@DIRECTORY
@NAME
@_SOURCES
@_CLUSTERS
@_ENVIRONMENT
@_DESCRIPTION
@click.option("--rename", metavar="NAME", help="Another name.")
@click.option("--include-by-default/--no-include-by-default", default=None, help="For new deployments.")
@AS_JSON
def update(  # noqa: PLR0913 - one parameter an option
    directory: Path,
    name: str,
    *,
    sources: tuple[str, ...],
    clusters: tuple[str, ...],
    same_environment: bool,
    description: str | None,
    rename: str | None,
    include_by_default: bool | None,
    as_json: bool,
) -> None:
    """Change the rule set NAME; rules that are given take the place of all that it had.

    Takes effect within a second, on open connections too.
    """
    with platform_client(directory) as client:
        found = _find(client, name)
        body = {member: found[member] for member in ("name", "type", "region", "include_by_default", "rules")}
        body["description"] = found.get("description", "") if description is None else description
        if rename is not None:
            body["name"] = rename
        if include_by_default is not None:
            body["include_by_default"] = include_by_default
        rules = _rules(sources, clusters, _scope_ids(directory, same_environment=same_environment))
        if rules is not None:
            body["type"], body["rules"] = rules
        client.call("PUT", _path(found["id"]), body)
    _tell(f"traffic filter {name} changed", {"id": found["id"], "name": body["name"]}, as_json=as_json)


@traffic_filter.command("delete")
@DIRECTORY
@NAME
@click.option("--ignore-associations", is_flag=True, help="Also where deployments have it.")
@AS_JSON
def delete(directory: Path, name: str, *, ignore_associations: bool, as_json: bool) -> None:
    """Delete the rule set NAME."""
    with platform_client(directory) as client:
        rule_set_id = _find(client, name)["id"]
        parameters = {"ignore_associations": "true"} if ignore_associations else None
        client.call("DELETE", _path(rule_set_id), parameters=parameters)
    _tell(f"traffic filter {name} deleted", {"id": rule_set_id, "deleted": True}, as_json=as_json)


@traffic_filter.command("associate")
@DIRECTORY
@NAME
@click.argument("deployment")
@AS_JSON
def associate(directory: Path, name: str, deployment: str, *, as_json: bool) -> None:
    """Let the rule set NAME hold for DEPLOYMENT, within a second and on open connections too."""
    with platform_client(directory) as client:
        rule_set_id, deployment_id = _find(client, name)["id"], find_deployment(client, deployment)
        body = {"entity_type": "deployment", "id": deployment_id}
        client.call("POST", _path(rule_set_id, "associations"), body)
    answer = {"id": rule_set_id, "deployment_id": deployment_id, "associated": True}
    _tell(f"traffic filter {name} holds for deployment {deployment}", answer, as_json=as_json)


@traffic_filter.command("dissociate")
@DIRECTORY
@NAME
@click.argument("deployment")
@AS_JSON
def dissociate(directory: Path, name: str, deployment: str, *, as_json: bool) -> None:
    """Let the rule set NAME no longer hold for DEPLOYMENT."""
    with platform_client(directory) as client:
        rule_set_id, deployment_id = _find(client, name)["id"], find_deployment(client, deployment)
        client.call("DELETE", _path(rule_set_id, "associations", "deployment", deployment_id))
    answer = {"id": rule_set_id, "deployment_id": deployment_id, "associated": False}
    _tell(f"traffic filter {name} no longer holds for deployment {deployment}", answer, as_json=as_json)


def _all(client: PlatformClient) -> list[dict[str, Any]]:
    parameters = {"include_associations": "true"}
    found: list[dict[str, Any]] = client.call("GET", _RULE_SETS, parameters=parameters)["rulesets"]
    return found


def _find(client: PlatformClient, name: str) -> dict[str, Any]:
    """Answer the rule set with this id or name; raises a :class:`CommandError`."""
    found = _all(client)
    matches = [each for each in found if each["id"] == name] or [
        each for each in found if each["name"] == name
    ]
    if not matches:
        known = ", ".join(each["name"] for each in found) or "none"
        raise CommandError(f"no traffic filter is called [{name}]; there are: {known}")
    if len(matches) > 1:
        ids = ", ".join(each["id"] for each in matches)
        raise CommandError(f"several traffic filters are called [{name}]; use an id: {ids}")
    return matches[0]


def _scope_ids(directory: Path, *, same_environment: bool) -> tuple[str, ...]:
    return (load_settings(directory, os.environ).scope_id,) if same_environment else ()


def _rules(
    sources: tuple[str, ...], clusters: tuple[str, ...], scope_ids: tuple[str, ...]
) -> tuple[str, list[dict[str, str]]] | None:
    """Answer type and rules of what was given, None where nothing was."""
    if sources and (clusters or scope_ids):
        raise click.UsageError("a rule set holds addresses or remote clusters: make two of them")
    if sources:
        return "ip", [{"source": source} for source in sources]
    rules = [{"remote_cluster_id": cluster_id} for cluster_id in clusters]
    rules += [{"remote_cluster_org_id": scope_id} for scope_id in scope_ids]
    return ("remote_cluster", rules) if rules else None


def _whom(rule: dict[str, str]) -> str:
    if "source" in rule:
        return rule["source"]
    ids = [("cluster", rule.get("remote_cluster_id")), ("of", rule.get("remote_cluster_org_id"))]
    return " ".join(f"{word} {value}" for word, value in ids if value is not None)


def _path(rule_set_id: str, *below: str) -> str:
    return "/".join((_RULE_SETS, *(quote(segment, safe="") for segment in (rule_set_id, *below))))


def _tell(text: str, answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        click.echo(text)
