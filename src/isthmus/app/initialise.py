"""Making a new environment: all of it or nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from isthmus.control.administrator import hash_password
from isthmus.control.authorities import make_authorities
from isthmus.control.identity import new_hex_id, new_password, new_scope_id
from isthmus.control.layout import EnvironmentLayout
from isthmus.security.private_files import make_private_directory, write_private
from isthmus.settings import EnvironmentKind, EnvironmentSettings, Ports
from isthmus.settings_file import SettingsError, check_domain, check_host, parse_settings, render_settings
from isthmus.store.database import Database, Line, sqlite_url


@dataclass(frozen=True, slots=True)
class Initialised:
    """A new environment, and its administrator's password, which no file but one holds."""

    settings: EnvironmentSettings
    admin_password: str = field(repr=False)


def initialise(
    directory: Path,
    kind: EnvironmentKind,
    *,
    domain: str | None = None,
    host: str = "127.0.0.1",
    ports: Ports | None = None,
) -> Initialised:
    """Make an environment in a directory that is empty or not there yet.

    Everything is made beside it and moved into place last: a failure leaves nothing behind.
    Raises :class:`SettingsError` with a text for the person who asked.
    """
    directory = directory.absolute()
    _refuse_unless_free(directory)
    settings = EnvironmentSettings(
        directory=directory,
        kind=kind,
        domain=check_domain(domain or f"{kind.value}.localhost"),
        scope_id=new_scope_id(),
        account_id=new_hex_id() if kind is EnvironmentKind.HOSTED else None,
        host=check_host(host),
        ports=ports or Ports(),
    )
    text = render_settings(settings)
    parse_settings(text, directory, {})  # refuse now what `serve` would refuse later
    password = new_password()
    made_parents = _make_parents(directory)
    building: Path | None = None
    try:
        building = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
        _fill(building, settings, text, password)
        building.rename(directory)
    except BaseException as error:
        if building is not None:
            shutil.rmtree(building, ignore_errors=True)
        for parent in made_parents:
            with suppress(OSError):
                parent.rmdir()
        if isinstance(error, OSError):
            raise SettingsError(f"cannot make {directory}: {error.strerror or error}") from error
        raise
    return Initialised(settings, password)


def _fill(building: Path, settings: EnvironmentSettings, text: str, password: str) -> None:
    layout = EnvironmentLayout(building)
    make_authorities(msgspec.structs.replace(settings, directory=building), datetime.now(UTC))
    for folder in (layout.secrets, layout.deployments, layout.logs, layout.run):
        make_private_directory(folder)
    write_private(layout.admin_password_hash, hash_password(password).encode())
    write_private(layout.admin_password, f"{password}\n".encode())
    write_private(layout.settings, text.encode())
    Database.open(sqlite_url(layout.database), Line.ENVIRONMENT).close()


def _refuse_unless_free(directory: Path) -> None:
    if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
        raise SettingsError(f"{directory} exists and is not a directory; choose another one")
    if EnvironmentLayout(directory).settings.exists():
        raise SettingsError(f"{directory} is an environment already; start it with 'isthmus serve'")
    try:
        if directory.is_dir() and any(directory.iterdir()):
            raise SettingsError(f"{directory} is not empty; choose a new or empty directory")
    except PermissionError:
        raise SettingsError(f"{directory} cannot be read; choose another directory") from None
    if directory == Path(os.sep) or not directory.name:
        raise SettingsError(f"{directory} cannot be an environment; choose another directory")


def _make_parents(directory: Path) -> list[Path]:
    """Make the missing parents; answer them, the deepest first."""
    missing = [parent for parent in directory.parents if not parent.exists()]
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"cannot make {directory.parent}: {error.strerror or error}") from error
    return missing
