"""``isthmus keystore``: the secure settings of a deployment. A value is never an argument."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from isthmus.cli.deployment import AS_JSON, DIRECTORY, find_deployment
from isthmus.cli.failures import CommandError
from isthmus.cli.output import print_json
from isthmus.cli.platform_client import PlatformClient, deployment_path, platform_client

_REF_ID = "_main"


@click.group("keystore")
def keystore() -> None:
    """Keep secure settings of a deployment, such as keys for remote clusters."""


@keystore.command("add")
@DIRECTORY
@click.argument("deployment")
@click.argument("setting")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the value from standard input.")
@click.option(
    "--file",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the value from a file.",
)
@click.option("--force", is_flag=True, help="Replace a value that is there without asking.")
@AS_JSON
def add(  # noqa: PLR0913 - one parameter an option
    directory: Path,
    deployment: str,
    setting: str,
    *,
    from_stdin: bool,
    file: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Add SETTING to the keystore of DEPLOYMENT, for instance cluster.remote.eu.credentials.

    The value is asked for, and not shown, unless --stdin or --file is given.
    """
    if from_stdin and file is not None:
        raise click.UsageError("--stdin and --file exclude each other")
    with platform_client(directory) as client:
        deployment_id = find_deployment(client, deployment)
        if setting in _names(client, deployment_id) and not force:
            _confirm_replacing(setting, interactive=not from_stdin and file is None)
        value = _read_value(setting, file, from_stdin=from_stdin)
        names = _change(client, deployment_id, setting, {"value": value})
    _tell(f"{setting} added to the keystore of {deployment}", names, as_json=as_json)


@keystore.command("list")
@DIRECTORY
@click.argument("deployment")
@AS_JSON
def list_(directory: Path, deployment: str, *, as_json: bool) -> None:
    """List the names in the keystore of DEPLOYMENT; values are never shown."""
    with platform_client(directory) as client:
        names = _names(client, find_deployment(client, deployment))
    _tell("\n".join(names) or "the keystore is empty", names, as_json=as_json)


@keystore.command("remove")
@DIRECTORY
@click.argument("deployment")
@click.argument("setting")
@AS_JSON
def remove(directory: Path, deployment: str, setting: str, *, as_json: bool) -> None:
    """Remove SETTING from the keystore of DEPLOYMENT."""
    with platform_client(directory) as client:
        deployment_id = find_deployment(client, deployment)
        known = _names(client, deployment_id)
        if setting not in known:
            there = ", ".join(known) or "none"
            raise CommandError(f"setting [{setting}] does not exist in the keystore; there are: {there}")
        names = _change(client, deployment_id, setting, None)
    _tell(f"{setting} removed from the keystore of {deployment}", names, as_json=as_json)


def _names(client: PlatformClient, deployment_id: str) -> list[str]:
    path = deployment_path(deployment_id, "elasticsearch", _REF_ID, "keystore")
    return sorted(client.call("GET", path)["secrets"])


def _change(
    client: PlatformClient, deployment_id: str, setting: str, entry: dict[str, str] | None
) -> list[str]:
    path = deployment_path(deployment_id, "elasticsearch", _REF_ID, "keystore")
    return sorted(client.call("PATCH", path, {"secrets": {setting: entry}})["secrets"])


def _confirm_replacing(setting: str, *, interactive: bool) -> None:
    if not interactive or not sys.stdin.isatty():
        raise CommandError(f"setting [{setting}] already exists; add --force to replace it")
    click.confirm(f"Setting {setting} already exists. Replace it?", abort=True, err=True)


def _read_value(setting: str, file: Path | None, *, from_stdin: bool) -> str:
    try:
        if file is not None:
            text = file.read_text()
        elif from_stdin:
            text = sys.stdin.read()
        else:
            text = str(click.prompt(f"Value for {setting}", hide_input=True, err=True))
    except (OSError, UnicodeDecodeError):
        raise CommandError("the value cannot be read as text") from None
    value = text.strip()
    if not value:
        raise CommandError("the value is empty; nothing was changed")
    return value


def _tell(text: str, names: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json({"settings": names})
    else:
        click.echo(text)
