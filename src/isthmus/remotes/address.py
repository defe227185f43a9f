"""``host:port`` as remote clusters are configured: parsed once, IPv6 in brackets or bare."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from isthmus.errors import illegal_argument

_MAXIMUM_PORT: Final = 65_535
_MAXIMUM_HOST_LENGTH: Final = 253
# RFC 1123 labels, plus the underscore that container platforms put into service names.
_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)", re.ASCII)


@dataclass(frozen=True, slots=True)
class HostAndPort:
    """An address to connect to. ``host`` is a name or an IP address without brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Destination:
    """Whom a connection is for: the alias, the address, the name that the certificate must hold."""

    alias: str
    address: HostAndPort
    server_name: str


def parse_host_and_port(text: str) -> HostAndPort:
    """Parse ``name:9443``, ``192.0.2.1:9443``, ``[2001:db8::1]:9443`` or ``2001:db8::1:9443``.

    Raises an ``illegal_argument_exception`` (400) in Elasticsearch's words.
    """
    host, separator, port_text = text.rpartition(":")
    if not separator or not host or not port_text or (host.startswith("[") and not host.endswith("]")):
        raise illegal_argument(f"remote hosts need to be configured as [host:port], found [{text}] instead")
    port = _parse_port(port_text)
    bare = host[1:-1] if host.startswith("[") else host
    if (host.startswith("[") or ":" in host) and not _is_ipv6(bare):
        raise illegal_argument(f"remote hosts need to be configured as [host:port], found [{text}] instead")
    if not _is_ipv6(bare) and not is_host_name(bare):
        raise illegal_argument(f"unknown host [{bare}]")
    return HostAndPort(bare, port)


def is_ip_address(text: str) -> bool:
    """Tell an IPv4 or IPv6 address from a name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_host_name(text: str) -> bool:
    """Tell whether this can be a host's name: what may stand as a server name in a TLS hello."""
    bare = text.removesuffix(".")
    if not bare or len(bare) > _MAXIMUM_HOST_LENGTH:
        return False
    return all(_LABEL.fullmatch(label) for label in bare.split("."))


def _parse_port(text: str) -> int:
    # `int` would also take "+1", "1_0", " 1" and digits of other scripts.
    if not re.fullmatch(r"-?[0-9]{1,10}", text):
        raise illegal_argument("failed to parse port")
    port = int(text)
    if port <= 0:
        raise illegal_argument(f"port number must be > 0 but was: [{port}]")
    if port > _MAXIMUM_PORT:
        raise illegal_argument(f"port out of range: [{port}]")
    return port


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
