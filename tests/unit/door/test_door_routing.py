"""Where a connection goes: the table of the door's decisions."""

from __future__ import annotations

from pathlib import Path

import pytest

from isthmus.door.hello import Hello, HelloOutcome
from isthmus.door.routing import (
    Alert,
    Decision,
    DoorPort,
    EndTlsHere,
    HandOver,
    NodeAddress,
    Refuse,
    UseHttps,
    cluster_id_or_none,
    decide,
)

RUNNING = "a" * 32
NODE = NodeAddress(Path("/run/door"), Path("/run/http"))
HTTP = b"GET / HTTP/1.1\r\n"


def named(name: str) -> Hello:
    """Answer a hello with that name."""
    return Hello(HelloOutcome.NAMED, name)


def decision(port: DoorPort, hello: Hello, received: bytes = b"\x16\x03\x01") -> Decision:
    """Answer what becomes of it where one node runs."""
    return decide(port, hello, received, "Hosted.localhost", {RUNNING: NODE}.get)


@pytest.mark.parametrize("port", [DoorPort.DATA, DoorPort.REMOTE_CLUSTER])
def test_the_name_of_a_running_node_leads_to_it(port: DoorPort) -> None:
    """Both ports hand the connection over."""
    assert decision(port, named(f"{RUNNING}.hosted.localhost")) == HandOver(RUNNING, NODE)


@pytest.mark.parametrize(
    "hello",
    [
        named(f"{'b' * 32}.hosted.localhost"),
        named("hosted.localhost"),
        named("127.0.0.1"),
        named("localhost"),
        named(f"{RUNNING}.other.localhost"),
        named(f"x.{RUNNING}.hosted.localhost"),
        Hello(HelloOutcome.UNNAMED),
    ],
)
def test_a_name_that_leads_nowhere(hello: Hello) -> None:
    """9243 answers by HTTP; 9443 refuses, the same for every one of them."""
    assert decision(DoorPort.DATA, hello) == EndTlsHere()
    refusal = decision(DoorPort.REMOTE_CLUSTER, hello)
    assert isinstance(refusal, Refuse)
    assert refusal.alert is Alert.UNRECOGNIZED_NAME


@pytest.mark.parametrize("outcome", [HelloOutcome.MALFORMED, HelloOutcome.TOO_LONG])
def test_a_broken_hello_is_refused(outcome: HelloOutcome) -> None:
    """On 9443 with the alert of an unknown name, so that it tells nothing either."""
    data = decision(DoorPort.DATA, Hello(outcome))
    remote = decision(DoorPort.REMOTE_CLUSTER, Hello(outcome))
    assert isinstance(data, Refuse)
    assert isinstance(remote, Refuse)
    assert (data.alert, remote.alert) == (Alert.DECODE_ERROR, Alert.UNRECOGNIZED_NAME)


@pytest.mark.parametrize("port", [DoorPort.DATA, DoorPort.REMOTE_CLUSTER])
def test_plain_http_is_told_to_use_https(port: DoorPort) -> None:
    """Other bytes that are not TLS get no answer."""
    assert decision(port, Hello(HelloOutcome.NOT_TLS), HTTP) == UseHttps()
    assert decision(port, Hello(HelloOutcome.NOT_TLS), b"SSH-2.0-x") == Refuse("not TLS", alert=None)


def test_the_transport_port_leads_to_running_nodes_only() -> None:
    """It tells as little about others as the port of remote clusters, and speaks TLS only."""
    assert isinstance(decision(DoorPort.TRANSPORT, named(f"{RUNNING}.hosted.localhost")), HandOver)
    stranger = decision(DoorPort.TRANSPORT, named("nobody.hosted.localhost"))
    assert stranger == decision(DoorPort.REMOTE_CLUSTER, named("nobody.hosted.localhost"))
    assert decision(DoorPort.TRANSPORT, Hello(HelloOutcome.NOT_TLS), HTTP) == Refuse("not TLS", alert=None)


def test_alerts_are_whole_records() -> None:
    """Fatal, and in a record of their own."""
    assert Alert.UNRECOGNIZED_NAME.record() == b"\x15\x03\x03\x00\x02\x02\x70"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ABC.d.e", "abc"),
        ("abc.D.E", "abc"),
        (".d.e", None),
        ("d.e", None),
        ("a.b.d.e", None),
        ("abc", None),
        ("", None),
        (None, None),
    ],
)
def test_one_label_before_the_domain_is_a_cluster_id(name: str | None, expected: str | None) -> None:
    """In any case of letters."""
    assert cluster_id_or_none(name, "D.e") == expected
