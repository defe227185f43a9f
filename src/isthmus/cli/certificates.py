"""``isthmus certificates``: what others must trust, and changing it."""

from __future__ import annotations

import os
from pathlib import Path

import click

from isthmus.cli.failures import CommandError
from isthmus.cli.output import print_json
from isthmus.control.layout import EnvironmentLayout
from isthmus.settings_file import load_settings

_NEXT_STEP = {
    "none": "one transport authority is in use; no change of it is under way",
    "published": (
        "a new transport authority is published beside the old one\n"
        "next: have every environment that trusts this one add it ('isthmus certificates show {directory}"
        " transport' prints both), then: isthmus certificates rotate-transport-ca {directory} --activate"
    ),
    "activated": (
        "nodes have certificates of the new authority; the old one is still trusted\n"
        "next, once all links are connected: isthmus certificates rotate-transport-ca {directory} --finish,"
        " and have the others remove the old authority"
    ),
}


@click.group("certificates")
def certificates() -> None:
    """Show the certificates that others must trust, and change the authority of the nodes."""


@certificates.command("show")
@click.argument("directory", type=click.Path(path_type=Path))
@click.argument("authority", type=click.Choice(["proxy", "transport"]))
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
def show(directory: Path, authority: str, *, as_json: bool) -> None:
    """Print an authority as PEM: proxy (API keys, 9243 and 9443) or transport (certificates, 9400).

    While the transport authority is being changed there are two of them: trust both.
    """
    # Other commands should not wait for these imports.
    from isthmus.control.authorities import published_transport_authorities
    from isthmus.control.trust import certificate_json

    settings = load_settings(directory, os.environ)
    layout = EnvironmentLayout(settings.directory)
    path = layout.authority(authority).certificate
    try:
        pem, others = path.read_text(), []
        if authority == "transport":
            others = [each.pem for each in published_transport_authorities(layout) if not each.active]
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from None
    if as_json:
        more = {"others": [certificate_json(each) for each in others]} if others else {}
        print_json({"authority": authority, **certificate_json(pem), **more})
    else:
        click.echo("".join((pem, *others)), nl=False)


@certificates.command("rotate-transport-ca")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--activate", "step", flag_value="activate", help="Second step: sign with the new authority.")
@click.option("--finish", "step", flag_value="finish", help="Third step: trust the old authority no longer.")
@click.option("--status", "step", flag_value="status", help="Only tell where it stands.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
def rotate_transport_ca(directory: Path, *, step: str | None, as_json: bool) -> None:
    """Change the authority that signs the nodes' certificates, while searches go on.

    First, without an option: a new authority is published beside the old one, and this environment's own
    deployments trust both. Have every environment that trusts this one add it. Then --activate:
    all nodes get certificates of the new authority. Then --finish, and have the others remove the old one.
    """
    from isthmus.cli.platform_client import platform_client  # help should not wait for its imports

    path = "/platform/configuration/security/transport-ca"
    with platform_client(directory) as client:
        if step == "status":
            answer = client.call("GET", path)
        else:
            answer = client.call("POST", f"{path}/_rotate", {"step": step or "publish"})
        served = client.is_served
    if as_json:
        print_json(answer)
        return
    click.echo(_NEXT_STEP[answer["state"]].format(directory=directory))
    if not served and step != "status":
        click.echo(f"note: nodes follow when the environment is served: isthmus serve {directory}", err=True)
