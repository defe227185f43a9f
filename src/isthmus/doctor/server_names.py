"""Does a certificate hold a name? For telling what is wrong; whether to connect OpenSSL decides. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable


def holds_name(names: Iterable[str], expected: str) -> bool:
    """Tell whether one of the certificate's names covers the expected one (RFC 6125: ``*`` is one label)."""
    wanted = _normalised(expected)
    return any(_covers(_normalised(name), wanted) for name in names)


def _covers(name: str, wanted: str) -> bool:
    if name == wanted:
        return True
    label, _, parent = wanted.partition(".")
    return bool(label) and "." in parent and not _is_address(wanted) and name == f"*.{parent}"


def _normalised(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.removesuffix(".").lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
