"""Where a connection goes: decided from its port, its hello and the nodes that are up. Pure.

======================  ==================================  =====================================
first bytes             9243 (data)                         9443 (remote clusters), 9400 (transport)
======================  ==================================  =====================================
name of a running node  handed to the node                  handed to the node
any other name, none    TLS ends here; routed by header     ``unrecognized_name`` alert
not TLS                 told to use HTTPS                   told to use HTTPS (9443); closed (9400)
broken, too long        ``decode_error`` alert              ``unrecognized_name`` alert
======================  ==================================  =====================================

On 9443 and 9400 the answer never tells an unknown name from that of a stopped deployment or from one
that cannot exist: whoever may not connect learns nothing about which deployments there are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol, TypeAlias

from isthmus.door.hello import Hello, HelloOutcome


class DoorPort(Enum):
    """The three ports behind one door; the value is what the hand-over message says."""

    DATA = "data"
    TRANSPORT = "transport"
    REMOTE_CLUSTER = "remote_cluster"


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """The two Unix sockets of a running node."""

    handover_socket_path: Path
    local_socket_path: Path


class Nodes(Protocol):
    """What the door needs to know of the deployments of its environment."""

    def exists(self, cluster_id: str) -> bool:
        """Answer whether a deployment has this cluster id, running or not."""
        ...

    def running_or_none(self, cluster_id: str) -> NodeAddress | None:
        """Answer where the node of this cluster takes connections, None where it is not running."""
        ...


class Alert(Enum):
    """The TLS alerts (RFC 8446 §6) that a refusal may send, with their codes."""

    DECODE_ERROR = 50
    UNRECOGNIZED_NAME = 112

    def record(self) -> bytes:
        """Answer the alert as a whole TLS record: fatal, before any key is agreed."""
        return bytes((21, 3, 3, 0, 2, 2, self.value))


@dataclass(frozen=True, slots=True)
class HandOver:
    """Give the connection to this node."""

    cluster_id: str
    node: NodeAddress


@dataclass(frozen=True, slots=True)
class EndTlsHere:
    """Speak TLS with the proxy certificate and route each request by its headers.

    ``only_cluster_id``: every request is for this cluster, whatever its headers say.
    """

    only_cluster_id: str | None = None


@dataclass(frozen=True, slots=True)
class UseHttps:
    """Answer the plain HTTP request with one that tells to use HTTPS."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Send the alert (None: nothing) and close. The rest is for the logs only."""

    reason: str
    alert: Alert | None = Alert.UNRECOGNIZED_NAME
    cluster_id: str | None = None


Decision: TypeAlias = HandOver | EndTlsHere | UseHttps | Refuse

_HTTP_METHODS = (b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ", b"PATCH ", b"OPTIONS ")


def looks_like_http(received: bytes) -> bool:
    """Answer whether these first bytes are a plain HTTP request."""
    return received.startswith(_HTTP_METHODS)


def decide(
    port: DoorPort,
    hello: Hello,
    received: bytes,
    domain: str,
    running_or_none: Callable[[str], NodeAddress | None],
) -> Decision:
    """Answer what becomes of a connection whose hello is complete (any outcome but INCOMPLETE)."""
    if hello.outcome is HelloOutcome.NOT_TLS:
        told = looks_like_http(received) and port is not DoorPort.TRANSPORT
        return UseHttps() if told else Refuse("not TLS", alert=None)
    broken = hello.outcome not in (HelloOutcome.NAMED, HelloOutcome.UNNAMED)
    if broken and port is DoorPort.DATA:
        return Refuse(hello.outcome.value, Alert.DECODE_ERROR)
    cluster_id = cluster_id_or_none(hello.server_name, domain)
    node = running_or_none(cluster_id) if cluster_id is not None else None
    if cluster_id is not None and node is not None:
        return HandOver(cluster_id, node)
    if port is DoorPort.DATA:
        return EndTlsHere()
    return Refuse("no running deployment has this server name")


def cluster_id_or_none(host_name: str | None, domain: str) -> str | None:
    """Answer the one label before the domain, None where the name is not of that form."""
    label, dot, parent = (host_name or "").lower().partition(".")
    return label if label and dot and parent == domain.lower() else None
