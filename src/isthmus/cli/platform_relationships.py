"""``isthmus platform relationship``: other environments that deployments can trust by a name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click

from isthmus.cli.deployment import AS_JSON, DIRECTORY
from isthmus.cli.failures import CommandError
from isthmus.cli.output import print_json, print_table
from isthmus.cli.platform_client import PlatformClient, platform_client

_PATH: Final = "/platform/configuration/trust-relationships"


@click.group("relationship")
def relationship() -> None:
    """Know other environments: trust relationships, which deployments refer to (certificate model)."""


@relationship.command("list")
@DIRECTORY
@AS_JSON
def list_(directory: Path, *, as_json: bool) -> None:
    """List the environments that this one knows, itself first."""
    with platform_client(directory) as client:
        found = client.call("GET", _PATH)["trust_relationships"]
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["id"],
            each["name"],
            ", ".join(each["account_ids"]),
            "yes" if each["trust_by_default"] else "no",
        )
        for each in found
    ]
    print_table(("ID", "NAME", "ACCOUNTS", "TRUSTED BY DEFAULT"), rows)


@relationship.command("add")
@DIRECTORY
@click.argument("name")
@click.option(
    "--certificate-authority",
    "authorities",
    required=True,
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="PEM file: the transport CA of the environment. May be repeated.",
)
@click.option("--account", "accounts", required=True, multiple=True, metavar="ID", help="Its environment id.")
@click.option("--by-default", is_flag=True, help="New deployments trust all of its deployments.")
@AS_JSON
def add(
    directory: Path,
    name: str,
    *,
    authorities: tuple[Path, ...],
    accounts: tuple[str, ...],
    by_default: bool,
    as_json: bool,
) -> None:
    """Know the environment NAME; prints the id by which deployments trust it."""
    try:
        pem = "\n".join(path.read_text(encoding="ascii") for path in authorities)
    except (OSError, UnicodeDecodeError):
        raise CommandError("the certificate authorities must be PEM files that can be read") from None
    body = {
        "name": name,
        "public_ca_cert": pem,
        "account_ids": list(accounts),
        "trust_by_default": by_default,
    }
    with platform_client(directory) as client:
        made = client.call("POST", _PATH, body)
    if as_json:
        print_json(made)
    else:
        click.echo(f"{name} is known; deployments trust it by the id {made['id']}")


@relationship.command("remove")
@DIRECTORY
@click.argument("name")
@AS_JSON
def remove(directory: Path, name: str, *, as_json: bool) -> None:
    """Forget the environment NAME (or its id); what was trusted through it ends."""
    with platform_client(directory) as client:
        found = _find(client, name)
        client.call("DELETE", f"{_PATH}/{quote(found['id'], safe='')}")
    if as_json:
        print_json({"id": found["id"], "removed": True})
    else:
        click.echo(f"{found['name']} is no longer known")


def _find(client: PlatformClient, name: str) -> dict[str, Any]:
    others = client.call("GET", _PATH, parameters={"filter": "non-local"})["trust_relationships"]
    matches: list[dict[str, Any]] = [each for each in others if name in (each["id"], each["name"])]
    if not matches:
        known = ", ".join(each["name"] for each in others) or "none"
        raise CommandError(f"no environment is known as [{name}]; there are: {known}")
    if len(matches) > 1:
        ids = ", ".join(each["id"] for each in matches)
        raise CommandError(f"several environments are known as [{name}]; use an id: {ids}")
    return matches[0]
