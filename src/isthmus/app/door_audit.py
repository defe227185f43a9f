"""Whom the door turned away, in the platform's audit log."""

from __future__ import annotations

from typing import Final

from isthmus.app.node_traffic_filter import PROFILES
from isthmus.clock import Clock
from isthmus.control.addresses import Address
from isthmus.control.traffic_filter_rules import PortKind
from isthmus.security.audit import Audit
from isthmus.security.audit_connections import ConnectionAudit, Refused

_NO_RULE: Final = "no rule matches the address"


class DoorAudit:
    """Satisfies :class:`isthmus.door.filtering.BlockedRecord`."""

    def __init__(self, audit: Audit, clock: Clock) -> None:
        self._connections = ConnectionAudit(audit, clock)

    def blocked(self, port: PortKind, cluster_id: str, client: Address | None, *, was_open: bool) -> None:
        """Write it, within the budget of such lines."""
        reason = f"{_NO_RULE}: the request under way was cut off" if was_open else _NO_RULE
        address = None if client is None else str(client)
        self._connections.filtered(Refused(PROFILES[port], address, reason, cluster_id))
