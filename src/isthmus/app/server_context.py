"""TLS contexts that follow their files: a chain that has changed is presented from the next handshake on."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

_PROTOCOLS: Final = ["http/1.1"]


def following_server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Answer a context for a server that presents what these files hold whenever somebody connects.

    Raises OSError where they cannot be used now. Later, files that cannot be used (a half-written pair) are
    left alone, and what was presented before goes on.
    """
    context = _load(certificate, key)
    followed = _Followed(certificate, key, context)

    def choose(
        connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        current = followed.current()
        if current is not context:
            connection.context = current

    # Called for every hello, also for those without a name.
    context.sni_callback = choose
    return context


class _Followed:
    """A pair of files and the context made of them; a new one, as an old one would keep its other keys."""

    def __init__(self, certificate: Path, key: Path, context: ssl.SSLContext) -> None:
        self._certificate = certificate
        self._key = key
        self._context = context
        self._signature = self._read_signature()

    def current(self) -> ssl.SSLContext:
        """Answer the context for what the files hold now."""
        try:
            signature = self._read_signature()
            if signature != self._signature:
                self._context = _load(self._certificate, self._key)
                self._signature = signature
                logger.info("certificate changed", extra={"file": str(self._certificate)})
        except OSError as error:  # ssl.SSLError is one
            extra = {"file": str(self._certificate), "error": type(error).__name__}
            logger.warning("certificate cannot be used; the one before goes on", extra=extra)
        return self._context

    def _read_signature(self) -> tuple[int, ...]:
        found = (self._certificate.stat(), self._key.stat())
        return tuple(number for each in found for number in (each.st_ino, each.st_mtime_ns, each.st_size))


def _load(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(_PROTOCOLS)
    context.load_cert_chain(certificate, key)
    return context
