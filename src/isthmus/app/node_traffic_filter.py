"""A node's part of traffic filtering: it cuts connections that may not be any longer.

The door decides about new connections. What it handed over before a change is the node's: so the
environment writes what holds now into ``traffic-filter.json`` of the deployment's folder, and the node
looks a few times a second whether that is another file.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

from isthmus.control.addresses import Address
from isthmus.control.traffic_filter_callers import proven_caller
from isthmus.control.traffic_filter_rules import CLOSED, OPEN, PortKind, TrafficFilter, TrafficGuard
from isthmus.control.traffic_filters_book import decode_traffic_filter
from isthmus.rest.http import Peer
from isthmus.rest.serving_protocol import Origin

logger = logging.getLogger(__name__)

#: a change is to take effect within a second; a look costs some ten microseconds
_LOOK_SECONDS: Final = 0.25


class NodeTrafficFilter:
    """Who may be connected to this node now, as the environment's file says."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = self._signature()
        # A filter that cannot be read lets nobody in: better than everybody.
        self._guard = TrafficGuard(self._read_or_none() or CLOSED)

    @property
    def asks_for_callers(self) -> bool:
        """Answer whether callers on 9443 are to be asked for a certificate."""
        return self._guard.asks_for_callers

    def may_come_in(self, port: PortKind, client: Address | None) -> bool:
        """Answer whether a connection that was just handed over is worth a handshake."""
        return not self._guard.verdict(port, client).is_denied

    def origin(self, port: PortKind, client: Address | None) -> Origin:
        """Answer how a connection that came in by this port is judged, now and after every change."""

        def admits(peer: Peer) -> bool:
            caller = proven_caller(peer.certificate) if self._guard.asks_for_callers else None
            return not self._guard.verdict(port, client, caller).is_denied

        return Origin(None if client is None else str(client), admits)

    async def run(self, on_change: Callable[[], int]) -> None:
        """Watch the file until cancelled; after a change ``on_change`` cuts, and answers how many."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                await self._look(on_change)
            except Exception:  # filters must go on being applied, whatever went wrong with this one
                logger.exception("traffic filter not applied")

    async def _look(self, on_change: Callable[[], int]) -> None:
        signature = self._signature()
        if signature == self._seen:
            return
        read = await asyncio.to_thread(self._read_or_none)
        self._seen = signature
        if read is not None:
            self._guard = TrafficGuard(read)
            logger.info("traffic filter changed", extra={"connections_cut": on_change()})

    def _signature(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def _read_or_none(self) -> TrafficFilter | None:
        """Answer what the file says; None, which is logged, where it cannot be understood."""
        try:
            return decode_traffic_filter(self._path.read_bytes())
        except FileNotFoundError:
            return OPEN
        except (OSError, ValueError) as error:
            logger.error("traffic filter cannot be read", extra={"error": str(error)})  # noqa: TRY400 - the text says it
            return None


def asking_context(context: ssl.SSLContext, authority: Path) -> ssl.SSLContext:
    """Have a server's context ask for certificates that this authority signed; callers need not have one."""
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cafile=authority)
    return context
