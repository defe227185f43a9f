"""How the nodes of a remote cluster are reached: mode *proxy* or mode *sniff*. Pure.

In mode proxy there is one address, and whatever listens there leads to the cluster. In mode sniff there are
*seeds*: one of them tells which nodes the cluster has, and connections go to a few of those, the *gateways*,
at their own addresses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from isthmus.names import ClusterAlias
from isthmus.remotes.address import Destination, HostAndPort

#: defaults of Elasticsearch; here the sockets are the most connections, not the number kept open
DEFAULT_PROXY_SOCKET_CONNECTIONS: Final = 18
DEFAULT_NODE_CONNECTIONS: Final = 3
#: the most connections to each gateway: with the default number of gateways as many as in mode proxy
CONNECTIONS_PER_GATEWAY: Final = 6


@dataclass(frozen=True, slots=True)
class ProxyMode:
    """One address. ``server_name`` "" means the host of the address."""

    address: HostAndPort
    server_name: str = ""
    socket_connections: int = DEFAULT_PROXY_SOCKET_CONNECTIONS

    @property
    def maximum_connections(self) -> int:
        """How many requests can be under way at once."""
        return self.socket_connections

    def destination(self, alias: ClusterAlias) -> Destination:
        """Answer where every connection goes."""
        return Destination(alias, self.address, self.server_name or self.address.host)

    def connects_like(self, other: ConnectionsGo) -> bool:
        """Tell whether connections that were opened for ``other`` lead where these settings want them."""
        if not isinstance(other, ProxyMode):
            return False
        return (self.address, self.server_name) == (other.address, other.server_name)


@dataclass(frozen=True, slots=True)
class SniffMode:
    """Seeds (at least one), and which of the nodes that they tell of are connected to.

    ``proxy`` is dialled instead of every address, with the server name of the node that is meant.
    ``node_attribute``: only nodes with ``node.attr.<that>: true``; "" takes any.
    """

    seeds: tuple[HostAndPort, ...]
    node_connections: int = DEFAULT_NODE_CONNECTIONS
    proxy: HostAndPort | None = None
    node_attribute: str = ""

    @property
    def maximum_connections(self) -> int:
        """How many requests can be under way at once."""
        return self.node_connections * CONNECTIONS_PER_GATEWAY

    def destination(self, alias: ClusterAlias) -> Destination:
        """Answer where the first seed is reached."""
        return self.seed_destinations(alias)[0]

    def seed_destinations(self, alias: ClusterAlias) -> tuple[Destination, ...]:
        """Answer where each seed is reached, in order."""
        return tuple(Destination(alias, self.proxy or seed, seed.host) for seed in self.seeds)

    def connects_like(self, other: ConnectionsGo) -> bool:
        """Tell whether connections that were opened for ``other`` lead where these settings want them."""
        return self == other


ConnectionsGo: TypeAlias = ProxyMode | SniffMode
