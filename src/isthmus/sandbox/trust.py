"""The steps that connect two deployments by API key: one function a step, in the order of the manual.

Each is exactly one or two API calls, so that the demonstration can show them and a reader can repeat them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

from isthmus.sandbox.client import JsonClient
from isthmus.sandbox.fabric import Environment

REF_ID: Final = "main-elasticsearch"
READ_EVERYTHING: Final[dict[str, Any]] = {"search": [{"names": ["*"]}]}
#: the role that every deployment of a sandbox by certificate has
SEARCH_ROLE: Final = "remote-search"
_TYPE_OF_KIND: Final = {"hosted": "ESS", "enterprise": "ECE"}
_POLL_SECONDS: Final = 0.02


def create_cross_cluster_key(remote: JsonClient, name: str, access: dict[str, Any] | None = None) -> str:
    """Make a key on the remote side; answer its ``encoded`` form, which is shown only now."""
    body = {"name": name, "access": access or READ_EVERYTHING}
    return str(remote.call("POST", "/_security/cross_cluster/api_key", body)["encoded"])


def put_key(platform: JsonClient, deployment_id: str, alias: str, encoded_key: str) -> None:
    """Put the key into the local deployment's keystore, under the alias of the remote cluster."""
    secret = {"value": encoded_key, "as_file": False}
    platform.call(
        "PATCH",
        f"/api/v1/deployments/{deployment_id}/elasticsearch/{REF_ID}/keystore",
        {"secrets": {f"cluster.remote.{alias}.credentials": secret}},
    )


def remove_key(platform: JsonClient, deployment_id: str, alias: str) -> None:
    """Take the key of an alias out of the local deployment's keystore."""
    platform.call(
        "PATCH",
        f"/api/v1/deployments/{deployment_id}/elasticsearch/{REF_ID}/keystore",
        {"secrets": {f"cluster.remote.{alias}.credentials": {}}},
    )


def trust_authorities(platform: JsonClient, deployment_id: str, authorities: dict[str, str]) -> None:
    """Make the local deployment trust these private authorities (label to PEM) of other environments."""
    direct = [
        {"type": "proxy", "name": label, "trust_all": False, "certificates": [{"pem": pem}]}
        for label, pem in authorities.items()
    ]
    replace_direct_trust(platform, deployment_id, direct)


def trust_environments(platform: JsonClient, deployment_id: str, environments: Sequence[Environment]) -> None:
    """Make the local deployment trust all nodes of these environments by their certificates."""
    direct = [
        {
            "type": _TYPE_OF_KIND[environment.kind],
            "name": environment.deployments[0].name,
            "scope_id": environment.scope_id,
            "trust_all": True,
            "certificates": [{"pem": environment.transport_ca_pem}],
        }
        for environment in environments
    ]
    replace_direct_trust(platform, deployment_id, direct)


def create_search_role(local: JsonClient) -> None:
    """Make the role by whose name users of other clusters may search this one."""
    entry = {"names": ["*"], "privileges": ["read", "read_cross_cluster", "view_index_metadata"]}
    local.call("PUT", f"/_security/role/{SEARCH_ROLE}", {"indices": [entry]})


def replace_direct_trust(platform: JsonClient, deployment_id: str, direct: list[dict[str, Any]]) -> None:
    """Replace whom a deployment trusts directly; what it trusts otherwise is sent along, as it must be."""
    path = f"/api/v1/deployments/{deployment_id}?show_settings=true"
    current = platform.call("GET", path)["resources"]["elasticsearch"][0]
    trusted = {**current["info"]["settings"]["trust"], "direct": direct}
    resource = {"ref_id": REF_ID, "region": current["region"], "settings": {"trust": trusted}}
    platform.call(
        "PUT",
        f"/api/v1/deployments/{deployment_id}",
        {"prune_orphans": False, "resources": {"elasticsearch": [resource]}},
    )


def connect(local: JsonClient, alias: str, proxy_address: str, server_name: str) -> None:
    """Add the remote cluster to the local one, in proxy mode."""
    remote = {"mode": "proxy", "proxy_address": proxy_address, "server_name": server_name}
    local.call("PUT", "/_cluster/settings", {"persistent": {"cluster": {"remote": {alias: remote}}}})


def wait_until_connected(local: JsonClient, aliases: tuple[str, ...], timeout_seconds: float) -> None:
    """Return once every alias is connected; raises ``TimeoutError`` with what is known of the others."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        information = local.call("GET", "/_remote/info")
        missing = {
            alias: information.get(alias)
            for alias in aliases
            if not information.get(alias, {}).get("connected")
        }
        if not missing:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"not connected after {timeout_seconds} s: {missing}")
        time.sleep(_POLL_SECONDS)
