"""The order of IP addresses that are written as text. Pure."""

from __future__ import annotations

import ipaddress
from typing import Final

#: addresses of version 4 stand among those of version 6 as ::ffff:a.b.c.d
_MAPPED: Final = 0xFFFF << 32


def address_rank(value: object) -> tuple[int, int, str]:
    """Answer what to compare an address by; what is none comes after all addresses, as text."""
    text = str(value)
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return 1, 0, text
    return 0, int(address) + (_MAPPED if address.version == 4 else 0), ""  # noqa: PLR2004
