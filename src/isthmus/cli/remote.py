"""``isthmus remote``: the remote clusters of a deployment, and new keys for them without an interruption."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from isthmus.cli.deployment import AS_JSON, DIRECTORY, find_deployment
from isthmus.cli.failures import CommandError
from isthmus.cli.node_client import User, call_node
from isthmus.cli.output import print_json, print_table
from isthmus.cli.platform_client import PlatformClient, deployment_path, platform_client
from isthmus.cli.remote_key import RemoteKeys, api_over_https
from isthmus.cli.remote_rotation import Proof, Rotation
from isthmus.control.layout import DeploymentLayout, EnvironmentLayout
from isthmus.remotes.rotation import key_id_of
from isthmus.security.secret import Secret
from isthmus.settings_file import load_settings

_REF_ID: Final = "_main"
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_USER = click.option("--user", default="elastic", show_default=True, help="The user of DEPLOYMENT who asks.")
_PASSWORD = click.option(
    "--password-file", type=_FILE, help="Read that user's password from a file; otherwise it is asked for."
)
_REFUSED_REQUESTS: Final = 2


@click.group("remote")
def remote() -> None:
    """Look at the remote clusters of a deployment; replace their keys."""


@remote.command("list")
@DIRECTORY
@click.argument("deployment")
@_USER
@_PASSWORD
@AS_JSON
def list_(directory: Path, deployment: str, *, user: str, password_file: Path | None, as_json: bool) -> None:
    """List the remote clusters of DEPLOYMENT: state, key and its expiration, what is wrong."""
    with _served(directory) as client:
        node = _Node(client, directory, deployment, User(user, _password(user, password_file)))
        information = node.information()
    if as_json:
        print_json(information)
        return
    columns = ("ALIAS", "STATE", "MODEL", "KEY", "EXPIRES", "PROBLEM")
    print_table(columns, [_row(alias, each) for alias, each in sorted(information.items())])


@remote.command("rotate")
@DIRECTORY
@click.argument("deployment")
@click.argument("alias")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the new key from standard input.")
@click.option("--file", "file", type=_FILE, help="Read the new key from a file.")
@click.option("--remote-url", help="https://HOST:PORT of the remote deployment: have the new key made there.")
@click.option("--remote-user", default="elastic", show_default=True, help="Who makes the key there.")
@click.option("--remote-password-file", type=_FILE, help="Read that user's password from a file.")
@click.option(
    "--remote-ca",
    type=_FILE,
    help="Authority of the remote's certificate, beside the system's and those that DEPLOYMENT trusts.",
)
@_USER
@_PASSWORD
@click.option("--timeout", default=60.0, show_default=True, help="Seconds that each step may take.")
@AS_JSON
def rotate(  # noqa: PLR0913 - one parameter an option
    directory: Path,
    deployment: str,
    alias: str,
    *,
    from_stdin: bool,
    file: Path | None,
    remote_url: str | None,
    remote_user: str,
    remote_password_file: Path | None,
    remote_ca: Path | None,
    user: str,
    password_file: Path | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Replace the key of DEPLOYMENT for the remote cluster ALIAS while requests go on, and prove it.

    The new key is asked for, and not shown, or read by --stdin or --file. With --remote-url it is made
    on the remote side with the access of the old one, which is invalidated there at the end.

    Exit status 0: done, and no request was refused; 1: not done, the old key works as before;
    2: done, but requests were refused meanwhile.
    """
    if from_stdin + (file is not None) + (remote_url is not None) > 1:
        raise click.UsageError("--stdin, --file and --remote-url exclude each other")
    with _served(directory) as client:
        node = _Node(client, directory, deployment, User(user, _password(user, password_file)))
        on_step = _quiet if as_json else _say
        rotation = Rotation(node, alias, timeout, on_step)
        old_key_id = rotation.current_key_id()
        if remote_url is None:
            proof = rotation.run(_read_key(file, from_stdin=from_stdin))
            invalidated = False
        else:
            administrator = User(
                remote_user, _password(f"{remote_user} at {remote_url}", remote_password_file)
            )
            authorities = [*([] if remote_ca is None else [remote_ca]), *node.trusted_authorities()]
            keys = RemoteKeys(api_over_https(remote_url, administrator, authorities))
            proof = _rotate_both_sides(rotation, keys, old_key_id, on_step)
            invalidated = True
    if as_json:
        print_json({**proof.to_json(), "old_key_invalidated": invalidated})
    else:
        _tell(proof, invalidated=invalidated)
    if proof.refused:
        sys.exit(_REFUSED_REQUESTS)


@dataclass(frozen=True, slots=True)
class _Node:
    """A deployment of a served environment: a :class:`isthmus.cli.remote_rotation.RotatingNode`."""

    client: PlatformClient
    directory: Path
    deployment: str
    user: User

    @property
    def _id(self) -> str:
        return find_deployment(self.client, self.deployment)

    @property
    def _layout(self) -> DeploymentLayout:
        return EnvironmentLayout(load_settings(self.directory, os.environ).directory).deployment(self._id)

    def information(self) -> dict[str, Any]:
        """Answer ``_remote/info``."""
        answer: dict[str, Any] = call_node(self._layout, self.user, "/_remote/info")
        return answer

    def change_keystore(self, changes: dict[str, Secret | None]) -> None:
        """Set and (None) remove these entries in one step."""
        secrets = {
            name: None if value is None else {"value": value.reveal()} for name, value in changes.items()
        }
        path = deployment_path(self._id, "elasticsearch", _REF_ID, "keystore")
        self.client.call("PATCH", path, {"secrets": secrets})

    def trusted_authorities(self) -> list[Path]:
        """Answer the authorities that the deployment trusts for remote clusters' servers."""
        return sorted(self._layout.trusted.glob("*.crt"))


def _rotate_both_sides(
    rotation: Rotation, keys: RemoteKeys, old_key_id: str, on_step: Callable[[str], None]
) -> Proof:
    """Make the successor, rotate to it, end the old key; end the successor where that cannot be."""
    successor = keys.create_successor(old_key_id)
    try:
        proof = rotation.run(successor)
    except BaseException:
        if not rotation.replaced:
            with contextlib.suppress(CommandError):
                keys.invalidate(key_id_of(successor))
        raise
    try:
        keys.invalidate(old_key_id)
    except CommandError as error:
        raise CommandError(
            f"the new key [{proof.new_key_id}] is in use, but the old one [{old_key_id}] could not be"
            f" invalidated: {error.message}"
        ) from error
    rotation.require_connected()
    on_step(f"key {old_key_id} is invalidated on the remote side")
    return proof


def _say(step: str) -> None:
    click.echo(f"- {step}")


def _quiet(_step: str) -> None:
    """Say nothing."""


@contextlib.contextmanager
def _served(directory: Path) -> Iterator[PlatformClient]:
    with platform_client(directory) as client:
        if not client.is_served:
            raise CommandError(f"the environment is not being served: isthmus serve {directory}")
        yield client


def _password(whose: str, file: Path | None) -> Secret:
    if file is not None:
        return Secret(file.read_text().strip("\r\n"))
    return Secret(str(click.prompt(f"Password of {whose}", hide_input=True, err=True)))


def _read_key(file: Path | None, *, from_stdin: bool) -> Secret:
    if file is not None:
        text = file.read_text()
    elif from_stdin:
        text = sys.stdin.read()
    else:
        text = str(click.prompt("New cross-cluster API key (encoded)", hide_input=True, err=True))
    return Secret(text.strip())


def _row(alias: str, remote_: dict[str, Any]) -> tuple[str, ...]:
    told = remote_["isthmus"]
    key = told.get("remote", {}).get("api_key", {})
    expires = key.get("expiration")
    shown = "" if expires is None else f"{datetime.fromtimestamp(expires / 1000, UTC):%Y-%m-%d %H:%M UTC}"
    soon = " (soon)" if key.get("expires_soon") else ""
    return (
        alias,
        told["state"],
        told.get("security_model", ""),
        told.get("keys", {}).get("in_use", ""),
        f"{shown}{soon}" or ("never" if key.get("id") else ""),
        told.get("last_error", {}).get("reason", ""),
    )


def _tell(proof: Proof, *, invalidated: bool) -> None:
    numbers = proof.to_json()
    refused = f"{proof.refused} of them were" if proof.refused else "none of them was"
    click.echo(
        f"\n{proof.alias} has a new key. Meanwhile {numbers['requests_with_old_key']} requests carried the"
        f" old key and {numbers['requests_with_new_key']} the new one; {refused} refused."
    )
    if not invalidated:
        click.echo(
            f"The old key can be invalidated on the remote side now: DELETE /_security/api_key with"
            f' {{"ids": ["{proof.old_key_id}"]}}'
        )
