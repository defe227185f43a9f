"""``isthmus users``: operators of a deployment, kept in files. A password is never an argument."""

from __future__ import annotations

import asyncio
import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from isthmus.cli.deployment import AS_JSON, DIRECTORY, find_deployment
from isthmus.cli.failures import CommandError
from isthmus.cli.output import print_json, print_table
from isthmus.cli.platform_client import platform_client
from isthmus.control.layout import EnvironmentLayout
from isthmus.security.file_users import (
    FileRealm,
    FileUser,
    file_role_problem,
    file_username_problem,
    parse_file_realm,
    render_users,
    render_users_roles,
)
from isthmus.security.file_users_watch import FILE_NAMES
from isthmus.security.passwords import Passwords
from isthmus.security.private_files import make_private_directory, write_private
from isthmus.security.secret import Secret
from isthmus.security.users import password_problem

_USERS, _USERS_ROLES, _ROLES = FILE_NAMES
_LOCK: Final = ".lock"


@click.group("users")
def users() -> None:
    """Keep operators of a deployment, who can come in when its own users cannot.

    They live in files beside the deployment's data and count within a second, whether or not it runs.
    """


@users.command("add")
@DIRECTORY
@click.argument("deployment")
@click.argument("name")
@click.option("--role", "roles", multiple=True, help="A role, such as superuser; may be given again.")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--replace", "replaces", is_flag=True, help="Replace the operator of that name.")
@AS_JSON
def add(  # noqa: PLR0913 - one parameter an option
    directory: Path,
    deployment: str,
    name: str,
    *,
    roles: tuple[str, ...],
    from_stdin: bool,
    replaces: bool,
    as_json: bool,
) -> None:
    """Add the operator NAME to DEPLOYMENT. The password is asked for, and not shown."""
    for problem in (file_username_problem(name), *(file_role_problem(role) for role in roles)):
        if problem is not None:
            raise CommandError(problem)
    with _realm_folder(directory, deployment) as folder:
        realm = _read(folder)
        known = realm.users.get(name)
        if known is not None and not replaces:
            raise CommandError(f"there is an operator [{name}] already; add --replace to replace them")
        password = _read_password(name, from_stdin=from_stdin)
        password_hash = asyncio.run(Passwords().hash(password))
        wanted = FileUser(name, password_hash, tuple(dict.fromkeys(roles)))
        if known is not None and not roles:
            wanted = replace(known, password_hash=password_hash)
        others = [user for user in realm.users.values() if user.username != name]
        _write(folder, [*others, wanted])
    if as_json:
        print_json({"username": name, "roles": list(wanted.roles)})
        return
    granted = f"with the roles {', '.join(wanted.roles)}" if wanted.roles else "without a role"
    click.echo(f"operator {name} added to {deployment}, {granted}")


@users.command("list")
@DIRECTORY
@click.argument("deployment")
@AS_JSON
def list_(directory: Path, deployment: str, *, as_json: bool) -> None:
    """List the operators of DEPLOYMENT."""
    with _realm_folder(directory, deployment) as folder:
        realm = _read(folder, strict=False)
    for problem in realm.problems:
        click.echo(f"left out: {problem}", err=True)
    found = sorted(realm.users.values(), key=lambda user: user.username)
    if as_json:
        print_json({user.username: {"roles": list(user.roles)} for user in found})
    else:
        print_table(("NAME", "ROLES"), [(user.username, ", ".join(user.roles)) for user in found])


@users.command("remove")
@DIRECTORY
@click.argument("deployment")
@click.argument("name")
@AS_JSON
def remove(directory: Path, deployment: str, name: str, *, as_json: bool) -> None:
    """Remove the operator NAME from DEPLOYMENT."""
    with _realm_folder(directory, deployment) as folder:
        realm = _read(folder)
        if name not in realm.users:
            there = ", ".join(sorted(realm.users)) or "none"
            raise CommandError(f"no operator is called [{name}]; there are: {there}")
        _write(folder, [user for user in realm.users.values() if user.username != name])
    if as_json:
        print_json({"username": name, "removed": True})
    else:
        click.echo(f"operator {name} removed from {deployment}")


@contextmanager
def _realm_folder(directory: Path, deployment: str) -> Iterator[Path]:
    """Answer the folder of the deployment's files, held so that two commands do not undo each other."""
    with platform_client(directory) as client:
        deployment_id = find_deployment(client, deployment)
    folder = EnvironmentLayout(directory.absolute()).deployment(deployment_id).configuration
    try:
        make_private_directory(folder)
        with (folder / _LOCK).open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    except OSError as error:
        raise CommandError(f"cannot use {folder}: {error.strerror or error}") from error


def _read(folder: Path, *, strict: bool = True) -> FileRealm:
    """Answer what the files say; what this command cannot read it does not write over."""
    realm = parse_file_realm(*(_text(folder / name) for name in (_USERS, _USERS_ROLES, _ROLES)))
    unread = [problem for problem in realm.problems if not problem.startswith(_ROLES)]
    if strict and unread:
        raise CommandError(f"{folder} holds a line that cannot be read; mend it first: {unread[0]}")
    return realm


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise CommandError(f"{path} is not UTF-8 text") from None


def _write(folder: Path, wanted: list[FileUser]) -> None:
    # Roles first: between the two writes a new user must not be without theirs.
    write_private(folder / _USERS_ROLES, render_users_roles(wanted).encode())
    write_private(folder / _USERS, render_users(wanted).encode())


def _read_password(name: str, *, from_stdin: bool) -> Secret:
    if from_stdin:
        text = sys.stdin.readline().rstrip("\r\n")
    else:
        text = str(click.prompt(f"Password for {name}", hide_input=True, confirmation_prompt=True, err=True))
    password = Secret(text)
    problem = password_problem(password)
    if problem is not None:
        raise CommandError(problem)
    return password
