"""What the program runs on: frozen, complete, checked. Nothing here reads a file."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Final

import msgspec

#: The Elasticsearch version whose API a node speaks and reports, so that clients pick the right dialect.
COMPATIBLE_VERSION: Final = "9.2.0"
MINIMUM_WIRE_COMPATIBLE_VERSION: Final = "8.19.0"
MINIMUM_INDEX_COMPATIBLE_VERSION: Final = "8.0.0"


class EnvironmentKind(Enum):
    """What an environment stands for; the software is the same."""

    HOSTED = "hosted"
    ENTERPRISE = "enterprise"


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """The ports of an environment; 0 picks a free one."""

    platform: int = 12443
    data: int = 9243
    transport: int = 9400
    remote_cluster: int = 9443


class DoorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Load balancers in front of the door, as addresses and CIDR blocks: whose word about clients counts.

    See :class:`isthmus.door.client_address.LoadBalancers`.
    """

    proxy_protocol_from: tuple[str, ...] = ()
    forwarded_for_from: tuple[str, ...] = ()


class EnvironmentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One environment. ``account_id`` is None for an enterprise environment.

    ``egress_addresses`` are published for others' filters: where this environment's connections come from.
    """

    directory: Path
    kind: EnvironmentKind
    domain: str
    scope_id: str
    account_id: str | None = None
    host: str = "127.0.0.1"
    ports: Ports = Ports()
    door: DoorSettings = DoorSettings()
    egress_addresses: tuple[str, ...] = ()


class NodeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One node: all that its process is told, by a file that the supervisor writes (mode 0600).

    ``loopback_port`` None means no listener of the node's own; 0 picks a free port.
    Paths are absolute. Private keys and the keystore stay in files: no secret is in here.
    """

    directory: Path
    deployment_id: str
    deployment_name: str
    cluster_id: str
    node_id: str
    scope_id: str
    domain: str
    #: server certificate chain and key for 9243, 9443 and the loopback listener (signed by the proxy CA)
    proxy_certificate_path: Path
    proxy_key_path: Path
    #: the node's own certificate (signed by the transport CA, with the otherName)
    transport_certificate_path: Path
    transport_key_path: Path
    transport_authority_path: Path
    #: folder of ``*.crt`` files: authorities that this deployment trusts for remote clusters' servers
    trusted_authorities_path: Path
    keystore_path: Path
    keystore_key_path: Path
    #: Unix socket on which the door hands over accepted connections (see ``isthmus.door.handover``)
    handover_socket_path: Path
    #: Unix socket that serves the data API in plain HTTP to the environment's own processes
    local_socket_path: Path
    #: Unix socket that serves the data API to the platform, which is taken for a superuser there
    control_socket_path: Path
    #: file of the audit log; None writes none
    audit_log_path: Path | None = None
    #: the door's ports for the data API and for other clusters, as callers reach them
    data_port: int = 9243
    transport_port: int = 9400
    remote_cluster_port: int = 9443
    #: what the environment stands for: a hosted one has its remote clusters in proxy mode only
    kind: EnvironmentKind = EnvironmentKind.ENTERPRISE
    loopback_port: int | None = None
    loopback_encrypted: bool = True
