"""The PROXY protocol header, and whose word about clients counts."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.control.addresses import AddressSet, parse_address_or_none
from isthmus.door.client_address import LoadBalancers
from isthmus.door.proxy_protocol import (
    MAXIMUM_HEADER_BYTES,
    SIGNATURE,
    HeaderOutcome,
    read_proxy_header,
)

PROXY, LOCAL = 0x21, 0x20
TCP4, TCP6 = 0x11, 0x21


def header(command: int, family: int, block: bytes, length: int | None = None) -> bytes:
    """Answer a header as a load balancer sends it."""
    size = len(block) if length is None else length
    return SIGNATURE + bytes((command, family)) + size.to_bytes(2) + block


def addresses(client: str, door: str) -> bytes:
    """Answer the block of addresses and ports."""
    packed = [ipaddress.ip_address(text).packed for text in (client, door)]
    return b"".join(packed) + (40000).to_bytes(2) + (9243).to_bytes(2)


FOUR = addresses("192.0.2.7", "10.0.0.1")
SIX = addresses("2001:db8::7", "2001:db8::1")


@pytest.mark.parametrize(
    ("received", "client"),
    [
        (header(PROXY, TCP4, FOUR), "192.0.2.7"),
        (header(PROXY, TCP6, SIX), "2001:db8::7"),
        (header(PROXY, TCP4, FOUR + b"\x04\x00\x03abc"), "192.0.2.7"),
        (header(LOCAL, 0, b""), None),
        (header(LOCAL, TCP4, FOUR), None),
        (header(LOCAL, 0x99, b"whatever"), None),
    ],
)
def test_a_header_tells_the_client(received: bytes, client: str | None) -> None:
    """And how long it is, extensions included; what follows is not its own."""
    found = read_proxy_header(received + b"\x16\x03\x01")
    assert (found.outcome, found.length, found.client) == (HeaderOutcome.COMPLETE, len(received), client)


@pytest.mark.parametrize(
    "received",
    [
        b"PROXY TCP4 192.0.2.7 10.0.0.1 40000 9243\r\n",
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\x00",
        b"\r\n\r\n\x00\r\nQUIZ",
        header(0x11, TCP4, FOUR),
        header(0x22, TCP4, FOUR),
        header(PROXY, 0x00, b""),
        header(PROXY, 0x12, FOUR),
        header(PROXY, 0x31, b"/" * 216),
        header(PROXY, TCP4, FOUR[:-1]),
        header(PROXY, TCP6, FOUR),
        header(PROXY, TCP4, b"", MAXIMUM_HEADER_BYTES),
    ],
)
def test_what_tells_no_client_is_malformed(received: bytes) -> None:
    """Version 1, no header, other versions and commands, no IP address, a block too short or long."""
    assert read_proxy_header(received).outcome is HeaderOutcome.MALFORMED


@pytest.mark.parametrize("whole", [header(PROXY, TCP4, FOUR), header(PROXY, TCP6, SIX + b"x" * 99)])
def test_a_header_may_come_in_pieces(whole: bytes) -> None:
    """Every beginning of a header is waited for."""
    for length in range(len(whole)):
        assert read_proxy_header(whole[:length]).outcome is HeaderOutcome.INCOMPLETE


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=300).map(lambda rest: SIGNATURE + rest)))
def test_no_bytes_break_the_reader(received: bytes) -> None:
    """Whatever arrives is incomplete, malformed, or a header within it."""
    found = read_proxy_header(received)
    if found.outcome is HeaderOutcome.COMPLETE:
        assert 16 <= found.length <= len(received)
    else:
        assert (found.length, found.client) == (0, None)


BALANCERS = LoadBalancers(
    proxy_protocol=AddressSet.parse(["10.0.0.0/8"]), forwarded_for=AddressSet.parse(["172.16.0.0/12"])
)


@pytest.mark.parametrize(
    ("connection", "forwarded_for", "client"),
    [
        # nobody else's word counts
        ("192.0.2.7", "198.51.100.1", "192.0.2.7"),
        ("10.0.0.1", "198.51.100.1", "10.0.0.1"),
        ("192.0.2.7", None, "192.0.2.7"),
        (None, "198.51.100.1", None),
        # the last one is what the balancer saw; what stands before is claimed
        ("172.16.0.1", "198.51.100.1", "198.51.100.1"),
        ("172.16.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        ("172.16.0.1", "6.6.6.6,198.51.100.1 , 172.16.0.9", "198.51.100.1"),
        ("172.16.0.1", "2001:db8::1", "2001:db8::1"),
        ("172.16.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        # the balancer itself
        ("172.16.0.1", None, "172.16.0.1"),
        ("172.16.0.1", "172.16.0.2", "172.16.0.2"),
        # not understood: nobody that a rule could let in
        ("172.16.0.1", "", None),
        ("172.16.0.1", "unknown", None),
        ("172.16.0.1", "198.51.100.1, unknown", None),
        ("172.16.0.1", "unknown, 172.16.0.9", None),
    ],
)
def test_the_client_of_a_request(
    connection: str | None, forwarded_for: str | None, client: str | None
) -> None:
    """``X-Forwarded-For`` counts from listed balancers only, and from its end."""
    found = BALANCERS.client_of_request(parse_address_or_none(connection), forwarded_for)
    assert (None if found is None else str(found)) == client


def test_who_must_send_a_header() -> None:
    """Those listed, and nobody else: nor where the peer is not known."""
    peers = ("10.1.2.3", "::ffff:10.1.2.3", "172.16.0.1", "192.0.2.7", None)
    asked = [BALANCERS.must_send_proxy_header(parse_address_or_none(peer)) for peer in peers]
    assert asked == [True, True, False, False, False]
