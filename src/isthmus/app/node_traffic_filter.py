"""A node's part of traffic filtering: it cuts connections that may not be any longer.

The door decides about new connections. What it handed over before a change is the node's: so the
environment writes what holds now into ``traffic-filter.json`` of the deployment's folder, and the node
looks whether that is another file: a few times a second, and at each connection that is handed over.
The file changes before the door's own mind does, so whoever the door lets in is let in here.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from isthmus.control.addresses import Address
from isthmus.control.traffic_filter_callers import proven_caller
from isthmus.control.traffic_filter_rules import CLOSED, OPEN, PortKind, RemoteCaller, TrafficGuard
from isthmus.control.traffic_filters_book import decode_traffic_filter
from isthmus.rest.http import HttpApplication, Peer
from isthmus.rest.serving import HttpServer
from isthmus.rest.serving_protocol import Origin
from isthmus.security.audit_connections import (
    DATA_PROFILE,
    REMOTE_CLUSTER_PROFILE,
    ConnectionAudit,
    Refused,
)

logger = logging.getLogger(__name__)

#: a change is to take effect within a second; a look costs some ten microseconds
_LOOK_SECONDS: Final = 0.25
#: what the ports that are filtered are called in audit logs
PROFILES: Final = {PortKind.DATA: DATA_PROFILE, PortKind.REMOTE_CLUSTER: REMOTE_CLUSTER_PROFILE}


class NodeTrafficFilter:
    """Who may be connected to this node now, as the environment's file says."""

    def __init__(self, path: Path, audit: ConnectionAudit | None = None) -> None:
        self._path = path
        self._audit = audit
        self._seen = self._signature()
        # A filter that cannot be read lets nobody in: better than everybody.
        self._guard = self._read_or_none() or TrafficGuard(CLOSED)
        self._looking = asyncio.Lock()
        self._cut_due = False

    @property
    def asks_for_callers(self) -> bool:
        """Answer whether callers on 9443 are to be asked for a certificate."""
        return self._guard.asks_for_callers

    def may_come_in(self, port: PortKind, client: Address | None) -> bool:
        """Answer whether a connection that was just handed over is worth a handshake."""
        return self._is_let_in(port, client, None)

    def origin(self, port: PortKind, client: Address | None) -> Origin:
        """Answer how a connection that came in by this port is judged, now and after every change."""

        def admits(peer: Peer) -> bool:
            caller = proven_caller(peer.certificate) if self._guard.asks_for_callers else None
            return self._is_let_in(port, client, caller)

        return Origin(None if client is None else str(client), admits)

    async def look(self) -> None:
        """Return once the file that is there now, if it can be understood, is what holds here."""
        if self._signature() == self._seen:
            return
        async with self._looking:
            signature = self._signature()
            if signature == self._seen:
                return
            read = await asyncio.to_thread(self._read_or_none)
            self._seen = signature
            if read is not None:
                self._guard = read
                self._cut_due = True

    async def run(self, on_change: Callable[[], int]) -> None:
        """Watch the file until cancelled; after a change ``on_change`` cuts, and answers how many."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                await self.look()
                if self._cut_due:
                    self._cut_due = False
                    logger.info("traffic filter changed", extra={"connections_cut": on_change()})
            except Exception:  # filters must go on being applied, whatever went wrong with this one
                logger.exception("traffic filter not applied")

    def _is_let_in(self, port: PortKind, client: Address | None, caller: RemoteCaller | None) -> bool:
        verdict = self._guard.verdict(port, client, caller)
        if verdict.is_denied and self._audit is not None:
            address = None if client is None else str(client)
            self._audit.filtered(Refused(PROFILES[port], address, verdict.reason))
        return not verdict.is_denied

    def _signature(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def _read_or_none(self) -> TrafficGuard | None:
        """Answer what the file says; None, which is logged, where it cannot be understood."""
        try:
            return TrafficGuard(decode_traffic_filter(self._path.read_bytes()))
        except FileNotFoundError:
            return TrafficGuard(OPEN)
        except (OSError, ValueError) as error:
            logger.error("traffic filter cannot be read", extra={"error": str(error)})  # noqa: TRY400 - the text says it
            return None


@dataclass(frozen=True, slots=True)
class FilteredPorts:
    """What the door hands over from 9243 and 9443, served as far as the filter lets it.

    ``make_asking_context`` makes a TLS context that asks callers for a certificate of the environment.
    """

    server: HttpServer
    traffic_filter: NodeTrafficFilter
    context: ssl.SSLContext
    make_asking_context: Callable[[], ssl.SSLContext]

    async def serve(
        self,
        port: PortKind,
        connection: socket.socket,
        client: Address | None,
        application: HttpApplication,
    ) -> None:
        """Serve one connection; return when its TLS handshake is done or has failed."""
        # The door has let it in by what held then: what holds now may let in more, or less.
        await self.traffic_filter.look()
        if not self.traffic_filter.may_come_in(port, client):
            connection.close()
            return
        is_link = port is PortKind.REMOTE_CLUSTER
        asks = is_link and self.traffic_filter.asks_for_callers
        context = self.make_asking_context() if asks else self.context
        origin = self.traffic_filter.origin(port, client)
        await self.server.serve_connection(connection, context, application, origin, is_link=is_link)


def asking_context(context: ssl.SSLContext, authority: Path) -> ssl.SSLContext:
    """Have a server's context ask for certificates that this authority signed; callers need not have one."""
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cafile=authority)
    return context
