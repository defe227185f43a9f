"""The header of the PROXY protocol, version 2, in which a load balancer tells the client's address. Pure.

::

    12 bytes   signature
     1 byte    version (2), command (0: LOCAL, the balancer's own check; 1: PROXY)
     1 byte    family (1: IPv4, 2: IPv6), protocol (1: TCP)
     2 bytes   length of what follows: addresses and ports, then extensions, which are skipped

Version 1 and whatever does not tell an IP address are malformed: a balancer that is listed has to
send this header, and one that cannot tell who the client is cannot be filtered by.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import Enum
from typing import Final

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_FIXED_BYTES: Final = 16
#: real ones have some hundred bytes; extensions may hold the name of a certificate
MAXIMUM_HEADER_BYTES: Final = 4096

_VERSION_AND_LOCAL: Final = 0x20
_VERSION_AND_PROXY: Final = 0x21
_TCP_OVER_IPV4: Final = 0x11
_TCP_OVER_IPV6: Final = 0x21
#: family and protocol -> bytes of an address, bytes of the two addresses and ports
_SIZES: Final = {_TCP_OVER_IPV4: (4, 12), _TCP_OVER_IPV6: (16, 36)}


class HeaderOutcome(Enum):
    """How far the reading of a header has come."""

    INCOMPLETE = "incomplete"
    MALFORMED = "malformed"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """``length`` bytes are the header's. ``client`` None: the connection is the balancer's own."""

    outcome: HeaderOutcome
    length: int = 0
    client: str | None = None


_INCOMPLETE: Final = ProxyHeader(HeaderOutcome.INCOMPLETE)
_MALFORMED: Final = ProxyHeader(HeaderOutcome.MALFORMED)


def read_proxy_header(received: bytes) -> ProxyHeader:
    """Read the header from what has arrived so far; never raises, whatever the bytes are."""
    begin = received[: len(SIGNATURE)]
    if not SIGNATURE.startswith(begin):
        return _MALFORMED
    if len(received) < _FIXED_BYTES:
        return _INCOMPLETE
    version_and_command, family = received[12], received[13]
    length = _FIXED_BYTES + int.from_bytes(received[14:16])
    if length > MAXIMUM_HEADER_BYTES or version_and_command not in (_VERSION_AND_LOCAL, _VERSION_AND_PROXY):
        return _MALFORMED
    if version_and_command == _VERSION_AND_PROXY and (
        family not in _SIZES or length < _FIXED_BYTES + _SIZES[family][1]
    ):
        return _MALFORMED
    if len(received) < length:
        return _INCOMPLETE
    if version_and_command == _VERSION_AND_LOCAL:
        return ProxyHeader(HeaderOutcome.COMPLETE, length)
    packed = received[_FIXED_BYTES : _FIXED_BYTES + _SIZES[family][0]]
    return ProxyHeader(HeaderOutcome.COMPLETE, length, str(ipaddress.ip_address(packed)))
