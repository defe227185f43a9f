"""Why TLS handshakes failed over certificates, for whoever has to tell of it.

The server that ends the TLS closes such a connection and says nothing. What OpenSSL found is only seen where
its handshake is run: so the contexts of ports that demand certificates run it through here.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

_MISSING: Final = "PEER_DID_NOT_RETURN_A_CERTIFICATE"


@dataclass(frozen=True, slots=True)
class HandshakeFailure:
    """That a certificate was not taken (``missing``: that none was shown), in OpenSSL's words."""

    reason: str
    missing: bool = False


#: where the current connection's failures go: its callbacks run in the context of whoever serves it
_NOTED: Final[ContextVar[list[HandshakeFailure] | None]] = ContextVar("handshake failures", default=None)


class _NotingObject(ssl.SSLObject):
    """What event loops run handshakes with."""

    def do_handshake(self) -> None:
        with _noting():
            super().do_handshake()


class _NotingSocket(ssl.SSLSocket):
    """What :mod:`isthmus.remotes.tls_stream` runs handshakes with."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - as it is called
        with _noting():
            super().do_handshake(block)


@contextmanager
def _noting() -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        failure, noted = _failure_or_none(error), _NOTED.get()
        if failure is not None and noted is not None:
            noted.append(failure)
        raise


@contextmanager
def noted_failures(context: ssl.SSLContext) -> Iterator[list[HandshakeFailure]]:
    """Answer a list that is filled while a connection is served with this context inside the block."""
    context.sslobject_class = _NotingObject
    context.sslsocket_class = _NotingSocket
    noted: list[HandshakeFailure] = []
    token = _NOTED.set(noted)
    try:
        yield noted
    finally:
        _NOTED.reset(token)


def _failure_or_none(error: ssl.SSLError) -> HandshakeFailure | None:
    """Answer what is wrong with the peer's certificate; None for an error about something else."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return HandshakeFailure(error.verify_message or "certificate verify failed")
    if error.reason == _MISSING:
        return HandshakeFailure("no certificate was presented", missing=True)
    return None
