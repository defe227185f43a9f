"""Client addresses and the blocks that rules name: parsed strictly, compared fast. Pure.

An IPv4 address that arrives mapped into IPv6 (``::ffff:192.0.2.1``, which a listener on ``::`` sees)
is the IPv4 address, in rules and in clients alike. Names are never resolved.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")
_LONGEST_SHOWN: Final = 100


class AddressError(ValueError):
    """A text that is no address or block; the message says why and, where it can, what to write."""


def parse_network(text: str) -> Network:
    """Answer the block of an IPv4 or IPv6 address (itself) or CIDR block; raises :class:`AddressError`."""
    shown = text[:_LONGEST_SHOWN]
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        _tell_host_bits(text)
        raise AddressError(
            f"[{shown}] is not an IPv4 or IPv6 address or CIDR block; DNS names are not supported"
        ) from None
    if isinstance(network, ipaddress.IPv6Network):
        if "%" in text:
            raise AddressError(f"[{shown}] must not name a zone of one machine")
        if network.subnet_of(_MAPPED):
            mapped = int(network.network_address) & 0xFFFF_FFFF
            return ipaddress.IPv4Network((mapped, network.prefixlen - _MAPPED.prefixlen))
    elif "/" in text and not text.rpartition("/")[2].isdigit():
        raise AddressError(f"[{shown}] must say its length as a number, for instance 10.0.0.0/8")
    return network


def _tell_host_bits(text: str) -> None:
    """Raise the better message where a block would be one but for bits below its mask."""
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return
    raise AddressError(f"[{text[:_LONGEST_SHOWN]}] has bits beyond its length; did you mean [{meant}]?")


def parse_address_or_none(text: str | None) -> Address | None:
    """Answer a client's address as sockets and headers spell it, None where it is not one."""
    try:
        address = ipaddress.ip_address(text or "")
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        # The zone says by which interface it came: no rule can name that.
        return address.ipv4_mapped or ipaddress.IPv6Address(int(address))
    return address


@dataclass(frozen=True, slots=True)
class AddressSet:
    """Blocks that are asked at every connection: a look-up for each length there is, however many blocks."""

    networks: tuple[Network, ...] = ()
    _bits: dict[tuple[int, int], frozenset[int]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        bits: dict[tuple[int, int], set[int]] = {}
        for network in self.networks:
            shift = network.max_prefixlen - network.prefixlen
            bits.setdefault((network.version, shift), set()).add(int(network.network_address) >> shift)
        object.__setattr__(self, "_bits", {key: frozenset(values) for key, values in bits.items()})

    @classmethod
    def parse(cls, texts: Iterable[str]) -> AddressSet:
        """Answer the set of these blocks; raises :class:`AddressError` for the first that is none."""
        return cls(tuple(parse_network(text) for text in texts))

    def __contains__(self, address: Address) -> bool:
        number = int(address)
        return any(
            version == address.version and number >> shift in values
            for (version, shift), values in self._bits.items()
        )
