"""``isthmus doctor``: why a deployment cannot search a remote cluster, step by step."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click
from rich.table import Table
from rich.text import Text

from isthmus.cli.deployment import AS_JSON, DIRECTORY, find_deployment
from isthmus.cli.failures import CommandError
from isthmus.cli.node_client import User, call_node
from isthmus.cli.output import console, print_json
from isthmus.cli.platform_client import platform_client
from isthmus.control.layout import DeploymentLayout, EnvironmentLayout
from isthmus.errors import Failure
from isthmus.security.secret import Secret
from isthmus.settings_file import SettingsError, load_settings

_FINDINGS: Final = 1
_CANNOT_RUN: Final = 2
_STYLES: Final = {"ok": "green", "warning": "yellow", "error": "bold red", "skipped": "dim"}
_TELLING: Final = ("warning", "error")


class CannotRunError(CommandError):
    """The check itself could not be made; exit status 2."""

    exit_code = _CANNOT_RUN


@click.command("doctor")
@DIRECTORY
@click.argument("deployment")
@click.argument("alias", required=False)
@click.option(
    "--index",
    "indices",
    multiple=True,
    metavar="NAME",
    help="An index or pattern of the remote to look for, without the alias; repeatable. Default: everything.",
)
@click.option("--user", default="elastic", show_default=True, help="The user of DEPLOYMENT who asks.")
@click.option("--as", "run_as", metavar="USER", help="Check the access of this user; --user may run as them.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@AS_JSON
def doctor(  # noqa: PLR0913 - one parameter an option
    directory: Path,
    deployment: str,
    alias: str | None,
    *,
    indices: tuple[str, ...],
    user: str,
    run_as: str | None,
    password_stdin: bool,
    as_json: bool,
) -> None:
    """Check every step between DEPLOYMENT and its remote clusters, or the one called ALIAS.

    Exit status 0: all well, perhaps with warnings; 1: at least one error was found; 2: the check
    itself could not be made.
    """
    try:
        node = _find_node(directory, deployment)
        asking = User(user, _read_password(user, from_stdin=password_stdin), run_as)
        path = "/_remote/diagnose" if alias is None else f"/_remote/diagnose/{quote(alias, safe='')}"
        answer = call_node(node, asking, path, {"index": ",".join(indices)} if indices else None)
    except CommandError as problem:
        raise CannotRunError(problem.message) from problem
    except SettingsError as problem:
        raise CannotRunError(str(problem)) from problem
    except Failure as problem:
        raise CannotRunError(problem.reason) from problem
    if as_json:
        print_json(answer)
    else:
        _print(answer.get("remotes", [answer]), deployment)
    if not answer["healthy"]:
        sys.exit(_FINDINGS)


def _find_node(directory: Path, deployment: str) -> DeploymentLayout:
    layout = EnvironmentLayout(load_settings(directory, os.environ).directory)
    with platform_client(directory) as client:
        if not client.is_served:
            raise CommandError(f"the environment is not being served: isthmus serve {directory}")
        return layout.deployment(find_deployment(client, deployment))


def _read_password(user: str, *, from_stdin: bool) -> Secret:
    if from_stdin:
        return Secret(sys.stdin.readline().rstrip("\r\n"))
    return Secret(str(click.prompt(f"Password of {user}", hide_input=True, err=True)))


def _print(remotes: list[dict[str, Any]], deployment: str) -> None:
    if not remotes:
        click.echo(f"{deployment} has no remote clusters")
    for position, remote in enumerate(remotes):
        if position:
            click.echo()
        _print_remote(remote)


def _print_remote(remote: dict[str, Any]) -> None:
    checks = remote["checks"]
    counts = {word: sum(check["outcome"] == word for check in checks) for word in _TELLING}
    told = [f"{count} {word}{'s' if count > 1 else ''}" for word, count in counts.items() if count]
    summary = "healthy" if remote["healthy"] else "not healthy"
    click.echo(f"{remote['alias']}: {', '.join([summary, *told])}\n")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        outcome = check["outcome"]
        style = _STYLES.get(outcome, "")
        table.add_row(Text(outcome, style), Text(check["title"], style), Text(check["found"]))
        if outcome in _TELLING:
            if "remedy" in check:
                table.add_row("", "", Text(f"-> {check['remedy']}", "bold"))
            table.add_row("", "", Text(f"see {check['documentation']}", "dim"))
    console().print(table)
