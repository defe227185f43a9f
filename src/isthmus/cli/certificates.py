"""``isthmus certificates``: what others must trust."""

from __future__ import annotations

import os
from pathlib import Path

import click

from isthmus.cli.failures import CommandError
from isthmus.cli.output import print_json
from isthmus.control.layout import EnvironmentLayout
from isthmus.settings_file import load_settings


@click.group("certificates")
def certificates() -> None:
    """Show the certificates that others must trust."""


@certificates.command("show")
@click.argument("directory", type=click.Path(path_type=Path))
@click.argument("authority", type=click.Choice(["proxy", "transport"]))
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
def show(directory: Path, authority: str, *, as_json: bool) -> None:
    """Print an authority as PEM: proxy (API keys, 9243 and 9443) or transport (certificates, 9400)."""
    from isthmus.control.trust import certificate_json  # other commands should not wait for its imports

    settings = load_settings(directory, os.environ)
    path = EnvironmentLayout(settings.directory).authority(authority).certificate
    try:
        pem = path.read_text()
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from None
    if as_json:
        print_json({"authority": authority, **certificate_json(pem)})
    else:
        click.echo(pem, nl=False)
