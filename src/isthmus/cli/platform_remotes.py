"""``isthmus platform remote-clusters``: deployments of one environment as remote clusters of one another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from isthmus.cli.deployment import AS_JSON, DIRECTORY, NAME, describe, find_deployment
from isthmus.cli.failures import CommandError
from isthmus.cli.output import print_json, print_table
from isthmus.cli.platform_client import PlatformClient, deployment_path, platform_client, tell_unless_served

_MEMBERS = ("deployment_id", "elasticsearch_ref_id", "alias", "skip_unavailable")


@click.group("remote-clusters")
def remote_clusters() -> None:
    """Connect deployments of this environment; the platform makes the keys and keeps the settings."""


@remote_clusters.command("list")
@DIRECTORY
@NAME
@AS_JSON
def list_(directory: Path, name: str, *, as_json: bool) -> None:
    """List the remote clusters of the deployment NAME that are of this environment."""
    with platform_client(directory) as client:
        found = _remotes(client, _path(client, name))
    if as_json:
        print_json(found)
        return
    rows = [
        (each["alias"], each["deployment_id"], "connected" if each["info"]["connected"] else "not connected")
        for each in found
    ]
    print_table(("ALIAS", "DEPLOYMENT ID", "STATE"), rows)


@remote_clusters.command("add")
@DIRECTORY
@NAME
@click.argument("remote")
@click.option("--as", "alias", help="The alias. Default: the name of the remote deployment.")
@click.option("--skip-unavailable/--no-skip-unavailable", default=False, help="Searches go on without it.")
@AS_JSON
def add(
    directory: Path, name: str, remote: str, *, alias: str | None, skip_unavailable: bool, as_json: bool
) -> None:
    """Make the deployment REMOTE a remote cluster of the deployment NAME."""
    with platform_client(directory) as client:
        path = _path(client, name)
        described = describe(client, find_deployment(client, remote))
        entry = {
            "deployment_id": described["id"],
            "elasticsearch_ref_id": described["ref_id"],
            "alias": alias or described["name"],
            "skip_unavailable": skip_unavailable,
        }
        kept = [each for each in _remotes(client, path) if each["alias"] != entry["alias"]]
        _replace(client, path, [*kept, entry])
        tell_unless_served(client, directory)
    _tell(f"deployment {name} has the remote cluster {entry['alias']}", entry, as_json=as_json)


@remote_clusters.command("remove")
@DIRECTORY
@NAME
@click.argument("alias")
@AS_JSON
def remove(directory: Path, name: str, alias: str, *, as_json: bool) -> None:
    """Separate the deployment NAME from its remote cluster ALIAS; the key ends."""
    with platform_client(directory) as client:
        path = _path(client, name)
        found = _remotes(client, path)
        if alias not in [each["alias"] for each in found]:
            known = ", ".join(each["alias"] for each in found) or "none"
            raise CommandError(
                f"there is no remote cluster [{alias}] of this environment; there are: {known}"
            )
        _replace(client, path, [each for each in found if each["alias"] != alias])
        tell_unless_served(client, directory)
    _tell(f"deployment {name} no longer has the remote cluster {alias}", {"alias": alias}, as_json=as_json)


def _path(client: PlatformClient, name: str) -> str:
    return deployment_path(find_deployment(client, name), "elasticsearch", "_main", "remote-clusters")


def _remotes(client: PlatformClient, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.call("GET", path)["resources"]
    return found


def _replace(client: PlatformClient, path: str, entries: list[dict[str, Any]]) -> None:
    client.call("PUT", path, {"resources": [{name: entry[name] for name in _MEMBERS} for entry in entries]})


def _tell(text: str, answer: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        click.echo(text)
