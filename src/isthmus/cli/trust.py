"""``isthmus trust``: whom a deployment trusts, by certificate and for servers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from isthmus.cli.deployment import AS_JSON, DIRECTORY, NAME, find_deployment
from isthmus.cli.failures import CommandError
from isthmus.cli.output import print_json, print_table
from isthmus.cli.platform_client import PlatformClient, deployment_path, platform_client, tell_unless_served

_TYPES: Final = ("ECE", "ESS", "generic", "proxy")


@click.group("trust")
def trust() -> None:
    """Say whom a deployment trusts.

    The types ECE, ESS and generic are for the certificate model, in which both sides must trust each
    other; the type proxy is for links with API keys.
    """


@trust.command("add")
@DIRECTORY
@NAME
@click.option("--as", "label", required=True, help="What to call the trusted environment.")
@click.option(
    "--type",
    "kind",
    required=True,
    type=click.Choice(_TYPES),
    help="ECE or ESS: an environment or organization; generic: self-managed; proxy: only its servers.",
)
@click.option(
    "--certificate-authority",
    "authorities",
    required=True,
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="PEM file. May be repeated: several regions, or old and new during a rotation.",
)
@click.option("--scope", help="Environment or organization id.")
@click.option("--all", "trust_all", is_flag=True, help="Trust all of its deployments, also future ones.")
@click.option(
    "--cluster", "clusters", multiple=True, metavar="ID", help="Trust this cluster id. May be repeated."
)
@click.option(
    "--node-name", "node_names", multiple=True, help="Trust a node of exactly this name. May be repeated."
)
@AS_JSON
def add(  # noqa: PLR0913 - one parameter an option
    directory: Path,
    name: str,
    *,
    label: str,
    kind: str,
    authorities: tuple[Path, ...],
    scope: str | None,
    trust_all: bool,
    clusters: tuple[str, ...],
    node_names: tuple[str, ...],
    as_json: bool,
) -> None:
    """Let the deployment NAME trust another environment; one of the same name is replaced."""
    entry: dict[str, Any] = {
        "type": kind,
        "name": label,
        "trust_all": trust_all,
        "certificates": [{"pem": _read_pem(path)} for path in authorities],
    }
    if scope is not None:
        entry["scope_id"] = scope
    if clusters:
        entry["trust_allowlist"] = list(clusters)
    if node_names:
        entry["additional_node_names"] = list(node_names)
    with platform_client(directory) as client:
        deployment_id = find_deployment(client, name)
        current = read_trust(client, deployment_id)
        current["direct"] = [each for each in current["direct"] if each["name"] != label] + [entry]
        replace_trust(client, deployment_id, current)
        tell_unless_served(client, directory)
    if as_json:
        print_json({"id": deployment_id, "trusted": label})
    else:
        click.echo(f"deployment {name} trusts {label}")


@trust.command("list")
@DIRECTORY
@NAME
@AS_JSON
def list_(directory: Path, name: str, *, as_json: bool) -> None:
    """List whom the deployment NAME trusts."""
    with platform_client(directory) as client:
        current = read_trust(client, find_deployment(client, name))
    if as_json:
        print_json(current)
        return
    rows = [("account", each["account_id"], _extent(each), "") for each in current["accounts"]]
    rows += [
        ("relationship", each["trust_relationship_id"], _extent(each), "") for each in current["external"]
    ]
    rows += [
        (each["type"], each["name"], _extent(each), str(len(each["certificates"])))
        for each in current["direct"]
    ]
    print_table(("TYPE", "WHO", "TRUSTED", "AUTHORITIES"), rows)


@trust.command("remove")
@DIRECTORY
@NAME
@click.argument("label")
@AS_JSON
def remove(directory: Path, name: str, label: str, *, as_json: bool) -> None:
    """Let the deployment NAME no longer trust what is called LABEL; open connections end.

    LABEL may also be the id of an account or of a trust relationship.
    """
    with platform_client(directory) as client:
        deployment_id = find_deployment(client, name)
        before = read_trust(client, deployment_id)
        after = {
            kind: [each for each in entries if label not in _names(each)] for kind, entries in before.items()
        }
        if after == before:
            known = ", ".join(_names(each)[0] for entries in before.values() for each in entries) or "none"
            raise CommandError(f"deployment {name} trusts nobody called [{label}]; it trusts: {known}")
        replace_trust(client, deployment_id, after)
        tell_unless_served(client, directory)
    if as_json:
        print_json({"id": deployment_id, "untrusted": label})
    else:
        click.echo(f"deployment {name} no longer trusts {label}")


def read_trust(client: PlatformClient, deployment_id: str) -> dict[str, list[dict[str, Any]]]:
    """Answer the trust settings in the form that may be sent back."""
    details = client.call("GET", deployment_path(deployment_id), parameters={"show_settings": "true"})
    told = details["resources"]["elasticsearch"][0]["info"]["settings"]["trust"]
    current = {kind: list(told[kind] or []) for kind in ("accounts", "external", "direct")}
    # What the platform adds to a certificate by itself is not to be sent back.
    current["direct"] = [
        {**entry, "certificates": [{"pem": certificate["pem"]} for certificate in entry["certificates"]]}
        for entry in current["direct"]
    ]
    return current


def replace_trust(client: PlatformClient, deployment_id: str, trusted: dict[str, Any]) -> None:
    """Have the deployment trust exactly this: an update replaces all three lists."""
    body = {
        "prune_orphans": False,
        "resources": {"elasticsearch": [{"settings": {"trust": trusted}}]},
    }
    client.call("PUT", deployment_path(deployment_id), body)


def _read_pem(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise CommandError(f"{path} is not a PEM file") from None


def _names(entry: dict[str, Any]) -> list[str]:
    members = ("name", "account_id", "trust_relationship_id", "uid")
    return [entry[member] for member in members if entry.get(member)]


def _extent(entry: dict[str, Any]) -> str:
    if entry.get("type") == "proxy":
        return "its servers, for links with API keys"
    scope = f" of {entry['scope_id']}" if entry.get("scope_id") else ""
    if entry["trust_all"]:
        return f"all deployments{scope}"
    named = [*(entry.get("trust_allowlist") or ()), *(entry.get("additional_node_names") or ())]
    return f"{', '.join(named) or 'nobody'}{scope}"
