"""The decision: rule sets, port, address and caller to allowed or denied."""

from __future__ import annotations

import pytest

from isthmus.control.addresses import parse_address_or_none
from isthmus.control.traffic_filter_rules import (
    CLOSED,
    UNPROVEN,
    FilterType,
    Outcome,
    PortKind,
    RemoteCaller,
    Rule,
    RuleSet,
    TrafficGuard,
    filter_of,
)

ALLOWED, DENIED, DEPENDS = Outcome.ALLOWED, Outcome.DENIED, Outcome.DEPENDS_ON_CALLER
DATA, REMOTE, TRANSPORT = PortKind.DATA, PortKind.REMOTE_CLUSTER, PortKind.TRANSPORT
OURS, OTHERS = "c" * 32, "d" * 32
SCOPE = "1234567890"


def by_address(*sources: str) -> RuleSet:
    """Answer a set of type ip."""
    rules = tuple(Rule(id=str(number), source=source) for number, source in enumerate(sources))
    return RuleSet(id="i", name="i", type=FilterType.IP, region="r", created_milliseconds=0, rules=rules)


def by_caller(cluster_id: str | None = None, scope_id: str | None = None) -> RuleSet:
    """Answer a set of type remote_cluster."""
    rules = (Rule(id="0", remote_cluster_id=cluster_id, remote_cluster_org_id=scope_id),)
    return RuleSet(
        id="r", name="r", type=FilterType.REMOTE_CLUSTER, region="r", created_milliseconds=0, rules=rules
    )


PROVEN = RemoteCaller(OURS, SCOPE)
OFFICE = by_address("192.0.2.0/24", "2001:db8::/32")
HOME = by_address("198.51.100.7")
EMPTY = by_address()


@pytest.mark.parametrize(
    ("sets", "port", "address", "caller", "outcome"),
    [
        # without a rule set everybody may
        ((), DATA, "203.0.113.9", None, ALLOWED),
        ((), REMOTE, "203.0.113.9", None, ALLOWED),
        ((), DATA, None, None, ALLOWED),
        # one rule of one set is enough
        ((OFFICE,), DATA, "192.0.2.200", None, ALLOWED),
        ((OFFICE,), DATA, "::ffff:192.0.2.200", None, ALLOWED),
        ((OFFICE,), DATA, "2001:db8::5", None, ALLOWED),
        ((OFFICE,), DATA, "192.0.3.0", None, DENIED),
        ((OFFICE,), DATA, "2001:db9::", None, DENIED),
        ((OFFICE, HOME), DATA, "198.51.100.7", None, ALLOWED),
        ((OFFICE, HOME), DATA, "198.51.100.8", None, DENIED),
        ((OFFICE, HOME), REMOTE, "192.0.2.1", None, ALLOWED),
        ((OFFICE,), REMOTE, "203.0.113.9", None, DENIED),
        ((OFFICE,), REMOTE, "203.0.113.9", PROVEN, DENIED),
        # who is not known is not let in by a rule, not even by one for all
        ((OFFICE,), DATA, None, None, DENIED),
        ((by_address("0.0.0.0/0"),), DATA, None, None, DENIED),
        ((by_address("0.0.0.0/0"),), DATA, "1.2.3.4", None, ALLOWED),
        ((by_address("0.0.0.0/0"),), DATA, "2001:db8::5", None, DENIED),
        # a set without rules closes
        ((EMPTY,), DATA, "127.0.0.1", None, DENIED),
        ((EMPTY, HOME), DATA, "198.51.100.7", None, ALLOWED),
        # the certificate model is exempt
        ((EMPTY,), TRANSPORT, "203.0.113.9", None, ALLOWED),
        # callers: on 9443, and only by proof
        ((by_caller(OURS),), REMOTE, "203.0.113.9", None, DEPENDS),
        ((by_caller(OURS),), REMOTE, None, None, DEPENDS),
        ((by_caller(OURS),), REMOTE, "203.0.113.9", PROVEN, ALLOWED),
        ((by_caller(OURS),), REMOTE, "203.0.113.9", RemoteCaller(OTHERS, SCOPE), DENIED),
        ((by_caller(OURS),), REMOTE, "203.0.113.9", UNPROVEN, DENIED),
        ((by_caller(None, SCOPE),), REMOTE, "203.0.113.9", RemoteCaller(OTHERS, SCOPE), ALLOWED),
        ((by_caller(None, SCOPE),), REMOTE, "203.0.113.9", UNPROVEN, DENIED),
        ((by_caller(OURS, SCOPE),), REMOTE, "203.0.113.9", PROVEN, ALLOWED),
        ((by_caller(OURS, "0000000000"),), REMOTE, "203.0.113.9", PROVEN, DENIED),
        ((by_caller(OURS),), DATA, "203.0.113.9", PROVEN, DENIED),
        ((by_caller(OURS), HOME), DATA, "198.51.100.7", None, ALLOWED),
        ((by_caller(OURS), HOME), REMOTE, "198.51.100.7", UNPROVEN, ALLOWED),
    ],
)
def test_the_decision(
    sets: tuple[RuleSet, ...],
    port: PortKind,
    address: str | None,
    caller: RemoteCaller | None,
    outcome: Outcome,
) -> None:
    """Without sets allowed; with sets only what a rule of any of them matches."""
    verdict = TrafficGuard(filter_of(sets)).verdict(port, parse_address_or_none(address), caller)
    assert verdict.outcome is outcome
    assert verdict.reason
    assert verdict.is_denied is (outcome is DENIED)


def test_order_and_repetition_do_not_matter() -> None:
    """The same sets give an equal filter, so that nothing is written anew."""
    assert filter_of((OFFICE, HOME, OFFICE)) == filter_of((HOME, OFFICE))
    assert filter_of((EMPTY,)) == CLOSED
