"""What a peer of an older release does not know is not asked of it in vain."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from isthmus.errors import Failure, FailureKind, Fault
from isthmus.exchange import FetchRequest, Record, SearchRequest
from isthmus.remotes.protocol import (
    FEATURES,
    HITS,
    VIEWS,
    Action,
    Decoders,
    Welcome,
    action_not_allowed,
    encode,
)
from isthmus.remotes.questions import (
    HOLD,
    SEARCH_HELD,
    FieldCapability,
    FieldCapsAnswer,
    HoldAnswer,
    HoldCall,
    IndexCapabilities,
    SearchHeldCall,
    ask,
)
from isthmus.remotes.terms import USUAL_TERMS
from isthmus.rest.remote.gates import CertificateVisitor
from isthmus.security.certificate_trust import TrustedPeer
from isthmus.security.remote_caller import RemoteSubject

CALLER = RemoteSubject(username="ann", realm_name="r", realm_type="t")


@dataclass
class FakeCalls:
    """A link to a peer, which is known from the start or from its first answer on."""

    features: tuple[str, ...] = FEATURES
    is_known: bool = True
    asked: list[Action] = field(default_factory=list)

    @property
    def link(self) -> Any:
        welcome = Welcome(software_version="0.9", features=self.features) if self.is_known else None
        return SimpleNamespace(welcome=welcome, settings=SimpleNamespace(alias="eu"))

    async def call(self, action: Action, _record: Record, _answer: type, **_terms: Any) -> Any:
        self.asked.append(action)
        self.is_known = True
        if action.value not in {"hold", "search_held"} or VIEWS not in self.features:
            raise action_not_allowed(action.value)
        return HoldAnswer(view="v")


async def _hold(calls: FakeCalls) -> HoldAnswer:
    def record(subject: RemoteSubject) -> HoldCall:
        return HoldCall(caller=subject, expressions=("a",), keep_alive_milliseconds=1)

    return await ask(calls, HOLD, CALLER, record, USUAL_TERMS)  # type: ignore[arg-type]


async def test_a_peer_that_knows_it_is_asked() -> None:
    """Also one of which nothing is known yet."""
    assert (await _hold(FakeCalls())).view == "v"
    assert (await _hold(FakeCalls(is_known=False))).view == "v"


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_peer_that_does_not_know_it_is_named(is_known: bool) -> None:
    """With what it lacks and its version, and whose fault that is; not asked at all where that is known."""
    calls = FakeCalls(features=("zstd",), is_known=is_known)
    with pytest.raises(Failure) as refused:
        await _hold(calls)
    assert (refused.value.kind, refused.value.fault) == (FailureKind.INVALID_REQUEST, Fault.REMOTE)
    assert refused.value.reason == (
        "remote cluster [eu] of version [0.9] does not know [indices:data/read/open_point_in_time] "
        "(feature [views]): upgrade it"
    )
    assert calls.asked == ([] if is_known else [Action.HOLD])


async def test_a_view_is_not_searched_for_what_its_cluster_does_not_show() -> None:
    """As any other search is not."""

    def record(subject: RemoteSubject) -> SearchHeldCall:
        return SearchHeldCall(
            caller=subject, view="v", request=SearchRequest(fetch=FetchRequest(explain=True))
        )

    calls = FakeCalls(features=tuple(each for each in FEATURES if each != HITS))
    with pytest.raises(Failure, match=r"feature \[hits\]"):
        await ask(calls, SEARCH_HELD, CALLER, record, USUAL_TERMS)  # type: ignore[arg-type]


def test_what_travels_is_what_was_written() -> None:
    """Fields of indices, which are arrays on the wire, come back whole."""
    capability = FieldCapability("keyword", True, False, meta={"unit": "ms"}, is_multi_field=True)
    answer = FieldCapsAnswer(indices=(IndexCapabilities(index="a", fields={"f": capability}),))
    assert Decoders().decode(FieldCapsAnswer, encode(answer)) == answer


def test_views_of_a_cluster_with_a_certificate_are_its_own() -> None:
    """It is told by the cluster in its node's name, or by the name as it is."""
    named = TrustedPeer("CN=a", "node.a.cluster.x.account", "x", cluster_id="c1", scope_id="s1")
    other = TrustedPeer("CN=a", "odd", "x")
    records: Any = None
    identities = [CertificateVisitor(peer, records).identity for peer in (named, other)]
    assert identities == ["cluster:s1:c1", "name:odd"]
