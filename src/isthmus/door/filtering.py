"""What traffic filters make of a decision of :func:`isthmus.door.routing.decide`. Pure.

======  ===================================================================================
port    a client that no rule lets in
======  ===================================================================================
9243    gets TLS from the door and to every request the same answer: 403
9443    is closed without a word, before TLS; whom only a certificate could let in goes on
9400    is not asked: trust decides about connections with certificates
======  ===================================================================================

From the missing alert on 9443 a denied client can tell that the deployment exists. Its id has 128
random bits: whoever knows it was told, and should be able to find out what is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

from isthmus.control.addresses import Address
from isthmus.control.traffic_filter_rules import OPEN, PortKind, TrafficGuard
from isthmus.door.client_address import LoadBalancers
from isthmus.door.routing import Decision, DoorPort, EndTlsHere, HandOver, Refuse

#: what the proxies of Elastic's platforms log of such a client
BLOCKED: Final = "BLOCKED_BY_IP_FILTER"


class Filters(Protocol):
    """What the door needs to know of the rule sets of its environment."""

    def guard_of(self, cluster_id: str) -> TrafficGuard:
        """Answer what decides about connections to this cluster now."""
        ...


class NoFilters:
    """The filters of an environment without rule sets."""

    def guard_of(self, cluster_id: str) -> TrafficGuard:  # noqa: ARG002 - one answer for all
        """Answer that everybody may connect."""
        return TrafficGuard(OPEN)


class BlockedRecord(Protocol):
    """Whoever keeps a record of clients that a filter turned away."""

    def blocked(self, port: PortKind, cluster_id: str, client: Address | None, *, was_open: bool) -> None:
        """Take note of a client of this cluster. Must not raise.

        ``was_open``: it was let in before, and its request under way was cut off.
        """
        ...


class NoBlockedRecord:
    """Keeps no record."""

    def blocked(self, port: PortKind, cluster_id: str, client: Address | None, *, was_open: bool) -> None:
        """Take no note."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Whom the door lets in, and whose word about clients' addresses counts: what all its ports share."""

    filters: Filters = field(default_factory=NoFilters)
    balancers: LoadBalancers = field(default_factory=LoadBalancers)
    record: BlockedRecord = field(default_factory=NoBlockedRecord)

    def is_denied(self, cluster_id: str, client: Address | None) -> bool:
        """Answer whether this client's requests to the data API of this cluster are refused."""
        return self.filters.guard_of(cluster_id).verdict(PortKind.DATA, client).is_denied


def filtered(decision: Decision, port: DoorPort, client: Address | None, admission: Admission) -> Decision:
    """Answer what becomes of the connection of this client: mostly what was decided before."""
    if not isinstance(decision, HandOver):
        return decision
    if port is DoorPort.DATA and admission.balancers.may_tell_clients(client):
        return EndTlsHere()  # each request may have another client: only its headers tell
    verdict = admission.filters.guard_of(decision.cluster_id).verdict(PortKind(port.value), client)
    if not verdict.is_denied:
        return decision
    if port is DoorPort.DATA:
        return EndTlsHere(decision.cluster_id)
    return Refuse(BLOCKED, alert=None, cluster_id=decision.cluster_id)
