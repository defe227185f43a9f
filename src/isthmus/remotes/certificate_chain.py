"""The chain that the TLS library has verified, out of a connection."""

from __future__ import annotations

import ssl
from typing import Any, Final

#: `_ssl.ENCODING_DER`; the module is not typed
_DER: Final = 2


def verified_chain(tls: ssl.SSLObject | ssl.SSLSocket | None) -> tuple[bytes, ...]:
    """Answer the certificates (DER), the peer's own first; empty where none was shown and verified.

    The method is public from Python 3.13 on; before that it stands on the object underneath. Whatever
    goes wrong ends in an empty chain, which nobody trusts.
    """
    if tls is None:
        return ()
    leaf = tls.getpeercert(binary_form=True)
    if not leaf:
        return ()
    source: Any = tls if hasattr(tls, "get_verified_chain") else getattr(tls, "_sslobj", None)
    if source is None or not hasattr(source, "get_verified_chain"):
        return ()
    chain = tuple(
        each if isinstance(each, bytes) else bytes(each.public_bytes(_DER))
        for each in source.get_verified_chain() or ()
    )
    return chain if chain and chain[0] == leaf else ()
