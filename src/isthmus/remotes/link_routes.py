"""Where the connections of one link go, and opening one of them: mode *proxy* and mode *sniff*."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Final, Protocol, TypeAlias

from isthmus.names import ClusterAlias
from isthmus.remotes.address import Destination
from isthmus.remotes.connection import Connection
from isthmus.remotes.connection_modes import ProxyMode, SniffMode
from isthmus.remotes.dialling import LinkContext, ask_nodes, dial
from isthmus.remotes.gateways import Gateway, Gateways
from isthmus.remotes.phases import Phase, PhaseFailure
from isthmus.remotes.protocol import NODES, GatewayNode, Welcome
from isthmus.remotes.records import Revealable

logger = logging.getLogger(__name__)

#: how often a cluster is asked for its nodes again while it is connected
REFRESH_SECONDS: Final = 60.0

#: raises PhaseFailure for a far side that is not the one that is expected
ChecksWelcome: TypeAlias = Callable[[Welcome], None]


class Route(Protocol):
    """Where connections go, with what is known of the nodes there."""

    @property
    def destination(self) -> Destination:
        """Where the last connection was opened, or tried first: for messages and for trials."""
        ...

    @property
    def wanted_nodes(self) -> int:
        """How many nodes to have connections to."""
        ...

    @property
    def spreads(self) -> bool:
        """Tell whether requests are to take turns between nodes."""
        ...

    async def open(
        self, key: Revealable | None, connections: Collection[Connection], check: ChecksWelcome
    ) -> tuple[Connection, Welcome]:
        """Answer one more connection that is ready for requests, beside those that are open.

        Raises :class:`PhaseFailure`; no connection is left open then.
        """
        ...

    def refresh_is_due(self, now_seconds: float) -> bool:
        """Tell whether the nodes should be asked for again."""
        ...

    async def refresh(self, connection: Connection, key: Revealable | None, now_seconds: float) -> None:
        """Ask over this connection which nodes there are; raises :class:`PhaseFailure`."""
        ...

    def leads_to(self, connection: Connection) -> bool:
        """Tell whether a connection goes where new ones would go."""
        ...


def route_of(mode: ProxyMode | SniffMode, alias: ClusterAlias, context: LinkContext) -> Route:
    """Answer the route for these settings."""
    if isinstance(mode, ProxyMode):
        return _ProxyRoute(mode.destination(alias), context)
    return _SniffRoute(mode, alias, context)


def count_by_node(connections: Iterable[Connection]) -> Counter[str]:
    """Answer how many of these connections go to each node."""
    return Counter(connection.node_id for connection in connections)


async def _dial(
    destination: Destination, key: Revealable | None, context: LinkContext, check: ChecksWelcome
) -> tuple[Connection, Welcome]:
    connection, welcome = await dial(destination, key, context)
    try:
        check(welcome)
    except PhaseFailure:
        connection.abort()
        raise
    return connection, welcome


class _ProxyRoute:
    """One address, whatever is behind it."""

    wanted_nodes: Final = 1
    spreads: Final = False

    def __init__(self, destination: Destination, context: LinkContext) -> None:
        self.destination: Final = destination
        self._context = context

    async def open(
        self, key: Revealable | None, connections: Collection[Connection], check: ChecksWelcome
    ) -> tuple[Connection, Welcome]:
        """Connect to the address."""
        del connections
        return await _dial(self.destination, key, self._context, check)

    def refresh_is_due(self, now_seconds: float) -> bool:
        """Tell that there are no nodes to ask for."""
        del now_seconds
        return False

    async def refresh(self, connection: Connection, key: Revealable | None, now_seconds: float) -> None:
        """Do nothing."""

    def leads_to(self, connection: Connection) -> bool:
        """Tell that every connection goes there."""
        del connection
        return True


class _SniffRoute:
    """The gateways that a seed tells of. The seed's own connection is kept where it is one of them."""

    def __init__(self, mode: SniffMode, alias: ClusterAlias, context: LinkContext) -> None:
        self._gateways = Gateways(mode, alias)
        self._context = context
        self._refresh_at_seconds = float("inf")
        self.destination = mode.destination(alias)

    @property
    def wanted_nodes(self) -> int:
        """How many nodes to have connections to."""
        return self._gateways.wanted

    @property
    def spreads(self) -> bool:
        """Tell whether there is more than one node to ask."""
        return self._gateways.count > 1

    async def open(
        self, key: Revealable | None, connections: Collection[Connection], check: ChecksWelcome
    ) -> tuple[Connection, Welcome]:
        """Connect to a node that is known, else through the seeds one after the other.

        What fails for the key is not tried elsewhere: every node of a cluster knows the same keys.
        """
        open_by_node = count_by_node(connections)
        try:
            opened = await self._open_gateway(self._gateways.candidates(open_by_node), key, check)
        except PhaseFailure as failure:
            if failure.phase is Phase.AUTHENTICATE:
                raise
        else:
            if opened is not None:
                return opened
        last: PhaseFailure | None = None
        for seed in self._gateways.seeds():
            try:
                return await self._open_through(seed, open_by_node, key, check)
            except PhaseFailure as failure:
                if failure.phase is Phase.AUTHENTICATE:
                    raise
                self._gateways.seed_failed(seed)
                last = failure
        if last is None:
            raise TypeError("mode sniff has at least one seed")
        raise last

    def refresh_is_due(self, now_seconds: float) -> bool:
        """Tell whether the last answer is old."""
        return now_seconds >= self._refresh_at_seconds

    async def refresh(self, connection: Connection, key: Revealable | None, now_seconds: float) -> None:
        """Take the nodes as they are now; a far side that tells of none leaves everything as it is."""
        self._refresh_at_seconds = now_seconds + REFRESH_SECONDS
        answer = await ask_nodes(connection, connection.destination, key, self._context)
        if answer.nodes:
            self._gateways.learn(answer.nodes, connection.destination)

    def leads_to(self, connection: Connection) -> bool:
        """Tell whether this node is still one to connect to, or none is known."""
        return self._gateways.count == 0 or self._gateways.knows(connection.node_id)

    async def _open_gateway(
        self, candidates: Iterable[Gateway], key: Revealable | None, check: ChecksWelcome
    ) -> tuple[Connection, Welcome] | None:
        """Answer a connection to the first that can be reached; None without any, and the last failure."""
        last: PhaseFailure | None = None
        for gateway in candidates:
            self.destination = gateway.destination
            try:
                return await _dial(gateway.destination, key, self._context, check)
            except PhaseFailure as failure:
                if failure.phase is Phase.AUTHENTICATE:
                    raise
                self._gateways.failed(gateway)
                last = failure
                # At most once for each time that the nodes are told: whoever connects elsewhere tells nobody.
                logger.warning(
                    "gateway passed over",
                    extra={
                        "alias": gateway.destination.alias,
                        "node_id": gateway.node_id,
                        "phase": failure.phase.value,
                        "reason": failure.reason,
                    },
                )
        if last is not None:
            raise last
        return None

    async def _open_through(
        self, seed: Destination, open_by_node: Counter[str], key: Revealable | None, check: ChecksWelcome
    ) -> tuple[Connection, Welcome]:
        """Have the seed tell of the nodes, and connect to one of them: the seed itself where it is one."""
        self.destination = seed
        connection, welcome = await _dial(seed, key, self._context, check)
        try:
            await self._learn_from(connection, welcome, key)
            if self._gateways.knows(welcome.node_id):
                return connection, welcome
        except BaseException:
            connection.abort()
            raise
        connection.close()
        opened = await self._open_gateway(self._gateways.candidates(open_by_node), key, check)
        if opened is None:
            raise PhaseFailure(
                Phase.HANDSHAKE,
                f"none of the nodes that [{seed.address}] tells of can be a gateway",
                "check the nodes' roles and addresses over there, and [cluster.remote.node.attr] here",
            )
        return opened

    async def _learn_from(self, connection: Connection, welcome: Welcome, key: Revealable | None) -> None:
        """Ask for the nodes; a peer that is too old for the question is the only node that is known of."""
        nodes: tuple[GatewayNode, ...] = (GatewayNode(node_id=welcome.node_id),)
        if NODES in welcome.features:
            nodes = (await ask_nodes(connection, connection.destination, key, self._context)).nodes or nodes
            self._refresh_at_seconds = self._context.clock.monotonic_seconds() + REFRESH_SECONDS
        self._gateways.learn(nodes, connection.destination)
