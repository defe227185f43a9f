"""``isthmus init``, ``isthmus check-config`` and ``isthmus environment``."""

from __future__ import annotations

import os
from pathlib import Path

import click
import msgspec

from isthmus.cli.output import print_facts, print_json
from isthmus.settings import EnvironmentKind, EnvironmentSettings, Ports
from isthmus.settings_file import load_settings

_PORT = click.IntRange(0, 65535)


@click.command("init")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--kind",
    required=True,
    type=click.Choice([kind.value for kind in EnvironmentKind]),
    help="What it stands for: an organization of a hosted service, or an installation of one's own.",
)
@click.option("--domain", help="Deployments become <cluster id>.<domain>. Default: <kind>.localhost")
@click.option("--host", default="127.0.0.1", show_default=True, help="IP address to listen on.")
@click.option(
    "--platform-port", type=_PORT, default=Ports().platform, show_default=True, help="0: any free one."
)
@click.option("--data-port", type=_PORT, default=Ports().data, show_default=True)
@click.option("--transport-port", type=_PORT, default=Ports().transport, show_default=True)
@click.option("--remote-port", type=_PORT, default=Ports().remote_cluster, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON, with the password.")
def init(  # noqa: PLR0913 - one parameter an option
    directory: Path,
    *,
    kind: str,
    domain: str | None,
    host: str,
    platform_port: int,
    data_port: int,
    transport_port: int,
    remote_port: int,
    as_json: bool,
) -> None:
    """Make a new environment in DIRECTORY, which must be empty or not there yet."""
    from isthmus.app.initialise import initialise  # other commands should not wait for its imports

    ports = Ports(
        platform=platform_port, data=data_port, transport=transport_port, remote_cluster=remote_port
    )
    made = initialise(directory, EnvironmentKind(kind), domain=domain, host=host, ports=ports)
    if as_json:
        admin = {"user": "admin", "password": made.admin_password}
        print_json({**_settings_json(made.settings), "admin": admin})
        return
    click.echo(f"{kind} environment made in {directory}\n")
    print_facts(
        [
            *_identity_facts(made.settings),
            ("Domain", made.settings.domain),
            ("Platform user", "admin"),
            ("Platform password", made.admin_password),
        ]
    )
    click.echo(
        f"\nThe password is shown this once; it also stands in {directory / 'admin-password.txt'},\n"
        f"which only you can read and may delete.\n\nNext: isthmus serve {directory}"
    )


@click.command("check-config")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the settings in use as one line of JSON.")
def check_config(directory: Path, *, as_json: bool) -> None:
    """Check DIRECTORY's isthmus.toml and the environment variables that stand above it."""
    settings = load_settings(directory, os.environ)
    if as_json:
        print_json(_settings_json(settings))
    else:
        click.echo(f"{settings.directory / 'isthmus.toml'} is fine")


@click.group("environment")
def environment() -> None:
    """Look at an environment."""


@environment.command("show")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
def show(directory: Path, *, as_json: bool) -> None:
    """Show who the environment in DIRECTORY is, where it listens and what others must trust."""
    from isthmus.app.run_folder import read_ports_or_none  # other commands should not wait for its imports
    from isthmus.cli.platform_client import platform_client
    from isthmus.control.authorities import PROXY, TRANSPORT
    from isthmus.control.certificates import facts_of, parse_certificates
    from isthmus.control.layout import EnvironmentLayout

    settings = load_settings(directory, os.environ)
    layout = EnvironmentLayout(settings.directory)
    with platform_client(directory) as client:
        deployments = client.call("GET", "/deployments")["deployments"]
        is_served = client.is_served
    ports = (read_ports_or_none(layout) if is_served else None) or settings.ports
    authorities = {}
    for name in (PROXY, TRANSPORT):
        path = layout.authority(name).certificate
        facts = facts_of(parse_certificates(path.read_text())[0])
        authorities[name] = {
            "path": str(path),
            "fingerprint": facts.fingerprint,
            "valid_to": facts.valid_to.isoformat(),
        }
    described = {
        **_settings_json(msgspec.structs.replace(settings, ports=ports)),
        "served": is_served,
        "deployments": len(deployments),
        "authorities": authorities,
    }
    if as_json:
        print_json(described)
        return
    print_facts(
        [
            *_identity_facts(settings),
            ("Directory", str(settings.directory)),
            ("Served", "yes" if is_served else "no"),
            ("Domain", settings.domain),
            ("Platform API", platform_url(settings, ports) if ports.platform else None),
            *((title, _port_in_words(getattr(ports, name))) for name, title in _PORT_TITLES.items()),
            ("Deployments", str(len(deployments))),
            ("Proxy CA", authorities[PROXY]["path"]),
            ("  SHA-256", authorities[PROXY]["fingerprint"]),
            ("Transport CA", authorities[TRANSPORT]["path"]),
            ("  SHA-256", authorities[TRANSPORT]["fingerprint"]),
        ]
    )


_PORT_TITLES = {
    "platform": "Platform port",
    "data": "Data port",
    "transport": "Transport port",
    "remote_cluster": "Remote cluster port",
}


def _port_in_words(number: int) -> str:
    return str(number) if number else "picked when served"


def platform_url(settings: EnvironmentSettings, ports: Ports) -> str:
    """Answer the address of the platform API as one can reach it from this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - not bound
    return f"https://{f'[{host}]' if ':' in host else host}:{ports.platform}"


def _settings_json(settings: EnvironmentSettings) -> dict[str, object]:
    return {
        "directory": str(settings.directory),
        "kind": settings.kind.value,
        "scope_id": settings.scope_id,
        "account_id": settings.account_id,
        "domain": settings.domain,
        "host": settings.host,
        "platform_url": platform_url(settings, settings.ports),
        "ports": msgspec.to_builtins(settings.ports),
    }


def _identity_facts(settings: EnvironmentSettings) -> list[tuple[str, str | None]]:
    is_hosted = settings.kind is EnvironmentKind.HOSTED
    return [
        ("Kind", settings.kind.value),
        ("Organization ID" if is_hosted else "Environment ID", settings.scope_id),
        ("Account ID", settings.account_id),
    ]
