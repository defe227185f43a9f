"""Addresses and blocks: what is taken for one, and what is in it."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.control.addresses import AddressError, AddressSet, parse_address_or_none, parse_network


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("192.0.2.1", "192.0.2.1/32"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("::/0", "::/0"),
        ("::ffff:192.0.2.1", "192.0.2.1/32"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
    ],
)
def test_addresses_and_blocks_are_taken(text: str, network: str) -> None:
    """IPv4 and IPv6, single or by length; IPv4 mapped into IPv6 is IPv4."""
    assert str(parse_network(text)) == network


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("example.com", "DNS names are not supported"),
        ("*", "not an IPv4 or IPv6 address"),
        ("", "not an IPv4 or IPv6 address"),
        (" 10.0.0.1", "not an IPv4 or IPv6 address"),
        ("10.0.0.1-10.0.0.9", "not an IPv4 or IPv6 address"),
        ("10.0.0", "not an IPv4 or IPv6 address"),
        ("010.0.0.1", "not an IPv4 or IPv6 address"),
        ("10.0.0.0/33", "not an IPv4 or IPv6 address"),
        ("10.0.0.0/255.0.0.0", "length as a number"),
        ("10.1.2.3/8", "did you mean [10.0.0.0/8]?"),
        ("2001:db8::1/32", "did you mean [2001:db8::/32]?"),
        ("fe80::1%eth0", "zone"),
        ("x" * 10_000, "not an IPv4 or IPv6 address"),
    ],
)
def test_everything_else_is_refused_with_the_reason(text: str, message: str) -> None:
    """The message names the text, shortened, and what to write where that can be told."""
    with pytest.raises(AddressError) as refused:
        parse_network(text)
    assert message in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("", None),
        (None, None),
        ("localhost", None),
        ("192.0.2.1:9243", None),
    ],
)
def test_a_clients_address_is_read(text: str | None, address: str | None) -> None:
    """As sockets spell it, without zone and mapping."""
    found = parse_address_or_none(text)
    assert (None if found is None else str(found)) == address


NETWORKS = st.one_of(
    st.builds(
        lambda number, length: ipaddress.ip_network((number & (0xFFFFFFFF << (32 - length)), length)),
        st.integers(0, 2**32 - 1),
        st.integers(1, 32),
    ),
    st.builds(
        lambda number, length: ipaddress.IPv6Network((number >> (128 - length) << (128 - length), length)),
        st.integers(2**64, 2**128 - 1),
        st.integers(1, 128),
    ),
)


@given(networks=st.lists(NETWORKS, max_size=5), data=st.data())
def test_a_set_holds_what_its_blocks_hold(networks: list[ipaddress.IPv4Network], data: st.DataObject) -> None:
    """The fast way answers as asking block by block does."""
    addresses = AddressSet(tuple(networks))
    edges = [
        edge for network in networks for edge in (network.network_address, network.broadcast_address)
    ] or [ipaddress.ip_address("0.0.0.1")]
    edge = data.draw(st.sampled_from(edges))
    for number in (int(edge) - 1, int(edge), int(edge) + 1):
        if 0 <= number < 2**edge.max_prefixlen:
            address = type(edge)(number)
            assert (address in addresses) == any(address in network for network in networks)


@given(st.text(max_size=50))
def test_no_text_breaks_the_parsers(text: str) -> None:
    """A block or an AddressError, an address or None."""
    parse_address_or_none(text)
    try:
        network = parse_network(text)
    except AddressError:
        return
    assert parse_network(str(network)) == network
