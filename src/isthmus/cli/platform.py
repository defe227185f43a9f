"""``isthmus platform``: API keys, certificate chains and the account of an environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from isthmus.cli.deployment import AS_JSON, DIRECTORY
from isthmus.cli.failures import CommandError
from isthmus.cli.output import print_facts, print_json, print_table
from isthmus.cli.platform_client import platform_client
from isthmus.cli.platform_relationships import relationship
from isthmus.cli.platform_remotes import remote_clusters

_KEYS = "/users/auth/keys"
_CHAINS = "/platform/configuration/security/tls"
_PEM_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_SERVICE = click.argument("service", type=click.Choice(["proxy", "ui"]))


@click.group("platform")
def platform() -> None:
    """Manage the platform: API keys, certificate chains, other environments, remote clusters, the account."""


platform.add_command(relationship)
platform.add_command(remote_clusters)


@platform.group("key")
def key() -> None:
    """Keep API keys for programs that use the platform API, such as ecctl and Terraform."""


@key.command("create")
@DIRECTORY
@click.argument("description")
@click.option(
    "--expires", metavar="DURATION", help="After how long it ends, for instance 30d. Default: never."
)
@AS_JSON
def create_key(directory: Path, description: str, *, expires: str | None, as_json: bool) -> None:
    """Create an API key, which is shown this once."""
    with platform_client(directory) as client:
        made = client.call("POST", _KEYS, {"description": description, "expiration": expires})
    if as_json:
        print_json(made)
        return
    expiry = made.get("expiration_date", "never")
    shown = ("Key", f"{made['key']} (shown this once)")
    print_facts([("ID", made["id"]), ("Expires", expiry), shown])


@key.command("list")
@DIRECTORY
@AS_JSON
def list_keys(directory: Path, *, as_json: bool) -> None:
    """List the API keys that have not ended."""
    with platform_client(directory) as client:
        found = client.call("GET", _KEYS)["keys"]
    if as_json:
        print_json(found)
        return
    rows = [
        (each["id"], each["description"], each["creation_date"], each.get("expiration_date", "never"))
        for each in found
    ]
    print_table(("ID", "DESCRIPTION", "CREATED", "EXPIRES"), rows)


@key.command("delete")
@DIRECTORY
@click.argument("key_id")
@AS_JSON
def delete_key(directory: Path, key_id: str, *, as_json: bool) -> None:
    """End the API key KEY_ID at once."""
    with platform_client(directory) as client:
        client.call("DELETE", _KEYS, {"keys": [_known_key(client.call("GET", _KEYS)["keys"], key_id)]})
    _tell(f"API key {key_id} deleted", {"id": key_id, "deleted": True}, as_json=as_json)


@platform.group("chain")
def chain() -> None:
    """Choose the certificate chains that servers present: proxy (deployments) or ui (platform API)."""


@chain.command("show")
@DIRECTORY
@_SERVICE
@AS_JSON
def show_chain(directory: Path, service: str, *, as_json: bool) -> None:
    """Print the chain of SERVICE as PEM, the server's certificate first; the last is what to trust."""
    with platform_client(directory) as client:
        told = client.call("GET", f"{_CHAINS}/{service}")
    if as_json:
        print_json(told)
    else:
        click.echo("".join(told["chain"]), nl=False)


@chain.command("upload")
@DIRECTORY
@_SERVICE
@click.option("--key", "key_path", required=True, type=_PEM_FILE, help="PEM file: the private key.")
@click.option(
    "--certificates", "chain_path", required=True, type=_PEM_FILE, help="PEM file: the server's first."
)
@AS_JSON
def upload_chain(directory: Path, service: str, *, key_path: Path, chain_path: Path, as_json: bool) -> None:
    """Have SERVICE present a chain of your own, from its next connection on.

    For proxy it must be valid for every name below the environment's domain.
    """
    try:
        text = f"{key_path.read_text(encoding='ascii')}\n{chain_path.read_text(encoding='ascii')}"
    except (OSError, UnicodeDecodeError):
        raise CommandError("key and certificates must be PEM files that can be read") from None
    with platform_client(directory) as client:
        answer = client.call("POST", f"{_CHAINS}/{service}", text)
    _tell(f"{service} presents the uploaded chain", answer, as_json=as_json)


@chain.command("reset")
@DIRECTORY
@_SERVICE
@AS_JSON
def reset_chain(directory: Path, service: str, *, as_json: bool) -> None:
    """Have SERVICE present the environment's own chain again."""
    with platform_client(directory) as client:
        client.call("DELETE", f"{_CHAINS}/{service}")
    _tell(f"{service} presents the environment's own chain", {"service": service}, as_json=as_json)


@platform.command("account")
@DIRECTORY
@click.option("--trust-all/--no-trust-all", default=None, help="Whether new deployments trust all others.")
@AS_JSON
def account(directory: Path, *, trust_all: bool | None, as_json: bool) -> None:
    """Show the account, or change what new deployments trust from the start."""
    with platform_client(directory) as client:
        if trust_all is not None:
            client.call("PATCH", "/account", {"trust": {"trust_all": trust_all}})
        told = client.call("GET", "/account")
    if as_json:
        print_json(told)
        return
    trusts = "all others of the account" if told["trust"]["trust_all"] else "none"
    print_facts([("Account ID", told["id"]), ("New deployments trust", trusts)])


def _known_key(found: list[dict[str, Any]], key_id: str) -> str:
    if key_id not in [each["id"] for each in found]:
        known = ", ".join(each["id"] for each in found) or "none"
        raise CommandError(f"no API key has the id [{key_id}]; there are: {known}")
    return key_id


def _tell(text: str, answer: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        click.echo(text)
