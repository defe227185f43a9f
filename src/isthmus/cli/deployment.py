"""``isthmus deployment``: make deployments, look at them, remove them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import click

from isthmus.cli.failures import CommandError
from isthmus.cli.output import print_facts, print_json, print_table
from isthmus.cli.platform_client import PlatformClient, deployment_path, platform_client, tell_unless_served

DIRECTORY = click.argument("directory", type=click.Path(path_type=Path))
NAME = click.argument("name")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")

_START_TIMEOUT_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.1


@click.group("deployment")
def deployment() -> None:
    """Make deployments, look at them, remove them."""


@deployment.command("create")
@DIRECTORY
@NAME
@click.option(
    "--loopback-port",
    type=click.IntRange(0, 65535),
    help="A port of the deployment's own on 127.0.0.1, beside the environment's; 0 picks a free one.",
)
@click.option("--insecure-http", is_flag=True, help="Plain HTTP on the loopback port (one is picked).")
@AS_JSON
def create(
    directory: Path, name: str, *, loopback_port: int | None, insecure_http: bool, as_json: bool
) -> None:
    """Create a deployment called NAME and wait until it has started."""
    body: dict[str, Any] = {"name": name}
    if insecure_http and loopback_port is None:
        loopback_port = 0
    if loopback_port is not None:
        body["isthmus"] = {"loopback_port": loopback_port, "insecure_http": insecure_http}
    with platform_client(directory) as client:
        if any(each["name"] == name for each in client.call("GET", "/deployments")["deployments"]):
            raise CommandError(f"there is a deployment called [{name}] already; choose another name")
        made = client.call("POST", "/deployments", body)
        if client.is_served:
            _wait_until_started(client, made["id"], directory)
        described = describe(client, made["id"])
        credentials = made["resources"][0]["credentials"]
        if as_json:
            print_json({**described, **credentials})
            return
        click.echo(f"deployment {name} created\n")
        password = ("Password", f"{credentials['password']} (shown this once)")
        print_facts([*_facts(described), ("User", credentials["username"]), password])
        tell_unless_served(client, directory)


@deployment.command("list")
@DIRECTORY
@AS_JSON
def list_(directory: Path, *, as_json: bool) -> None:
    """List the deployments."""
    with platform_client(directory) as client:
        found = client.call("GET", "/deployments")["deployments"]
        described = [describe(client, each["id"]) for each in found]
    if as_json:
        print_json(described)
        return
    rows = [(each["name"], each["status"], each["id"], each["cluster_id"]) for each in described]
    print_table(("NAME", "STATUS", "ID", "CLUSTER ID"), rows)


@deployment.command("show")
@DIRECTORY
@NAME
@AS_JSON
def show(directory: Path, name: str, *, as_json: bool) -> None:
    """Show the deployment NAME (or its id): state, addresses, trust, names of secure settings."""
    with platform_client(directory) as client:
        described = describe(client, find_deployment(client, name))
    if as_json:
        print_json(described)
    else:
        print_facts(_facts(described))


@deployment.command("stop")
@DIRECTORY
@NAME
@AS_JSON
def stop(directory: Path, name: str, *, as_json: bool) -> None:
    """Stop the deployment NAME; its data stays."""
    with platform_client(directory) as client:
        deployment_id = find_deployment(client, name)
        client.call("POST", deployment_path(deployment_id, "_shutdown"))
    _tell(f"deployment {name} stopped", {"id": deployment_id, "status": "stopped"}, as_json=as_json)


@deployment.command("start")
@DIRECTORY
@NAME
@AS_JSON
def start(directory: Path, name: str, *, as_json: bool) -> None:
    """Start the deployment NAME again and wait until it has started."""
    with platform_client(directory) as client:
        deployment_id = find_deployment(client, name)
        client.call("POST", deployment_path(deployment_id, "_restore"))
        if client.is_served:
            _wait_until_started(client, deployment_id, directory)
        described = describe(client, deployment_id)
        tell_unless_served(client, directory)
    answer = {"id": deployment_id, "status": described["status"]}
    _tell(f"deployment {name} is {described['status']}", answer, as_json=as_json)


@deployment.command("delete")
@DIRECTORY
@NAME
@click.option("--yes", is_flag=True, help="Do not ask.")
@AS_JSON
def delete(directory: Path, name: str, *, yes: bool, as_json: bool) -> None:
    """Delete the deployment NAME with all its data, for ever."""
    with platform_client(directory) as client:
        deployment_id = find_deployment(client, name)
        if not yes:
            typed = click.prompt(f"All data of {name} will be lost. Type its name to delete it", err=True)
            if typed != name:
                raise CommandError("that is not the name; nothing was deleted")
        client.call("POST", deployment_path(deployment_id, "_shutdown"))
        client.call("DELETE", deployment_path(deployment_id))
    _tell(f"deployment {name} deleted", {"id": deployment_id, "deleted": True}, as_json=as_json)


@deployment.command("reset-password")
@DIRECTORY
@NAME
@AS_JSON
def reset_password(directory: Path, name: str, *, as_json: bool) -> None:
    """Give the user elastic of NAME a new password; the deployment restarts."""
    with platform_client(directory) as client:
        deployment_id = find_deployment(client, name)
        ref_id = describe(client, deployment_id)["ref_id"]
        path = deployment_path(deployment_id, "elasticsearch", ref_id, "_reset-password")
        credentials = client.call("POST", path)
        tell_unless_served(client, directory)
    if as_json:
        print_json({"id": deployment_id, **credentials})
    else:
        print_facts([("User", credentials["username"]), ("Password", credentials["password"])])


@deployment.command("trust")
@DIRECTORY
@NAME
@click.option(
    "--certificate-authority",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="PEM file: the proxy CA of the environment to connect to.",
)
@click.option("--label", help="What to call the trusted environment. Default: the file's name.")
@AS_JSON
def trust(
    directory: Path, name: str, *, certificate_authority: Path, label: str | None, as_json: bool
) -> None:
    """Let the deployment NAME trust the servers of another environment.

    A label that is there already gets the new authority in place of the old one.
    """
    label = label or certificate_authority.stem
    try:
        pem = certificate_authority.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise CommandError(f"{certificate_authority} is not a PEM file") from None
    with platform_client(directory) as client:
        deployment_id = find_deployment(client, name)
        entries = [entry for entry in _trusted(client, deployment_id) if entry["name"] != label]
        entries.append({"type": "proxy", "name": label, "trust_all": False, "certificates": [{"pem": pem}]})
        _replace_trust(client, deployment_id, entries)
    _tell(f"deployment {name} trusts {label}", {"id": deployment_id, "trusted": label}, as_json=as_json)


@deployment.command("untrust")
@DIRECTORY
@NAME
@click.option("--label", required=True, help="What the trusted environment is called.")
@AS_JSON
def untrust(directory: Path, name: str, *, label: str, as_json: bool) -> None:
    """Let the deployment NAME no longer trust another environment."""
    with platform_client(directory) as client:
        deployment_id = find_deployment(client, name)
        before = _trusted(client, deployment_id)
        entries = [entry for entry in before if entry["name"] != label]
        if len(entries) == len(before):
            known = ", ".join(entry["name"] for entry in before) or "none"
            raise CommandError(f"deployment {name} trusts nobody called [{label}]; it trusts: {known}")
        _replace_trust(client, deployment_id, entries)
    answer = {"id": deployment_id, "untrusted": label}
    _tell(f"deployment {name} no longer trusts {label}", answer, as_json=as_json)


def find_deployment(client: PlatformClient, name: str) -> str:
    """Answer the id of the deployment with this id or name; raises a :class:`CommandError`."""
    found = client.call("GET", "/deployments")["deployments"]
    by_id = [each["id"] for each in found if name in (each["id"], each["resources"][0]["id"])]
    by_name = [each["id"] for each in found if each["name"] == name]
    matches = by_id or by_name
    if not matches:
        known = ", ".join(each["name"] for each in found) or "none"
        raise CommandError(f"no deployment is called [{name}]; there are: {known}")
    if len(matches) > 1:
        raise CommandError(f"several deployments are called [{name}]; use an id: {', '.join(matches)}")
    return str(matches[0])


def describe(client: PlatformClient, deployment_id: str) -> dict[str, Any]:
    """Answer what a person wants to know of a deployment, flat."""
    details = client.call("GET", deployment_path(deployment_id), parameters={"show_settings": "true"})
    resource = details["resources"]["elasticsearch"][0]
    info = resource["info"]
    urls = {each["service"]: each["url"] for each in info["metadata"]["services_urls"]}
    keystore = client.call(
        "GET", deployment_path(deployment_id, "elasticsearch", resource["ref_id"], "keystore")
    )
    return {
        "id": details["id"],
        "name": details["name"],
        "status": info["status"],
        "ref_id": resource["ref_id"],
        "cluster_id": info["cluster_id"],
        "region": resource["region"],
        "url": _known_or_none(urls["elasticsearch"]),
        "loopback_url": urls.get("loopback"),
        "remote_cluster_address": _known_or_none(urls["remote_cluster"]),
        "server_name": info["metadata"]["endpoint"],
        "cloud_id": info["metadata"]["cloud_id"],
        "trusted": [entry["name"] for entry in info["settings"]["trust"]["direct"] or []],
        "keystore": sorted(keystore["secrets"]),
    }


def _known_or_none(address: str) -> str | None:
    """Answer the address; None while its port is one still to be picked."""
    return None if address.endswith(":0") else address


def _facts(described: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [
        ("Name", described["name"]),
        ("Status", described["status"]),
        ("Deployment ID", described["id"]),
        ("Cluster ID", described["cluster_id"]),
        ("URL", described["url"]),
        ("Loopback URL", described["loopback_url"]),
        ("Remote cluster address", described["remote_cluster_address"]),
        ("Server name", described["server_name"]),
        ("Cloud ID", described["cloud_id"]),
        ("Trusted environments", ", ".join(described["trusted"]) or "none"),
        ("Secure settings", ", ".join(described["keystore"]) or "none"),
    ]


def _trusted(client: PlatformClient, deployment_id: str) -> list[dict[str, Any]]:
    details = client.call("GET", deployment_path(deployment_id), parameters={"show_settings": "true"})
    entries = _trust_of(details)["direct"] or []
    # What the platform adds to a certificate by itself is not to be sent back.
    return [
        {**entry, "certificates": [{"pem": certificate["pem"]} for certificate in entry["certificates"]]}
        for entry in entries
    ]


def _replace_trust(client: PlatformClient, deployment_id: str, entries: list[dict[str, Any]]) -> None:
    # An update replaces all three lists: what is trusted otherwise has to be sent along.
    details = client.call("GET", deployment_path(deployment_id), parameters={"show_settings": "true"})
    resource = {"settings": {"trust": {**_trust_of(details), "direct": entries}}}
    body = {"prune_orphans": False, "resources": {"elasticsearch": [resource]}}
    client.call("PUT", deployment_path(deployment_id), body)


def _trust_of(details: dict[str, Any]) -> dict[str, Any]:
    trust: dict[str, Any] = details["resources"]["elasticsearch"][0]["info"]["settings"]["trust"]
    return trust


def _wait_until_started(client: PlatformClient, deployment_id: str, directory: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    while True:
        details = client.call("GET", deployment_path(deployment_id))
        status = details["resources"]["elasticsearch"][0]["info"]["status"]
        if status == "started":
            return
        if time.monotonic() > deadline or status == "rebooting":
            log = directory / "logs" / f"{deployment_id}.log"
            click.echo(f"warning: the deployment has not started yet; see {log}", err=True)
            return
        time.sleep(_POLL_SECONDS)


def _tell(text: str, answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        click.echo(text)
