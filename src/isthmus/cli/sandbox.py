"""``isthmus sandbox``: connected environments for testing one's own software."""

from __future__ import annotations

import json
import os
import select
import signal
import stat
import sys
from typing import TYPE_CHECKING, Final

import click

from isthmus.cli.stop_signals import interrupt_at_signals
from isthmus.settings import EnvironmentKind

if TYPE_CHECKING:
    from isthmus.sandbox import Fabric

_READ_BYTES: Final = 65_536


@click.command("sandbox")
@click.option("--environments", default=2, show_default=True, help="How many to start.")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice([kind.value for kind in EnvironmentKind]),
    help="Kind of the environments, in turn; may be given several times. Default: hosted, enterprise.",
)
@click.option(
    "--model",
    default="api_key",
    show_default=True,
    type=click.Choice(["api_key", "certificate", "none"]),
    help="How they trust each other.",
)
@click.option("--insecure-http", is_flag=True, help="Deployments answer plain HTTP on loopback.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON when everything is connected.")
def sandbox(
    *, environments: int, kinds: tuple[str, ...], model: str, insecure_http: bool, as_json: bool
) -> None:
    """Start connected environments on free loopback ports, in a temporary folder.

    Stays up until SIGTERM, Ctrl-C or the end of standard input, then removes everything.
    """
    from isthmus.sandbox import Sandbox, SandboxOptions, SecurityModel  # help should not wait for imports

    try:
        options = SandboxOptions(
            environments=environments,
            kinds=tuple(EnvironmentKind(kind) for kind in kinds),
            model=SecurityModel(model),
            insecure_http=insecure_http,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    interrupt_at_signals()
    try:
        with Sandbox(options) as running:
            click.echo(json.dumps(running.fabric.as_json()) if as_json else _in_words(running.fabric))
            sys.stdout.flush()
            _wait_for_end_of_input()
    except KeyboardInterrupt:
        click.echo("stopped", err=True)


def _wait_for_end_of_input() -> None:
    """Return at the end of standard input. Without one, or with /dev/null, only a signal ends the wait."""
    descriptor = _input_or_none()
    while descriptor is not None:
        select.select([descriptor], [], [])
        if not os.read(descriptor, _READ_BYTES):
            return
    while True:
        signal.pause()


def _input_or_none() -> int | None:
    try:
        descriptor = sys.stdin.fileno()
        is_null_device = stat.S_ISCHR(os.fstat(descriptor).st_mode) and not os.isatty(descriptor)
    except (AttributeError, OSError, ValueError):  # started without a standard input
        return None
    return None if is_null_device else descriptor


def _in_words(fabric: Fabric) -> str:
    lines = []
    for environment in fabric.environments:
        lines.append(f"{environment.kind} environment {environment.scope_id}")
        lines.append(f"  platform    {environment.platform_url}  admin {environment.admin.password}")
        for deployment in environment.deployments:
            lines.append(f"  deployment  {deployment.url}  elastic {deployment.password}")
            lines.append(f"  authority   {deployment.ca}")
            lines.append(f"  remotes     {', '.join(deployment.remotes) or 'none'}")
    lines.append("Ctrl-C or the end of standard input stops and removes everything.")
    return "\n".join(lines)
