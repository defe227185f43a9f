"""Who may connect to a deployment: rule sets, and the decision. Pure.

Without a rule set everybody may. As soon as one is associated, nobody may whom no rule of any
associated set allows:

====================  =====================================  ===================================
port                  a rule of type ``ip``                  a rule of type ``remote_cluster``
====================  =====================================  ===================================
9243 (data)           the client's address is in its block   never matches
9443 (remote)         likewise                               the caller's certificate proves it
9400 (certificates)   exempt: trust has decided already      exempt
====================  =====================================  ===================================
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from isthmus.control.addresses import Address, AddressSet
from isthmus.exchange import Record

MAXIMUM_RULE_SETS: Final = 512
MAXIMUM_RULES: Final = 128


class FilterType(Enum):
    """What the rules of a set compare."""

    IP = "ip"
    REMOTE_CLUSTER = "remote_cluster"


class Rule(Record, frozen=True, kw_only=True):
    """One rule: ``source`` for type ``ip``, one or both of the ids for type ``remote_cluster``."""

    id: str
    source: str | None = None
    description: str | None = None
    remote_cluster_id: str | None = None
    remote_cluster_org_id: str | None = None


class RuleSet(Record, frozen=True, kw_only=True):
    """A named set of rules. ``include_by_default``: new deployments get it by themselves."""

    id: str
    name: str
    type: FilterType
    region: str
    created_milliseconds: int
    include_by_default: bool = False
    description: str | None = None
    rules: tuple[Rule, ...] = ()


class PortKind(Enum):
    """The ports of a deployment; the values are the door's names for them."""

    DATA = "data"
    REMOTE_CLUSTER = "remote_cluster"
    TRANSPORT = "transport"


@dataclass(frozen=True, slots=True)
class RemoteCaller:
    """Which cluster a caller's certificate, signed by this environment, proves; empty: none."""

    cluster_id: str = ""
    scope_id: str = ""


#: a caller who was asked for a certificate and showed none
UNPROVEN: Final = RemoteCaller()


class Outcome(Enum):
    """What becomes of a connection."""

    ALLOWED = "allowed"
    DENIED = "denied"
    #: 9443 only: whoever ends the TLS decides, once it knows who calls
    DEPENDS_ON_CALLER = "depends on caller"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome and, for the log, why."""

    outcome: Outcome
    reason: str

    @property
    def is_denied(self) -> bool:
        """Answer whether the connection may not be."""
        return self.outcome is Outcome.DENIED


class TrafficFilter(Record, frozen=True, kw_only=True):
    """What all rule sets of one deployment allow together. The default is no set at all: everybody.

    ``callers`` are pairs of a cluster id and a scope id; None in a pair matches any.
    """

    is_open: bool = True
    sources: tuple[str, ...] = ()
    callers: tuple[tuple[str | None, str | None], ...] = ()


OPEN: Final = TrafficFilter()
CLOSED: Final = TrafficFilter(is_open=False)


def filter_of(rule_sets: Iterable[RuleSet]) -> TrafficFilter:
    """Answer what the sets that are associated with a deployment allow."""
    sets = tuple(rule_sets)
    rules = [rule for rule_set in sets for rule in rule_set.rules]
    sources = {rule.source for rule in rules if rule.source is not None}
    callers = {
        (rule.remote_cluster_id, rule.remote_cluster_org_id)
        for rule_set in sets
        if rule_set.type is FilterType.REMOTE_CLUSTER
        for rule in rule_set.rules
    }
    ordered = sorted(callers, key=lambda pair: (pair[0] or "", pair[1] or ""))
    return TrafficFilter(is_open=not sets, sources=tuple(sorted(sources)), callers=tuple(ordered))


class TrafficGuard:
    """A filter made ready to be asked often."""

    def __init__(self, traffic_filter: TrafficFilter = OPEN) -> None:
        self.filter = traffic_filter
        self._addresses = AddressSet.parse(traffic_filter.sources)

    @property
    def asks_for_callers(self) -> bool:
        """Answer whether a certificate could let a caller in."""
        return bool(self.filter.callers)

    def verdict(self, port: PortKind, address: Address | None, caller: RemoteCaller | None = None) -> Verdict:
        """Decide; ``address`` None is one that is not known, ``caller`` None one not asked yet."""
        if port is PortKind.TRANSPORT:
            return Verdict(Outcome.ALLOWED, "connections with certificates are exempt")
        if self.filter.is_open:
            return Verdict(Outcome.ALLOWED, "no rule set is associated")
        if address is not None and address in self._addresses:
            return Verdict(Outcome.ALLOWED, "a rule matches the address")
        if port is PortKind.REMOTE_CLUSTER and self.filter.callers:
            if caller is None:
                return Verdict(Outcome.DEPENDS_ON_CALLER, "a rule may match the caller's cluster")
            if self._matches(caller):
                return Verdict(Outcome.ALLOWED, "a rule matches the caller's cluster")
            return Verdict(Outcome.DENIED, "no rule matches the address or the caller's cluster")
        return Verdict(Outcome.DENIED, "no rule matches the address")

    def _matches(self, caller: RemoteCaller) -> bool:
        return caller != UNPROVEN and any(
            cluster_id in (None, caller.cluster_id) and scope_id in (None, caller.scope_id)
            for cluster_id, scope_id in self.filter.callers
        )
