"""The *Remote Clusters* page: its form, what the form sends, and links and diagnoses in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from isthmus.errors import Failure
from isthmus.remotes.address import is_host_name, parse_host_and_port

_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z\d\-_]", re.ASCII)
_SCHEME: Final = re.compile(r"^https?://")
_DEFAULT_PORT: Final = 9400
_DEFAULT_SOCKETS: Final = 18
_MOST_CONNECTIONS: Final = 2**31 - 1
_PROXY_MEMBERS: Final = ("proxy_address", "proxy_socket_connections", "server_name")
_SNIFF_MEMBERS: Final = ("seeds", "node_connections")
_ADDRESS_FORM: Final = (
    "Address must use host:port format. Example: 127.0.0.1:9400, [::1]:9400 or localhost:9400. "
    "Hosts can only consist of letters, numbers, and dashes."
)


@dataclass(frozen=True, slots=True)
class RemoteClusterForm:
    """What stands in the form; anything may be typed. ``seeds`` are used without ``proxy_mode`` only."""

    name: str
    proxy_mode: bool = True
    proxy_address: str = ""
    server_name: str = ""
    socket_connections: int = _DEFAULT_SOCKETS
    seeds: tuple[str, ...] = ()
    node_connections: int = 3
    skip_unavailable: bool = True

    def problems(self) -> dict[str, str]:
        """Answer what is wrong, by the name of the field; nothing where the form may be sent."""
        found = {"name": name_problem(self.name)}
        if self.proxy_mode:
            found["proxy_address"] = address_problem(self.proxy_address)
            if self.server_name and not is_host_name(self.server_name):
                found["server_name"] = "The server name must be a host name without a port."
            found["socket_connections"] = _connections_problem(self.socket_connections)
        else:
            wrong = [seed for seed in self.seeds if address_problem(seed)]
            if not self.seeds:
                found["seeds"] = "At least one seed node is required."
            elif wrong:
                found["seeds"] = f"[{wrong[0]}]: {address_problem(wrong[0])}"
            found["node_connections"] = _connections_problem(self.node_connections)
        return {field: problem for field, problem in found.items() if problem}

    def settings(self) -> dict[str, Any]:
        """Answer the body of ``PUT /_cluster/settings``; the members of the other mode are nulled."""
        if self.proxy_mode:
            mode: dict[str, Any] = {
                "mode": "proxy",
                **dict.fromkeys(_SNIFF_MEMBERS),
                "proxy_address": self.proxy_address.strip(),
                "proxy_socket_connections": self.socket_connections,
                "server_name": self.server_name or None,
            }
        else:
            mode = {
                "mode": "sniff",
                **dict.fromkeys(_PROXY_MEMBERS),
                "seeds": list(self.seeds),
                "node_connections": self.node_connections,
            }
        remote = {"skip_unavailable": self.skip_unavailable, **mode}
        return {"persistent": {"cluster": {"remote": {self.name: remote}}}}


def deletion(name: str) -> dict[str, Any]:
    """Answer the body of ``PUT /_cluster/settings`` that deletes a remote cluster."""
    members = ("skip_unavailable", "mode", *_PROXY_MEMBERS, *_SNIFF_MEMBERS)
    return {"persistent": {"cluster": {"remote": {name: dict.fromkeys(members)}}}}


def cloud_address(text: str) -> tuple[str, str]:
    """Answer proxy address and server name for Cloud's remote address: port 9400 where it has none."""
    bare = _SCHEME.sub("", text.strip().lower())
    host, _, port = bare.partition(":")
    return f"{host}:{port or _DEFAULT_PORT}", host


def name_problem(name: str) -> str:
    """Answer what is wrong with the name of a remote cluster; empty where nothing is."""
    if not name.strip():
        return "Name is required."
    if " " in name:
        return "Spaces are not allowed in the name."
    wrong = dict.fromkeys(_NOT_IN_NAMES.findall(name))
    if wrong:
        return f"Remove the character(s) {', '.join(wrong)} from the name."
    if name.startswith("-"):  # `-x:*` in an expression means "without x"
        return "The name must not start with a dash."
    return ""


def address_problem(text: str) -> str:
    """Answer what is wrong with a proxy address or a seed; empty where nothing is."""
    bare = text.strip()
    if not bare:
        return "A proxy address is required."
    if is_host_name(bare):
        return "A port is required."
    try:
        parse_host_and_port(bare)
    except Failure:
        return _ADDRESS_FORM
    return ""


def _connections_problem(count: int) -> str:
    return "" if 1 <= count <= _MOST_CONNECTIONS else f"Must be between 1 and {_MOST_CONNECTIONS}."


@dataclass(frozen=True, slots=True)
class RemoteClusterRow:
    """One remote cluster in the list; ``problem`` and ``remedy`` are empty where all is well."""

    name: str
    status: str
    mode: str
    addresses: str
    security_model: str
    connections: str
    skip_unavailable: bool
    problem: str = ""
    remedy: str = ""


def rows(information: Mapping[str, Any]) -> list[RemoteClusterRow]:
    """Answer the rows for an answer of ``GET /_remote/info``, by name."""
    return [_row(name, information[name]) for name in sorted(information)]


def _row(name: str, remote: Mapping[str, Any]) -> RemoteClusterRow:
    link = remote.get("isthmus", {})
    error = {} if remote["connected"] else link.get("last_error", {})
    proxy = remote["mode"] == "proxy"
    opened = remote["num_proxy_sockets_connected" if proxy else "num_nodes_connected"]
    most = remote["max_proxy_socket_connections" if proxy else "max_connections_per_cluster"]
    return RemoteClusterRow(
        name=name,
        status="Connected" if remote["connected"] else "Not connected",
        mode=remote["mode"],
        addresses=remote["proxy_address"] if proxy else ", ".join(remote["seeds"]),
        security_model="API keys" if "cluster_credentials" in remote else "Certificates",
        connections=f"{opened} of {most}",
        skip_unavailable=remote["skip_unavailable"],
        problem=error.get("reason", ""),
        remedy=error.get("remedy", ""),
    )
