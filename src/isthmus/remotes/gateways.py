"""Which nodes of a remote cluster in mode *sniff* are connected to, and through whom they are found. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from isthmus.errors import Failure
from isthmus.names import ClusterAlias
from isthmus.remotes.address import Destination, HostAndPort, is_host_name, is_ip_address, parse_host_and_port
from isthmus.remotes.connection_modes import SniffMode
from isthmus.remotes.protocol import GatewayNode

#: more nodes than any cluster has; what comes after these is not looked at
_MAXIMUM_NODES: Final = 1000


@dataclass(frozen=True, slots=True)
class Gateway:
    """A node that may be connected to."""

    node_id: str
    destination: Destination


def may_be_gateway(node: GatewayNode, node_attribute: str = "") -> bool:
    """Tell whether a node takes requests of other clusters: not one that is a master and nothing else.

    With an attribute: only a node for which that is true.
    """
    roles = set(node.roles)
    master_only = "master" in roles and not any(role == "ingest" or role[:4] == "data" for role in roles)
    if master_only:
        return False
    return not node_attribute or node.attributes.get(node_attribute) == "true"


def gateways_among(nodes: Iterable[GatewayNode], mode: SniffMode, asked: Destination) -> tuple[Gateway, ...]:
    """Answer the nodes that may be connected to, in the order told, each once.

    ``asked`` is where the nodes were told of: a node without an address of its own is reached there. A node
    whose address or name cannot be one is left out: what another cluster says is believed in nothing.
    """
    found: dict[str, Gateway] = {}
    for node in list(nodes)[:_MAXIMUM_NODES]:
        if node.node_id and node.node_id not in found and may_be_gateway(node, mode.node_attribute):
            destination = _destination_or_none(node, mode.proxy, asked)
            if destination is not None:
                found[node.node_id] = Gateway(node.node_id, destination)
    return tuple(found.values())


def _destination_or_none(
    node: GatewayNode, proxy: HostAndPort | None, asked: Destination
) -> Destination | None:
    if not node.address:
        return asked
    try:
        address = parse_host_and_port(node.address)
    except Failure:
        return None
    name = node.server_name or address.host
    if not (is_host_name(name) or is_ip_address(name)):
        return None
    return Destination(asked.alias, proxy or address, name)


class Gateways:
    """What is known of the nodes of one remote cluster, and which of them to try next."""

    def __init__(self, mode: SniffMode, alias: ClusterAlias) -> None:
        self._mode = mode
        self._seeds = mode.seed_destinations(alias)
        self._known: tuple[Gateway, ...] = ()
        self._failed: set[str] = set()

    @property
    def count(self) -> int:
        """How many nodes may be connected to."""
        return len(self._known)

    @property
    def wanted(self) -> int:
        """How many nodes should be connected to."""
        return min(self._mode.node_connections, max(1, len(self._known)))

    def learn(self, nodes: Sequence[GatewayNode], asked: Destination) -> None:
        """Take the nodes as the cluster tells them now; those that could not be reached are tried again."""
        self._known = gateways_among(nodes, self._mode, asked)
        self._failed.clear()

    def knows(self, node_id: str) -> bool:
        """Tell whether this node may be connected to."""
        return any(gateway.node_id == node_id for gateway in self._known)

    def candidates(self, open_by_node: Mapping[str, int]) -> tuple[Gateway, ...]:
        """Answer whom to open the next connection to, the best first.

        As long as too few nodes are connected to, another one; then whichever has the fewest connections.
        Nodes that could not be reached since the nodes were told are not among them.
        """
        usable = [gateway for gateway in self._known if gateway.node_id not in self._failed]
        connected = [gateway for gateway in usable if open_by_node.get(gateway.node_id)]
        connected.sort(key=lambda gateway: open_by_node[gateway.node_id])
        nodes_open = sum(1 for number in open_by_node.values() if number)
        if nodes_open >= self._mode.node_connections:
            return tuple(connected)
        others = [gateway for gateway in usable if not open_by_node.get(gateway.node_id)]
        return (*others[: self._mode.node_connections], *connected)

    def failed(self, gateway: Gateway) -> None:
        """Take note that this node could not be reached."""
        self._failed.add(gateway.node_id)

    def seeds(self) -> tuple[Destination, ...]:
        """Answer the seeds, the one that answered last first."""
        return self._seeds

    def seed_failed(self, seed: Destination) -> None:
        """Have the other seeds tried first from now on."""
        self._seeds = (*(each for each in self._seeds if each != seed), seed)
