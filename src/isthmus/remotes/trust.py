"""Whom this node believes when it connects to a remote cluster: the system's authorities and a folder.

The folder holds ``*.crt`` files in PEM form: what an operator uploads as the private CA of another
environment's proxy. It is looked at again while the node runs.
"""

from __future__ import annotations

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

_PATTERN: Final = "*.crt"


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """What this node shows to servers below ``domain``, its own environment's, that ask who it is.

    Others never see it: they could not verify it, and some would end the connection for it.
    """

    certificate: Path
    key: Path
    domain: str


@dataclass(frozen=True, slots=True)
class _ShowingTrust:
    """The same authorities, with a certificate to show."""

    context: ssl.SSLContext
    description: str


class TrustedAuthorities:
    """Makes TLS contexts that verify a server's certificate against these authorities and its name."""

    def __init__(
        self, folder: Path | None, *, system_trust: bool = True, own: OwnCertificate | None = None
    ) -> None:
        self._folder = folder
        self._system_trust = system_trust
        self._own = own
        self._seen = self._signature()
        self._context = self._make_context()
        self._showing: tuple[object, _ShowingTrust] | None = None

    @property
    def context(self) -> ssl.SSLContext:
        """The context to connect with; another object after :meth:`reload_if_changed` told of a change."""
        return self._context

    @property
    def description(self) -> str:
        """Answer where the authorities come from, for messages."""
        sources = ["the authorities of the operating system"] if self._system_trust else []
        sources.append(f"{len(self._seen)} certificate file(s) that an operator added")
        return " and ".join(sources)

    def for_server(self, server_name: str) -> TrustedAuthorities | _ShowingTrust:
        """Answer these authorities, with this node's certificate where the server may ask for it."""
        own = self._own
        if own is None or not server_name.lower().endswith(f".{own.domain}"):
            return self
        try:
            # Both the authorities and this node's certificate are renewed while it runs.
            key = (self._seen, own.certificate.stat().st_mtime_ns)
            if self._showing is None or self._showing[0] != key:
                context = self._make_context()
                context.load_cert_chain(own.certificate, own.key)
                self._showing = (key, _ShowingTrust(context, self.description))
        except OSError as error:  # ssl.SSLError is one
            logger.warning("own certificate cannot be read", extra={"error": str(error)})
            return self
        return self._showing[1]

    def reload_if_changed(self) -> bool:
        """Read the folder again if any file in it has changed; tell whether one had."""
        signature = self._signature()
        if signature == self._seen:
            return False
        self._seen = signature
        self._context = self._make_context()
        logger.info("trusted authorities read again", extra={"files": len(signature)})
        return True

    def _signature(self) -> tuple[tuple[str, int, int], ...]:
        """Answer name, time and size of every file: cheap, and different whenever one is replaced."""
        if self._folder is None:
            return ()
        signature = []
        for path in sorted(self._folder.glob(_PATTERN)):
            try:
                status = path.stat()
            except OSError:  # removed between listing and looking
                continue
            signature.append((path.name, status.st_mtime_ns, status.st_size))
        return tuple(signature)

    def _make_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # As a Java trust store does: whatever certificate was put there is an anchor, be it an
        # intermediate or the server's own.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if self._system_trust:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        for name, _, _ in self._seen:
            self._add(context, name)
        return context

    def _add(self, context: ssl.SSLContext, name: str) -> None:
        """Add one file; one that is not a certificate must not take all other links down."""
        if self._folder is None:
            return
        try:
            context.load_verify_locations(cafile=self._folder / name)
        except (ssl.SSLError, OSError, ValueError) as error:
            logger.warning(
                "trusted authority cannot be read: expected a certificate in PEM form",
                extra={"file": name, "error": str(error)},
            )
